"""How does text on the command line become a typed configuration, and what is wrong with it?"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from foretune.config.schema.pool import PoolConfig
from foretune.config.schema.root import RootConfig
from foretune.config.schema.task import TaskConfig
from foretune.core import ConfigError, unknown_name

_MISSING_GROUP = re.compile(r"Could not find '([\w-]+)/([^']+)'")
_MISSING_KEY = re.compile(r"(?:Key|Could not override) '([^']+)'")
_OPEN = (
    "space.params.",
    "task.hub.extra.",
    "model.",
    "pool.recipes.",
    "hydra.",
)  # where names are the user's own
MAX_CHECKED = 64  # combinations of a sweep that are composed before its first job


def register_schemas() -> None:
    """Make the schemas known to Hydra, and the ``pid`` resolver."""
    ConfigStore.instance().store(name="foretune_schema", node=RootConfig)
    register_pid()


def register_pid() -> None:
    """Make the resolver known that keeps run folders apart; one number for all jobs of a sweep."""
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True, use_cache=True)


def register_members(words: Sequence[str], conf: Path) -> None:
    """Make ``model=NAME`` known to Hydra for the members in the pool's folder.

    Args:
        words: The command line's; ``pool.folder=DIR`` says where the pool is.
        conf: Its own cards come first.
    """
    named = [word.removeprefix("pool.folder=") for word in words if word.startswith("pool.folder=")]
    folder = Path(named[-1].strip("'\"") if named else PoolConfig().folder).expanduser()
    for card in sorted(folder.glob("*/card.yaml")):
        name = card.parent.name
        if not (conf / "model" / f"{name}.yaml").exists():
            members = {"members": [name]}
            ConfigStore.instance().store(group="model", name=name, node=members)


def task_config(name: str, conf: Path) -> TaskConfig:
    """The configuration of a task of conf/task/, whatever task the job itself is on.

    Raises:
        ConfigError: There is none of that name, or it has problems.
    """
    file = conf / "task" / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(unknown_name("task", name, _options("task", [conf])))
    merged = OmegaConf.merge(OmegaConf.structured(TaskConfig), OmegaConf.load(file))
    config = OmegaConf.to_object(merged)
    assert isinstance(config, TaskConfig)
    if problems := config.problems():
        raise ConfigError(problems)
    return config


def to_config(composed: DictConfig) -> RootConfig:
    """The typed configuration that ``composed`` holds.

    Raises:
        ConfigError: With every problem of every section.
    """
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error, Path())) from error
    if not isinstance(config, RootConfig):
        raise ConfigError(f"expected the schema RootConfig, got {type(config).__name__}")
    problems = config.problems()
    if problems:
        raise ConfigError(problems)
    return config


def check_overrides(
    overrides: Sequence[str], *, conf: Path, extra_dir: str | None = None, sweep: bool = False
) -> None:
    """Compose what the overrides ask for, each job of a sweep, before any job runs.

    Args:
        overrides: The command line's ``key=value`` words.
        conf: The folder of config.yaml.
        extra_dir: A further folder of configurations (``--config-dir``).
        sweep: Whether values separated by commas are a sweep.

    Raises:
        ConfigError: With every problem found; unknown names come with the known ones.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    problems = [
        f"{o.input_line}: the configuration has no such place; drop the + to set what is there"
        for o in parsed
        if o.is_add() and not o.key_or_group.startswith(_OPEN)
    ]
    folders = [conf] + ([Path(extra_dir).resolve()] if extra_dir else [])
    search_path = [f"hydra.searchpath=[file://{folders[1]}]"] if extra_dir else []
    with initialize_config_dir(config_dir=str(conf), version_base="1.3"):
        for job in _jobs(parsed, sweep=sweep):
            try:
                to_config(compose("config", overrides=[*job, *search_path]))
            except ConfigError as error:
                problems += error.problems
            except (HydraException, OmegaConfBaseException) as error:
                problems.append(_explain(error, *folders))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))


def _jobs(parsed: Sequence[Override], *, sweep: bool) -> list[list[str]]:
    """The override lists of each job of a sweep (at most ``MAX_CHECKED``)."""
    choices: list[list[str]] = []
    for override in parsed:
        swept = sweep and override.is_sweep_override()
        if swept:
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        elif override.input_line is not None:
            choices.append([override.input_line])
    return [list(job) for job in itertools.islice(itertools.product(*choices), MAX_CHECKED)]


def _explain(error: Exception, *folders: Path) -> str:
    """Hydra's or OmegaConf's complaint as one sentence, with the nearest known name."""
    text = f"{error.__cause__ or ''}\n{error}".strip()
    if missing := _MISSING_GROUP.search(text):
        group, name = missing[1], missing[2].removesuffix(".yaml")
        return unknown_name(group, name, _options(group, folders))
    where = re.search(r"full_key: (\S+)", text)
    if key := _MISSING_KEY.search(text):
        return _unknown_setting(where[1] if where else key[1])
    line = next(line.strip() for line in text.splitlines() if line.strip())
    return f"{where[1]}: {line}" if where and where[1] not in line else line


def _options(group: str, folders: Sequence[Path]) -> list[str]:
    """The names that may follow ``group=``."""
    found: set[str] = set()
    for folder in folders:
        base = folder / group
        found.update(str(p.relative_to(base).with_suffix("")) for p in base.rglob("*.yaml"))
    return sorted(found)


def _unknown_setting(full_key: str) -> str:
    """Name the first part of ``search.n_trial`` that is unknown, and what is known there."""
    node: object = compose("config")
    above: list[str] = []
    for part in full_key.split("."):
        if not (isinstance(node, DictConfig) and part in node):
            break
        above.append(part)
        node = node[part]
    known = [str(key) for key in node] if isinstance(node, DictConfig) else []
    unknown = full_key.split(".")[min(len(above), full_key.count("."))]
    return (f"{'.'.join(above)}: " if above else "") + unknown_name("setting", unknown, known)
