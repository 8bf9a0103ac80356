"""Where do trials run? In worker processes, here or on a Ray cluster, or in the search's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from foretune.build import Setup
from foretune.config.schema.root import RootConfig
from foretune.config.schema.trainer import HeadStart
from foretune.core import Executor, TaskKind, parse_duration

if TYPE_CHECKING:
    from foretune.train import TrainRecipe
    from foretune.train.head_start import MakeHead

# What every trial needs, imported once for all workers; none of it starts threads or sees a GPU.
_PRELOADED = ("foretune.train.recipe", "accelerate")


def start_workers_early(config: RootConfig) -> None:
    """Let the workers' server import what trials need while this process loads the data."""
    if config.executor.kind == "process":
        from foretune.execute import start_server

        start_server(_preloaded(config))


def build_executor(setup: Setup, config: RootConfig) -> Executor:
    """Where trials run, and what trains them.

    Raises:
        ConfigError: The device or the cluster asked for is not there.
    """
    from foretune.execute import InlineExecutor, ProcessExecutor
    from foretune.train import TrainRecipe

    section = config.executor
    make_head: MakeHead | None = None
    if config.trainer.head_start is HeadStart.adapted:
        from foretune.select import adapted_head

        make_head = partial(adapted_head, start=setup.head_start)
    if section.kind == "ray":
        return _ray(TrainRecipe(setup.data, setup.cards, config.trainer, 1, make_head), config)
    recipe = TrainRecipe(setup.data, setup.cards, config.trainer, section.n_workers, make_head)
    if section.kind == "inline":
        return InlineExecutor(recipe(0))
    return ProcessExecutor(
        recipe,
        n_workers=section.n_workers,
        timeout_s=section.timeout_s,
        memory_mb=section.memory_mb,
    )


def _ray(recipe: TrainRecipe, config: RootConfig) -> Executor:
    """On a Ray cluster, which gives each trial its GPUs and its threads."""
    from foretune.execute.ray_cluster import Share
    from foretune.execute.ray_executor import RayExecutor

    section, asked = config.executor, config.executor.ray
    return RayExecutor(
        recipe,
        share=Share(asked.cpus, asked.gpus, section.memory_mb),
        address=asked.address,
        n_workers=section.n_workers,
        timeout_s=section.timeout_s,
        memory_mb=section.memory_mb,
        wait_s=parse_duration(asked.wait_s),
        preload=_preloaded(config),
    )


def _preloaded(config: RootConfig) -> tuple[str, ...]:
    images = config.task.kind == TaskKind.IMAGE_CLASSIFICATION
    return (*_PRELOADED, "timm" if images else "transformers.modeling_utils")
