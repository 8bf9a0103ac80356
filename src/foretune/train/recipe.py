"""How does a worker process get its trainer: from what, on which GPU, with how many threads?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass

from foretune.config.schema.model import ModelCard
from foretune.config.schema.trainer import TrainerConfig
from foretune.train.data import TaskData
from foretune.train.device import physical_cores, visible_gpus
from foretune.train.head_start import MakeHead
from foretune.train.objective import TrainObjective


@dataclass(frozen=True)
class TrainRecipe:
    """Makes the objective in worker number k; can be pickled.

    Attributes:
        data: The task and its rows.
        cards: The models that trials may name, by name.
        config: How trials are trained.
        n_workers: Workers beside each other: each gets its GPU, or its share of the cores.
        make_head: Finds the weights that a new head starts from; None: they are drawn.
    """

    data: TaskData
    cards: Mapping[str, ModelCard]
    config: TrainerConfig
    n_workers: int = 1
    make_head: MakeHead | None = None

    def __call__(self, index: int) -> TrainObjective:
        """The objective of worker ``index``.

        Raises:
            ConfigError: The device asked for is not there.
        """
        config = self.config
        if self.n_workers > 1:
            gpus = visible_gpus()
            if len(gpus) > 1:  # before anything in this process has looked at a GPU
                os.environ["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
            if config.threads is None and "OMP_NUM_THREADS" not in os.environ:
                threads = max(1, physical_cores() // self.n_workers)
                config = dataclasses.replace(config, threads=threads)
        return TrainObjective(self.data, self.cards, config, self.make_head)
