"""When are two configurations the same? Keys of raw rows."""

from __future__ import annotations

import numpy as np


def row_keys(raw: np.ndarray) -> list[bytes]:
    """Canonical hashes of raw configurations (n, p): equal exactly where every active value is."""
    plain = np.where(np.isnan(raw), np.inf, raw) + 0.0
    joined, width = plain.tobytes(), plain.shape[1] * plain.itemsize
    return [joined[i * width : (i + 1) * width] for i in range(len(raw))]


def distinct(raw: np.ndarray) -> np.ndarray:
    """The rows of (n, p), each once, in their order; inactive values (NaN) equal each other."""
    first = {key: k for k, key in reversed(list(enumerate(row_keys(raw))))}
    return raw[sorted(first.values())]


def row_key(row: np.ndarray) -> bytes:
    """The hash of one configuration (p,)."""
    return row_keys(row[None])[0]
