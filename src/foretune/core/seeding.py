"""How one seed becomes many: every random choice of a run derives from (seed, what it is for)."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *keys: str | int) -> int:
    """A seed in [0, 2**31) that depends on ``seed`` and on every key, stable across processes.

    >>> derive_seed(0, "trial", 3) == derive_seed(0, "trial", 3)
    True
    >>> derive_seed(0, "trial", 3) == derive_seed(0, "trial", 4)
    False
    """
    text = "/".join([str(seed), *map(str, keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1
