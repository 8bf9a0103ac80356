"""Keeps, reads and exchanges past searches.

May import core, space, config.schema, numpy, optuna and SQLAlchemy (pyarrow lazily); nothing
above it.
"""

from foretune.history.read import read_history
from foretune.history.records import Curves, HistoryRecords, ParamColumn, StudyRecord

__all__ = ["Curves", "HistoryRecords", "ParamColumn", "StudyRecord", "read_history"]
