"""Keeps, reads and exchanges past searches.

May import core, space, config.schema, numpy, optuna and SQLAlchemy (pyarrow lazily); nothing
above it.
"""

from foretune.history.attrs import installed_versions, study_attributes, trial_attributes
from foretune.history.read import read_history
from foretune.history.records import Curves, HistoryRecords, ParamColumn, StudyRecord
from foretune.history.source import mask_url
from foretune.history.store import open_storage

__all__ = [
    "Curves",
    "HistoryRecords",
    "ParamColumn",
    "StudyRecord",
    "installed_versions",
    "mask_url",
    "open_storage",
    "read_history",
    "study_attributes",
    "trial_attributes",
]
