"""Recording a history: a planned set of real trials, to be learned from and compared on.

May import everything below a job.
"""

from foretune.record.job import ReadyTask, ready_task, record_job

__all__ = ["ReadyTask", "ready_task", "record_job"]
