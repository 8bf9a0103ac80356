"""The nouns that every room speaks: task, trial, budget, events, errors, seeds.

May import the standard library and numpy, nothing else.
"""

from foretune.core.budget import Budget, format_duration, parse_duration
from foretune.core.errors import (
    ConfigError,
    DataError,
    ForetuneError,
    HistoryError,
    ModelError,
    TrialFailed,
    unknown_name,
)
from foretune.core.events import (
    Forecast,
    FrontTrial,
    NullObserver,
    Observer,
    Savings,
    SearchPlan,
    SearchSummary,
)
from foretune.core.executor import Executor, OnReport
from foretune.core.safe_text import mask_url, masked, printable
from foretune.core.seeding import derive_seed
from foretune.core.task import TaskInfo, TaskKind
from foretune.core.trial import (
    FORESEEN_S,
    Answer,
    EpochReport,
    Objective,
    OnEpoch,
    ParamValue,
    Resources,
    Status,
    TrialResult,
    TrialSpec,
)

__all__ = [
    "FORESEEN_S",
    "Answer",
    "Budget",
    "ConfigError",
    "DataError",
    "EpochReport",
    "Executor",
    "Forecast",
    "ForetuneError",
    "FrontTrial",
    "HistoryError",
    "ModelError",
    "NullObserver",
    "Objective",
    "Observer",
    "OnEpoch",
    "OnReport",
    "ParamValue",
    "Resources",
    "Savings",
    "SearchPlan",
    "SearchSummary",
    "Status",
    "TaskInfo",
    "TaskKind",
    "TrialFailed",
    "TrialResult",
    "TrialSpec",
    "derive_seed",
    "format_duration",
    "mask_url",
    "masked",
    "parse_duration",
    "printable",
    "unknown_name",
]
