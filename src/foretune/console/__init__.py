"""What a person sees: the search as it runs, reports, errors. Plain lines where no terminal is.

May import core; the only room that knows rich.
"""

from foretune.console.benchmark import BenchmarkConsole
from foretune.console.observer import ConsoleObserver
from foretune.console.prefixed import Prefixed
from foretune.console.pretrain import PretrainConsole
from foretune.console.recording import RecordConsole
from foretune.console.report import error_lines, print_error, print_report

__all__ = [
    "BenchmarkConsole",
    "ConsoleObserver",
    "Prefixed",
    "PretrainConsole",
    "RecordConsole",
    "error_lines",
    "print_error",
    "print_report",
]
