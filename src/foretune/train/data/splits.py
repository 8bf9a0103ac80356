"""Which rows go where? Seeded cuts and subsets that keep the classes' shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from foretune.core import DataError, derive_seed, unknown_name

if TYPE_CHECKING:
    from datasets import Dataset

CUT_SHARE = 0.1
"""The share of the training rows that a missing split is cut from (a common choice)."""
CUT_ROWS = 2000
"""A cut's most rows: beyond, a metric's standard error is below .011 and rows train better."""


def cut_size(n_rows: int) -> int:
    """How many of ``n_rows`` training rows a missing split takes.

    >>> cut_size(500), cut_size(25_000), cut_size(400_000)
    (50, 2000, 2000)
    """
    return max(1, min(round(CUT_SHARE * n_rows), CUT_ROWS))


def cut(rows: Dataset, n_rows: int, *, seed: int, what: str) -> tuple[Dataset, Dataset]:
    """The rows without a cut, and the cut of about ``n_rows`` rows.

    Classes keep their shares; rows of question answering with one context stay together, so that no
    context is on both sides.

    Args:
        rows: Canonical rows.
        n_rows: Size of the cut.
        seed: The seed of all data.
        what: What the cut is for; different cuts of one seed are independent.
    """
    rng = np.random.default_rng(derive_seed(seed, "cut", what))
    chosen = _whole_contexts(rows, n_rows, rng) if "context" in rows.column_names else None
    if chosen is None:
        chosen = _chosen(rows, n_rows, rng)
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    return rows.select(rest), rows.select(chosen)


def subset(rows: Dataset, n_rows: int | None, *, seed: int, what: str) -> Dataset:
    """At most ``n_rows`` of the rows, seeded, the classes in their shares; None: all rows."""
    if n_rows is None or n_rows >= len(rows):
        return rows
    rng = np.random.default_rng(derive_seed(seed, "subset", what))
    return rows.select(_chosen(rows, n_rows, rng))


def only_classes(rows: Dataset, classes: Sequence[str], keep: Sequence[str]) -> Dataset:
    """The rows of some classes, with ids in the order of ``keep``.

    Raises:
        DataError: A class is unknown, or there is no row of any of them.
    """
    if unknown := [name for name in keep if name not in classes]:
        raise DataError(f"task.keep: {unknown_name('class', unknown[0], classes)}")
    ids = {classes.index(name): position for position, name in enumerate(keep)}
    labels = [ids.get(label, -1) for label in rows.select_columns(["label"])[:]["label"]]
    chosen = [row for row, label in enumerate(labels) if label >= 0]
    if not chosen:
        raise DataError(f"task.keep: expected rows of {', '.join(keep)}, got none")
    kept = rows.remove_columns("label").add_column("label", labels, feature=rows.features["label"])
    return kept.select(chosen)


def stratified(labels: np.ndarray, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of ``n_rows`` rows in which the classes keep their shares, in rising order.

    Args:
        labels: (N,) class ids.
        n_rows: At most N; from the number of classes on, every class gets a row.
        rng: Draws the rows within each class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (n_rows / len(labels))
    least = int(n_rows >= len(classes))
    take = np.maximum(np.floor(exact).astype(int), least)
    while take.sum() > n_rows:  # the rows that rare classes were given come from common ones
        take[np.argmax(np.where(take > least, take - exact, -np.inf))] -= 1
    while take.sum() < n_rows:
        take[np.argmax(np.where(take < counts, exact - take, -np.inf))] += 1
    drawn = [
        rng.choice(np.flatnonzero(labels == label), size, replace=False)
        for label, size in zip(classes, take, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _chosen(rows: Dataset, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    if "label" in rows.column_names:
        labels = np.asarray(rows.select_columns(["label"])[:]["label"])
        if labels.dtype.kind == "i":
            return stratified(labels, n_rows, rng)
    return np.sort(rng.choice(len(rows), n_rows, replace=False))


def _whole_contexts(rows: Dataset, n_rows: int, rng: np.random.Generator) -> np.ndarray | None:
    """Positions of about ``n_rows`` rows that share no context with the rest; None: impossible."""
    contexts = np.asarray(rows.select_columns(["context"])[:]["context"], dtype=object)
    groups = np.unique(contexts, return_inverse=True)[1]
    if groups.max() == 0:
        return None
    order = rng.permutation(groups.max() + 1)
    sizes = np.bincount(groups)[order]
    n_groups = int(np.searchsorted(np.cumsum(sizes), n_rows)) + 1
    n_groups = max(1, min(n_groups, len(order) - 1))
    return np.flatnonzero(np.isin(groups, order[:n_groups]))
