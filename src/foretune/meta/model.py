"""The meta-model: everything that the history teaches, ready for a new task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from foretune.history import HistoryRecords
from foretune.meta import cache
from foretune.meta.codec import Codec, choice_key
from foretune.meta.conditions import Rule, infer_rules
from foretune.meta.context import Context
from foretune.meta.cost import CostModel
from foretune.meta.experts import Inputs
from foretune.meta.kept import Kept
from foretune.meta.network import DeepKernel
from foretune.meta.placing import SpreadPrior
from foretune.meta.portfolio import Regressors, candidates, greedy
from foretune.meta.price import FREE, Price
from foretune.meta.rows import row_keys
from foretune.meta.settings import MetaSettings
from foretune.meta.tasks import Tasks, build_tasks
from foretune.meta.training import Batches, train, untrained
from foretune.meta.transfer import Transfer, measure
from foretune.meta.work import Work, work_rows

Descriptors = Mapping[str, float]

_MEMBERS = 5  # of an ensemble (Lakshminarayanan et al. 2017)
_PORTFOLIO = 20
_RULE_ROWS = 5_000
_BEST_PER_TASK = 8
_MAX_BEST = 400
_EXTRA_LENGTH = 0.5  # of what the history lacks: half of a range, by taste
_REGRESSED = 128  # past tasks with a regressor of their own; the rest teach the network alone


@dataclass(frozen=True)
class MetaModel:
    """What was learnt.

    Attributes:
        tasks: The past tasks, their codec and the notes on what was left out.
        context: Descriptor columns.
        network: The meta-trained ensemble.
        settings: How it was trained.
        from_cache: Whether it was loaded rather than trained.
    """

    tasks: Tasks
    context: Context
    network: DeepKernel
    settings: MetaSettings
    from_cache: bool = field(default=False, compare=False)

    @classmethod
    def fit(
        cls, records: HistoryRecords, settings: MetaSettings, cache_dir: Path | None
    ) -> MetaModel | None:
        """Learn from a history, or load what was learnt from it before.

        Args:
            records: The history.
            settings: The meta-model's numbers.
            cache_dir: Where trained models are kept; None: nowhere.

        Returns:
            None if no study of the history can be learnt from.
        """
        begun = cls._begun(records, settings)
        if begun is None:
            return None
        prior, batches = begun
        kept = Kept.of(
            "meta", records, settings=(*settings.of_training, _MEMBERS), makers=cache.META_MAKERS,
            arrays=batches.arrays, cache_dir=cache_dir,
        )  # fmt: skip
        if kept.load(prior.network):
            return replace(prior, from_cache=True)
        network = train(batches, settings, members=_MEMBERS)
        kept.save(network)
        return replace(prior, network=network)

    @classmethod
    def prior(cls, records: HistoryRecords, settings: MetaSettings) -> MetaModel | None:
        """What a history says before it is learnt from: its tasks' trials, and what lies near them.

        The networks are as they are drawn, and know nothing of a new task.
        """
        begun = cls._begun(records, settings)
        return None if begun is None else begun[0]

    @classmethod
    def _begun(
        cls, records: HistoryRecords, settings: MetaSettings
    ) -> tuple[MetaModel, Batches] | None:
        """The model before training, and what it is trained on."""
        tasks = build_tasks(records, use_descriptors=settings.ablation.descriptors)
        if not tasks.tasks:
            return None
        context = Context.fit([t.descriptors for t in tasks.tasks], [t.models for t in tasks.tasks])
        batches = Batches.of(tasks, context)
        network = untrained(batches, _MEMBERS).double().eval().requires_grad_(False)
        return cls(tasks, context, network, settings), batches

    @cached_property
    def transfer(self) -> Transfer:
        """Whether the past tasks say anything of each other."""
        return measure(self.network, Batches.of(self.tasks, self.context))

    @property
    def codec(self) -> Codec:
        """The scale that all studies share."""
        return self.tasks.codec

    @cached_property
    def signatures(self) -> tuple[frozenset[str], ...]:
        """The parameters that each past task has."""
        names = np.array([p.name for p in self.codec.params])
        return tuple(frozenset(names[~np.isnan(t.raw).all(0)].tolist()) for t in self.tasks.tasks)

    def spread_prior(self, metric: str) -> SpreadPrior:
        """How widely the scores of past tasks of a metric spread; of all where none has it."""
        tasks = self.tasks.tasks
        alike = [t for t in tasks if metric and t.metric == metric] or tasks
        return SpreadPrior.fit(np.array([t.scale.spread for t in alike]))

    @cached_property
    def regressors(self) -> Regressors:
        """Past tasks as functions of the configuration."""
        return Regressors.fit(self.network, self.context, self.tasks.thinned(_REGRESSED))

    def portfolio(
        self,
        size: int = _PORTFOLIO,
        *,
        related: tuple[int, ...] = (),
        task: Descriptors | None = None,
        threshold: float = 0.0,
        price: Price = FREE,
        pool: np.ndarray | None = None,
        every: bool = False,
    ) -> np.ndarray:
        """Configurations to try first, best first.

        Args:
            size: How many.
            related: Past tasks of the new task's space; none: all.
            task: The new task's descriptors: past tasks like it count more.
            threshold: Mean regret that a faster configuration may have above the best one's.
            price: Of the predicted seconds.
            pool: Raw rows to choose from, (c, p); None: those of the past tasks.
            every: Also of what few past tasks have tried, where there is what most have.

        Returns:
            Raw rows, (k, p).
        """
        given = (every, b"" if pool is None else pool.tobytes())
        key = (size, related, threshold, price, *sorted((task or {}).items()), given)
        if key not in self._portfolios:
            some = self.of_tasks(related) if related else self
            if pool is None:
                pool = candidates(some.tasks, np.random.default_rng(0))
            shares = some._shares(task or {})
            pool = pool if every else some.regressors.seen(pool, shares)
            seconds = None
            if max(threshold, price.kappa) > 0 and some.cost is not None:
                inputs = some.inputs(pool, some.codec, task=task or {}, models={})
                seconds = some.cost.offset + some.cost.relative(some._cost_rows(inputs))
            picks = greedy(
                some.regressors.predict(pool), size, weights=shares, log_seconds=seconds,
                threshold=threshold, price=price,
            )  # fmt: skip
            self._portfolios[key] = pool[picks]
        return self._portfolios[key]

    def of_tasks(self, chosen: tuple[int, ...]) -> MetaModel:
        """The same networks with some of the past tasks."""
        whole = len(chosen) == len(self.tasks.tasks)
        return self if whole else replace(self, tasks=self.tasks.only(chosen))

    def _shares(self, task: Descriptors) -> np.ndarray:
        """How much each past task with a regressor counts for a new one, (t,), sum 1."""
        past = self.regressors.tasks.tasks
        own = np.array([t.weight for t in past])
        alike = self.context.similarity(task, [t.descriptors for t in past])
        shares: np.ndarray = own if alike is None else own * alike
        return shares / shares.sum()

    @cached_property
    def _portfolios(self) -> dict[tuple[object, ...], np.ndarray]:
        return {}

    def inputs(
        self, raw: np.ndarray, own: Codec, *, task: Descriptors, models: Mapping[str, Descriptors]
    ) -> Inputs:
        """Configurations (n, p) in a study's codec as every expert sees them.

        Args:
            raw: Raw rows of ``own``.
            own: The study's parameters.
            task: The new task's descriptors.
            models: Descriptors of its models, also of those that the history lacks.
        """
        known = self.codec.translate(raw, own)
        return Inputs(
            history=self.codec.encode(known),
            context=self.context.rows(raw, own, task=task, models=models),
            extra=self._extra(raw, own) / _EXTRA_LENGTH,
            own=own.encode(raw),
        )

    def _extra(self, raw: np.ndarray, own: Codec) -> np.ndarray:
        """(n, e) encoded parameters and choices that the history lacks."""
        columns = []
        for j, param in enumerate(own.params):
            k = self.codec.position.get(param.name)
            if k is None or self.codec.params[k].kind != param.kind:
                columns.append(Codec((param,), own.optional).encode(raw[:, j : j + 1]))
            elif param.choices:
                known = self.codec.params[k].index
                new = [i for i, c in enumerate(param.choices) if choice_key(c) not in known]
                if new:
                    columns.append((raw[:, [j]] == np.array(new)) * np.sqrt(0.5))
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(raw), 0))

    def nearest(self, raw: np.ndarray, y: np.ndarray, k: int) -> tuple[list[str], np.ndarray]:
        """The past tasks that rank configurations (n, p) most as ``y`` (n,) does.

        Returns:
            Their names and weights: Kendall's tau where positive, as a share of all tasks'.
        """
        predicted = self._recalled(raw)
        pairs = np.triu_indices(len(y), 1)
        order = np.sign(y[pairs[0]] - y[pairs[1]])
        tau = (np.sign(predicted[:, pairs[0]] - predicted[:, pairs[1]]) * order).mean(1)
        weight = np.maximum(tau, 0.0) ** 2
        weight /= max(float(weight.sum()), 1e-12)
        top = [int(i) for i in np.argsort(-weight, kind="stable")[:k] if weight[i] > 0]
        return [self.regressors.tasks.tasks[i].name for i in top], weight[top]

    def _recalled(self, raw: np.ndarray) -> np.ndarray:
        """Past tasks' predictions (t, n); a study asks for the same rows and a few more again."""
        keys = row_keys(raw)
        new = [i for i, key in enumerate(keys) if key not in self._predictions]
        if new:
            predicted = self.regressors.predict(raw[new])
            self._predictions.update((keys[i], predicted[:, j]) for j, i in enumerate(new))
        return np.stack([self._predictions[key] for key in keys], axis=1)

    @cached_property
    def _predictions(self) -> dict[bytes, np.ndarray]:
        return {}

    @cached_property
    def ran(self) -> np.ndarray:
        """Configurations that ran, of tasks that also saw failures, (n, p)."""
        return self._gathered([t.raw for t in self.tasks.tasks if len(t.failed)])

    @cached_property
    def failed(self) -> np.ndarray:
        """Configurations that failed, (n, p)."""
        return self._gathered([t.failed for t in self.tasks.tasks])

    def _gathered(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros((0, len(self.codec.params))), *parts])

    @cached_property
    def best(self) -> np.ndarray:
        """The best configurations of past tasks, (m, p)."""
        share = max(1, min(_BEST_PER_TASK, _MAX_BEST // len(self.tasks.tasks)))
        rows = [t.raw[np.argsort(-t.u, kind="stable")[:share]] for t in self.tasks.tasks]
        return np.unique(np.concatenate(rows), axis=0)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Which parameters exist under which values of others."""
        raw = np.concatenate([t.raw for t in self.tasks.tasks])
        return infer_rules(raw[:: len(raw) // _RULE_ROWS + 1], self.codec)

    @cached_property
    def cost(self) -> CostModel | None:
        """Seconds, if the history knows them."""
        tasks = self.tasks.tasks
        seen = [self.inputs(t.raw, self.codec, task=t.descriptors, models=t.models) for t in tasks]
        rows, logs = [self._cost_rows(i) for i in seen], [t.log_seconds for t in tasks]
        return CostModel.fit(rows, logs, Work.of(self.codec))

    def relative_seconds(self, inputs: Inputs) -> np.ndarray | None:
        """Log seconds of configurations but for their task's level, (n,); None: not known."""
        return None if self.cost is None else self.cost.relative(self._cost_rows(inputs))

    def _cost_rows(self, inputs: Inputs) -> np.ndarray:
        """(n, d) what seconds are predicted from: the configuration, and its model's numbers."""
        n_task = len(self.context.task.names)  # a task's own are in its level
        return np.hstack([work_rows(self.codec, inputs.history), inputs.context[:, n_task:]])
