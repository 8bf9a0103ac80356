"""An image member in the making: labels, or by how much an image was turned."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foretune.config.schema.model import Library, Modality, ModelCard, Source
from foretune.config.schema.pool import Learns, StageConfig
from foretune.core import DataError, ModelError, TaskKind, derive_seed
from foretune.train.data import TaskData
from foretune.train.models.network import ImageNetwork, build_image_network
from foretune.train.pretrain.learner import (
    Head,
    Plan,
    StageReport,
    described,
    head_of,
    kinds_of,
    learn_labels,
    params_for,
)
from foretune.train.pretrain.pace import OnStep, run_steps
from foretune.train.units import build_unit
from foretune.train.units.images import ImageSplit, ImageUnit

TURNS = ("0", "90", "180", "270")  # degrees (Gidaris et al., 2018)
HELD_OUT = 500  # images that measure how well turns are told

Batch = dict[str, Tensor]


class ImageLearner:
    """One of timm's models.

    Args:
        plan: Name, recipe, sources.

    Attributes:
        head: Of the last stage.
        state: Weights by timm's names.

    Raises:
        ModelError: timm does not know the architecture.
    """

    def __init__(self, plan: Plan) -> None:
        import timm

        self._plan = plan
        self.head: Head | None = None
        name = str(plan.recipe.architecture["name"])
        if not timm.is_model(name):
            raise ModelError(f"member {plan.name}: timm knows no architecture {name!r}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(plan.seed, plan.name, "weights"))
            model: Any = timm.create_model(name, pretrained=False, num_classes=0)
        self.state: dict[str, Tensor] = model.state_dict()
        self._depth, self._width = len(model.feature_info) - 1, int(model.num_features)

    def base(self) -> dict[str, Tensor]:
        """The member as trials would start from it."""
        return self.state

    def card(self) -> ModelCard:
        """What its networks are built by."""
        recipe = self._plan.recipe
        return ModelCard(
            name=self._plan.name,
            library=Library.timm,
            family=recipe.encoder,
            modality=Modality.image,
            source=Source.scratch,
            architecture={"name": recipe.architecture["name"]},
            depth=self._depth,
            hidden=self._width,
            parameters_m=sum(value.numel() for value in self.state.values()) / 1e6,
            input_size=recipe.input_size,
        )

    def learn(
        self, stage: StageConfig, number: int, *, steps: int, seconds: float, on_step: OnStep
    ) -> StageReport:
        """Go through a stage.

        Raises:
            DataError: No source has images.
        """
        tasks = kinds_of(self._plan.sources.had(stage.sources), TaskKind.IMAGE_CLASSIFICATION)
        if not tasks:
            raise DataError(f"expected images in {', '.join(stage.sources)}, got none")
        learn = self._labels if stage.learns is Learns.labels else self._turns
        return learn(tasks, stage, number, steps=steps, seconds=seconds, on_step=on_step)

    def _labels(
        self,
        tasks: list[TaskData],
        stage: StageConfig,
        number: int,
        *,
        steps: int,
        seconds: float,
        on_step: OnStep,
    ) -> StageReport:
        plan, task = self._plan, tasks[0]
        rows = plan.sources.labelled(task)
        unit = build_unit(task.info, self.card(), plan.trainer, tokenizer=None, train=rows)
        network = self._network(len(task.info.classes), number)
        report = learn_labels(
            network,
            unit,
            task,
            rows,
            plan=plan,
            stage=stage,
            number=number,
            steps=steps,
            seconds=seconds,
            on_step=on_step,
        )
        self.head = head_of(network, task.info)
        self._keep(network)
        return report

    def _turns(
        self,
        tasks: list[TaskData],
        stage: StageConfig,
        number: int,
        *,
        steps: int,
        seconds: float,
        on_step: OnStep,
    ) -> StageReport:
        plan, seed = self._plan, self._plan.seed_for(number)
        unit = ImageUnit(self.card().input_size, (0.5,) * 3, (0.5,) * 3, crop=True, flip=False)
        splits = [unit.prepare(task.train.remove_columns("label")) for task in tasks]
        network = self._network(len(TURNS), number).to(plan.device)
        rng = np.random.default_rng(seed)
        held: list[tuple[ImageSplit, np.ndarray]] = []
        learnt: list[tuple[ImageSplit, np.ndarray]] = []
        for split in splits:
            order = rng.permutation(len(split.pixels))
            n_held = min(HELD_OUT, len(order) // 10)
            held.append((split, order[:n_held]))
            learnt.append((split, order[n_held:]))
        sizes = np.array([len(index) for _, index in learnt], dtype=float)

        def batches() -> Iterator[Batch]:
            while True:
                split, index = learnt[rng.choice(len(learnt), p=sizes / sizes.sum())]
                drawn = rng.choice(index, min(stage.batch_size, len(index)), replace=False)
                batch = unit.augment(unit.collate(split, np.sort(drawn), inputs=True))
                yield self._turned(batch["pixels"], rng)

        ran = run_steps(
            network,
            batches(),
            lambda batch: nn.functional.cross_entropy(network(batch), batch["targets"]),
            stage=stage,
            steps=steps,
            seconds=seconds,
            on_step=on_step,
        )
        score, chance = self._told(network, held, np.random.default_rng(0))
        info = dataclasses.replace(tasks[0].info, name="rotations", classes=TURNS)
        self.head = head_of(network, info)
        self._keep(network)
        read = [described(task, len(task.train)) for task in tasks]
        return StageReport(stage.learns.value, read, ran, "accuracy", score, chance)

    @torch.no_grad()
    def _told(
        self,
        network: ImageNetwork,
        held: list[tuple[ImageSplit, np.ndarray]],
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        network.eval()
        right = total = 0
        for split, index in held:
            for start in range(0, len(index), 64):
                at = torch.from_numpy(np.sort(index[start : start + 64]))
                batch = self._turned(split.pixels[at], rng)
                right += int((network(batch).argmax(1) == batch["targets"]).sum())
                total += len(at)
        return (right / total if total else float("nan")), 1 / len(TURNS)

    def _turned(self, pixels: Tensor, rng: np.random.Generator) -> Batch:
        """Square images (b, 3, side, side), each turned by a drawn quarter turn."""
        turns = torch.from_numpy(rng.integers(0, len(TURNS), len(pixels)))
        turned = torch.stack(
            [torch.rot90(image, int(k), (1, 2)) for image, k in zip(pixels, turns, strict=True)]
        )
        device = self._plan.device
        return {"pixels": turned.to(device), "targets": turns.to(device)}

    def _network(self, n_classes: int, number: int) -> ImageNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._plan.seed_for(number))
            params = params_for(self._plan, self._depth)
            return build_image_network(self.card(), self.state, params, n_classes)

    def _keep(self, network: ImageNetwork) -> None:
        state = network.encoder.model.state_dict()
        self.state = {k: v.detach().cpu().clone().contiguous() for k, v in state.items()}
