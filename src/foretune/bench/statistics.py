"""How sure is a difference? Over families of tasks, never over seeds.

Symbols: f families, m methods.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

LEVEL = 0.95
RESAMPLES = 2000
EQUAL = 1e-9  # regrets closer than this are a tie


def interval(values: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of the mean over families: (f, N) -> (N,), (N,)."""
    from scipy.stats import bootstrap

    if len(values) < 2:
        return values.mean(0), values.mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns in which all families are equal
        found = bootstrap(
            (values,), np.mean, axis=0, n_resamples=RESAMPLES, confidence_level=LEVEL,
            method="percentile", rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
    return np.asarray(found.low), np.asarray(found.high)


@dataclass(frozen=True)
class Comparison:
    """Meta against one other method.

    Attributes:
        method: The other one.
        wins: Families on which meta's regret is less; ties; losses.
        difference: Mean of meta's regret minus the other's; low, high: its interval.
        p: Wilcoxon signed-rank over families, two-sided; p_holm: after Holm's correction.
    """

    method: str
    wins: int
    ties: int
    losses: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


def compare(meta: np.ndarray, others: Mapping[str, np.ndarray]) -> list[Comparison]:
    """Meta's regret (f,) against each other's, with Holm's correction over all of them."""
    from statsmodels.stats.multitest import multipletests

    p = [signed_rank(meta - values) for values in others.values()]
    corrected = multipletests(p, method="holm")[1] if p else []
    found = []
    for (method, values), plain, holm in zip(others.items(), p, corrected, strict=True):
        gap = meta - values
        low, high = interval(gap[:, None])
        found.append(
            Comparison(
                method, wins=int((gap < -EQUAL).sum()), ties=int((np.abs(gap) <= EQUAL).sum()),
                losses=int((gap > EQUAL).sum()), difference=float(gap.mean()),
                low=float(low[0]), high=float(high[0]), p=plain, p_holm=float(holm),
            )
        )  # fmt: skip
    return found


def signed_rank(gap: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of differences (f,); 1 where all are zero."""
    from scipy.stats import wilcoxon

    gap = np.where(np.abs(gap) <= EQUAL, 0.0, gap)
    if not gap.any():
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few families: the exact test says so
        return float(wilcoxon(gap, zero_method="zsplit").pvalue)


def ranks(values: np.ndarray) -> np.ndarray:
    """Mean rank over families of each method, 1 is best: (f, m) -> (m,)."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(np.round(values, 9), axis=1).mean(0))


def nemenyi(values: np.ndarray, names: Sequence[str]) -> DataFrame:
    """Nemenyi's p of every pair of methods, (f, m) -> (m, m) (Demsar 2006)."""
    from scikit_posthocs import posthoc_nemenyi_friedman

    table = posthoc_nemenyi_friedman(np.round(values, 9))
    table.index = table.columns = list(names)
    return table
