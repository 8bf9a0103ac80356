"""How much of the features' scatter is scatter between the classes?"""

from __future__ import annotations

import math

import numpy as np

from foretune.select.spectrum import centred, left_singular
from foretune.select.support import Support


def h_score(support: Support, *, corrected: bool = True) -> float:
    """H-score with a shrunk covariance, less what it is by chance; NaN for a regression.

    Ibrahim et al. 2022 (Newer is not always better: Rethinking transferability metrics):
    tr(cov_a^-1 (1 - a) cov_between), where cov_a = (1 - a) cov + a m I with the shrinkage a of
    Ledoit and Wolf 2004 towards the mean variance m. With cov = V diag(s2) V' / n only the r
    directions of the rows are needed. 0 where the features are constant.

    Deviation: the mean over all orders of the labels is taken away, (C - 1) / (n - 1) of each
    direction's shrunk variance. With few rows it is most of the score and says how many
    dimensions the features fill, not what they know of the classes: for the synthetic models of
    tests/select/test_study.py, 32 shots, 2 classes, the rank correlation with the true accuracy is
    .18 instead of .66 (32 pools).

    Args:
        support: The embedded support set.
        corrected: False gives the published score, in [0, C - 1]. For comparison only.
    """
    if not support.is_class:
        return math.nan
    X, Y = centred(support.features), support.indicators()
    n, D = X.shape
    U, s2 = left_singular(X)
    if len(s2) == 0:
        return 0.0
    a, m = _shrinkage((X**2).sum(1), s2, D)
    shrunk = (1.0 - a) * s2 / ((1.0 - a) * s2 + a * m * n)
    between = ((U.T @ Y) ** 2 / Y.sum(0)).sum(1)
    chance = (support.n_classes - 1) / (n - 1) if corrected else 0.0
    return float(shrunk @ (between - chance))


def _shrinkage(square: np.ndarray, s2: np.ndarray, D: int) -> tuple[float, float]:
    """Ledoit and Wolf's a in [0, 1] and the mean variance m.

    Args:
        square: Squared length of each centred row, (n,).
        s2: Their squared singular values, (r,).
        D: Dimensions.
    """
    n = len(square)
    m = float(s2.sum()) / (n * D)
    norm = float((s2**2).sum()) / n**2
    distance = norm / D - m**2
    noise = (float((square**2).sum()) / n - norm) / (n * D)
    if distance <= 1e-12 * m**2:
        return 0.0, m
    return min(max(noise, 0.0) / distance, 1.0), m
