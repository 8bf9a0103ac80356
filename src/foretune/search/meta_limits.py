"""Is a trial not worth going on with? By its chance, and by the chances that were let go before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from foretune.core import ConfigError
from foretune.search.meta_outlook import Outlook
from foretune.search.pauses import STOP_KEY

_HOPELESS = 0.002  # so small a chance is taken whatever was stopped before
_CAREFUL_UNTIL = 4  # completed trials; with fewer, the two limits are as many quarters of theirs


@dataclass(frozen=True)
class Limits:
    """When a chance to beat the best trial is small enough to let it go.

    Attributes:
        stop_below: So small the chance must be.
        patience: So small the sum of the chances that were let go since a trial was last completed:
            configurations of one search resemble each other, and a predictor that is wrong once is
            wrong many times in a row.

    Raises:
        ConfigError: A limit is out of its range.
    """

    stop_below: float = 0.1
    patience: float = 0.6

    def __post_init__(self) -> None:
        checks = (
            (
                0 < self.stop_below < 1,
                f"expected stop_below between 0 and 1, got {self.stop_below!r}",
            ),
            (self.patience > 0, f"expected patience above 0, got {self.patience!r}"),
        )
        problems = [text for fine, text in checks if not fine]
        if problems:
            raise ConfigError(problems)

    def let_go(
        self, outlook: Outlook, number: int, trials: Sequence[FrozenTrial], done: Sequence[int]
    ) -> bool:
        """Whether trial ``number`` may be stopped, or put aside for a new one.

        Args:
            outlook: What it will come to.
            number: Its own.
            trials: All trials of the study.
            done: Numbers of the completed ones.
        """
        chance, care = outlook.prediction.chance, min(1.0, outlook.n_completed / _CAREFUL_UNTIL)
        if not chance < care * self.stop_below:  # nor where it is no number
            return False
        owed = _chances_since(max(done, default=-1), number, trials)
        return chance < _HOPELESS or owed + chance <= care * self.patience


def _chances_since(after: int, number: int, trials: Sequence[FrozenTrial]) -> float:
    """Sum of the chances that other trials were stopped or put aside with, of those after one."""
    others = (t for t in trials if t.number > after and t.number != number)
    reasons = (t.system_attrs.get(STOP_KEY) for t in others)
    chances = (why.get("chance") for why in reasons if isinstance(why, Mapping))
    return sum(float(chance) for chance in chances if isinstance(chance, int | float))
