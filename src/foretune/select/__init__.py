"""Few-shot model selection: scores of an embedded support set, their ranking, the choice.

May import core, numpy and, for what learns, torch; embeddings come from outside.
"""

from foretune.select.bandit import thompson
from foretune.select.choice import Candidate, Choice, choose
from foretune.select.episodes import Episode, Outcome, read_episodes, write_episodes
from foretune.select.evidence import logme
from foretune.select.h_score import h_score
from foretune.select.learned import LearnedSelector, learn
from foretune.select.leep import leep
from foretune.select.maml import HeadStart, adapted_head, maml, meta_train
from foretune.select.neighbours import knn_loo, ncm
from foretune.select.probes import PROBES
from foretune.select.ranking import rank_average
from foretune.select.ridge import ridge_loo
from foretune.select.selectors import IN_SCORE_UNITS, SELECTORS, build_selector
from foretune.select.shown import Judged, Selector, Shown, Tuner
from foretune.select.support import Support, without_duplicates

__all__ = [
    "IN_SCORE_UNITS",
    "PROBES",
    "SELECTORS",
    "Candidate",
    "Choice",
    "Episode",
    "HeadStart",
    "Judged",
    "LearnedSelector",
    "Outcome",
    "Selector",
    "Shown",
    "Support",
    "Tuner",
    "adapted_head",
    "build_selector",
    "choose",
    "h_score",
    "knn_loo",
    "learn",
    "leep",
    "logme",
    "maml",
    "meta_train",
    "ncm",
    "rank_average",
    "read_episodes",
    "ridge_loo",
    "thompson",
    "without_duplicates",
    "write_episodes",
]
