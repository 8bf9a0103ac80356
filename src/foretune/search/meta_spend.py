"""What is a second worth to a search? Its budget, and the front of score against seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretune.core.errors import ConfigError
from foretune.meta.price import FREE, Price
from foretune.search.front import undominated
from foretune.search.meta_observe import StudyView

OBJECTIVES = ("score", "seconds")
_STEPS = 8  # of a front, at most: each costs an expected improvement a candidate
_GRAINS = 200  # of a budget of seconds, by taste: less than one of them is all the same
_OPENING_GRAINS = 50  # while nothing was learned: what begins a trial takes as long, by taste
_BEYOND = 1e-3  # what a candidate slower than everything so far has of a front's width, by taste


@dataclass(frozen=True)
class Spending:
    """How seconds count beside scores.

    Attributes:
        cost_aware: Whether an expected improvement is weighed against the seconds that it takes.
        budget_s: Seconds that the study may spend; None: unknown.
        n_trials: Trials that it may hold; None: unknown.
        objectives: ``("score",)``, or also ``"seconds"``: the whole front of the two is searched.

    Raises:
        ConfigError: A limit that is not above 0, unknown objectives, or two ways to count seconds.
    """

    cost_aware: bool = False
    budget_s: float | None = None
    n_trials: int | None = None
    objectives: tuple[str, ...] = ("score",)

    def __post_init__(self) -> None:
        problems = [
            f"expected {name} above 0, got {limit!r}"
            for name, limit in (("budget_s", self.budget_s), ("n_trials", self.n_trials))
            if limit is not None and not limit > 0
        ]
        if self.objectives not in (OBJECTIVES[:1], OBJECTIVES):
            problems.append(
                'expected objectives ("score",) or ("score", "seconds"), '
                f"got {tuple(self.objectives)!r}"
            )
        elif self.cost_aware and self.front:
            problems.append(
                "expected cost_aware or objectives with seconds, got both: a front holds the cheap "
                "configurations as well as the good ones"
            )
        if problems:
            raise ConfigError(problems)

    @property
    def front(self) -> bool:
        """Whether the front of score against seconds is searched."""
        return self.objectives == OBJECTIVES

    def price(self, view: StudyView, *, opening: bool = False) -> Price:
        """What seconds take from an expected improvement.

        Its power is the share of the budget that is left (the smaller one of two): at first the
        cheap are preferred, at the end seconds are there to be spent. It is 1 where no budget is
        known. Without the seconds that are added to every trial's the cheapest are tried for as
        long as they promise anything at all: a tenth of the seconds is no gain where ten times as
        many would not be missed.
        """
        if not self.cost_aware:
            return FREE
        left, grain_s = [1.0], 0.0
        if self.budget_s is not None:
            left.append(1.0 - view.spent_s / self.budget_s)
            grain_s = self.budget_s / (_OPENING_GRAINS if opening else _GRAINS)
        if self.n_trials is not None:
            left.append(1.0 - float((~view.running).sum()) / self.n_trials)
        return Price(max(0.0, min(left)), grain_s)


@dataclass(frozen=True)
class Front:
    """The best score within any time, by completed trials.

    Attributes:
        log_seconds: (k + 1,) where each step begins, ascending; the first without a beginning.
        score: (k + 1,) the best score from there on, ascending; the first is the worst of all.
        end: Log seconds where the front ends: those of the slowest trial.
    """

    log_seconds: np.ndarray
    score: np.ndarray
    end: float

    @classmethod
    def of(cls, score: np.ndarray, log_seconds: np.ndarray) -> Front | None:
        """From trials (n,); None where none has both numbers."""
        known = np.isfinite(score) & np.isfinite(log_seconds)
        if not known.any():
            return None
        score, log_seconds = score[known], log_seconds[known]
        rows = undominated(score, log_seconds)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, _STEPS).round().astype(int))]
        return cls(
            np.append(-np.inf, log_seconds[rows]),
            np.append(score.min(), score[rows]),
            float(log_seconds.max()),
        )

    def log_widths(self, log_seconds: np.ndarray) -> np.ndarray:
        """How much of each step candidates with these log seconds (q,) could raise, (k + 1, q)."""
        begin = np.maximum(self.log_seconds[:, None], log_seconds)
        end = np.append(self.log_seconds[1:], self.end)[:, None]
        widths = np.maximum(end - begin, 0.0)
        late = np.minimum(self.end - log_seconds, 0.0)
        widths[-1] = np.maximum(widths[-1], _BEYOND * np.exp(late))
        with np.errstate(divide="ignore"):
            return np.log(widths)
