"""``job=report study=NAME``: the page of one search, written beside its best model."""

from __future__ import annotations

from pathlib import Path

from foretune.config.schema.root import RootConfig
from foretune.core import ConfigError
from foretune.history.inspect import show_study
from foretune.jobs import Report
from foretune.report.card import CARD
from foretune.report.facts import gather
from foretune.report.figures import figures
from foretune.report.page import lead, page
from foretune.search.best_model import best_model

PAGE = "report.html"


def report_job(config: RootConfig) -> Report:
    """Write the page of ``config.study`` (None: the newest); the table says where it is.

    Raises:
        HistoryError: There is no such study.
        ConfigError: The page cannot be written.
    """
    details = show_study([config.storage.url], config.study)
    facts = gather(details)
    folder = Path(config.outputs) / "studies" / facts.study
    model = best_model(folder)
    card = model / CARD if model is not None and (model / CARD).exists() else None
    text = page(facts, figures(facts, list(details.trials)), card=card)
    path = folder / PAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"outputs: expected a folder that can be written to, got {config.outputs!r} "
            f"({error.strerror}); name another with outputs=DIR"
        ) from error
    rows = [("report", str(path))]
    rows += [("model card", str(card))] if card else []
    return Report(
        title=facts.study, columns=("what", "where"), rows=tuple(rows), lines=(lead(facts),)
    )
