"""How are the credentials of a URL on the command line kept out of what Hydra writes and prints?

Hydra stores the command line and the configuration beside each run (``.hydra/``) and logs them in
a sweep. A URL from the environment (``storage=postgres``) is never there: it stays a reference.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from foretune.core import mask_url, masked


class MaskingFormatter(logging.Formatter):
    """Formats as asked, without the credentials of any URL in message or traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return mask_url(super().format(record))


def mask_files() -> None:
    """Take credentials out of the files that Hydra has written for the job that now begins."""
    hydra = HydraConfig.get()
    written: list[Path] = []
    if hydra.output_subdir is not None:
        written += Path(hydra.runtime.output_dir, hydra.output_subdir).glob("*.yaml")
    if hydra.mode == RunMode.MULTIRUN:
        written.append(Path(hydra.sweep.dir, "multirun.yaml"))
    for file in written:
        if file.is_file():
            _mask(file)


def _mask(file: Path) -> None:
    content = OmegaConf.to_container(OmegaConf.load(file))
    if (safe := masked(content)) != content:
        part = file.with_suffix(".part")
        OmegaConf.save(OmegaConf.create([safe])[0], part)
        os.replace(part, file)
