"""Recording a history: a planned set of real trials, to be learned from and compared on.

May import everything below a job.
"""

from foretune.record.job import record_job

__all__ = ["record_job"]
