"""Is there anything to be found on a task? A flat table of trials proves nothing.

Of each recorded study: how many configurations beat the constant answer, and whether the best one
beats the default by more than a seed does.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from optuna.study import Study

from foretune.history.attrs import DEFAULT_PARAMS, SECONDS, TASK, TEST_SCORE
from foretune.search.study import counted, failed, score_of, sign_of
from foretune.space import point_key

REPEATS = "default_repeats"  # study attribute: scores of the default under other seeds
MARGIN = 0.02  # above the constant answer by less than this is luck (taste)
LEAST_NOISE = 1e-3  # where every seed gives the same score


@dataclass(frozen=True)
class Headroom:
    """What a recorded study leaves to be found; scores are higher-is-better.

    Attributes:
        task: The task's name.
        n: Trials.
        n_failed: Those of them that failed.
        above: Share of the scored ones above the constant answer by ``MARGIN``.
        constant: The constant answer's score.
        default: The first model's default.
        best: The best trial.
        noise: Standard deviation of the default over seeds.
        test_of_best: The best trial's score on the test rows.
        seconds: Mean seconds a trial.
    """

    task: str
    n: int
    n_failed: int
    above: float
    constant: float
    default: float
    best: float
    noise: float
    test_of_best: float
    seconds: float

    @property
    def in_noise(self) -> float:
        """Best minus default in standard deviations of a seed."""
        return (self.best - self.default) / max(self.noise, LEAST_NOISE)


def headroom(study: Study) -> Headroom | None:
    """The headroom of a study with scored trials and its first default; None: it lacks them."""
    trials = counted(study.get_trials(deepcopy=False))
    scored = [(score, t) for t in trials if (score := score_of(study, t)) is not None]
    attrs = study.user_attrs
    first = point_key(attrs[DEFAULT_PARAMS][0])
    default = next((score for score, t in scored if point_key(t.params) == first), None)
    if default is None:
        return None
    constant = sign_of(study) * float(attrs["baseline"].get("validation", 0.0))
    best, winner = max(scored, key=lambda pair: pair[0])
    repeats = [default, *attrs.get(REPEATS, [])]
    return Headroom(
        task=str(attrs[TASK]),
        n=len(trials),
        n_failed=len(failed(trials)),
        above=statistics.fmean(score > constant + MARGIN for score, _ in scored),
        constant=constant,
        default=default,
        best=best,
        noise=statistics.stdev(repeats) if len(repeats) > 1 else 0.0,
        test_of_best=float(winner.user_attrs.get(TEST_SCORE, "nan")),
        seconds=statistics.fmean(float(t.user_attrs.get(SECONDS, 0.0)) for t in trials),
    )
