"""Few-shot model selection: scores of an embedded support set, their ranking, the choice.

May import numpy and core; embeddings come from outside.
"""

from foretune.select.choice import Candidate, Choice, choose
from foretune.select.evidence import logme
from foretune.select.h_score import h_score
from foretune.select.leep import leep
from foretune.select.neighbours import knn_loo, ncm
from foretune.select.probes import PROBES
from foretune.select.ranking import rank_average
from foretune.select.ridge import ridge_loo
from foretune.select.support import Support, without_duplicates

__all__ = [
    "PROBES",
    "Candidate",
    "Choice",
    "Support",
    "choose",
    "h_score",
    "knn_loo",
    "leep",
    "logme",
    "ncm",
    "rank_average",
    "ridge_loo",
    "without_duplicates",
]
