"""The command line: Hydra stops here.

``python -m src.main task=imdb search=meta`` or, installed, ``foretune task=imdb search=meta``.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from foretune.config.compose import (
    check_overrides,
    register_members,
    register_pid,
    register_schemas,
    to_config,
)
from foretune.config.location import conf_folder
from foretune.config.private import mask_files
from foretune.core import ForetuneError
from foretune.core.interrupt import note_interrupts

EXIT_USER = 2  # the user can mend it
EXIT_INTERRUPTED = 130  # as shells say for Ctrl-C
# Threads that wait without spinning: beside another busy process, an epoch of the BiLSTM on two
# threads takes 9 s so and 42 s otherwise (8 s on one thread).
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}

_exit_codes: list[int] = []
# Hydra's launchers run jobs in processes that know this module alone, by import.
_is_launched = True
register_pid()


def main() -> None:
    """Run the jobs that the command line asks for; exit 2 where the user has something to mend."""
    global _is_launched  # noqa: PLW0603
    _is_launched = False
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
    note_interrupts()
    run = hydra.main(version_base="1.3", config_path=str(conf), config_name="config")(_job)
    if any(word.startswith("hydra/launcher=") for word in sys.argv[1:]):
        _launch(run)
    else:
        run()
    if _exit_codes:
        _leave(max(_exit_codes))


def _leave(code: int) -> NoReturn:
    """Exit with this code, also where Ctrl-C came while Python ran source text, as imports do.

    ``python -m`` remembers a KeyboardInterrupt that left an ``exec`` of a string (a dataclass is
    made by one) until the next string is run, and dies by SIGINT at its end though it was caught.
    """
    exec("")
    sys.exit(code)


def _launch(run: Callable[[], None]) -> None:
    """Run jobs in processes of a launcher's, which answer by raising, once they have complained."""
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what a job did
    try:
        run()
    except KeyboardInterrupt:
        _exit_codes.append(EXIT_INTERRUPTED)
    except ForetuneError as error:
        _complain(error)
        _exit_codes.append(EXIT_USER)


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
    """One job of Hydra's, here or in a launcher's process."""
    if not _is_launched:
        _run(composed)
        return
    from foretune.console import Prefixed

    note_interrupts()
    prefix = f"[{HydraConfig.get().job.num}] "
    with (
        contextlib.redirect_stdout(Prefixed(sys.stdout, prefix)),
        contextlib.redirect_stderr(Prefixed(sys.stderr, prefix)),
    ):
        _run(composed)
    if EXIT_INTERRUPTED in _exit_codes:
        raise KeyboardInterrupt


def _run(composed: DictConfig) -> None:
    """A failure that the user can mend is a message, not a traceback."""
    from foretune.run import run

    mask_files()
    settings = HydraConfig.get()
    logging.getLogger("optuna").setLevel(logging.WARNING)  # the console says it better
    try:
        config = to_config(composed)
        resolved = OmegaConf.to_container(composed, resolve=True)
        assert isinstance(resolved, dict)
        try:
            finished = run(config, {str(k): v for k, v in resolved.items()})
        except KeyboardInterrupt:  # between two trials' work: reading data, measuring the test rows
            if _is_launched:
                raise
            logging.getLogger(__name__).warning("interrupted; the same command goes on from here")
            finished = False
        if not finished:
            _exit_codes.append(EXIT_INTERRUPTED)
            if settings.mode == RunMode.MULTIRUN and not _is_launched:
                _leave(EXIT_INTERRUPTED)
    except ForetuneError as error:
        if settings.verbose or _is_launched:
            raise
        _complain(error)
        _exit_codes.append(EXIT_USER)


def _complain(error: ForetuneError) -> None:
    from foretune.console import print_error

    print_error(error)


if __name__ == "__main__":
    main()
