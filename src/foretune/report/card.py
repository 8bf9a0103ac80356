"""What should somebody know who finds the exported model? A card in Hugging Face's form.

``README.md`` beside the weights: YAML front matter that the hub understands, then for a person what
the model is, how good, how it was found and on which data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from foretune.report.facts import Facts

if TYPE_CHECKING:
    from foretune.config.schema.model import ModelCard

CARD = "README.md"
_PIPELINES = {
    "text-classification": "text-classification",
    "text-regression": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
    "image-classification": "image-classification",
}


def write_card(folder: Path, facts: Facts, base: ModelCard) -> Path:
    """Write the card of the best model into its folder.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / CARD
    part = path.with_name(f".{CARD}.part")
    part.write_text(model_card(facts, base), encoding="utf-8")
    part.replace(path)
    return path


def model_card(facts: Facts, base: ModelCard) -> str:
    """The card's text; ``facts.best`` is the trial whose model it is.

    Args:
        facts: Of the search that found the model.
        base: The member that it was trained from.
    """
    best = facts.best
    assert best is not None
    front = yaml.safe_dump(_front(facts, base), sort_keys=False, allow_unicode=True).strip()
    parts = [
        f"---\n{front}\n---",
        f"# {facts.task}: {base.name}",
        _first_words(facts, base),
        "## How good it is",
        _scores(facts),
        "## Use",
        "```python\nfrom foretune.train import load_model\n\n"
        'model = load_model("this folder")\nmodel.predict([...])\n```',
        "## Configuration",
        _table(
            ("parameter", "value", "searched"),
            [(n, _text(v), facts.space.get(n, "")) for n, v in best.params.items()],
        ),
        f"Trial {best.number} of {len(facts.trials)}. Why it was tried: {' '.join(best.why)}",
        "## How it was found",
        _table(("", ""), facts.found_by),
        "## Data",
        facts.data + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _front(facts: Facts, base: ModelCard) -> dict[str, object]:
    """What the hub reads; only what is known."""
    best = facts.best
    assert best is not None
    front: dict[str, object] = {
        "library_name": "foretune",
        "tags": ["foretune", "hyperparameter-search", base.family, facts.task],
    }
    if facts.kind in _PIPELINES:
        front["pipeline_tag"] = _PIPELINES[facts.kind]
    if base.licence:
        front["license"] = base.licence
    if "/" in base.checkpoint and base.source.value == "hub":
        front["base_model"] = base.checkpoint
    if facts.metric in ("accuracy", "f1"):
        front["metrics"] = [facts.metric]
    scores = [("validation", best.value)]
    scores += [("test", facts.test[facts.metric])] if facts.metric in facts.test else []
    front["model-index"] = [
        {
            "name": facts.study,
            "results": [
                {
                    "task": {"type": facts.kind},
                    "dataset": {"name": facts.task, "type": facts.task, "split": split},
                    "metrics": [{"type": facts.metric, "value": round(float(value or 0.0), 6)}],
                }
                for split, value in scores
            ],
        }
    ]
    return front


def _first_words(facts: Facts, base: ModelCard) -> str:
    what = f"{base.name} ({base.parameters_m:g} M parameters, {base.family})"
    start = f"pretrained on {', '.join(base.corpus)}" if base.corpus else "from random weights"
    words = f"{what}, {start}, trained for {facts.kind or 'a task'} by Foretune."
    if facts.stand_in:
        words += (
            f"\n\n**Trained on packaged stand-in data, not on {facts.attrs.get('asked')}**: it"
            " shows that everything works and is no model of that data set."
        )
    return words


def _scores(facts: Facts) -> str:
    best = facts.best
    assert best is not None
    rows = [("validation", _score(facts, "validation", best.value), _level(facts, "validation"))]
    if facts.metric in facts.test:
        score = _score(facts, "test", facts.test[facts.metric])
        rows.append(("test", score, _level(facts, "test")))
    text = _table(("rows", facts.metric, "constant answer"), rows)
    others = [f"{n} {v:.3f}" for n, v in facts.test.items() if n != facts.metric]
    if others:
        text += f"\n\nOn the test rows also: {', '.join(others)}."
    n = sum(t.value is not None for t in facts.trials)
    return text + (
        f"\n\nThe validation score is the best of {n}, and so flatters; the test rows chose none."
    )


def _score(facts: Facts, split: str, value: float | None) -> str:
    return "" if value is None else facts.told(split, value)


def _level(facts: Facts, split: str) -> str:
    return f"{facts.baseline[split]:.3f}" if split in facts.baseline else ""


def _table(head: tuple[str, ...], rows: object) -> str:
    assert isinstance(rows, list | tuple)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
