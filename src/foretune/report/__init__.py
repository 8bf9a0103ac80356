"""What came of one search, for a person: a page to read, and a card beside the exported model.

May import everything below a job.
"""

from foretune.report.card import model_card, write_card
from foretune.report.facts import Facts, gather
from foretune.report.job import report_job

__all__ = ["Facts", "gather", "model_card", "report_job", "write_card"]
