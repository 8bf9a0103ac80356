"""The command line: Hydra stops here.

``python -m src.main task=imdb search=meta`` or, installed, ``foretune task=imdb search=meta``.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from foretune.config.compose import check_overrides, register_members, register_schemas, to_config
from foretune.config.location import conf_folder
from foretune.config.private import mask_files
from foretune.core import ForetuneError

EXIT_USER = 2  # the user can mend it
EXIT_INTERRUPTED = 130  # as shells say for Ctrl-C
# Threads that wait without spinning: beside another busy process, an epoch of the BiLSTM on two
# threads takes 9 s so and 42 s otherwise (8 s on one thread).
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}

_exit_codes: list[int] = []


def main() -> None:
    """Run the jobs that the command line asks for; exit 2 where the user has something to mend."""
    for name, value in QUIET_THREADS.items():
        os.environ.setdefault(name, value)  # before torch is loaded
    register_schemas()
    conf = conf_folder()
    register_members(sys.argv[1:], conf)
    try:
        _check(sys.argv[1:])
    except ForetuneError as error:
        _complain(error)
        sys.exit(EXIT_USER)
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    hydra.main(version_base="1.3", config_path=str(conf), config_name="config")(_job)()
    if _exit_codes:
        sys.exit(max(_exit_codes))


def _as_ctrl_c(number: int, frame: object) -> None:
    """What a cluster sends before it takes the machine away ends a search as Ctrl-C does."""
    raise KeyboardInterrupt


def _check(argv: list[str]) -> None:
    """Find every problem of every job before the first one starts."""
    words = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    words.add_argument("overrides", nargs="*")
    words.add_argument("--multirun", "-m", action="store_true")
    words.add_argument("--config-dir", "-cd")
    known, others = words.parse_known_args(argv)
    if not others:  # --help, --cfg and the like are Hydra's own
        check_overrides(
            known.overrides, conf=conf_folder(), extra_dir=known.config_dir, sweep=known.multirun
        )


def _job(composed: DictConfig) -> None:
    """One job of Hydra's: a failure that the user can mend is a message, not a traceback."""
    from foretune.run import run

    mask_files()
    settings = HydraConfig.get()
    logging.getLogger("optuna").setLevel(logging.WARNING)  # the console says it better
    try:
        config = to_config(composed)
        resolved = OmegaConf.to_container(composed, resolve=True)
        assert isinstance(resolved, dict)
        finished = run(config, {str(k): v for k, v in resolved.items()})
        if not finished:
            _exit_codes.append(EXIT_INTERRUPTED)
            if settings.mode == RunMode.MULTIRUN:
                sys.exit(EXIT_INTERRUPTED)
    except ForetuneError as error:
        if settings.verbose:
            raise
        _complain(error)
        _exit_codes.append(EXIT_USER)


def _complain(error: ForetuneError) -> None:
    from foretune.console import print_error

    print_error(error)


if __name__ == "__main__":
    main()
