"""What does a model see in a handful of labelled examples, before anything is trained?

One vector and one target an observation: an example (classes, numbers, images), a word (tags) or a
token of a context (questions). What is made of them is not decided here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from foretune.config.schema.model import ModelCard
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import ModelError, TaskInfo, TaskKind
from foretune.train.data import TaskData
from foretune.train.device import available_memory_mb, build_accelerator, set_threads
from foretune.train.models.network import ImageNetwork, Network
from foretune.train.params import TrialParams
from foretune.train.units.answers import AnswerSplit
from foretune.train.workshop import Workshop

if TYPE_CHECKING:
    from datasets import Dataset

Batch = dict[str, Tensor]

_OTHERS = 3  # words of no entity, tokens of no answer, that are kept for each of the others


@dataclass(frozen=True)
class Vectors:
    """A model's view of the support set.

    Attributes:
        features: (n, d) float64, one row an observation.
        targets: (n,) class ids, or numbers.
        seconds: What reading the support set took, without loading the model.
        source: (n, classes) probabilities of the classes that the checkpoint was trained with
            before, where it still has a head for them.
    """

    features: npt.NDArray[np.float64]
    targets: npt.NDArray[Any]
    seconds: float
    source: npt.NDArray[np.float64] | None = None


def support_rows(data: TaskData, n: int, seed: int) -> Dataset:
    """``n`` training rows at random; of classes as even a share of each as there is.

    Args:
        data: The task.
        n: Rows wanted; all of them where there are no more.
        seed: Of the draw.
    """
    return data.train.select(support_index(data, n, seed))


def support_index(data: TaskData, n: int, seed: int) -> npt.NDArray[np.int64]:
    """Which training rows `support_rows` draws, in ascending order; more rows hold the fewer."""
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(len(data.train))
    if data.info.kind in (TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION):
        labels = np.asarray(data.train["label"])[order]
        turn = np.empty(len(order), np.int64)  # the how-manieth of its class
        for label in np.unique(labels):
            of_class = labels == label
            turn[of_class] = np.arange(of_class.sum())
        order = order[np.argsort(turn, kind="stable")]
    return np.sort(order[:n])


class Prober:
    """Shows a support set to one model after another.

    Args:
        data: The task.
        rows: The support set, of the task's training rows.
        config: Device, threads and lengths.
        seed: Draws which observations of the commonest kind are kept.
    """

    def __init__(self, data: TaskData, rows: Dataset, config: TrainerConfig, seed: int) -> None:
        self._accelerator = build_accelerator(config)
        self._config, self._seed = config, seed
        # A tokenizer from scratch reads the support set alone, as everything here does.
        self._data = replace(data, train=rows)

    def vectors(self, card: ModelCard) -> Vectors:
        """What ``card``'s checkpoint makes of the support set.

        Raises:
            ModelError: The checkpoint cannot be had, or its weights are larger than the memory.
        """
        every = np.arange(len(self._data.train))
        return self.vectors_of(card, [(every, self._seed)])[0]

    def vectors_of(
        self, card: ModelCard, parts: Sequence[tuple[npt.NDArray[np.int64], int]]
    ) -> list[Vectors]:
        """What the checkpoint makes of several parts of the rows, all of which it reads once.

        Args:
            card: The model.
            parts: Of each part its rows, and the seed of the observations that are kept.

        Raises:
            ModelError: The checkpoint cannot be had, or its weights are larger than the memory.
        """
        set_threads(self._config.threads)
        device = self._accelerator.device
        weights_mb, free_mb = 4.0 * card.parameters_m, available_memory_mb(device)
        if weights_mb > free_mb:
            raise ModelError(
                f"expected {weights_mb:.0f} MB of memory for its weights, {free_mb:.0f} MB are free"
            )
        params = TrialParams.parse(
            {"layers": card.depth}, {"model": card.name, "pooling": card.pooling.value}
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self._seed)  # a model from scratch is drawn
            bench = Workshop(self._data, self._config, device).bench(card)
            network = bench.build(params).to(device).eval()
        split = bench.unit.prepare(self._data.train)
        began = time.perf_counter()
        features, targets, examples = [], [], []
        for start in range(0, len(split.lengths), self._config.eval_batch_size):
            index = np.arange(start, min(start + self._config.eval_batch_size, len(split.lengths)))
            batch = bench.unit.collate(split, index, inputs=True)
            found = observations(network, {k: v.to(device) for k, v in batch.items()}, self._info)
            features.append(found[0])
            targets.append(found[1])
            examples.append(index[found[2]])
        seconds = time.perf_counter() - began
        X, y, example = np.concatenate(features), np.concatenate(targets), np.concatenate(examples)
        row = split.rows[example] if isinstance(split, AnswerSplit) else example
        made = []
        for rows, seed in parts:
            own = np.flatnonzero(np.isin(row, rows))
            kept = own[_thinned(y[own], self._info, np.random.default_rng(seed))]
            share = len(rows) / len(self._data.train)
            made.append(Vectors(X[kept], y[kept], seconds * share))
        return made

    @property
    def _info(self) -> TaskInfo:
        return self._data.info


@torch.no_grad()
def observations(
    network: Network, batch: Batch, info: TaskInfo
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Vectors, targets and places of a batch's observations, by the kind of task.

    A token of a context is described by its product with, and its distance from, the mean of the
    question's tokens: an answer is what the question matches.
    """
    if isinstance(network, ImageNetwork):
        targets = batch["targets"].cpu().numpy()
        return _numpy(network.run_frozen(batch)), targets, np.arange(len(targets))
    hidden = network.encoder(batch["ids"], batch["mask"], batch.get("types"))
    if info.kind is TaskKind.QUESTION_ANSWERING:
        return *_answer_tokens(hidden, batch), _places(batch["context"], but_first=True)
    features = network.head.features(hidden, batch)
    if info.kind is TaskKind.TOKEN_CLASSIFICATION:
        real = batch["real"]
        return _numpy(features[real]), batch["targets"][real].cpu().numpy(), _places(real)
    targets = batch["targets"].cpu().numpy()
    return _numpy(features), targets, np.arange(len(targets))


def _places(mask: Tensor, *, but_first: bool = False) -> npt.NDArray[np.int64]:
    """Which of the batch's examples each marked token is of."""
    return mask[:, int(but_first) :].nonzero()[:, 0].cpu().numpy()


def _answer_tokens(
    hidden: Tensor, batch: Batch
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    context = batch["context"].clone()
    context[:, 0] = False
    question = (batch["mask"].bool() & ~batch["context"]).to(hidden.dtype)[..., None]
    asked = (hidden * question).sum(1, keepdim=True) / question.sum(1, keepdim=True).clamp_min(1.0)
    match = torch.cat(
        [hidden * nn.functional.normalize(asked, dim=2), (hidden - asked).abs()], dim=2
    )
    steps = torch.arange(hidden.shape[1], device=hidden.device)
    spans = batch["spans"]
    inside = (steps >= spans[:, :1]) & (steps <= spans[:, 1:]) & (spans[:, 1:] > 0)
    return _numpy(match[context]), inside[context].long().cpu().numpy()


def _thinned(
    targets: npt.NDArray[Any], info: TaskInfo, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Rows that are kept: of words and tokens that are nothing, a few for each that is something.

    Where nothing is something, all are kept: there is then one class, which is said elsewhere.
    """
    rows = np.arange(len(targets))
    if info.kind is TaskKind.TOKEN_CLASSIFICATION:
        nothing = targets == info.classes.index("O") if "O" in info.classes else targets == 0
    elif info.kind is TaskKind.QUESTION_ANSWERING:
        nothing = targets == 0
    else:
        return rows
    n_kept = _OTHERS * int((~nothing).sum())
    if not n_kept or n_kept >= nothing.sum():
        return rows
    drawn = rng.choice(rows[nothing], n_kept, replace=False)
    return np.sort(np.concatenate([rows[~nothing], drawn]))


def _numpy(values: Tensor) -> npt.NDArray[np.float64]:
    return values.double().cpu().numpy()
