"""Which probes score an embedded support set without training?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foretune.select.evidence import logme
from foretune.select.h_score import h_score
from foretune.select.neighbours import knn_loo, ncm
from foretune.select.ridge import ridge_loo
from foretune.select.support import Support

# Each is deterministic; higher is better; NaN where a probe has no meaning for the task.
PROBES: Mapping[str, Callable[[Support], float]] = {
    "logme": logme,
    "h_score": h_score,
    "ncm": ncm,
    "ridge_loo": ridge_loo,
    "knn_loo": knn_loo,
}
