"""What a trial used: seconds, memory, utilisation, watched from a thread beside it."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

import psutil
import torch

from foretune.core import Resources

MB = 2**20
PERIOD_S = 0.2


class ResourceMeter:
    """Measures between entering and leaving a ``with`` block, and any time in between."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device if device.type == "cuda" else None
        self._process = psutil.Process(os.getpid())
        self._stop = threading.Event()
        self._peak_ram = 0
        self._gpu_loads: list[float] = []

    def __enter__(self) -> ResourceMeter:
        self._began, self._cpu_began = time.perf_counter(), self._cpu_seconds()
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)
        self._look()
        self._thread = threading.Thread(target=self._watch, name="resources", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Wall seconds so far."""
        return time.perf_counter() - self._began

    def resources(self, *, examples: int, training_s: float) -> Resources:
        """What was used so far, with the training's throughput."""
        self._look()
        seconds = self.seconds
        loads = self._gpu_loads
        return Resources(
            seconds=seconds,
            examples_per_second=examples / training_s if training_s > 0 else 0.0,
            peak_ram_mb=self._peak_ram / MB,
            peak_gpu_mb=0.0
            if self._gpu is None
            else torch.cuda.max_memory_allocated(self._gpu) / MB,
            cpu_percent=100.0 * (self._cpu_seconds() - self._cpu_began) / max(seconds, 1e-9),
            gpu_percent=sum(loads) / len(loads) if loads else 0.0,
        )

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _look(self) -> None:
        self._peak_ram = max(self._peak_ram, self._process.memory_info().rss)
        if self._gpu is not None:
            try:
                self._gpu_loads.append(float(torch.cuda.utilization(self._gpu)))
            except (ImportError, ModuleNotFoundError, RuntimeError):  # NVML is optional
                self._gpu_loads.clear()

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._look()
