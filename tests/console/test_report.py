"""Reports and errors: tables on a terminal, plain whole lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from foretune.console import error_lines, print_error, print_report
from foretune.core import ConfigError, DataError

ROWS = [["imdb-meta", 20, 0.91234, None], ["[b]ag_news[/b]", 5, 0.8, "packaged"]]


def report(*, is_terminal: bool, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=is_terminal, color_system=None)
    columns = ["study", "trials", "best", "source"]
    print_report("Studies", columns, ROWS, ["2 studies [all]"], console=console)
    return file.getvalue()


def test_a_report_in_a_file_has_a_whole_line_a_row():
    assert report(is_terminal=False, width=20) == (
        "Studies\n"
        "study           trials    best  source\n"
        "imdb-meta           20  0.9123  -\n"
        "[b]ag_news[/b]       5     0.8  packaged\n"
        "2 studies [all]\n"
    )


def test_a_report_on_a_terminal_is_a_table():
    lines = [line.rstrip() for line in report(is_terminal=True).splitlines()]
    assert lines[0] == "Studies"
    assert "  imdb-meta            20   0.9123   -" in lines
    assert "  [b]ag_news[/b]        5      0.8   packaged" in lines


def test_a_report_without_rows():
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    print_report("Studies", ["study"], [], console=console)
    assert "study" in file.getvalue()


def test_one_error_is_one_line():
    assert error_lines(DataError("data.dir: no folder 'x'")) == ["error: data.dir: no folder 'x'"]
    assert error_lines(ConfigError("a: too low.")) == ["error: a: too low."]


def test_what_others_wrote_cannot_command_the_terminal():
    for is_terminal in (False, True):
        file = io.StringIO()
        console = Console(file=file, force_terminal=is_terminal, color_system=None)
        nasty = "a\x1b]0;another title\x07b\x9b2J"
        print_report(nasty, ["study"], [[nasty]], [nasty], console=console)
        assert not set(file.getvalue()) & set("\x1b\x07\x9b")


def test_an_error_shows_no_credentials():
    file = io.StringIO()
    print_error(
        DataError("no answer from http://me:s3cret@mirror:80/x"), console=Console(file=file)
    )
    assert file.getvalue() == "error: no answer from http://***@mirror:80/x\n"


def test_errors_are_printed_whole_and_as_they_are():
    file = io.StringIO()
    problems = ["a: " + "x" * 200, "unknown task '[imdb]'"]
    print_error(ConfigError(problems), console=Console(file=file, width=40))
    assert file.getvalue().splitlines() == [
        "error: 2 problems in the configuration:",
        f"  1. {problems[0]}",
        f"  2. {problems[1]}",
    ]
