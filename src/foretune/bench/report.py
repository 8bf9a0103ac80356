"""How does the benchmark read? One HTML file that opens offline: for a minute, or for a review."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from foretune.bench.markup import bullets, figure, folded, paragraph, table
from foretune.bench.methods import META, METHODS

Report = Mapping[str, Any]
TITLE = "Foretune benchmark: meta against grid, random and Bayesian search"


def render(report: Report, figures: Mapping[str, str]) -> str:
    """The page.

    Args:
        report: What report.json holds.
        figures: SVGs by name (`foretune.bench.figures.draw_all`).
    """
    style = files("foretune.bench").joinpath("report.css").read_text(encoding="utf-8")
    main = "table" if report.get("table") else "surrogate"
    body = [f"<h1>{escape(TITLE)}</h1>", f'<p class="lead">{escape(sentence(report))}</p>']
    if report.get(main):
        caption = "Band: 95 % bootstrap interval of meta over families of tasks."
        body += [figure(figures[f"{main}-regret"], caption), _first_table(report[main])]
    body += [_reach(report), *_part(report, figures, main, first=True)]
    if main == "table" and report.get("surrogate"):
        body += _part(report, figures, "surrogate", first=False)
    if report.get("live"):
        body += _live(report["live"], figures)
    body.append(_settings(report))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(TITLE)}'
        f'</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>\n{style}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def sentence(report: Report) -> str:
    """The finding in one sentence."""
    found = report.get("table") or report.get("surrogate")
    if not found:
        return "Nothing was compared: neither a recorded table nor the surrogate is here."
    methods, last = found["methods"], found["n_trials"]
    three = min(3, last) - 1
    others = [m for m in ("random", "grid", "grid_729", "tpe", "gp") if m in methods]
    told = ", ".join(f"{METHODS[m].label} {score(methods[m]['regret'][three])}" for m in others)
    ends = ", ".join(
        f"{METHODS[m].label} {score(methods[m]['regret'][-1])}" for m in others if m != "random"
    )
    return (
        f"After {three + 1} trials on a task that it never saw, meta's best configuration has a "
        f"normalised regret of {score(methods[META]['regret'][three])} ({told}). After {last} "
        f"trials: {ends}."
    )


def score(value: float | None) -> str:
    """A regret as it is printed.

    >>> score(0.0312), score(0.00046), score(0.0), score(None)
    ('.031', '.0005', '0', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    text = f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.4f}"
    return text.replace("0.", ".", 1)


def _first_table(found: Report) -> str:
    methods, marks = found["methods"], found["marks"]
    tested = any(f["test"][0] is not None for f in methods.values())
    head = ["normalised regret after"] + [f"{m} trial{'s' * (m > 1)}" for m in marks]
    head += ["mean over all"] + ["on test rows, 3 trials"] * tested
    rows = []
    for m, f in methods.items():
        rows.append(
            [METHODS[m].label, *(score(f["regret"][k - 1]) for k in marks), score(f["area"])]
            + [score(f["test"][min(3, len(f["test"])) - 1])] * tested
        )
    kinds = ["meta" if m == META else "" for m in methods]
    note = (
        "0 is the best recorded configuration, 1 the worst; mean over families of tasks (tasks of "
        "one source count as one) and seeds. meta, mean rank, portfolio and nearest task learn "
        "from the other families alone."
    )
    return table(head, rows, classes=kinds) + paragraph(note, "note")


def _reach(report: Report) -> str:
    rows = [
        [
            ("" if part == "table" else "surrogate: ") + line["what"],
            score(line["wanted"]), score(line["got"]),
            "reached" if line["reached"] else "missed", ", ".join(line.get("named", ())),
        ]
        for part in ("table", "surrogate")
        for line in report.get("reach", {}).get(part, [])
    ]  # fmt: skip
    if not rows:
        return ""
    return "<h2>What it must reach</h2>" + table(
        ("", "at most", "got", "", ""), rows, text=(0, 3, 4)
    )


def _part(report: Report, figures: Mapping[str, str], part: str, *, first: bool) -> list[str]:
    found = report.get(part)
    if not found:
        return []
    title = {
        "table": "The recorded table: real trials, looked up",
        "surrogate": "The LCBench surrogate: the whole space is open",
    }[part]
    out = [f"<h2>{title}</h2>", paragraph(_about(report, part))]
    if not first:
        out += [figure(figures[f"{part}-regret"]), _first_table(found)]
    out += [_losses(found), _comparisons(found), _speed(found)]
    if f"{part}-ranks" in figures:
        caption = (
            "Mean rank over families by the mean regret over all trials; a bar joins methods that "
            "cannot be told apart (Wilcoxon signed-rank, Holm, 5 %)."
        )
        out.append(figure(figures[f"{part}-ranks"], caption))
    out += ["<h3>Each task</h3>", figure(figures[f"{part}-tasks"]), _tasks(found), _costs(found)]
    if found["left_out"]:
        lines = [
            f"{METHODS[m].label} does not apply to {n} of the tasks and is left out"
            for m, n in found["left_out"].items()
        ]
        out.append(bullets(lines))
    return out


def _about(report: Report, part: str) -> str:
    found = report[part]
    if part == "surrogate":
        return (
            f"{found['n_tasks']} unseen data sets; meta learns from 200 random trials on each of "
            "24 others. Regret is between the worst and the best of half a million random "
            "configurations. No test scores."
        )
    counts = sorted({told["n_configs"] for told in report["sources"]["tasks"]})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{found['n_tasks']} tasks of {len(found['families'])} families, on each the same {n} "
        "configurations of its modality, each trained once. A method tries one of them at a time "
        "and is told the recorded score. What TPE, GP and grid suggest is moved to the nearest "
        "configuration that was not tried; meta chooses among them itself, and “meta, moved” shows "
        "it treated as TPE is. A task's whole family is left out of what is learnt from."
    )


def _losses(found: Report) -> str:
    losses = found["losses"]
    title = f"<h3>Where meta is behind after {min(3, found['n_trials'])} trials</h3>"
    if not losses:
        return title + paragraph("Nowhere.")
    head = ("task", "behind", "meta", "the other", "by")
    rows = [
        [
            told["task"], METHODS[told["method"]].label, score(told["meta"]),
            score(told["other"]), score(told["behind"]),
        ]
        for told in losses
    ]  # fmt: skip
    shown = table(head, rows[:12], text=(0, 1))
    rest = folded(f"{len(rows) - 12} smaller ones", table(head, rows[12:], text=(0, 1)))
    return title + shown + (rest if len(rows) > 12 else "")


def _comparisons(found: Report) -> str:
    if not found["comparisons"]:
        return ""
    rows = [
        [
            c["what"], METHODS[c["method"]].label, str(c["losses"]), str(c["ties"]),
            str(c["wins"]), f"{c['difference']:+.4f}", f"{c['low']:+.4f} to {c['high']:+.4f}",
            f"{c['p']:.2g}", f"{c['p_holm']:.2g}",
        ]
        for c in found["comparisons"]
    ]  # fmt: skip
    head = ("meta against", "", "families lost", "tied", "won", "difference", "95 %", "p", "Holm")
    note = (
        "Difference of mean regret, below 0 is in meta's favour; intervals by bootstrap over "
        "families; Wilcoxon signed-rank over families, two-sided, corrected over the methods."
    )
    return "<h3>Losses, ties, wins</h3>" + table(head, rows, text=(0, 1)) + paragraph(note, "note")


def _speed(found: Report) -> str:
    if not found["speed"]:
        return ""
    last = found["n_trials"]
    rows = [
        [
            f"what {METHODS[s['against']].label} has after {last} trials",
            METHODS[s["method"]].label, f"{s['trials']:.1f}", f"{s['seconds']:.0%}",
            f"{s['share']:.0%}",
        ]
        for s in found["speed"]
    ]  # fmt: skip
    head = ("score to reach", "by", "trials", "of its seconds", "searches that do")
    note = (
        f"The score is the mean over seeds on each task. A search that never reaches it counts as "
        f"{last + 1} trials and with all its seconds; suggesting and meta-training are included."
    )
    return "<h3>How soon</h3>" + table(head, rows, text=(0, 1)) + paragraph(note, "note")


def _tasks(found: Report) -> str:
    shown = [m for m in found["methods"] if METHODS[m].drawn]
    head = ["regret after 3 trials", "family", *(METHODS[m].label for m in shown)]
    k = min(3, found["n_trials"]) - 1
    rows = [
        [
            told["task"], told["family"],
            *(score(found["per_task"][told["task"]][m][k]) for m in shown),
        ]
        for told in found["tasks"]
    ]  # fmt: skip
    return folded("In figures", table(head, rows, text=(0, 1)))


def _costs(found: Report) -> str:
    rows = [
        [
            METHODS[m].label, str(f["n_seeds"]), _seconds(f["first_asking_s"]),
            _seconds(f["asking_s"]), "-" if _none(f["peak_mb"]) else f"{f['peak_mb']:.0f}",
            score(f["strict"][min(3, len(f["strict"])) - 1]),
        ]
        for m, f in found["methods"].items()
    ]  # fmt: skip
    head = (
        "", "searches a task", "first suggestion, CPU s", "others, CPU s", "peak MB of trials",
        "regret to the median, 3 trials",
    )  # fmt: skip
    note = (
        "meta's first suggestion includes meta-training, which is done once for a history and then "
        "kept; here, and in the curve against seconds, every search pays for it. The last column "
        "measures regret between the best and the median configuration, so that nothing is gained "
        "by hopeless ones."
    )
    return (
        "<h3>What it costs, and a stricter measure</h3>"
        + table(head, rows)
        + paragraph(note, "note")
    )


def _live(found: Report, figures: Mapping[str, str]) -> list[str]:
    head = (
        "task", "method", "best validation", "its test", "trained again: test", "trials",
        "seconds to grid's best", "to TPE's best",
    )  # fmt: skip
    rows = [
        [
            row["task"], METHODS[row["method"]].label, *(_value(row[k]) for k in ("best", "test")),
            _value(row["again"]), f"{row['trials']:.1f}", _seconds(row["to_grid_s"]),
            _seconds(row["to_tpe_s"]),
        ]
        for row in found["rows"]
    ]  # fmt: skip
    kinds = ["meta" if row["method"] == META else "" for row in found["rows"]]
    return [
        "<h2>Live: really trained, the same seconds for every method</h2>",
        paragraph(found["about"]),
        figure(figures["live"]) if "live" in figures else "",
        table(head, rows, text=(0, 1), classes=kinds),
        bullets(found["notes"]),
    ]


def _settings(report: Report) -> str:
    about = [f"{METHODS[m].label}: {METHODS[m].about}" for m in _compared(report)]
    facts = [[key, str(value)] for key, value in report["facts"].items()]
    return "\n".join(
        (
            "<h2>How it was made</h2>",
            f"<pre>{escape(report['command'])}</pre>",
            bullets(report["notes"]),
            table(("", ""), facts, text=(0, 1)),
            folded("The methods", bullets(about)),
            folded("Every setting", f"<pre>{escape(_json(report['config']))}</pre>"),
            folded("Where the table comes from", f"<pre>{escape(_json(report['sources']))}</pre>"),
        )
    )


def _compared(report: Report) -> list[str]:
    parts = [report[p]["methods"] for p in ("table", "surrogate") if report.get(p)]
    return [m for m in METHODS if any(m in methods for methods in parts)]


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def _none(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _seconds(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _value(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"
