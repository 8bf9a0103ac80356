"""What should one trial try, and why? From a view of the study to a planned configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from foretune.meta.experts import Expert, HistoryExpert, Inputs, TargetExpert
from foretune.meta.guard import MEMORY, Verdict, contradicts, judge
from foretune.meta.model import MetaModel
from foretune.meta.rows import row_key
from foretune.meta.settings import MetaSettings
from foretune.search.meta_acquire import Acquisition
from foretune.search.meta_desk import Ask, Desk, Plan
from foretune.search.meta_fits import TargetFits
from foretune.search.meta_space import believe
from foretune.search.meta_spend import Front
from foretune.search.meta_values import fitting, same

_MIN_START, _MAX_START = 4, 6  # quasi-random trials of a cold start: one a parameter within these
_STARTS = 4  # quasi-random configurations of which the fastest is taken (taste)
_ATTEMPTS = 2
_ROWS_AT_ONCE = 256  # whose kernel matrices fit the processor's cache
_TESTED_AFTER = 12  # trials of a history's choice, by taste
_Q90 = 1.2815515594600038  # the 90 % quantile of a standard normal


class Planner:
    """Plans trials of one study; keeps between them only what makes the next plan cheaper.

    Args:
        model: The history.
        settings: The numbers.
        seed: Of the quasi-random start.
        turn: Learns from the history with every score's sign turned; called where the study's
            trials contradict it.
    """

    def __init__(
        self,
        model: MetaModel | None,
        settings: MetaSettings,
        seed: int,
        turn: Callable[[], MetaModel | None] = lambda: None,
    ) -> None:
        self.model = model
        self._settings = settings
        self._seed = seed
        self._turn = turn
        self._fits = TargetFits()

    @cached_property
    def _turned(self) -> MetaModel | None:
        return self._turn()

    def plan(self, ask: Ask) -> Plan:
        """Plan one trial."""
        turned = ask.view.turned(ask.number)
        plan = self._plan(ask, self._turned if turned else self.model)
        if plan is None:  # the study's trials say that the history is the wrong way round
            turned = not turned
            plan = self._plan(ask, self._turned if turned else self.model, just_turned=True)
        assert plan is not None
        return replace(plan, why={**plan.why, "turned": True}) if turned else plan

    def _plan(self, ask: Ask, model: MetaModel | None, *, just_turned: bool = False) -> Plan | None:
        """Plan with one reading of the history; None: try the other, unless this is the other."""
        space = believe(ask.view, model, ask.asked)
        rng = np.random.default_rng(ask.seed)
        desk = Desk(ask, space, model, rng)
        if ask.attempt >= _ATTEMPTS:  # workers that think alike would collide for ever
            return desk.plan(desk.new_or_random(space.uniform(1, rng)), {"expert": "start"})
        default = self._next_default(ask, desk)
        if default is not None:
            row, given = default
            return desk.plan(row, {"expert": "default"}, exact=given)
        if not desk.n_observed or (model and not self._settings.ablation.model):
            first = desk.next_of_portfolio()
            if first is not None:
                return desk.plan(first, {"expert": "portfolio"} | desk.outlook(first))
        if not desk.n_observed or (model is None and desk.n_tried < _n_start(desk)):
            return desk.plan(self._start(desk), {"expert": "start"})
        return self._by_experts(desk, just_turned)

    def _start(self, desk: Desk) -> np.ndarray:
        """The middle of the space, then quasi-random configurations, (1, p).

        Where seconds count and a history predicts them, the fastest of a few of these.
        """
        space, n = desk.space, desk.n_tried
        if n == 0:
            return desk.new_or_random(space.centre())
        if desk.model is None or not desk.ask.price.kappa > 0 or not desk.knows_seconds:
            return desk.new_or_random(space.sobol(n, self._seed))
        few = [space.sobol(_STARTS * n + k, self._seed) for k in range(_STARTS)]
        rows = desk.legal(np.concatenate(few))
        return desk.new_or_random(rows[[int(desk.log_seconds(rows).argmin())]])

    def _next_default(self, ask: Ask, desk: Desk) -> tuple[np.ndarray, Mapping[str, object]] | None:
        """The first default that was not tried: its row (1, p) and its own values."""
        for default in ask.defaults:
            if desk.judged(default):
                continue
            if any(
                k in default and not same(fitting(default[k], ask.asked[k]), v)
                for k, v in ask.fixed.items()
                if k in ask.asked
            ):
                continue
            if desk.shortlist is not None:
                listed = desk.shortlist.like(default)
                if listed is None or desk.shortlist.repeats:
                    continue
                return listed, default
            row = desk.legal(desk.space.complete(desk.space.codec.to_raw([default]), desk.rng))
            if row_key(row[0]) not in desk.seen and not desk.tried(default):
                return row, default
        return None

    def _by_experts(self, desk: Desk, just_turned: bool) -> Plan | None:
        expert, verdict = self._chosen(desk, just_turned)
        why: dict[str, object] = {"expert": expert.name}
        if verdict is not None:
            if verdict.contradicted and not just_turned:
                return None
            since = desk.ask.view.since(verdict.text, desk.ask.number)
            why |= {"weight": round(verdict.weight, 3), "verdict": verdict.text, "since": since}
            if verdict.vote is not None:
                why["vote"] = round(verdict.vote, 3)
            over = verdict.lets_go and not just_turned and _starts_over(desk)
            if over or _untested(desk):
                row = self._start(desk)
                return desk.plan(row, why | {"expert": "start"} | _told(desk, expert, row))
        acquisition = _acquisition(desk, expert)
        if desk.shortlist:
            raw = desk.shortlist.rows
            if desk.shortlist.repeats:
                return desk.plan(raw[[desk.rng.integers(len(raw))]], {"expert": "repeat"})
            value = acquisition(raw)
            order = np.argsort(-value, kind="stable")
            return self._best(desk, expert, why, raw[order], value[order])
        optimiser = desk.optimiser()
        raw = optimiser.candidates(good=desk.best_first(), known=desk.history_best(), rng=desk.rng)
        if not len(raw):  # every configuration of a small space was tried: repeat one
            return desk.plan(desk.legal(desk.space.uniform(1, desk.rng)), {"expert": "repeat"})
        raw, value = optimiser.maximise(acquisition, raw, desk.rng)
        return self._best(desk, expert, why, raw, value)

    def _best(
        self,
        desk: Desk,
        expert: Expert,
        why: dict[str, object],
        raw: np.ndarray,
        value: np.ndarray,
    ) -> Plan:
        """Of configurations (k, p) in the order of their value (k,), the cheapest of the best."""
        weighed = desk.ask.front or desk.ask.price.kappa > 0
        row = desk.cheapest(raw, value, 0.0 if weighed else self._settings.selection_threshold)
        return desk.plan(row, why | _told(desk, expert, row))

    def _chosen(self, desk: Desk, just_turned: bool) -> tuple[Expert, Verdict | None]:
        """Who makes this suggestion: the history, with the guard's weight as its probability.

        A reading of the history that was just turned to is tried once, whatever the vote.
        """
        seen = desk.observations()
        observed, y, doubt, running = seen
        ablation = self._settings.ablation
        if desk.model is None or not ablation.model:
            return self._target(desk, *seen), None
        history = HistoryExpert.fit(
            desk.model.network, observed=observed, y=y, doubt=doubt, running=running,
            prior=desk.model.spread_prior(desk.ask.metric), by_map=ablation.placing,
        )  # fmt: skip
        if not (ablation.guard and Verdict.possible(len(y))):
            return history, Verdict(1.0, len(y))
        target = self._target(desk, *seen)
        rng = np.random.default_rng([desk.ask.seed, 1])
        view = desk.ask.view
        votes = view.votes(desk.ask.number, MEMORY - 1) if view.started.any() else []
        verdict = judge(history.leave_one_out(), target.leave_one_out(), y, rng, before=votes)
        if _refuted(desk):
            verdict = replace(verdict, weight=0.0, vote=0.0)
        if verdict.lets_go and contradicts(history.expected, y):
            verdict = replace(verdict, contradicted=True)
        heard = just_turned or rng.random() < verdict.weight
        return (history if heard else target), verdict

    def _target(
        self, desk: Desk, observed: Inputs, y: np.ndarray, doubt: np.ndarray, running: Inputs
    ) -> TargetExpert:
        groups = desk.space.codec.groups
        return TargetExpert.fit(
            observed=observed, y=y, doubt=doubt, running=running, groups=groups,
            fitted=self._fits.of(*desk.fitted_to(), groups),
            rng=np.random.default_rng([desk.ask.seed, 2]),
        )  # fmt: skip


def _acquisition(desk: Desk, expert: Expert) -> Acquisition:
    """What is maximised: log EI - kappa log seconds + log P(feasible), of rows (q, p).

    Where the front of score against seconds is searched, the expected improvement is that of the
    hypervolume (Emmerich et al. 2006), the seconds taken as predicted: over each step of the
    front the one of the score there, times how much of the step the candidate's seconds leave.
    """
    feasible = desk.feasibility()
    view, price = desk.ask.view, desk.ask.price
    timed = desk.knows_seconds
    front = None
    if desk.ask.front and timed:
        front = Front.of(np.where(view.doubt > 0, np.nan, view.scores), view.log_seconds)

    def part(raw: np.ndarray) -> np.ndarray:
        inputs = desk.inputs(raw)
        if front is None:
            value = expert.log_ei(inputs).numpy()
        else:
            widths = front.log_widths(desk.log_seconds(raw))
            each = [expert.log_ei(inputs, over=float(score)).numpy() for score in front.score]
            value = np.logaddexp.reduce(np.stack(each) + widths, axis=0)
        if price.kappa > 0 and timed:
            value = value - price.log_cost(desk.log_seconds(raw))
        return value if feasible is None else value + feasible.log_probability(inputs.own)

    def acquisition(raw: np.ndarray) -> np.ndarray:
        starts = range(0, len(raw), _ROWS_AT_ONCE)
        return np.concatenate([part(raw[i : i + _ROWS_AT_ONCE]) for i in starts])

    return acquisition


def _told(desk: Desk, expert: Expert, row: np.ndarray) -> dict[str, object]:
    """What is predicted of a configuration (1, p): score, interval, and `Desk.outlook`."""
    predicted = expert.predict(desk.inputs(row), np.array([0.0, -_Q90, _Q90]))[:, 0]
    score, *interval = np.clip(desk.ask.view.sign * predicted, *desk.ask.bounds).tolist()
    return {"score": score, "interval": sorted(interval), **desk.outlook(row)}


def _n_start(desk: Desk) -> int:
    """How many trials of a cold start are not chosen by a model."""
    return min(max(_MIN_START, len(desk.space.codec.params)), _MAX_START)


def _untested(desk: Desk) -> bool:
    """Whether all that is known of the task was picked by its history, for a dozen trials.

    A history that is wrong everywhere may yet rank its own picks well, and be trusted for ever: one
    trial that is spread over the space puts it to the test.
    """
    return desk.n_observed >= _TESTED_AFTER and not desk.ask.view.started.any()


def _refuted(desk: Desk) -> bool:
    """Whether a trial that was spread over the space is better than all that the history picked."""
    view = desk.ask.view
    started, scores = view.started[desk.scored], view.scores[desk.scored]
    if not started.any() or started.all() or view.turned(desk.ask.number):
        return False
    return bool(scores[started].max() > scores[~started].max())


def _starts_over(desk: Desk) -> bool:
    """Whether a search whose history misleads should be spread over the space, as a cold one.

    The first such trial is the test: where it is worse than most of what the history picked, the
    history was of use after all, whatever it predicts now, and no more are spent.
    """
    view = desk.ask.view
    started, scores = view.started[desk.scored], view.scores[desk.scored]
    if view.started.sum() >= _n_start(desk) or view.turned(desk.ask.number):
        return False
    if not started.any() or started.all():
        return True
    return bool(scores[started].max() > np.median(scores[~started]))
