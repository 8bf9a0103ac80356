"""With which parameters does the study's own process explain its trials?

What is fitted depends on the trials alone, never on which process fitted what before: a search that
was cut short and taken up again suggests what the uninterrupted one would have.
"""

from __future__ import annotations

import hashlib

import numpy as np
from torch import Tensor

from foretune.meta.experts import Standard
from foretune.meta.target import fit_target

_REFIT_EVERY = 25  # above this many trials the process is refitted every second, third, ...
_ANEW_EVERY = 4  # refits one starts from the prior's mean
_MIN_FITTED = 4
_MAX_FITTED = 400
_KEPT = 4


class TargetFits:
    """Fits, and keeps the latest ones."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Tensor] = {}

    def of(self, own: np.ndarray, y: np.ndarray, doubt: np.ndarray, groups: np.ndarray) -> Tensor:
        """Parameters for n trials in their order, fitted to the first of them.

        Fits start from that of fewer trials, which itself starts from the prior's mean: an early
        optimum may have become a poor one.

        Args:
            own: Encoded configurations, (n, d).
            y: Scores, (n,).
            doubt: Standard deviations of these, 0 where measured, (n,).
            groups: Parameter of each column, (d,).
        """
        every = max(1, len(y) // _REFIT_EVERY)
        n = min(len(y) - len(y) % every, _MAX_FITTED)
        before = n - n % (_ANEW_EVERY * every)
        start = None
        if _MIN_FITTED <= before < n:
            start = self._fit(own[:before], y[:before], doubt[:before], groups, None)
        return self._fit(own[:n], y[:n], doubt[:n], groups, start)

    def _fit(
        self, own: np.ndarray, y: np.ndarray, doubt: np.ndarray, groups: np.ndarray,
        start: Tensor | None,
    ) -> Tensor:  # fmt: skip
        digest = hashlib.blake2b(digest_size=16)
        begun = np.zeros(0) if start is None else start.numpy()
        for array in (own, y, doubt, groups, begun):
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        key = digest.digest()
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            standard = Standard.of(y, doubt)
            fitted = fit_target(own, standard.z, groups, extra=standard.extra, start=start)
            self._kept[key] = fitted.log_params
        return self._kept[key]
