"""Where does a benchmark's outcome lie? report.json, its figures, and the page made of both.

Replay and live comparison share one report: each replaces its own part and keeps the other's.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foretune.bench.figures import draw_all
from foretune.bench.report import render

FORMAT = 1
_log = logging.getLogger(__name__)


def write_page(
    folder: Path,
    part: Mapping[str, Any],
    runs: Mapping[str, Any],
    *,
    otherwise: Mapping[str, Any] | None = None,
) -> Path:
    """Merge ``part`` into the folder's report and draw it anew.

    Args:
        folder: The report's.
        part: Top-level entries of report.json that are new.
        runs: Searches, trial by trial, by part; kept in runs.json.
        otherwise: Entries that are new, too, where the folder's report holds no replay, whose they
            would be.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = read_json(folder / "report.json")
    report = {"format": FORMAT, **merged(before, part, otherwise or {})}
    kept = {**read_json(folder / "runs.json"), **runs}
    _write(folder / "runs.json", json.dumps(kept, separators=(",", ":")))
    _write(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False))
    figures = draw_all(report, folder / "figures")
    page = folder / "report.html"
    _write(page, render(report, figures))
    return page


def merged(
    before: Mapping[str, Any], part: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> dict[str, Any]:
    """A report with a new part; ``otherwise`` as in `write_page`.

    >>> merged({"live": 1, "command": "old"}, {"live": 2}, {"command": "new"})
    {'live': 2, 'command': 'new'}
    >>> merged({"table": 1, "command": "old"}, {"live": 2}, {"command": "new"})
    {'table': 1, 'command': 'old', 'live': 2}
    """
    replayed = any(before.get(name) for name in ("table", "surrogate"))
    return {**before, **({} if replayed else otherwise), **part}


def read_json(path: Path) -> dict[str, Any]:
    """What an earlier run left; nothing where it is absent, damaged or of another format."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read (%s) and is written anew", path, error)
        return {}
    usable = isinstance(found, dict) and found.get("format", FORMAT) == FORMAT
    return found if usable else {}


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
