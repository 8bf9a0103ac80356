"""How well do a checkpoint's own classes predict the task's?"""

from __future__ import annotations

import numpy as np

from foretune.core import ModelError
from foretune.select.support import Support

_MAX_OFF = 1e-2


def leep(source_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Log expected empirical prediction (Nguyen et al. 2020, LEEP: A New Measure).

    With P(y | z) the joint frequency of class y and source class z over that of z, the mean over
    the rows of log sum over z of P(y | z) p(z | row).

    Args:
        source_probabilities: Of Z source classes for each row, (n, Z).
        labels: The task's class of each row, (n,).

    Returns:
        Mean log-likelihood of the labels, at most 0, higher is better.

    Raises:
        ModelError: The probabilities are not finite, or a row's do not sum to 1.
        DataError: The labels are not one for each row, or of one class.
    """
    support = Support.of(source_probabilities, labels, is_class=True)
    P, Y = support.features, support.indicators()
    total = P.sum(1, keepdims=True)
    if P.min() < 0 or np.abs(total - 1.0).max() > _MAX_OFF:
        raise ModelError(
            "expected source probabilities of at least 0 that sum to 1 in each row, got a least "
            f"of {P.min():g} and sums from {total.min():g} to {total.max():g}: apply the softmax"
        )
    P = P / total
    joint = Y.T @ P
    source = joint.sum(0)
    conditional = joint[:, source > 0] / source[source > 0]
    expected = (P[:, source > 0] * conditional[support.targets]).sum(1)
    return float(np.log(expected).mean())
