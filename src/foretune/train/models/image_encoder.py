"""A timm model without its classifier: images to one vector each, stages kept, stages frozen."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from foretune.config.schema.model import ModelCard, Source
from foretune.core import ModelError
from foretune.train.models.checkpoint import locate, read_weights


class ImageEncoder(nn.Module):
    """Pixels (batch, 3, side, side) to features (batch, width).

    Args:
        card: The model's card; ``architecture.name`` is timm's name.
        state: Weights by timm's names; None: drawn, or to be loaded later.
        layers: Stages kept, from below; None or more than there are: all.
        frozen: Fraction of the kept stages that does not learn, from below, with the stem;
            their batch norms keep their statistics.

    Raises:
        ModelError: timm does not know the architecture, or the weights are not its.
    """

    def __init__(
        self,
        card: ModelCard,
        state: dict[str, Tensor] | None,
        *,
        layers: int | None,
        frozen: float,
    ) -> None:
        super().__init__()
        import timm

        name = str(card.architecture["name"])
        if not timm.is_model(name):
            raise ModelError(f"model {card.name}: timm knows no architecture {name!r}")
        self.model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
        model: Any = self.model  # timm models have no type of their own
        if state is not None:
            _load(self.model, state, card)
        self.kept = card.depth if layers is None else min(layers, card.depth)
        if self.kept < card.depth:
            last = len(model.feature_info) - 1 - (card.depth - self.kept)
            model.prune_intermediate_layers([last], prune_norm=True)
            model.reset_classifier(0, "avg")
        self.width = int(model.num_features)
        self.frozen = _lowest_groups(self.model, frozen)
        for module in self.frozen:
            module.requires_grad_(False)
        self.norms = [] if card.source is Source.scratch else _norms(model)

    def train(self, mode: bool = True) -> ImageEncoder:
        """Switch what differs in training; pretrained batch norms keep their statistics.

        A few hundred rows do not replace ImageNet's statistics (CIFAR-10, 512 rows, 2 epochs: see
        docs/models.md).
        """
        super().train(mode)
        for module in (*self.frozen, *self.norms):
            module.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Features (batch, width)."""
        features: Tensor = self.model(pixels)
        return features


def load_image_base(card: ModelCard) -> dict[str, Tensor]:
    """A card's weights by timm's names; from scratch: drawn once with a fixed seed.

    Raises:
        ModelError: The checkpoint cannot be had.
    """
    import timm
    import torch

    if card.source is not Source.scratch:
        return as_timm_names(read_weights(locate(card)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(str(card.architecture["name"]), num_classes=0).state_dict()


def as_timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the lukemelas EfficientNet port by timm's names; any others as they are.

    The port numbers blocks through and names a block's norms by their order, without the one that a
    block without expansion lacks; timm numbers them within stages. Both list the same tensors in
    the same order, so the order is the map, checked name by name by ``_load``.
    """
    if "_conv_stem.weight" not in state:
        return state
    import timm

    ours = timm.create_model("tf_efficientnet_lite0", num_classes=1000).state_dict()
    return dict(zip(ours, state.values(), strict=True))


def _load(model: nn.Module, state: dict[str, Tensor], card: ModelCard) -> None:
    wanted = model.state_dict()
    wrong = [
        name
        for name, value in wanted.items()
        if name not in state or state[name].shape != value.shape
    ]
    if wrong:
        raise ModelError(
            f"model {card.name}: expected weights for {card.architecture['name']}, the checkpoint"
            f" lacks {len(wrong)} of {len(wanted)}, the first {wrong[0]!r}"
        )
    model.load_state_dict({name: state[name] for name in wanted})


def _norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def _lowest_groups(model: Any, frozen: float) -> list[nn.Module]:
    """The modules of the lowest ``frozen`` of timm's coarse groups; all of them with 1."""
    if frozen == 0:
        return []
    if frozen == 1:
        return [model]
    from timm.models import group_modules

    groups = group_modules(model, model.group_matcher(coarse=True))
    numbers = sorted(number for number in groups if number != float("inf"))
    kept = max(1, round(frozen * len(numbers)))
    modules = dict(model.named_modules())
    return [modules[name] for number in numbers[:kept] for name in groups[number] if name]
