"""Searches: samplers, pruners, the study that is kept, and the loop of ask, train and tell.

May import meta, history, space, core, config.schema and optuna; torch only through meta.
"""

from foretune.search.forecast import TimeStep
from foretune.search.front import pareto_front
from foretune.search.loop import SearchError, run_search
from foretune.search.method import Method, build_fidelity, build_method, build_pruner
from foretune.search.plan import plan_search
from foretune.search.plots import plot_search
from foretune.search.rehearsal import Stopwatch, rehearsal
from foretune.search.study import Progress, open_study, progress, study_name

__all__ = [
    "Method",
    "Progress",
    "SearchError",
    "Stopwatch",
    "TimeStep",
    "build_fidelity",
    "build_method",
    "build_pruner",
    "open_study",
    "pareto_front",
    "plan_search",
    "plot_search",
    "progress",
    "rehearsal",
    "run_search",
    "study_name",
]
