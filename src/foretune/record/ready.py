"""What is a task of the plan, ready to be run? Its rows, models and configurations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from foretune.build import Setup, build_setup
from foretune.config.compose import task_config
from foretune.config.location import conf_folder
from foretune.config.schema.data import DataConfig, DataSource
from foretune.config.schema.model import ModelsConfig
from foretune.config.schema.record import RecordedTask
from foretune.config.schema.root import RootConfig
from foretune.config.schema.task import TaskConfig
from foretune.core import ConfigError, DataError, TaskKind, unknown_name
from foretune.record.points import own_points, planned_points
from foretune.space import Point

THREADS = 1  # of every trial, so that their seconds compare


@dataclass(frozen=True)
class ReadyTask:
    """A task of the plan, ready to be run.

    Attributes:
        config: Of its rows, models and trainer.
        setup: The same, put together.
        points: The configurations that are recorded on it.
        n_shared: So many of them, the first ones, are those of every task.
    """

    config: RootConfig
    setup: Setup
    points: list[Point]
    n_shared: int


def ready_task(config: RootConfig, task: RecordedTask) -> ReadyTask:
    """The task's rows, models and points.

    Raises:
        ConfigError: The plan names an unknown task or data.
        DataError: The rows are not those that the plan names.
    """
    section = _task_section(task)
    modality, seed = TaskKind(section.kind).modality, config.record.seed
    counts = {name: n for name, n in config.record.points.get(modality, {}).items() if n}
    if not counts:
        raise ConfigError(f"record.points: expected models for {task.called}, got none")
    source = DataSource.packaged if task.packaged else config.data.source
    own = dataclasses.replace(
        config,
        task=section,
        data=DataConfig(
            source=source,
            dir=None if task.packaged else config.data.dir,
            train_rows=task.train_rows,
            validation_rows=task.validation_rows,
            test_rows=task.test_rows,
            seed=config.data.seed,
            hub_timeout_s=config.data.hub_timeout_s,
        ),
        model=ModelsConfig(members=list(counts)),
        trainer=dataclasses.replace(
            config.trainer,
            threads=THREADS,
            max_length=task.max_length,
            answer_max_length=task.max_length,
            answer_stride=task.max_length // 4,
            checkpoint=False,
            test_trials=True,
        ),
    )
    setup = build_setup(own, conf_folder())
    if setup.data.info.stand_in:
        raise DataError(f"expected the rows of {task.called} itself: {setup.data.line}")
    info = dataclasses.replace(setup.data.info, name=task.called)
    setup = dataclasses.replace(setup, data=dataclasses.replace(setup.data, info=info))
    shared = planned_points(setup.space, counts, seed)
    its_own = config.record.own_points.get(modality, {})
    points = [*shared, *own_points(setup.space, its_own, seed, task.called)]
    return ReadyTask(own, setup, points, len(shared))


def _task_section(task: RecordedTask) -> TaskConfig:
    if task.packaged:
        from foretune.train.data import PACKAGED

        if task.packaged not in PACKAGED:
            raise ConfigError(f"record: {unknown_name('packaged data', task.packaged, PACKAGED)}")
        kind = str(PACKAGED[task.packaged].kind)
        return TaskConfig(
            name=task.packaged, kind=kind, packaged=task.packaged, keep=list(task.keep)
        )
    section = task_config(task.task, conf_folder())
    folder = section.folder_name()
    return dataclasses.replace(section, name=task.called, folder=folder, keep=list(task.keep))
