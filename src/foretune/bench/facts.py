"""On what machine, with which versions, from which code was it made?"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "foretune", "optuna", "torch", "numpy", "scipy", "statsmodels", "scikit-posthocs", "matplotlib",
    "onnxruntime", "transformers", "timm",
)  # fmt: skip


def facts() -> dict[str, str]:
    """What a reviewer asks for, without paths or names of this machine."""
    return {
        "code": _commit() or "no checkout",
        "python": platform.python_version(),
        **_versions(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": platform.system(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The checkout's commit, ``-dirty`` if it was changed."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
