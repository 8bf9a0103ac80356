"""How a trained model lies on disk: weights, configuration, tokenizer, and what Foretune knows.

model.safetensors   every weight of the network
config.json         transformers' configuration of the encoder, before layers were cut
tokenizer files     text models
foretune.json       card, parameters, task, unit, validation metrics, versions
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from foretune.config.schema.model import ModelCard
from foretune.core import ModelError, TaskInfo, TaskKind
from foretune.train.cards import card_as_dict, read_card
from foretune.train.models.network import Network
from foretune.train.models.text_base import TextBase
from foretune.train.params import TrialParams

if TYPE_CHECKING:
    import torch

    from foretune.train.workshop import Bench

ABOUT = "foretune.json"
WEIGHTS = "model.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class SavedModel:
    """What a folder says of the model in it.

    Attributes:
        folder: The folder.
        card: The model.
        params: The trial's parameters.
        info: The task that it was trained on.
        unit: What the task's unit needs to be set up as it was.
        parts: Sequences an example.
        metrics: Validation metrics of the saved weights.
    """

    folder: Path
    card: ModelCard
    params: TrialParams
    info: TaskInfo
    unit: Mapping[str, Any]
    parts: int
    metrics: Mapping[str, float]

    def state(self) -> dict[str, torch.Tensor]:
        """The weights."""
        return load_file(self.folder / WEIGHTS)


def save_model(
    folder: Path,
    *,
    network: Network,
    bench: Bench,
    params: TrialParams,
    info: TaskInfo,
    metrics: Mapping[str, float],
) -> None:
    """Write a trained model; a folder that is there is replaced only by a whole new one."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    save_file(state, part / WEIGHTS, metadata={"format": "pt"})
    if isinstance(bench.base, TextBase):
        bench.base.tokenizer.save_pretrained(str(part))
        if bench.base.config is not None:
            bench.base.config.save_pretrained(str(part))
    about = {
        "format": FORMAT,
        "card": card_as_dict(bench.card),
        "params": dataclasses.asdict(params),
        "task": {**dataclasses.asdict(info), "kind": info.kind.value},
        "unit": bench.unit.settings(),
        "parts": bench.parts,
        "metrics": dict(metrics),
        "versions": _versions(),
    }
    (part / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def read_model(folder: Path) -> SavedModel:
    """What ``save_model`` wrote.

    Raises:
        ModelError: The folder holds no model of Foretune's, or one of a newer format.
    """
    file = folder / ABOUT
    if not file.is_file():
        raise ModelError(f"expected a saved model in {folder}, found no {ABOUT} there")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise ModelError(f"{file} has format {about['format']}, this version reads {FORMAT}")
        card, problems = read_card(about["card"], where=str(file))
        task = {**about["task"], "kind": TaskKind(about["task"]["kind"])}
        for name in ("metrics", "classes"):
            task[name] = tuple(task[name])
        saved = SavedModel(
            folder=folder,
            card=card,
            params=TrialParams(**about["params"]),
            info=TaskInfo(**task),
            unit=about["unit"],
            parts=int(about["parts"]),
            metrics=about["metrics"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"expected {file} to be written by Foretune: {error}") from error
    if problems:
        raise ModelError("\n".join(problems))
    return saved


def _versions() -> dict[str, str]:
    found = {}
    for package in ("foretune", "torch", "transformers", "timm", "datasets"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
