"""Images: one class each; kept as bytes, varied, resized and normalised as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foretune.config.schema.trainer import Augmentation
from foretune.train.ragged import Index, Ragged
from foretune.train.units.base import Batch, Output
from foretune.train.units.sequences import in_order
from foretune.train.units.text_arrays import plain_settings

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn

PAD_SHARE = 8  # a crop moves an image by up to an eighth of its side: 4 of CIFAR's 32 pixels


@dataclass(frozen=True)
class ImageSplit:
    """Pixels (n, 3, side, side) uint8 and targets (n,); no targets where labels are absent."""

    pixels: Tensor
    targets: npt.NDArray[np.int64]

    @property
    def lengths(self) -> Index:
        """All the same."""
        return np.ones(len(self.pixels), dtype=np.int64)

    @property
    def sequences(self) -> Ragged | None:
        """Images have none."""
        return None

    @property
    def parts(self) -> int:
        """One image an example."""
        return 1


@dataclass(frozen=True)
class ImageUnit:
    """Image classification.

    Attributes:
        input_size: Side in pixels that the model is given.
        mean: Channel means that images are normalised with.
        std: Channel deviations likewise.
        crop: Whether training images are moved.
        flip: Whether they are mirrored.
    """

    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: bool
    flip: bool

    def settings(self) -> dict[str, Any]:
        """All fields, as plain values."""
        return plain_settings(self)

    def prepare(self, rows: Dataset) -> ImageSplit:
        """Decode ``image`` and take ``label``.

        Small square images of one size are kept as they are, and resized a batch at a time; others
        are resized to ``input_size`` by their shorter side and cut to its square here.
        """
        import torch
        from PIL import ImageOps

        images = [image.convert("RGB") for image in rows[:]["image"]]
        sizes = {image.size for image in images}
        width, height = next(iter(sizes))
        if len(sizes) > 1 or width != height or width > self.input_size:
            size = (self.input_size, self.input_size)
            images = [ImageOps.fit(image, size) for image in images]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        labels = rows[:]["label"] if "label" in rows.column_names else []
        targets = np.asarray(labels, dtype=np.int64)
        return ImageSplit(pixels.permute(0, 3, 1, 2).contiguous(), targets)

    def collate(self, split: ImageSplit, index: Index, *, inputs: bool) -> Batch:
        """``pixels`` (b, 3, side, side) bytes and ``targets`` (b,)."""
        import torch

        batch = {"pixels": split.pixels[torch.from_numpy(index)]} if inputs else {}
        if len(split.targets):
            batch["targets"] = torch.from_numpy(split.targets[index])
        return batch

    def augment(self, batch: Batch) -> Batch:
        """Mirror each image with probability 1/2, and move it by up to an eighth of its side."""
        import torch
        from torch.nn import functional

        pixels = batch["pixels"]
        n, side, device = len(pixels), pixels.shape[2], pixels.device
        if self.flip:
            mirrored = torch.rand(n, device=device)[:, None, None, None] < 0.5
            pixels = torch.where(mirrored, pixels.flip(3), pixels)
        if self.crop:
            pad = max(1, side // PAD_SHARE)
            wide = functional.pad(pixels.float(), (pad,) * 4, mode="reflect").to(pixels.dtype)
            top, left = torch.randint(0, 2 * pad + 1, (2, n), device=device)
            steps = torch.arange(side, device=device)
            rows, columns = top[:, None] + steps, left[:, None] + steps
            which = torch.arange(n, device=device)
            pixels = wide[
                which[:, None, None, None],
                torch.arange(3, device=device)[None, :, None, None],
                rows[:, None, :, None],
                columns[:, None, None, :],
            ]
        return {**batch, "pixels": pixels}

    def loss(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy."""
        from torch.nn import functional

        return functional.cross_entropy(output, batch["targets"])

    def keep(self, network: nn.Module, output: Tensor, batch: Batch) -> Tensor:
        """The scores (b, classes)."""
        return output

    def predictions(self, outputs: Sequence[Output], split: ImageSplit) -> list[int]:
        """Class ids."""
        return [int(value) for value in in_order(outputs).argmax(1)]

    def references(self, rows: Dataset) -> list[int]:
        """The labels."""
        return list(rows[:]["label"])


def flips(augmentation: Augmentation, rows: Dataset) -> tuple[bool, bool]:
    """Whether training images are moved, and whether mirrored.

    ``auto`` mirrors images in colour alone: grey ones are often digits or letters.
    """
    if augmentation is Augmentation.none:
        return False, False
    if augmentation is Augmentation.auto:
        return True, rows[0]["image"].mode not in ("1", "L", "I", "I;16", "F")
    return True, augmentation is Augmentation.crop_flip
