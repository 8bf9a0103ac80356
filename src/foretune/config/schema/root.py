"""The whole configuration: one section a room."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass

from foretune.config.schema.benchmark import BenchmarkConfig
from foretune.config.schema.data import DataConfig
from foretune.config.schema.executor import ExecutorConfig
from foretune.config.schema.history import HistoryConfig
from foretune.config.schema.model import ModelsConfig
from foretune.config.schema.pool import PoolConfig
from foretune.config.schema.record import RecordConfig
from foretune.config.schema.search import FREEZE_THAW, SearchConfig
from foretune.config.schema.selection import SelectionConfig
from foretune.config.schema.space import SpaceConfig
from foretune.config.schema.storage import StorageConfig
from foretune.config.schema.task import TaskConfig
from foretune.config.schema.tracking import TrackingConfig
from foretune.config.schema.trainer import TrainerConfig
from foretune.core import TaskKind, unknown_name

JOBS = (
    "search",
    "history",
    "recommend",
    "select",
    "pretrain",
    "explain",
    "meta-validate",
    "ui",
    "benchmark",
    "record",
    "report",
)


@dataclass
class RootConfig:
    """Everything that a job may be told.

    Attributes:
        job: What to do: one of ``JOBS``.
        outputs: Where studies, their best models and plots go.
        study: The study that ``job=explain`` and ``job=report`` speak of; None: the newest.
        trial: The trial that ``job=explain`` speaks of; None: the best.
        n: How many configurations ``job=recommend`` gives.
    """

    job: str = "search"
    task: TaskConfig = field(default_factory=TaskConfig)
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelsConfig = field(default_factory=ModelsConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    space: SpaceConfig = field(default_factory=SpaceConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    benchmark: BenchmarkConfig = field(default_factory=BenchmarkConfig)
    outputs: str = "outputs"
    study: str | None = None
    trial: int | None = None
    n: int = 5

    def problems(self) -> list[str]:
        """Every problem of every section, one sentence each."""
        found = [] if self.job in JOBS else [unknown_name("job", self.job, JOBS)]
        if self.n < 1:
            found.append(f"n: expected at least 1, got {self.n}")
        for section in fields(self):
            value = getattr(self, section.name)
            if is_dataclass(value) and hasattr(value, "problems"):
                found += value.problems()
        return found + self._contradictions()

    def _contradictions(self) -> list[str]:
        """What no section can see alone."""
        return [*self._without_checkpoints(), *self._wrong_modality()]

    def _without_checkpoints(self) -> list[str]:
        if self.search.fidelity != FREEZE_THAW or self.trainer.checkpoint:
            return []
        return [
            "trainer.checkpoint: expected true with search.fidelity=freeze_thaw (a paused trial"
            " goes on from its checkpoint), got false"
        ]

    def _wrong_modality(self) -> list[str]:
        reads, pinned = self.model.modality.value, self.model.members is None and self.model.name
        if self.job != "search" or not pinned or self.task.kind not in list(TaskKind):
            return []
        has = TaskKind(self.task.kind).modality
        if reads == has:
            return []
        return [
            f"model {self.model.name} reads {reads}s, task {self.task.name} has {has}s: choose"
            " another model, or model=auto"
        ]
