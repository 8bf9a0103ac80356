"""What does the meta-model learn from? A history's studies as tasks on one common scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from optuna.trial import TrialState

from foretune.history import HistoryRecords, StudyRecord
from foretune.history.attrs import METRIC, ONCE
from foretune.meta.codec import Codec, ParamCode, merge
from foretune.meta.normalise import Scale, normalise

_log = logging.getLogger(__name__)

MAX_TASKS = 512
MAX_TRIALS = 256
SHIPPED_SHARE = 0.5  # of the user's own studies' weight, all shipped ones together (taste)
_MIN_TRIALS = 3


@dataclass(frozen=True)
class Task:
    """One past study.

    Attributes:
        name: The study's name.
        raw: Its scored configurations, (n, p) in the codec's parameters.
        u: Their normalised scores, higher is better, (n,).
        scale: What was taken off them.
        log_seconds: (n,) natural logarithm of each trial's seconds, NaN unknown or not of all of
            it.
        failed: Configurations that failed, (m, p).
        descriptors: The task's own numbers.
        metric: What the scores are, where the study says so.
        models: Numbers that describe each model on this task, by its name.
        weight: How much it counts beside the others; see `weights`.
        shipped: Whether it came with Foretune.
    """

    name: str
    raw: np.ndarray
    u: np.ndarray
    scale: Scale
    log_seconds: np.ndarray
    failed: np.ndarray
    descriptors: Mapping[str, float]
    metric: str = ""
    models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    weight: float = 1.0
    shipped: bool = False


@dataclass(frozen=True)
class Tasks:
    """Every usable past study, the scale that they share, and what was left out."""

    codec: Codec
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]

    @property
    def n_trials(self) -> int:
        """Scored trials over all tasks."""
        return sum(len(t.u) for t in self.tasks)

    @property
    def learned_from(self) -> dict[str, int]:
        """How many tasks are the user's ``own`` and how many ``shipped``."""
        n_shipped = sum(t.shipped for t in self.tasks)
        return {"own": len(self.tasks) - n_shipped, "shipped": n_shipped}

    def only(self, chosen: Sequence[int]) -> Tasks:
        """The tasks of these indices."""
        return replace(self, tasks=tuple(self.tasks[k] for k in chosen))

    def thinned(self, limit: int) -> Tasks:
        """At most ``limit`` of the tasks, evenly spaced."""
        return replace(self, tasks=self.tasks[:: -(-len(self.tasks) // limit)])


def scores(study: StudyRecord) -> np.ndarray:
    """(n,) the score of each trial, higher is better; NaN where it has none.

    A pruned trial holds its last value, at most the completed trials' median: it was stopped
    because it was worse, whatever epoch its value is of.
    """
    sign = 1.0 if study.maximize else -1.0
    score = sign * np.where(np.isfinite(study.values), study.values, np.nan)
    pruned = study.states == TrialState.PRUNED.value
    if pruned.any():
        last = np.full(len(score), np.nan)
        curves = study.curves
        finite = np.isfinite(curves.value)
        last[curves.trial[finite]] = sign * curves.value[finite]  # sorted by step: the last wins
        score = np.where(pruned & np.isnan(score), last, score)
    complete = study.states == TrialState.COMPLETE.value
    score[~complete & ~pruned] = np.nan
    return cap_pruned(score, pruned)


def cap_pruned(score: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Scores (n,) with those of pruned trials at most the completed trials' median."""
    complete = ~pruned & ~np.isnan(score)
    if not complete.any():
        return score
    return np.where(pruned, np.minimum(score, np.median(score[complete])), score)


def build_tasks(records: HistoryRecords, *, use_descriptors: bool = True) -> Tasks:
    """Studies to tasks. Never raises: a study that says nothing becomes a note."""
    notes = list(records.notes)
    usable: list[tuple[StudyRecord, np.ndarray]] = []
    for study in records.studies:
        score = scores(study)
        n = int(np.isfinite(score).sum())
        if n < _MIN_TRIALS or np.ptp(score[np.isfinite(score)]) <= 0 or not study.columns:
            why = "no two different scores" if n >= _MIN_TRIALS else f"{n} scored trials"
            notes.append(f"Left out study {study.name!r}: {why}.")
            continue
        usable.append((study, score))
    kept = _most_telling(usable)
    if len(kept) < len(usable):
        notes.append(f"Kept {len(kept)} of {len(usable)} studies, those that span the spaces best.")
    codec, disagreements = common_codec([s for s, _ in kept])
    notes += disagreements
    tasks = []
    shares = weights([study for study, _ in kept])
    for k, (study, score) in enumerate(kept):
        task = _task(study, raw_rows(study, codec), score, k, use_descriptors)
        tasks.append(replace(task, weight=float(shares[k]), shipped=study.shipped))
    for note in notes[len(records.notes) :]:
        _log.info(note)
    return Tasks(codec, tuple(tasks), tuple(notes))


def weights(studies: Sequence[StudyRecord]) -> np.ndarray:
    """How much each study counts, (n,): 1, and less for shipped ones beside the user's own.

    The shipped ones come to at most half of the user's own together, however few those are: who
    has a history of their own is advised by it first.
    """
    shipped = np.array([study.shipped for study in studies], bool)
    n_own = int((~shipped).sum())
    found = np.ones(len(studies))
    if n_own and shipped.any():
        found[shipped] = min(1.0, SHIPPED_SHARE * n_own / shipped.sum())
    return found


def _most_telling(
    usable: list[tuple[StudyRecord, np.ndarray]],
) -> list[tuple[StudyRecord, np.ndarray]]:
    """At most MAX_TASKS studies, in turn from each space, those with most scores first.

    Every space (set of parameter names) that the history knows must stay known; within a space
    tasks differ more than trials do, so many tasks are kept and each is thinned (see `_thin`).
    """
    if len(usable) <= MAX_TASKS:
        return usable
    spaces: dict[tuple[str, ...], list[int]] = {}
    for i, (study, _) in enumerate(usable):
        spaces.setdefault(tuple(sorted(c.name for c in study.columns)), []).append(i)
    queues = [
        sorted(v, key=lambda i: (-np.isfinite(usable[i][1]).sum(), i)) for v in spaces.values()
    ]
    chosen: list[int] = []
    while len(chosen) < MAX_TASKS:
        for queue in queues:
            if queue and len(chosen) < MAX_TASKS:
                chosen.append(queue.pop(0))
    return [usable[i] for i in sorted(chosen)]


def common_codec(studies: Sequence[StudyRecord]) -> tuple[Codec, list[str]]:
    """The scale that studies share, and a note for each parameter that they disagree on."""
    parts: dict[str, list[ParamCode]] = {}
    present: dict[str, int] = {}
    optional: set[str] = set()
    for study in studies:
        for column in study.columns:
            parts.setdefault(column.name, []).append(ParamCode.of(column.name, column.distribution))
            present[column.name] = present.get(column.name, 0) + 1
            scored = np.isin(study.states, (TrialState.COMPLETE.value, TrialState.PRUNED.value))
            if np.isnan(column.values[scored]).any():
                optional.add(column.name)
    optional |= {name for name, count in present.items() if count < len(studies)}
    params, notes = [], []
    for codes in parts.values():
        param, said = merge(codes)
        params.append(param)
        notes += said
    return Codec(tuple(params), frozenset(optional)), notes


def raw_rows(study: StudyRecord, codec: Codec) -> np.ndarray:
    """A study's configurations in the parameters of ``codec``, (n, p)."""
    own = Codec(tuple(ParamCode.of(c.name, c.distribution) for c in study.columns))
    raw = np.stack([c.values for c in study.columns], axis=1)
    return codec.translate(raw, own)


def _task(
    study: StudyRecord, raw: np.ndarray, score: np.ndarray, index: int, use_descriptors: bool
) -> Task:
    rows = _thin(score, index)
    u, scale = normalise(score[rows])
    once = study.trial_attrs.get(ONCE)
    seconds = study.seconds[rows] - (0.0 if once is None else np.nan_to_num(once[rows]))
    whole = study.states[rows] == TrialState.COMPLETE.value
    log_seconds = np.log(np.where((seconds > 0) & whole, seconds, np.nan))
    failed = raw[study.states == TrialState.FAIL.value][:MAX_TRIALS]
    descriptors = _numbers(study.user_attrs.get("task_descriptors")) if use_descriptors else {}
    metric = str(study.user_attrs.get(METRIC) or "")
    models = _nested(study.user_attrs.get("model_descriptors")) if use_descriptors else {}
    return Task(study.name, raw[rows], u, scale, log_seconds, failed, descriptors, metric, models)


def _thin(score: np.ndarray, seed: int) -> np.ndarray:
    """Rows of at most MAX_TRIALS scores: the best quarter of these, the rest drawn evenly."""
    rows = np.flatnonzero(np.isfinite(score))
    if len(rows) <= MAX_TRIALS:
        return rows
    order = rows[np.argsort(-score[rows], kind="stable")]
    best, rest = order[: MAX_TRIALS // 4], order[MAX_TRIALS // 4 :]
    drawn = np.random.default_rng(seed).choice(rest, MAX_TRIALS - len(best), replace=False)
    return np.sort(np.concatenate([best, drawn]))


def _numbers(value: object) -> dict[str, float]:
    """The finite numbers of a user attribute that should be a dictionary of numbers."""
    if not isinstance(value, Mapping):
        return {}
    pairs = {str(k): float(v) for k, v in value.items() if isinstance(v, int | float)}
    return {k: v for k, v in pairs.items() if np.isfinite(v)}


def _nested(value: object) -> dict[str, dict[str, float]]:
    if not isinstance(value, Mapping):
        return {}
    return {str(k): numbers for k, v in value.items() if (numbers := _numbers(v))}
