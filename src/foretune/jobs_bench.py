"""What does ``job=benchmark`` do? Compares, writes and records the report, tells the headline."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretune.config.schema.root import RootConfig
from foretune.core import ConfigError
from foretune.history.seed import SEED_FILE
from foretune.jobs import Report, settings_of
from foretune.record.origin import commit, hardware

if TYPE_CHECKING:
    from foretune.bench.table import Table
    from foretune.bench.units import Plan, Step
    from foretune.tracking.benchmark import MethodRecord

SHARED = "FORETUNE_SHARED"  # environment variable: a folder with the surrogate in it
VERSIONS = (
    "foretune", "optuna", "torch", "numpy", "scipy", "statsmodels", "scikit-posthocs", "onnxruntime"
)  # fmt: skip
PACKAGES = ("matplotlib", "pandas", "scikit_posthocs", "scipy", "statsmodels")


def benchmark_job(config: RootConfig, resolved: Mapping[str, object], step: Step) -> Report:
    """Replay the recorded table and the surrogate; write, draw and record what was found.

    Args:
        config: The configuration.
        resolved: The same as plain values, for the report.
        step: Told how far it is.

    Raises:
        ForetuneError: There is no table, or the benchmark's packages are not installed.
    """
    check_packages()
    from foretune.bench import findings
    from foretune.bench.measures import Measures
    from foretune.bench.page import write_page
    from foretune.bench.report import sentence
    from foretune.bench.surrogate import HELD_OUT, Surrogate
    from foretune.bench.table import load_table
    from foretune.bench.trace import Scale
    from foretune.bench.units import SURROGATE, TABLE, run_units, units_of
    from foretune.tracking.benchmark import log_benchmark

    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="foretune-benchmark-") as cache:
        plan = _plan(config, Path(cache))
        assert plan.table is not None
        table = load_table(plan.table)
        units = units_of(plan, table)
        traces = run_units(plan, units, n_processes=config.benchmark.n_processes, step=step)
    n = plan.n_trials
    scales = {t.name: Scale.of(t.score, t.test, t.seconds) for t in table.tasks}
    found: dict[str, Any] = {
        TABLE: findings.findings(Measures.of(traces[TABLE], scales, n)),
        SURROGATE: None,
    }
    if plan.surrogate is not None:
        surrogate = Surrogate(plan.surrogate)
        scales = {task: surrogate.scale(task) for task in HELD_OUT}
        found[SURROGATE] = findings.findings(Measures.of(traces[SURROGATE], scales, n))
    found["reach"] = {
        part: findings.reach(found[part], table=part == TABLE)
        for part in (TABLE, SURROGATE)
        if found[part]
    }
    took_s = time.monotonic() - began_s
    notes = [*table.notes, *_notes(plan, took_s)]
    part = found | origin_of(config, resolved, table, notes)
    folder = report_folder(config)
    page = write_page(folder, part, {p: findings.runs(t) for p, t in traces.items()})
    where = log_benchmark(
        config.tracking, config.benchmark.experiment, _records(found), page, sentence(part)
    )
    return _told(found, (sentence(part), *notes, f"report: {page}", *where))


def check_packages() -> None:
    """See that what the report is made with is installed.

    Raises:
        ConfigError: It is not.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"job=benchmark needs {', '.join(missing)}: pip install 'foretune[bench]', or make "
            "benchmark, which installs it"
        )


def report_folder(config: RootConfig) -> Path:
    """Where report and figures go."""
    return Path(config.benchmark.folder or Path(config.outputs) / "benchmark")


def _plan(config: RootConfig, cache: Path) -> Plan:
    from foretune.bench.surrogate import find_surrogate
    from foretune.bench.units import Plan

    bench = config.benchmark
    if bench.surrogate is not None and find_surrogate(bench.surrogate) is None:
        raise ConfigError(
            f"benchmark.surrogate: expected a folder with LCBench's model.onnx in it, got "
            f"{bench.surrogate!r}; null leaves the surrogate out"
        )
    return Plan(
        table=table_file(config),
        surrogate=find_surrogate(bench.surrogate or os.environ.get(SHARED)),
        seeds=bench.seeds, few_seeds=bench.few_seeds, n_trials=bench.trials,
        grid=bench.grid, small_grid=bench.small_grid, settings=settings_of(config),
        cache_dir=cache,
    )  # fmt: skip


def table_file(config: RootConfig) -> Path:
    """The exported history that the benchmark is about.

    Raises:
        ConfigError: It is not there.
    """
    file = Path(config.benchmark.table or SEED_FILE)
    if not file.is_file():
        raise ConfigError(
            f"benchmark.table: expected an exported history (.parquet), found no file {file.name}"
        )
    return file


def _notes(plan: Plan, took_s: float) -> list[str]:
    notes = [
        f"{plan.seeds} searches a task of each method with a seed ({plan.few_seeds} of variants of "
        f"meta, of GP and on the surrogate, where GP has one), {plan.n_trials} trials each; "
        f"{took_s:.0f} s in all"
    ]
    if plan.surrogate is None:
        notes.append(
            f"the surrogate benchmark was left out: set {SHARED} or benchmark.surrogate to its "
            "folder"
        )
    return notes


def origin_of(
    config: RootConfig, resolved: Mapping[str, object], table: Table, notes: list[str]
) -> dict[str, object]:
    """Everything that a reviewer needs to make the same report."""
    bench, live = resolved.get("benchmark"), config.benchmark.mode == "live"
    command = "make benchmark    # python -m src.main job=benchmark"
    if live:
        command = "make benchmark-live    # python -m src.main job=benchmark benchmark.mode=live"
    n_seeds = config.benchmark.live.seeds if live else config.benchmark.seeds
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "config": {"benchmark": bench, "search.meta": _meta_section(resolved)},
        "facts": {
            "code": commit() or "no checkout",
            "seeds": f"0 to {n_seeds - 1}",
            "processor": hardware(),
            "python": platform.python_version(),
            **_versions(),
        },
        "notes": notes,
        "sources": {
            "table": Path(str(config.benchmark.table or "the history that ships")).name,
            "tasks": [
                {
                    "task": t.name, "family": t.family, "n_configs": len(t.configs),
                    "n_failed": int((~t.record.scored[t.rows]).sum()),
                    "recorded": t.record.user_attrs.get("recorded"),
                    "origin": t.record.user_attrs.get("origin"),
                    "versions": t.record.user_attrs.get("versions"),
                }
                for t in table.tasks
            ],
        },
    }  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for package in VERSIONS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _meta_section(resolved: Mapping[str, object]) -> object:
    search = resolved.get("search")
    meta = search.get("meta") if isinstance(search, Mapping) else None
    return {k: v for k, v in (meta or {}).items() if k != "cache_dir"}


def _records(found: Mapping[str, Any]) -> list[MethodRecord]:
    """The methods as MLflow's runs, those of the figures first; the UI draws ten at once."""
    from foretune.bench.methods import METHODS

    order = sorted(METHODS, key=lambda m: not METHODS[m].drawn)
    return [
        _record(found[part], part, m)
        for part in ("table", "surrogate")
        if found.get(part)
        for m in order
        if m in found[part]["methods"]
    ]


def _record(finding: Mapping[str, Any], part: str, m: str) -> MethodRecord:
    from foretune.bench.methods import METHODS
    from foretune.tracking.benchmark import MethodRecord

    told, label = finding["methods"][m], METHODS[m].label
    curves = {"all/regret": told["regret"], "all/test_regret": told["test"]}
    ranks = finding["diagram"].get("ranks", {})
    return MethodRecord(
        name=label if part == "table" else f"{label}, LCBench",
        params={
            "method": label,
            "part": part,
            "searches_a_task": str(told["n_seeds"]),
            "learns_from_other_tasks": str(METHODS[m].learns).lower(),
        },
        numbers={
            **{f"all/regret_at_{k}": told["regret"][k - 1] for k in finding["marks"]},
            "all/mean_regret": told["area"],
            **({"all/mean_rank": ranks[m]} if m in ranks else {}),
        },
        curves=curves | {f"task/{task}": own[m] for task, own in finding["per_task"].items()},
        tags={"part": part},
    )


def _told(found: Mapping[str, Any], lines: tuple[str, ...]) -> Report:
    from foretune.bench.report_parts import score

    finding = found["table"]
    missed = [
        f"missed: {line['what']}: at most {score(line['wanted'])}, got {score(line['got'])}"
        for lines_of in found["reach"].values()
        for line in lines_of
        if not line["reached"]
    ]
    return Report(
        title="Normalised regret, recorded real trials, leave one family out",
        columns=("method", *(f"@{k}" for k in finding["marks"]), "mean"),
        rows=tuple(
            (f["label"], *(score(f["regret"][k - 1]) for k in finding["marks"]), score(f["area"]))
            for f in finding["methods"].values()
        ),
        lines=(*lines, *(missed or ["every aim is reached"])),
    )
