"""How a trial is trained: the settings that hold for every trial of a search."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Device(Enum):
    """Where trials run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Precision(Enum):
    """What trials compute in; auto: bf16 (else fp16) on CUDA, fp32 elsewhere."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Truncation(Enum):
    """What is kept of a text that is too long: its head, or a quarter head and the rest tail."""

    head = "head"
    head_tail = "head_tail"


class Augmentation(Enum):
    """How training images vary; auto: crop, and flip where the images are in colour."""

    auto = "auto"
    none = "none"
    crop = "crop"
    crop_flip = "crop_flip"


class HeadStart(Enum):
    """What a new head starts from: drawn weights, or a few steps on the encoder's features."""

    drawn = "drawn"
    adapted = "adapted"


@dataclass
class TrainerConfig:
    """The ``trainer`` section.

    Attributes:
        device: Where trials run.
        precision: What they compute in.
        max_length: Longest sequence in tokens, texts and tagged sentences.
        answer_max_length: Longest window in tokens, question answering.
        answer_stride: Tokens that two windows on one context share.
        truncation: What is kept of a longer text.
        augmentation: How training images vary.
        eval_batch_size: Examples a batch where nothing is learnt.
        max_grad_norm: Gradients are clipped to this norm; None: never.
        gradient_accumulation: Batches an optimiser step.
        head_start: What a new head starts from; ``adapted`` suits few rows.
        patience: Stop a trial after this many epochs without a better score; None: never.
        threads: Torch threads; None: OMP_NUM_THREADS, else the physical cores.
        checkpoint: Whether a trial's state is kept after its epochs, so that it goes on from there
            when it was cut short; at most a twentieth of its time goes into that.
        test_trials: Whether each trial's best epoch is measured on the test rows too, for
            comparisons of searches: nothing is chosen by it.
        cache_mb: Memory in MiB for the cached outputs of frozen layers.
        cpu_train_rows: Training rows on a CPU where data.train_rows is not given.
        cpu_validation_rows: Validation rows, likewise.
        cpu_test_rows: Test rows, likewise.
    """

    device: Device = Device.auto
    precision: Precision = Precision.auto
    max_length: int = 128
    answer_max_length: int = 384
    answer_stride: int = 128
    truncation: Truncation = Truncation.head_tail
    augmentation: Augmentation = Augmentation.auto
    eval_batch_size: int = 64
    max_grad_norm: float | None = 1.0
    gradient_accumulation: int = 1
    head_start: HeadStart = HeadStart.drawn
    patience: int | None = None
    threads: int | None = None
    checkpoint: bool = True
    test_trials: bool = False
    cache_mb: int = 1024
    cpu_train_rows: int = 256
    cpu_validation_rows: int = 300
    cpu_test_rows: int = 1000

    def problems(self) -> list[str]:
        """Every problem found, one sentence each."""
        found = []
        positive = (
            "eval_batch_size",
            "gradient_accumulation",
            "cpu_train_rows",
            "cpu_validation_rows",
            "cpu_test_rows",
        )
        for name in positive:
            if getattr(self, name) < 1:
                found.append(f"trainer.{name}: expected at least 1, got {getattr(self, name)}.")
        for name in ("patience", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                found.append(f"trainer.{name}: expected at least 1 or null, got {value}.")
        for name in ("max_length", "answer_max_length"):
            if getattr(self, name) < 8:
                found.append(f"trainer.{name}: expected at least 8, got {getattr(self, name)}.")
        if not 0 <= self.answer_stride < self.answer_max_length // 2:
            found.append(
                "trainer.answer_stride: expected from 0 to below half of answer_max_length"
                f" ({self.answer_max_length // 2}), got {self.answer_stride}."
            )
        if self.max_grad_norm is not None and not self.max_grad_norm > 0:
            found.append(
                f"trainer.max_grad_norm: expected above 0 or null, got {self.max_grad_norm}."
            )
        if self.cache_mb < 0:
            found.append(f"trainer.cache_mb: expected 0 or more, got {self.cache_mb}.")
        return found
