"""How does the benchmark read? One HTML file that opens offline: for a minute, or for a review."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from foretune.bench import report_parts as parts
from foretune.bench.markup import bullets, figure, folded, paragraph, table
from foretune.bench.methods import META, METHODS
from foretune.bench.report_parts import Report, score

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
        caption = (
            "Band: 95 % bootstrap interval of meta over families of tasks. Dotted: meta with a "
            "model trained before; one is trained once for a history, and kept."
        )
        body += [figure(figures[f"{main}-regret"], caption), _first_table(report[main])]
    body += [_reach(report), *_part(report, figures, main, first=True)]
    if main == "table" and report.get("surrogate"):
        body += _part(report, figures, "surrogate", first=False)
    if report.get("live"):
        body += parts.live(report["live"], figures)
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
        return parts.live_sentence(report["live"])
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
    live = (report.get("live") or {}).get("reach", [])
    judged = {**report.get("reach", {}), "live": live}
    rows = [
        [
            ("" if part == "table" else f"{part}: ") + line["what"],
            score(line["wanted"]), score(line["got"]),
            "reached" if line["reached"] else "missed", ", ".join(line.get("named", ())),
        ]
        for part in ("table", "surrogate", "live")
        for line in judged.get(part, [])
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
    out += [parts.losses(found), parts.comparisons(found), parts.speed(found)]
    if f"{part}-ranks" in figures:
        caption = (
            "Mean rank over families by the mean regret over all trials; a bar joins methods that "
            "cannot be told apart (Friedman and Nemenyi, 5 %)."
        )
        out.append(figure(figures[f"{part}-ranks"], caption))
    out += [
        "<h3>Each task</h3>",
        figure(figures[f"{part}-tasks"]),
        parts.tasks(found),
        parts.costs(found),
    ]
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
