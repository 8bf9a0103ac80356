"""The trainer as a search sees it: a trial's parameters in, its result out."""

from __future__ import annotations

import dataclasses
import functools
import gc
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from foretune.config.schema.model import ModelCard
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import (
    FORESEEN_S,
    Answer,
    ConfigError,
    EpochReport,
    OnEpoch,
    Status,
    TrialFailed,
    TrialResult,
    TrialSpec,
    derive_seed,
    unknown_name,
)
from foretune.train.data import TaskData
from foretune.train.device import build_accelerator, out_of_memory, set_threads
from foretune.train.export import save_model
from foretune.train.head_start import MakeHead, start_head
from foretune.train.loop import Epoch, Training, evaluate, learnt
from foretune.train.metrics import compute
from foretune.train.models.network import Network
from foretune.train.params import TrialParams
from foretune.train.progress import Progress
from foretune.train.resources import ResourceMeter
from foretune.train.snapshot import Checkpoint
from foretune.train.workshop import Workshop

log = logging.getLogger(__name__)


class TrainObjective:
    """Trains one trial at a time on one task; keeps what trials share in memory.

    Args:
        data: The task and its rows.
        cards: The models that trials may name, by name.
        config: How trials are trained.
        make_head: Finds the weights that a new head starts from; None: they are drawn.

    Raises:
        ConfigError: The device asked for is not there, or the config has problems.
    """

    def __init__(
        self,
        data: TaskData,
        cards: Mapping[str, ModelCard],
        config: TrainerConfig,
        make_head: MakeHead | None = None,
    ) -> None:
        problems = config.problems()
        if problems:
            raise ConfigError(problems)
        self.data, self.cards, self.config = data, dict(cards), config
        self._accelerator = build_accelerator(config)
        self._workshop = Workshop(data, config, self._accelerator.device)
        self._make_head = make_head

    def __call__(self, spec: TrialSpec, on_epoch: OnEpoch) -> TrialResult:
        """Train ``spec``; a diverged loss and running out of memory are results, not errors.

        Raises:
            ConfigError: The parameters name no known model, or are out of range.
            ModelError: The model's checkpoint cannot be had.
        """
        params, once_s = self._params(spec), self._workshop.once_s
        set_threads(self.config.threads)
        progress, no_memory = Progress(), False
        test: Mapping[str, float] = {}
        device = self._accelerator.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), ResourceMeter(device) as meter:
            try:
                network = self._train(spec, params, on_epoch, progress, meter)
                test = self._tested(network, params, progress)
                status, reason = _status(progress, params)
            except TrialFailed as error:
                network, status, reason = None, Status.FAILED, str(error)
            except (MemoryError, RuntimeError) as error:
                if not (what := out_of_memory(error)):
                    raise
                network, status, reason = None, Status.FAILED, f"out of memory: {what}"
                no_memory = True
            finally:
                self._accelerator.free_memory()
            resources = meter.resources(examples=progress.examples, training_s=progress.training_s)
        seconds, once_s = progress.before_s + resources.seconds, self._workshop.once_s - once_s
        resources = dataclasses.replace(resources, seconds=seconds, once_s=once_s)
        model_dir = None
        kept = progress.best is not None and progress.best.score > spec.save_above
        if network is not None and progress.best_state is not None and kept and spec.save_to:
            network.load_state_dict(progress.best_state, strict=False)
            model_dir = spec.save_to
            self._save(model_dir, network, params, progress)
        best = progress.best
        failed = status is Status.FAILED
        return TrialResult(
            spec=spec,
            status=status,
            score=None if best is None or failed else best.score,
            metrics=_metrics(progress, failed=failed),
            epochs=tuple(progress.epochs),
            resources=resources,
            reason=reason,
            model_dir=model_dir,
            out_of_memory=no_memory,
            micro_batches=spec.micro_batches,
            test=test,
            test_score=self.data.info.score(test) if test else None,
        )

    def _tested(
        self, network: Network, params: TrialParams, progress: Progress
    ) -> Mapping[str, float]:
        """The best epoch's metrics on the test rows, if they are asked for."""
        if not self.config.test_trials or progress.best_state is None:
            return {}
        network.load_state_dict(progress.best_state, strict=False)
        bench = self._workshop.bench(self.cards[params.model])
        references = bench.references("test")
        found = evaluate(
            network,
            bench.feed(network, "test"),
            batch_size=self.config.eval_batch_size,
            measure=lambda predictions: compute(self.data.info, predictions, references),
        )
        return {name: found[f"eval_{name}"] for name in self.data.info.metrics}

    def _params(self, spec: TrialSpec) -> TrialParams:
        name = spec.params.get("model")
        if name is None and len(self.cards) == 1:
            name = next(iter(self.cards))
        if name not in self.cards:
            raise ConfigError(unknown_name("model", str(name), self.cards))
        card = self.cards[str(name)]
        defaults = {"model": name, "pooling": card.pooling.value}
        return TrialParams.parse(
            spec.params, {**defaults, **card.default_for(self.data.info.kind.value)}
        )

    def _train(
        self,
        spec: TrialSpec,
        params: TrialParams,
        on_epoch: OnEpoch,
        progress: Progress,
        meter: ResourceMeter,
    ) -> Network:
        """Train to the end or to a stop, keeping the record in ``progress``."""
        card = self.cards[params.model]
        bench = self._workshop.bench(card)
        _freeze_imports()
        torch.manual_seed(derive_seed(spec.seed, "weights"))
        network = bench.build(params).to(self._accelerator.device)
        training, validation = bench.feed(network, "train"), bench.feed(network, "validation")
        if self._make_head is not None:
            size = self.config.eval_batch_size
            start_head(network, training, self._make_head, batch_size=size, seed=spec.seed)
        torch.manual_seed(derive_seed(spec.seed, "training"))
        references = bench.references("validation")
        steps = Training(
            network,
            training,
            validation,
            params=params,
            config=self.config,
            accelerator=self._accelerator,
            measure=lambda predictions: compute(self.data.info, predictions, references),
            seed=spec.seed,
            micro_batches=spec.micro_batches,
        )
        if spec.rehearses:
            progress.foreseen_s = steps.rehearse()
            return network
        checkpoint = Checkpoint(spec, is_on=self.config.checkpoint)
        if self._resumes(spec, checkpoint, steps, progress):
            log.info("trial %d goes on after epoch %d", spec.number, len(progress.epochs))
            answers = [Answer(on_epoch(report)) for report in progress.epochs]
            progress.paused = answers[-1] is Answer.PAUSE  # before, the next epoch was free
            if progress.paused or Answer.STOP in answers:
                how = "paused" if progress.paused else "pruned"
                progress.stopped = f"{how} after epoch {len(progress.epochs)} of {params.epochs}"
                return network
        last = meter.seconds
        for epoch in steps.epochs():
            now = meter.seconds
            progress.examples += len(training)
            progress.training_s += epoch.training_s
            report = self._report(epoch, now - last)
            last = now
            self._note(spec, network, report, progress)
            asked = Answer(on_epoch(report))
            if spec.deadline_s is not None and now >= spec.deadline_s:
                progress.stopped = (
                    f"the {spec.deadline_s:.0f} s that were left to it passed in epoch"
                    f" {epoch.number} of {params.epochs}"
                )
            elif asked is Answer.STOP:
                progress.stopped = f"pruned after epoch {epoch.number} of {params.epochs}"
            patience = self.config.patience
            if progress.stopped or (patience is not None and progress.stale >= patience):
                break
            if epoch.number == params.epochs:
                continue
            pauses = asked is Answer.PAUSE and checkpoint.is_on
            if pauses or checkpoint.is_due(_size(steps.tensors())):
                checkpoint.write(progress.snapshot(steps, meter.seconds))
            if pauses and checkpoint.is_on:  # a disk that is full holds nothing to go on from
                progress.stopped = f"paused after epoch {epoch.number} of {params.epochs}"
                progress.paused = True
                break
        return network

    def _resumes(
        self, spec: TrialSpec, checkpoint: Checkpoint, steps: Training, progress: Progress
    ) -> bool:
        """Take the trial up where an earlier process left it, if one did."""
        snapshot = checkpoint.read()
        if snapshot is None or snapshot.part("weights").keys() != learnt(steps.network).keys():
            return False
        wanted = max(report.score for report in snapshot.epochs) > spec.save_above
        if wanted and spec.save_to is not None and not snapshot.plain["has_model"]:
            return False  # it was not worth keeping then
        steps.restore(snapshot)
        progress.restore(snapshot)
        return True

    def _report(self, epoch: Epoch, seconds: float) -> EpochReport:
        names = {name: epoch.metrics[f"eval_{name}"] for name in self.data.info.metrics}
        return EpochReport(epoch.number, self.data.info.score(names), epoch.metrics, seconds)

    def _note(
        self, spec: TrialSpec, network: Network, report: EpochReport, progress: Progress
    ) -> None:
        progress.epochs.append(report)
        progress.stale += 1
        if progress.best is None or report.score > progress.best.score:
            progress.best, progress.stale = report, 0
            kept = spec.save_to is not None and report.score > spec.save_above
            if kept or self.config.test_trials:
                progress.best_state = {
                    name: value.detach().cpu().clone() for name, value in learnt(network).items()
                }

    def _save(
        self, folder: Path, network: Network, params: TrialParams, progress: Progress
    ) -> None:
        card = self.cards[params.model]
        bench = self._workshop.bench(card)
        assert progress.best is not None
        save_model(
            folder,
            network=network,
            bench=bench,
            params=params,
            info=self.data.info,
            metrics=progress.best.metrics,
        )


@functools.cache
def _freeze_imports() -> None:
    """Take all that is imported out of the collector's sight: 0.2 s less a trial.

    Once a process, before the first network is built: what is frozen is never collected.
    """
    gc.collect()
    gc.freeze()


def _status(progress: Progress, params: TrialParams) -> tuple[Status, str]:
    if progress.stopped and len(progress.epochs) < params.epochs:
        return Status.PAUSED if progress.paused else Status.PRUNED, progress.stopped
    return Status.COMPLETED, ""


def _metrics(progress: Progress, *, failed: bool) -> Mapping[str, float]:
    """The best epoch's; of a rehearsal, what it foresees."""
    if progress.foreseen_s is not None:
        return {FORESEEN_S: progress.foreseen_s}
    return {} if progress.best is None or failed else progress.best.metrics


def _size(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in tensors.values())
