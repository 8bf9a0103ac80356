"""How are rows fetched from the Hugging Face hub, and how does nothing hang without it?"""

from __future__ import annotations

import logging
import os
import re
import threading
from functools import cache
from typing import TYPE_CHECKING

from foretune.config.schema.task import TaskConfig
from foretune.core import DataError, mask_url
from foretune.train.data.task_data import RawTask

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

log = logging.getLogger(__name__)


class HubError(DataError):
    """Neither the hub nor its cache on this machine gives the rows; ``reason`` says why."""

    def __init__(self, repository: str, reason: str) -> None:
        self.reason = reason = mask_url(reason)  # it may name HF_ENDPOINT
        super().__init__(
            f"expected {repository} from the hub or its cache on this machine, got none: {reason}; "
            "check the network and HF_ENDPOINT, or give a folder of files by data.dir, or take "
            "packaged data by data.source=packaged"
        )


def hub_reachable(timeout_s: float = 3.0) -> bool:
    """Whether the hub (``HF_ENDPOINT``, through any proxy) answers within ``timeout_s`` seconds.

    Asked once a process. When it does not answer, the Hugging Face libraries are told to stay
    offline (``go_offline``): each of their calls would otherwise retry for about half a minute.
    With ``HF_HUB_OFFLINE=1`` the answer is no, at once.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode():
        go_offline()
        return False
    reachable = _answers(constants.ENDPOINT, timeout_s)
    if not reachable:
        go_offline()
    return reachable


def go_offline() -> None:
    """Tell huggingface_hub, transformers and datasets to use what is cached and nothing else.

    They read ``HF_HUB_OFFLINE`` when imported, so the flag is set where each keeps it, and in the
    environment for processes started from here.
    """
    import datasets
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True
    datasets.config.HF_HUB_OFFLINE = True


@cache
def _answers(endpoint: str, timeout_s: float) -> bool:
    """Whether ``endpoint`` answers; asked in a thread, as looking up a host has no time limit."""
    from huggingface_hub import get_session

    answers: list[int] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(endpoint, timeout=timeout_s).status_code)
        except Exception as error:  # of whatever the session's transport raises
            log.debug("the hub %s does not answer: %s", endpoint, error)

    thread = threading.Thread(target=ask, daemon=True, name="foretune-hub-check")
    thread.start()
    thread.join(timeout_s)
    return bool(answers) and answers[0] < 500


def load_hub(task: TaskConfig, timeout_s: float) -> RawTask:
    """The task's rows from the hub, or from the hub's cache on this machine without a network.

    Raises:
        DataError: The task has no repository, or the repository lacks a split.
        HubError: Neither the hub nor its cache on this machine gives the rows.
    """
    if not task.hub.id:
        raise DataError(
            f"expected a hub repository for task {task.name}, got none; set task.hub.id, or "
            "data.dir to a folder of files"
        )
    reachable = hub_reachable(timeout_s)
    splits = _fetch(task, reachable)
    wanted = {"train": task.hub.train, "test": task.hub.test, **task.hub.extra}
    if task.hub.validation:
        wanted["validation"] = task.hub.validation
    missing = [split for split in wanted.values() if split not in splits]
    if missing:
        raise DataError(
            f"expected the splits {', '.join(wanted.values())} in {task.hub.id}, got "
            f"{', '.join(splits)}; set task.hub"
        )
    place = "" if reachable else ", from the cache on this machine"
    config = f" {task.hub.config}" if task.hub.config else ""
    revision = _revision(splits[task.hub.train]) or task.hub.revision or "unknown"
    return RawTask(
        name=task.name,
        source="hub",
        origin=f"{task.hub.id}{config} at {revision}{place}",
        columns=task.columns,
        classes=tuple(task.classes),
        train=splits[task.hub.train],
        validation=splits[task.hub.validation] if task.hub.validation else None,
        test=splits[task.hub.test],
        extra={name: splits[split] for name, split in task.hub.extra.items()},
    )


def _fetch(task: TaskConfig, reachable: bool) -> DatasetDict:
    import datasets
    from huggingface_hub import constants

    try:
        return datasets.load_dataset(task.hub.id, task.hub.config, revision=task.hub.revision)
    except Exception as error:  # datasets has no base class for what can go wrong on the way
        log.debug("loading %s failed", task.hub.id, exc_info=True)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if not reachable:
            reason = f"no answer from {constants.ENDPOINT} (or HF_HUB_OFFLINE is set)"
        raise HubError(task.hub.id, reason) from error


def _revision(rows: Dataset) -> str | None:
    """The commit that the rows were loaded from: the name of the folder that caches them."""
    for file in rows.cache_files:
        found = re.search(r"[/\\]([0-9a-f]{40})[/\\]", file["filename"])
        if found:
            return found[1]
    return None
