"""How well do leave-one-out predictions of a number follow it?"""

from __future__ import annotations

import numpy as np

_FLAT = 1e-9


def loo_correlation(predicted: np.ndarray, y: np.ndarray) -> float:
    """Pearson correlation of y (n,) with what each prediction (n,) adds to the mean of the others.

    The mean of the others alone, which is all that a model without information can say, has a
    plain correlation of -1 with y: it is low where y is high. Taken away, such a model has 0.

    >>> y = np.array([1.0, 2.0, 3.0])
    >>> loo_correlation((y.sum() - y) / 2, y), round(loo_correlation(y, y), 3)
    (0.0, 1.0)
    """
    gain = predicted - (y.sum() - y) / (len(y) - 1)
    deviation = y - y.mean()
    gain = gain - gain.mean()
    if np.abs(gain).max() <= _FLAT * np.abs(deviation).max():
        return 0.0
    return float(gain @ deviation / np.sqrt((gain @ gain) * (deviation @ deviation)))
