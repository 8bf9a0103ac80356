"""How does each part of the report read: losses first, then everything that stands behind it?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from foretune.bench.markup import bullets, figure, folded, paragraph, table
from foretune.bench.methods import META, METHODS

Report = Mapping[str, Any]
N_LOSSES = 12  # shown at once (taste)


def losses(found: Report) -> str:
    """Where meta is behind, on single tasks, the worst first."""
    behind = found["losses"]
    title = f"<h3>Where meta is behind after {min(3, found['n_trials'])} trials</h3>"
    if not behind:
        return title + paragraph("Nowhere.")
    head = ("task", "behind", "meta", "the other", "by")
    rows = [
        [
            told["task"], METHODS[told["method"]].label, score(told["meta"]),
            score(told["other"]), score(told["behind"]),
        ]
        for told in behind
    ]  # fmt: skip
    shown = table(head, rows[:N_LOSSES], text=(0, 1))
    rest = folded(f"{len(rows) - N_LOSSES} smaller ones", table(head, rows[N_LOSSES:], text=(0, 1)))
    return title + shown + (rest if len(rows) > N_LOSSES else "")


def comparisons(found: Report) -> str:
    """Meta against each other method, over families."""
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


def speed(found: Report) -> str:
    """How soon a method has what another has at the end."""
    if not found["speed"]:
        return ""
    last = found["n_trials"]
    rows = [
        [
            f"what {METHODS[s['against']].label} has after {last} trials",
            METHODS[s["method"]].label, f"{s['trials']:.1f}", f"{s['seconds']:.0%}",
            f"{s['seconds_kept']:.0%}",
            f"{s['share']:.0%}",
        ]
        for s in found["speed"]
    ]  # fmt: skip
    head = ("score to reach", "by", "trials", "of its seconds", "model kept", "searches that do")
    note = (
        f"The score is the mean over seeds on each task. A search that never reaches it counts as "
        f"{last + 1} trials and with all its seconds. Suggesting and meta-training are included; "
        "“model kept”: without the meta-training, which is done once for a history."
    )
    return "<h3>How soon</h3>" + table(head, rows, text=(0, 1)) + paragraph(note, "note")


def tasks(found: Report) -> str:
    """Each task's regret, in figures."""
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


def costs(found: Report) -> str:
    """What suggesting costs, and the stricter measure."""
    rows = [
        [
            METHODS[m].label, str(f["n_seeds"]), _seconds(f["training_s"]),
            _seconds(f["first_asking_s"]), _seconds(f["asking_s"]),
            *("-" if _none(f[n]) else f"{f[n]:.0f}" for n in ("peak_mb", "cpu_percent")),
            score(f["strict"][min(3, len(f["strict"])) - 1]),
        ]
        for m, f in found["methods"].items()
    ]  # fmt: skip
    head = (
        "", "searches a task", "meta-training, CPU s", "first suggestion", "others",
        "peak MB of trials", "their use of a core, %", "regret to the median, 3 trials",
    )  # fmt: skip
    note = (
        "Meta-training is done once for a history and then kept. The last column measures regret "
        "between the best and the median configuration, so that nothing is gained by hopeless ones."
    )
    return (
        "<h3>What it costs, and a stricter measure</h3>"
        + table(head, rows)
        + paragraph(note, "note")
    )


def live(found: Report, figures: Mapping[str, str]) -> list[str]:
    """The live comparison."""
    head = (
        "task", "method", "best validation", "trained again", "test", "again: test", "trials",
        "seconds to grid's best", "to TPE's best",
    )  # fmt: skip
    rows = [
        [
            row["task"], METHODS[row["method"]].label,
            *(shown(row[k]) for k in ("best", "again", "test", "again_test")),
            f"{row['trials']:.1f}", _seconds(row["to_grid_s"]), _seconds(row["to_tpe_s"]),
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


def live_sentence(found: Report) -> str:
    """The live comparison's finding in one sentence."""
    shares = ", ".join(f"{line['of']}'s best in {line['got']:.0%}" for line in found["reach"])
    told = f"of the seconds that they have, meta reaches {shares}" if shares else "no score"
    n = len(found["tasks"])
    tasks = "one task" if n == 1 else f"{n} tasks"
    return f"Really trained on {tasks}, {found['budget_s']:g} s a search: {told}."


def score(value: float | None) -> str:
    """A regret as it is printed.

    >>> score(0.0312), score(0.00046), score(0.0), score(None)
    ('.031', '.0005', '0', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value):
        return f"{value:.0f}"
    text = f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.4f}"
    return text.replace("0.", ".", 1)


def _none(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _seconds(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def shown(value: float | None) -> str:
    """A score, or a dash."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"
