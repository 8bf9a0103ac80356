"""How does a search look on one page that opens anywhere, also without a network?"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import jinja2

from foretune.report.facts import Facts


def page(facts: Facts, figures: dict[str, str], *, card: Path | None = None) -> str:
    """The page: HTML with its pictures inside, no script, nothing to be fetched.

    Args:
        facts: Of the search.
        figures: SVG by title.
        card: The model card beside the exported model; None: there is none.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["short"] = _short
    text = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        facts=facts, figures=figures, card=card, lead=lead(facts)
    )


def lead(facts: Facts) -> str:
    """The search in one sentence."""
    n = len(facts.trials)
    best = facts.best
    if best is None or best.value is None:
        return f"None of {n} trials came to a score."
    model = f" by {best.model}" if best.model else ""
    told = f"{facts.metric} {facts.told('validation', best.value)} on the validation rows{model}"
    if facts.metric in facts.test:
        told += f", {facts.told('test', facts.test[facts.metric])} on the test rows"
    return f"{told}: trial {best.number} of {n}."


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
