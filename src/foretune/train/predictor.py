"""A saved model, used: predictions for new inputs, metrics on rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretune.config.schema.model import Library
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import DataError, TaskInfo, TaskKind
from foretune.train.data import TaskData
from foretune.train.device import choose_device, set_threads
from foretune.train.export import SavedModel, read_model
from foretune.train.feed import Feed
from foretune.train.loop import predict
from foretune.train.metrics import compute
from foretune.train.models.network import Network
from foretune.train.models.text_base import LOCAL, TextBase
from foretune.train.units import TaskUnit, restore_unit
from foretune.train.workshop import Base, build_network

if TYPE_CHECKING:
    from datasets import Dataset


class Predictor:
    """Predicts with a saved model; made by ``load_model``.

    Attributes:
        saved: What the model's folder says of it.
    """

    def __init__(
        self, saved: SavedModel, network: Network, unit: TaskUnit, config: TrainerConfig
    ) -> None:
        self.saved, self._network, self._unit, self._config = saved, network, unit, config

    @property
    def info(self) -> TaskInfo:
        """The task that the model was trained on."""
        return self.saved.info

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """A prediction for each input.

        Args:
            inputs: Texts; or pairs of texts; or lists of words; or mappings with ``question`` and
                ``context``; or PIL images: as the task has them.

        Returns:
            Class names; numbers; lists of tag names; answer texts.

        Raises:
            DataError: An input is not of the task's kind.
        """
        if not inputs:
            return []
        found = self._predictions(_rows(inputs, self.info.kind))
        classes = self.info.classes
        if self.info.kind is TaskKind.TOKEN_CLASSIFICATION:
            return [[classes[tag] for tag in tags] for tags in found]
        return [classes[value] for value in found] if classes else found

    def evaluate(self, rows: Dataset) -> dict[str, float]:
        """The task's metrics on rows with the task's columns (``foretune.train.data``)."""
        return compute(self.info, self._predictions(rows), self._unit.references(rows))

    def _predictions(self, rows: Dataset) -> list[Any]:
        device = next(self._network.parameters()).device
        feed = Feed(self._unit, self._unit.prepare(rows), device)
        return predict(self._network, feed, batch_size=self._config.eval_batch_size)


def load_model(folder: str | Path, config: TrainerConfig | None = None) -> Predictor:
    """The model that a search or ``save_model`` left in a folder.

    Args:
        folder: The folder.
        config: Device, threads and batch size; None: the defaults.

    Raises:
        ModelError: The folder holds no model that can be loaded.
        ConfigError: The device asked for is not there.
    """
    config = config or TrainerConfig()
    saved = read_model(Path(folder))
    state = saved.state()
    base = _base(saved, state)
    network = build_network(
        base, saved.card, saved.info, saved.params, parts=saved.parts, load=False
    )
    network.load_state_dict(state)
    network.to(choose_device(config.device)).eval()
    set_threads(config.threads)
    tokenizer = base.tokenizer if isinstance(base, TextBase) else None
    unit = restore_unit(saved.info.kind, saved.unit, tokenizer=tokenizer)
    return Predictor(saved, network, unit, config)


def test_metrics(folder: Path, data: TaskData, config: TrainerConfig) -> dict[str, float]:
    """The task's metrics of a saved model on the test rows, loaded from disk as a user would.

    Metrics on extra test rows carry their name: ``mismatched_accuracy``.
    """
    predictor = load_model(folder, config)
    metrics = predictor.evaluate(data.test)
    for name, rows in data.extra.items():
        extra = predictor.evaluate(rows)
        metrics |= {f"{name}_{metric}": value for metric, value in extra.items()}
    return metrics


def _base(saved: SavedModel, state: Mapping[str, Any]) -> Base:
    """What a network is built on, from the folder alone."""
    from transformers import AutoConfig, AutoTokenizer

    if saved.card.library is Library.timm:
        return {}
    folder = str(saved.folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    if saved.card.library is Library.bilstm:
        table = state["encoder.table.weight"]
        return TextBase(saved.card, tokenizer, None, {"embeddings": table})
    config = AutoConfig.from_pretrained(folder, **LOCAL)
    return TextBase(saved.card, tokenizer, config, {})


def _rows(inputs: Sequence[Any], kind: TaskKind) -> Dataset:
    """Inputs as rows with the task's columns, without labels."""
    from datasets import Dataset

    first = inputs[0]
    if kind is TaskKind.IMAGE_CLASSIFICATION:
        from datasets import Features, Image

        return Dataset.from_dict({"image": list(inputs)}, features=Features({"image": Image()}))
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        if isinstance(first, str):
            raise DataError("expected lists of words, got a text: split it into words first")
        return Dataset.from_dict({"tokens": [list(words) for words in inputs]})
    if kind is TaskKind.QUESTION_ANSWERING:
        if not isinstance(first, Mapping) or not {"question", "context"} <= set(first):
            raise DataError(f"expected mappings with question and context, got {first!r}")
        return Dataset.from_dict(
            {
                "id": [str(number) for number in range(len(inputs))],
                "question": [row["question"] for row in inputs],
                "context": [row["context"] for row in inputs],
            }
        )
    if isinstance(first, str):
        return Dataset.from_dict({"text": list(inputs)})
    return Dataset.from_dict(
        {"text": [pair[0] for pair in inputs], "text_pair": [pair[1] for pair in inputs]}
    )
