"""Keeps, reads and exchanges past searches: the only room that knows a database from a server.

May import core, config.schema, numpy, optuna and SQLAlchemy (pyarrow and filelock lazily).
"""

from foretune.history.attrs import installed_versions, study_attributes, trial_attributes
from foretune.history.exchange import export_history, import_history, merge_histories
from foretune.history.inspect import list_studies, show_study
from foretune.history.job import HistoryReport, run_history_job
from foretune.history.read import read_history
from foretune.history.records import Curves, HistoryRecords, ParamColumn, StudyRecord
from foretune.history.seed import seed_history
from foretune.history.store import open_storage

__all__ = [
    "Curves",
    "HistoryRecords",
    "HistoryReport",
    "ParamColumn",
    "StudyRecord",
    "export_history",
    "import_history",
    "installed_versions",
    "list_studies",
    "merge_histories",
    "open_storage",
    "read_history",
    "run_history_job",
    "seed_history",
    "show_study",
    "study_attributes",
    "trial_attributes",
]
