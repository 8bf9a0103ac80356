"""What few labelled examples is a model judged by, as it sees them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretune.core import DataError, ModelError


@dataclass(frozen=True, eq=False)
class Support:
    """The support set embedded by one model; made by `of`, which checks it.

    Attributes:
        features: One embedding a row, (n, D) float64, finite.
        targets: Class codes 0 to C - 1, (n,) int64, or numbers, (n,) float64.
        is_class: Whether the targets are classes.
    """

    features: np.ndarray
    targets: np.ndarray
    is_class: bool

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        targets: np.ndarray,
        *,
        is_class: bool,
        n_classes: int | None = None,
    ) -> Support:
        """Check embeddings and targets, and give the classes that occur codes in sorted order.

        Args:
            features: One embedding a row, (n, D), of any real dtype; copied.
            targets: Class labels (numbers or strings) or numbers, (n,).
            is_class: Whether the targets are classes.
            n_classes: How many classes the task has; None: as many as occur.

        Raises:
            DataError: There are no rows, not one target a row, fewer rows than classes, or all
                targets are the same or not finite.
            ModelError: The embeddings are not a table of finite numbers.
        """
        X = _table(features)
        y = np.asarray(targets)
        if y.ndim != 1 or len(y) != len(X):
            raise DataError(
                f"expected one target for each of {len(X)} rows of the support set, got shape "
                f"{y.shape}: pass the targets of the rows that were embedded"
            )
        if len(y) == 0:
            raise DataError(
                "expected a support set of at least two rows, got none: draw more shots"
            )
        if n_classes is not None and len(y) < n_classes:
            raise DataError(
                f"expected at least one row for each of {n_classes} classes, got {len(y)} rows: "
                "draw more shots"
            )
        y = _classes(y) if is_class else _numbers(y)
        return cls(X, y, is_class)

    def part(self, rows: np.ndarray) -> Support | None:
        """The support set of these rows, in their order; None: they are all of one target."""
        try:
            return Support.of(self.features[rows], self.targets[rows], is_class=self.is_class)
        except DataError:
            return None

    @property
    def n_classes(self) -> int:
        """How many classes occur; 0 for a regression."""
        return int(self.targets.max()) + 1 if self.is_class else 0

    def indicators(self) -> np.ndarray:
        """One column of zeros and ones for each class, (n, C); empty for a regression."""
        return (self.targets[:, None] == np.arange(self.n_classes)).astype(np.float64)


def without_duplicates(support: Support) -> tuple[Support, int]:
    """The support set without rows that repeat an earlier one, features and target alike.

    A repeated row is its own nearest neighbour and would flatter every leave-one-out probe. Rows
    with the same features and different targets stay: they say that the model cannot tell them
    apart.

    Returns:
        The first of each row in the given order, and how many rows were dropped.
    """
    rows = np.column_stack([support.features, support.targets])
    kept = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    unique = Support(support.features[kept], support.targets[kept], support.is_class)
    return unique, len(rows) - len(kept)


def _table(features: np.ndarray) -> np.ndarray:
    """A float64 copy of finite features (n, D)."""
    X = np.array(features, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] == 0:
        raise ModelError(
            f"expected embeddings of shape (rows, dimensions), got {X.shape}: pool tokens and "
            "layers to one vector a row"
        )
    wrong = ~np.isfinite(X).all(1)
    if wrong.any():
        raise ModelError(
            f"expected finite embeddings, got NaN or infinity in {wrong.sum()} of {len(X)} rows: "
            "embed in float32 or leave the model out"
        )
    return X


def _classes(y: np.ndarray) -> np.ndarray:
    """Codes (n,) of at least two classes."""
    if y.dtype.kind not in "biufUS":
        raise DataError(f"expected class labels as numbers or strings, got dtype {y.dtype}")
    if y.dtype.kind == "f":
        _finite(y)
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise DataError(
            f"expected at least two classes in the support set, got {len(y)} rows of class "
            f"{labels[0]}: draw shots of every class"
        )
    return codes.astype(np.int64)


def _numbers(y: np.ndarray) -> np.ndarray:
    """Finite targets (n,) that differ."""
    if y.dtype.kind not in "biuf":
        raise DataError(f"expected numbers as targets of a regression, got dtype {y.dtype}")
    y = y.astype(np.float64)
    _finite(y)
    if y.min() == y.max():
        raise DataError(
            f"expected targets that differ in the support set, got {len(y)} times {y[0]:g}: draw "
            "more shots"
        )
    return y


def _finite(y: np.ndarray) -> None:
    wrong = int((~np.isfinite(y)).sum())
    if wrong:
        raise DataError(
            f"expected finite targets, got NaN or infinity in {wrong} of {len(y)} rows: leave "
            "these rows out of the support set"
        )
