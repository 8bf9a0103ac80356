"""Recording a history: a planned set of real trials, to be learned from and compared on.

May import everything below a job.
"""

from foretune.record.job import record_job
from foretune.record.ready import ReadyTask, ready_task

__all__ = ["ReadyTask", "ready_task", "record_job"]
