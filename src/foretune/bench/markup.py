"""How do tables and text become HTML? Everything is escaped here, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Sequence[int] = (),
    classes: Sequence[str] = (),
) -> str:
    """A table; ``text`` columns are aligned left, ``classes`` are those of the rows."""

    def cell(tag: str, k: int, value: str) -> str:
        kind = ' class="text"' if k in text else ""
        return f"<{tag}{kind}>{mark(value)}</{tag}>"

    lines = ["<tr>" + "".join(cell("th", k, v) for k, v in enumerate(head)) + "</tr>"]
    for n, row in enumerate(rows):
        kind = f' class="{classes[n]}"' if n < len(classes) and classes[n] else ""
        lines.append(f"<tr{kind}>" + "".join(cell("td", k, v) for k, v in enumerate(row)) + "</tr>")
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def mark(value: str) -> str:
    """Escaped text; a reached or missed target in its colour."""
    shown = escape(value)
    if value in ("reached", "missed"):
        return f'<span class="{value}">{shown}</span>'
    return shown


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of text."""
    return f"<p{f' class={kind!r}' if kind else ''}>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def folded(title: str, body: str) -> str:
    """Something that opens at a click."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def figure(svg: str, caption: str = "") -> str:
    """A drawing inside the page."""
    note = f'<figcaption class="note">{escape(caption)}</figcaption>' if caption else ""
    return f"<figure>{svg}{note}</figure>"
