"""Which rows may a member be pretrained on, and which of them with their labels?"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.task import TaskConfig
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import ConfigError, DataError
from foretune.train.data import TaskData, load_task
from foretune.train.data.fingerprint import input_hashes
from foretune.train.data.splits import subset

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)

FEW_SHOT_ROWS = 32  # the support set of experiment=few_shot, drawn from all training rows
LEAST_LABELLED = 16


class Sources:
    """The source tasks, each read once.

    Args:
        task_config: Gives a task's configuration by its name.
        data: Where rows come from. Its caps do not hold here.
        trainer: Its ``cpu_train_rows`` says which rows a search without a GPU draws.
        allowed: The only tasks to read; empty: all.
    """

    def __init__(
        self,
        task_config: Callable[[str], TaskConfig],
        data: DataConfig,
        trainer: TrainerConfig,
        allowed: Sequence[str] = (),
    ) -> None:
        self._task_config, self._allowed = task_config, tuple(allowed)
        self._data = dataclasses.replace(
            data, train_rows=None, validation_rows=None, test_rows=None
        )
        asked = () if data.train_rows is None else (data.train_rows,)
        self._drawn = (FEW_SHOT_ROWS, trainer.cpu_train_rows, *asked)
        self._had: dict[str, TaskData | None] = {}

    def had(self, names: Sequence[str]) -> list[TaskData]:
        """The tasks among ``names`` whose rows can be had; else what stands in for them.

        Raises:
            DataError: None can, and nothing stands in for any.
        """
        wanted = [name for name in names if not self._allowed or name in self._allowed]
        if not wanted:
            raise DataError(
                f"expected one of {', '.join(names)} in pool.sources, got"
                f" {', '.join(self._allowed)}"
            )
        found = [task for name in wanted if (task := self._load(name)) is not None]
        if not found:
            found = [task for name in wanted if (task := self._stand_in(name)) is not None]
        if not found:
            raise DataError(
                f"expected rows of {' or '.join(wanted)} to pretrain on, found none, and nothing"
                " that stands in for them; set data.dir"
            )
        return list({task.info.fingerprint: task for task in found}.values())

    def labelled(self, task: TaskData) -> Dataset:
        """The training rows that no search draws: what a member may learn with labels.

        Those that the caps of a machine without a GPU draw are left out, the few-shot draw, and
        every row with the same input as one of these or as a validation or test row.

        Raises:
            DataError: Too few are left.
        """
        train, seed = task.train, self._data.seed
        drawn = [subset(train, n, seed=seed, what="train") for n in self._drawn]
        taken = {
            mark for rows in (*drawn, task.validation, task.test) for mark in input_hashes(rows)
        }
        kept = [row for row, mark in enumerate(input_hashes(train)) if mark not in taken]
        if len(kept) < LEAST_LABELLED:
            raise DataError(
                f"expected at least {LEAST_LABELLED} training rows of {task.info.name} beside the"
                f" {max(map(len, drawn))} that a search draws, got {len(kept)}"
            )
        return train.select(np.asarray(kept))

    def _load(self, name: str) -> TaskData | None:
        if name not in self._had:
            self._had[name] = self._try(self._task_config(name), self._data)
        return self._had[name]

    def _stand_in(self, name: str) -> TaskData | None:
        config = self._task_config(name)
        packaged = dataclasses.replace(self._data, source=DataSource.packaged, dir=None)
        key = f"{name} (packaged)"
        if key not in self._had:
            config = dataclasses.replace(config, files=type(config.files)())
            self._had[key] = self._try(config, packaged)
        return self._had[key]

    @staticmethod
    def _try(config: TaskConfig, data: DataConfig) -> TaskData | None:
        try:
            return load_task(config, data)
        except (DataError, ConfigError) as error:
            log.info("no rows of %s to pretrain on: %s", config.name, error)
            return None
