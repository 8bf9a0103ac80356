"""How does a job print a table, and how is an error said in one clear message?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import ASCII2, SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foretune.core import ConfigError, mask_url, printable


def print_report(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    lines: Iterable[str] = (),
    *,
    console: Console | None = None,
) -> None:
    """Print a table and the lines below it.

    Columns whose values are all numbers are aligned to the right. A terminal's cells are wrapped to
    fit; elsewhere each row is one plain line, whole.
    """
    console = console or Console()
    cells = [[_cell(value) for value in row] for row in rows]
    columns_of_cells = list(zip(*cells, strict=True)) or [()] * len(columns)
    to_right = [bool(column) and all(map(_is_number, column)) for column in columns_of_cells]
    if console.is_terminal:
        box = ASCII2 if console.options.ascii_only else SIMPLE_HEAD
        table = Table(
            title=Text(printable(title)), box=box, title_justify="left", header_style="bold"
        )
        for name, is_right in zip(columns, to_right, strict=True):
            table.add_column(Text(name), justify="right" if is_right else "left")
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        console.print(printable(title), markup=False, highlight=False, soft_wrap=True)
        widths = [
            max(map(cell_len, (name, *column)))
            for name, column in zip(columns, columns_of_cells, strict=True)
        ]
        for row in (list(columns), *cells):
            fitted = [
                text.rjust(width) if is_right else text.ljust(width)
                for text, width, is_right in zip(row, widths, to_right, strict=True)
            ]
            console.print("  ".join(fitted).rstrip(), markup=False, highlight=False, soft_wrap=True)
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def error_lines(error: Exception) -> list[str]:
    """The message of ``error``: one line, or a count and a line a problem where it has several.

    >>> from foretune.core import ConfigError, mask_url, printable
    >>> error_lines(ConfigError(["a: too low.", "b: unknown."]))
    ['error: 2 problems in the configuration:', '  1. a: too low.', '  2. b: unknown.']
    """
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        head = f"error: {len(error.problems)} problems in the configuration:"
        return [head, *(f"  {n}. {text}" for n, text in enumerate(error.problems, start=1))]
    return [f"error: {error}"]


def print_error(error: Exception, *, console: Console | None = None) -> None:
    """Print ``error_lines`` to stderr, without credentials that the user may have typed."""
    console = console or Console(stderr=True)
    for n, line in enumerate(error_lines(error)):
        style = "bold red" if n == 0 else ""
        console.print(
            printable(mask_url(line)), style=style, markup=False, highlight=False, soft_wrap=True
        )
