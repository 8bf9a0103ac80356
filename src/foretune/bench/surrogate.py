"""What is the LCBench surrogate: deep-learning runs on 34 tabular data sets, as a function?

YAHPO Gym's format (Pfisterer et al. 2022; LCBench: Zimmer et al. 2021): a folder with model.onnx,
encoding.json, config_space.json, scenario.json and limits.csv. It is no part of this project.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from foretune.bench.table import Config
from foretune.bench.trace import Scale
from foretune.core import ParamValue
from foretune.history import Curves, HistoryRecords, ParamColumn, StudyRecord

HELD_OUT = (
    "167168", "189873", "189906", "167152", "167185", "168908", "126026", "167184", "168330",
    "167181",
)  # fmt: skip
PER_TASK = 200  # random trials of a past task
_MARGIN = 1e-3  # of a range at either end, where the surrogate has cliffs that only clipping finds


class Surrogate:
    """LCBench as a function of a task and of configurations.

    Attributes:
        tasks: Names of its tasks.
        distributions: Of each parameter.
        middle: Its default values.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder (`find_surrogate`)."""
        import onnxruntime

        self._spec = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))
        self._codes = json.loads((folder / "encoding.json").read_text(encoding="utf-8"))
        space = json.loads((folder / "config_space.json").read_text(encoding="utf-8"))
        by_name = {h["name"]: h for h in space["hyperparameters"]}
        others = {self._spec["task"], *self._spec["fidelity"]}
        own = {name: h for name, h in by_name.items() if name not in others}
        self.tasks = tuple(str(t) for t in by_name[self._spec["task"]]["choices"])
        self.distributions: dict[str, FloatDistribution | IntDistribution] = {
            name: _distribution(h) for name, h in own.items()
        }
        self.middle: dict[str, ParamValue] = {name: h["default"] for name, h in own.items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._limits: dict[str, dict[str, float]] = {}
        with (folder / "limits.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self._limits.setdefault(row["instance"], {})[row["statistic"]] = float(row["value"])

    def evaluate(self, task: str, configs: Sequence[Config], output: str = "") -> np.ndarray:
        """The validation accuracy (or ``output``) of each configuration, (n,)."""
        spec = self._spec
        rows = [{**c, **spec["fidelity"], spec["task"]: task} for c in configs]
        codes = [[self._codes[n][r[n]] for n in spec["categorical"]] for r in rows]
        numbers = [[r[n] for n in spec["numeric"]] for r in rows]
        feed = {
            self._inputs[0]: np.array(codes, np.int32),
            self._inputs[1]: np.array(numbers, np.float32),
        }
        column = spec["outputs"].index(output or spec["target"])
        return self._session.run(None, feed)[0][:, column].astype(np.float64)

    def sample(self, rng: np.random.Generator) -> dict[str, ParamValue]:
        """A configuration, even on each parameter's own scale."""
        return {name: at_share(d, rng.random()) for name, d in self.distributions.items()}

    def scale(self, task: str) -> Scale:
        """What scores can be: of half a million random configurations."""
        limits = self._limits[task]
        drawn = [self.sample(np.random.default_rng([1, k])) for k in range(PER_TASK)]
        return Scale(
            best=limits["max"], worst=limits["min"],
            median=float(np.median(self.evaluate(task, drawn))),
            trial_s=float(self.evaluate(task, drawn, "time").mean()),
        )  # fmt: skip

    @cached_property
    def history(self) -> HistoryRecords:
        """``PER_TASK`` random trials on each task that is not held out."""
        past = [task for task in self.tasks if task not in HELD_OUT]
        return HistoryRecords(tuple(self._study(task, k) for k, task in enumerate(past)))

    def _study(self, task: str, number: int) -> StudyRecord:
        rng = np.random.default_rng([0, number])
        configs = [self.sample(rng) for _ in range(PER_TASK)]
        none = np.zeros(0)
        return StudyRecord(
            name=f"lcbench-{task}", source="lcbench", maximize=True, user_attrs={},
            columns=tuple(
                ParamColumn(name, d, np.array([c[name] for c in configs], float))
                for name, d in self.distributions.items()
            ),
            values=self.evaluate(task, configs),
            states=np.full(PER_TASK, TrialState.COMPLETE.value, np.int8),
            numbers=np.arange(PER_TASK), seconds=self.evaluate(task, configs, "time"),
            curves=Curves(none.astype(int), none.astype(int), none), trial_attrs={},
        )  # fmt: skip


def find_surrogate(folder: str | Path | None) -> Path | None:
    """The surrogate's own folder in ``folder``, ``folder/bench`` or ``folder/lcbench``."""
    if not folder:
        return None
    root = Path(folder).expanduser()
    places = (root, root / "lcbench", root / "bench" / "lcbench")
    return next((p for p in places if (p / "model.onnx").is_file()), None)


def at_share(d: FloatDistribution | IntDistribution, share: float) -> ParamValue:
    """The value at a share in [0, 1] of a range, on its own scale."""
    low, high = float(d.low), float(d.high)
    value = low + share * (high - low)
    if d.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    if isinstance(d, IntDistribution):
        return int(np.clip(round(value), d.low, d.high))
    return value


def _distribution(h: dict) -> FloatDistribution | IntDistribution:
    low, high, log = h["lower"], h["upper"], h["log"]
    if h["type"].endswith("int"):
        return IntDistribution(low, high, log=log)
    if log:
        step = _MARGIN * math.log(high / low)
        return FloatDistribution(low * math.exp(step), high * math.exp(-step), log=True)
    step = _MARGIN * (high - low)
    return FloatDistribution(low + step, high - step)
