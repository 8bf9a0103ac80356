"""Where is conf/: beside the checkout's src/, or packed in the installed package?"""

from __future__ import annotations

from pathlib import Path

from foretune.core import ConfigError


def conf_folder() -> Path:
    """The absolute path of conf/: the checkout's where there is one, else the wheel's own.

    Raises:
        ConfigError: Neither is there; the installation is broken.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parents[1] / "conf", package / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError(f"no conf/ beside {package}: expected config.yaml there; reinstall foretune")
