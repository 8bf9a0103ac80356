"""Where and in what precision trials run: accelerate's Accelerator as the config asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil
import torch

from foretune.config.schema.trainer import Device, Precision, TrainerConfig
from foretune.core import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator


def build_accelerator(config: TrainerConfig) -> Accelerator:
    """The accelerator of this process; one asked for before gives way.

    Raises:
        ConfigError: The device asked for is not there.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    device = choose_device(config.device)
    # accelerate keeps one state a process and refuses a second precision: start afresh.
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = choose_precision(config.precision, device)
    return Accelerator(cpu=device == "cpu", mixed_precision=precision)


def choose_device(asked: Device) -> str:
    """``cuda``, ``mps`` or ``cpu``.

    Raises:
        ConfigError: The device asked for is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if asked is Device.auto:
        return next(name for name, is_there in there.items() if is_there)
    if not there[asked.value]:
        held = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(
            f"trainer.device: expected one of this machine's ({held}), got {asked.value}"
        )
    return asked.value


def available_memory_mb(device: torch.device) -> float:
    """MiB that are free where ``device`` keeps its weights."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    return psutil.virtual_memory().available / 2**20


def choose_precision(asked: Precision, device: str) -> str:
    """Accelerate's name of the precision: ``no``, ``bf16`` or ``fp16``."""
    if asked is Precision.auto:
        if device != "cuda":
            return "no"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "no" if asked is Precision.fp32 else asked.value


def set_threads(threads: int | None) -> None:
    """Give torch its threads: those asked for, else OMP_NUM_THREADS, else the physical cores."""
    if threads is None and "OMP_NUM_THREADS" not in os.environ:
        threads = physical_cores()
    if threads is not None and threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def physical_cores() -> int:
    """Cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return min(cores, allowed or cores)


def visible_gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls each GPU that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]


def out_of_memory(error: BaseException) -> str:
    """The first line of what says that memory ran out; empty where it did not.

    >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("shapes differ"))
    ('MemoryError', '')
    """
    ran_out = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if not ran_out and "allocate memory" not in str(error):
        return ""
    return str(error).partition("\n")[0] or type(error).__name__
