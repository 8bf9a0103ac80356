"""Records searches: MLflow behind an observer, and a tracker that records nothing.

May import core and config.schema.tracking; the only room that knows MLflow, which is imported
when a tracker is built and not before.
"""

from foretune.tracking.selection import SelectionRecord, log_selection
from foretune.tracking.tracker import NullTracker, Tracker, build_tracker
from foretune.tracking.ui import show_ui, ui_command

__all__ = [
    "NullTracker",
    "SelectionRecord",
    "Tracker",
    "build_tracker",
    "log_selection",
    "show_ui",
    "ui_command",
]
