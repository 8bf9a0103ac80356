"""Where does a recorded trial come from? Plan, rows, weights, machine and code, without paths."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.config.location import conf_folder
from foretune.config.schema.record import RecordConfig, RecordedTask
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import TaskInfo
from foretune.history.seed import FAMILY

if TYPE_CHECKING:
    from foretune.train import ModelCard

RECORDED = "recorded"  # study attribute
EARLIER = "commits_before"  # in it: of earlier sittings, the first one first


def origin_attributes(
    info: TaskInfo,
    task: RecordedTask,
    plan: RecordConfig,
    *,
    cards: Mapping[str, ModelCard],
    trainer: TrainerConfig,
    commits_before: Sequence[str] = (),
) -> dict[str, object]:
    """What a recorded study says beside the attributes that every study has.

    The rows' origin loses the folder in front of it: it is that of the one who recorded.
    """
    folder, _, told = info.origin.partition(", ")
    return {
        "origin": (told or info.source) if os.sep in folder else info.origin,
        FAMILY: task.family or task.called,
        RECORDED: {
            "plan": plan.name,
            "seed": plan.seed,
            "task": asdict(task),
            "max_length": trainer.max_length,
            "threads": trainer.threads,
            "weights": {name: _weights(card) for name, card in cards.items()},
            "hardware": hardware(),
            "commit": (here := commit()),
            EARLIER: [one for one in commits_before if one != here],
        },
    }


def hardware() -> str:
    """The processor and how many of it, as a person would say it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # no Linux
    return f"{name}, {os.cpu_count()} cores"


def commit() -> str | None:
    """The commit of the checkout that runs, ``-dirty`` if it was changed; None: no checkout."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=conf_folder(),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _weights(card: ModelCard) -> str:
    """Which weights a model starts from, with their version."""
    if card.package:
        return f"{card.package} {metadata.version(card.package)}"
    if card.checkpoint:
        return f"{card.checkpoint} {card.revision or 'main'}"
    return "drawn at random"
