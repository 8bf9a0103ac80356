"""What a trial's parameters are called, what they mean, and what each is when it is not given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from foretune.core import ConfigError, ParamValue, unknown_name

OPTIMISERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("linear", "cosine", "constant")
POOLINGS = ("mean", "cls")


@dataclass(frozen=True)
class TrialParams:
    """One configuration, checked.

    Attributes:
        model: The member's name.
        lr: Peak learning rate of the encoder.
        batch_size: Examples a batch.
        epochs: Passes over the training rows.
        layers: Encoder layers kept, from below; None, or more than there are: all.
        frozen: Fraction of the kept layers that does not learn, from below, with the embeddings;
            1: the encoder is a fixed feature extractor.
        head_lr_multiplier: The head's learning rate over the encoder's.
        pooling: How token vectors become one vector.
        dropout: Of the encoder's hidden states and before the head.
        optimiser: Which optimiser.
        weight_decay: Decay of weights; norms and biases have none.
        warmup: Fraction of all steps over which the learning rate rises.
        schedule: What the learning rate does after that.

    Raises:
        ConfigError: A value is out of its range; every problem at once.
    """

    model: str
    lr: float = 2e-4
    batch_size: int = 16
    epochs: int = 2
    layers: int | None = None
    frozen: float = 0.0
    head_lr_multiplier: float = 10.0
    pooling: str = "mean"
    dropout: float = 0.1
    optimiser: str = "adamw"
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "linear"

    def __post_init__(self) -> None:
        rules = {
            "lr": (self.lr > 0, "above 0"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "layers": (self.layers is None or self.layers >= 1, "at least 1"),
            "frozen": (0 <= self.frozen <= 1, "from 0 to 1"),
            "head_lr_multiplier": (self.head_lr_multiplier > 0, "above 0"),
            "dropout": (0 <= self.dropout < 1, "from 0 to below 1"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "warmup": (0 <= self.warmup <= 1, "from 0 to 1"),
        }
        found = [
            f"parameter {name}: expected {wanted}, got {getattr(self, name)}"
            for name, (holds, wanted) in rules.items()
            if not holds
        ]
        for kind, known in (
            ("optimiser", OPTIMISERS),
            ("schedule", SCHEDULES),
            ("pooling", POOLINGS),
        ):
            if getattr(self, kind) not in known:
                found.append(unknown_name(kind, getattr(self, kind), known))
        if found:
            raise ConfigError(found)

    @classmethod
    def parse(
        cls, params: Mapping[str, ParamValue], defaults: Mapping[str, ParamValue]
    ) -> TrialParams:
        """Read a trial's parameters; one that is missing is taken from ``defaults``, then here.

        Raises:
            ConfigError: A name is unknown, a value is no number or out of range.

        >>> TrialParams.parse({"model": "x", "lr": 1e-3}, {"epochs": 3}).epochs
        3
        """
        reals = ("lr", "frozen", "head_lr_multiplier", "dropout", "weight_decay", "warmup")
        kinds: dict[str, type] = dict.fromkeys(reals, float)
        kinds |= dict.fromkeys(("batch_size", "epochs", "layers"), int)
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {}
        found = []
        for name, value in {**defaults, **params}.items():
            if name not in known:
                found.append(unknown_name("parameter", name, known))
            elif value is None:
                continue
            elif name in kinds:
                try:
                    values[name] = kinds[name](value)
                except (TypeError, ValueError):
                    found.append(f"parameter {name}: expected a number, got {value!r}")
            else:
                values[name] = str(value)
        if found:
            raise ConfigError(found)
        return cls(**values)


PARAMETER_NAMES = tuple(field.name for field in fields(TrialParams))
"""Every parameter that a trial may have."""
