"""What does ``job=pretrain`` do? It builds the local members and tells what they came to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from foretune.build import build_setup
from foretune.config.compose import task_config
from foretune.config.location import conf_folder
from foretune.config.schema.root import RootConfig
from foretune.core import ForetuneError, ModelError, format_duration
from foretune.jobs import Report

if TYPE_CHECKING:
    from foretune.train import ModelCard
    from foretune.train.pretrain import Built


_SHARE = 0.05  # of the budget, for looking at the sources' support sets


class Screen(Protocol):
    """Where it is shown how the pool is coming on."""

    def step(self, name: str, what: str, share: float, loss: float) -> None:
        """How far a member's stage is."""
        ...

    def line(self, text: str) -> None:
        """What became of a member."""
        ...


class _Watcher:
    """Tells a screen, and remembers what is done."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.done: list[Built] = []

    def step(self, name: str, what: str, share: float, loss: float) -> None:
        self._screen.step(name, what, share, loss)

    def member(self, built: Built) -> None:
        self.done.append(built)
        if built.card is None:
            self._screen.line(f"{built.name}: not built: {built.note}")
        elif built.note:
            self._screen.line(f"{built.name}: {built.note}")
        else:
            stages = "; ".join(_stage(stage) for stage in built.card.provenance["stages"])
            self._screen.line(f"{built.name}: {stages}; {format_duration(built.seconds)}")


def pretrain_job(config: RootConfig, screen: Screen) -> tuple[Report, bool]:
    """Build the pool's local members; the table of them, and whether it was not interrupted.

    Raises:
        ForetuneError: The folder cannot be written to, or no member could be had.
    """
    from foretune.train import load_cards
    from foretune.train.pretrain import build_pool

    recipes = [config.pool.recipes[n] for n in config.pool.build or config.pool.recipes]
    watcher, finished = _Watcher(screen), True
    try:
        build_pool(
            config.pool,
            task_config=partial(task_config, conf=conf_folder()),
            data=config.data,
            trainer=config.trainer,
            watcher=watcher,
            starts=load_cards(conf_folder(), [r.start for r in recipes if r.start]),
        )
    except KeyboardInterrupt:
        finished = False
    cards = {built.name: built.card for built in watcher.done if built.card is not None}
    failed = [f"{b.name}: not built: {b.note}" for b in watcher.done if b.card is None]
    if not cards and finished:
        raise ModelError("\n".join(["expected at least one member to be built", *failed]))
    lines = [*failed, f"They are in {config.pool.folder}; model=auto has them, model=NAME has one."]
    if finished:
        lines.append(show_sources(config))
    else:
        lines.append("interrupted: what is finished is kept, the same command goes on")
    return Report(
        title=f"{len(cards)} local members",
        columns=("member", "learnt", "M weights", "MB", "step s", "took", "score", "chance"),
        rows=tuple(_row(card) for card in cards.values()),
        lines=tuple(lines),
    ), finished


def show_sources(config: RootConfig) -> str:
    """Let the local members see a support set of each source task; a line on it.

    The embeddings are kept: a head's start can be learnt from them before anything was searched.
    The rows are those that a search would draw, which no member has learnt the labels of.
    """
    from foretune.meta.cache import cache_folder
    from foretune.selection.views import view_all

    recipes = [config.pool.recipes[n] for n in config.pool.build or config.pool.recipes]
    wanted = [name for r in recipes for stage in r.stages for name in stage.sources]
    allowed = config.pool.sources or wanted
    began, seen = time.monotonic(), []
    for name in dict.fromkeys(n for n in wanted if n in allowed):
        left = _SHARE * config.pool.budget_s - (time.monotonic() - began)
        if left <= 0:
            break
        own = replace(
            config,
            task=task_config(name, conf=conf_folder()),
            model=replace(config.model, members="auto"),
            pool=replace(config.pool, members=["local"]),
        )
        try:
            setup = build_setup(own, conf_folder())
            view_all(
                setup.data,
                setup.cards,
                size=config.selection.support_size,
                seed=config.selection.seed,
                trainer=config.trainer,
                cache_dir=cache_folder(config.search.meta.cache_dir),
                max_s=left,
            )
        except ForetuneError:
            continue  # a head's start is then learnt from the others
        seen.append(setup.data.info.name)
    return f"support sets that a head's start can be learnt from: {', '.join(seen) or 'none'}"


def _row(card: ModelCard) -> tuple[str, ...]:
    stages = card.provenance.get("stages", [])
    last: Mapping[str, Any] = stages[-1] if stages else {}
    learnt = ", then ".join(f"{s['learns']} of {_sources(s)}" for s in stages)
    return (
        card.name,
        learnt,
        f"{card.parameters_m:.2f}",
        f"{card.disk_mb:.1f}",
        "-" if card.step_s is None else f"{card.step_s:.3f}",
        format_duration(float(card.provenance.get("seconds", 0.0))),
        f"{last.get('metric', '')} {last.get('score', float('nan')):.3f}",
        f"{last.get('chance', float('nan')):.3f}",
    )


def _stage(stage: Mapping[str, Any]) -> str:
    return (
        f"{stage['learns']} of {_sources(stage)}, {stage['steps']} steps, loss {stage['loss']:.3f},"
        f" {stage['metric']} {stage['score']:.3f} (chance {stage['chance']:.3f})"
    )


def _sources(stage: Mapping[str, Any]) -> str:
    return "+".join(source["task"] for source in stage["sources"])
