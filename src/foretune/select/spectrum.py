"""What do all linear probes need of the features? Centring, contrasts and one thin SVD.

No probe forms a D x D matrix: a support set has fewer rows than an embedding has dimensions.
"""

from __future__ import annotations

import math

import numpy as np

_ZERO = 1e-10


def centred(A: np.ndarray) -> np.ndarray:
    """A (n, k) less its column means; columns of one value become exactly zero.

    >>> centred(np.array([[0.1, 1.0], [0.1, 3.0]]))
    array([[ 0., -1.],
           [ 0.,  1.]])
    """
    shifted = A - A[0]
    return shifted - shifted.mean(0)


def contrasts(A: np.ndarray) -> np.ndarray:
    """A (n, k) in an orthonormal basis of what is orthogonal to the constant, (n - 1, k).

    A Householder reflection turns the constant into the first axis, which is then left out.
    """
    C = centred(A)
    w = np.full(len(C), 1.0 / math.sqrt(len(C)))
    w[0] += 1.0
    return (C - np.outer(w, (2.0 / (w @ w)) * (w @ C)))[1:]


def left_singular(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (n, r) and squared singular values (r,) of A (n, k), of rank r.

    Singular values below 1e-10 of the largest count as zero.
    """
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    kept = s > _ZERO * s[0]
    return U[:, kept], s[kept] ** 2
