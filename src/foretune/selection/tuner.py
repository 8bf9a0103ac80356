"""How are models trained for a selector that asks for it? By the trainer that trains trials."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foretune.core import Status, TrialSpec, derive_seed

if TYPE_CHECKING:
    from datasets import Dataset

    from foretune.config.schema.trainer import TrainerConfig
    from foretune.train import ModelCard, TaskData

_HELD_OUT = 0.25  # share of the support set that a short fine-tune is scored on


class TrialTuner:
    """Trains a model's default configuration, shortly on the support set or fully.

    Args:
        data: The task.
        rows: The support set.
        cards: The models.
        trainer: How.
        epochs: Of a short fine-tune.
        seed: Of the divisions and the trials.
    """

    def __init__(
        self,
        data: TaskData,
        rows: Dataset,
        cards: Mapping[str, ModelCard],
        *,
        trainer: TrainerConfig,
        epochs: int,
        seed: int,
    ) -> None:
        self._data, self._rows, self._cards = data, rows, cards
        self._trainer, self._epochs, self._seed = trainer, epochs, seed

    def short(self, name: str, turn: int) -> float:
        """The score on a quarter of the support set after a short fine-tune on the others.

        The default configuration but for its epochs; a trial that fails scores the worst of all.
        """
        order = np.random.default_rng([self._seed, 19, turn]).permutation(len(self._rows))
        held = max(1, round(_HELD_OUT * len(order)))
        part = dataclasses.replace(
            self._data,
            train=self._rows.select(np.sort(order[held:])),
            validation=self._rows.select(np.sort(order[:held])),
        )
        return self._score(part, name, {"epochs": self._epochs})

    def full(self, name: str) -> float:
        """The validation score of the default configuration on all training rows."""
        return self._score(self._data, name, {})

    def test(self, name: str) -> tuple[float, float, float]:
        """Validation score, test score and seconds of the default configuration, fully trained."""
        from foretune.train import TrainObjective
        from foretune.train.predictor import test_metrics

        objective = TrainObjective(self._data, {name: self._cards[name]}, self._trainer)
        with tempfile.TemporaryDirectory() as folder:
            spec = TrialSpec(0, {"model": name}, self._trial_seed(name), Path(folder) / "model")
            result = objective(spec, lambda report: False)
            if result.model_dir is None or result.score is None:
                return self._worst(), self._worst(), result.resources.seconds
            measured = test_metrics(result.model_dir, self._data, self._trainer)
        test = self._data.info.score(measured)
        return result.score, test, result.resources.seconds

    def _score(self, data: TaskData, name: str, changed: Mapping[str, int]) -> float:
        from foretune.train import TrainObjective

        objective = TrainObjective(data, {name: self._cards[name]}, self._trainer)
        kind = data.info.kind.value
        params = {"model": name, **self._cards[name].default_for(kind), **changed}
        result = objective(TrialSpec(0, params, self._trial_seed(name)), lambda report: False)
        if result.status is Status.FAILED or result.score is None:
            return self._worst()
        return result.score

    def _trial_seed(self, name: str) -> int:
        return derive_seed(self._seed, "selection", name)

    def _worst(self) -> float:
        low, high = self._data.info.metric_range
        if self._data.info.higher_is_better:
            return low
        return -high if high is not None else -1e9
