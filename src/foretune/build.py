"""Which parts does a configuration mean? The composition root: everything is put together here."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foretune.build_history import about_history, past_studies
from foretune.config.schema.data import DataConfig
from foretune.config.schema.root import RootConfig
from foretune.config.schema.search import FREEZE_THAW
from foretune.config.schema.space import SpaceConfig
from foretune.config.schema.trainer import Device
from foretune.core import ConfigError, SearchPlan, TaskKind
from foretune.history.attrs import (
    BUDGET,
    HEAD_START,
    SEED,
    SELECTION,
    installed_versions,
    study_attributes,
)
from foretune.history.store import open_storage
from foretune.search import (
    TimeStep,
    build_fidelity,
    build_method,
    build_pruner,
    open_study,
    plan_search,
    study_name,
)
from foretune.space import ModelSpace, Space, build_space

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study

    from foretune.search.fidelity import Fidelity
    from foretune.select import HeadStart
    from foretune.train import ModelCard, TaskData

PROBE = "probe"  # model descriptor: its score on the support set, beside the others
# Trainer settings that change neither what a trial learns nor how it is scored.
_IMMATERIAL = frozenset(
    {"threads", "cache_mb", "eval_batch_size", "cpu_train_rows", "cpu_validation_rows"}
    | {"cpu_test_rows", "checkpoint", "test_trials"}
)


@dataclass(frozen=True)
class Setup:
    """What a search needs, put together.

    Attributes:
        data: The task and its rows.
        cards: The models in the space.
        space: What is searched.
        notes: What a person should know before it starts.
        all_cards: The models that there were to choose from.
        space_config: The section that the space was made from.
        selection: What the study keeps of how its models were chosen; None: they were not.
        head_start: What new heads start from; None: as it comes, or they are drawn.
    """

    data: TaskData
    cards: Mapping[str, ModelCard]
    space: Space
    notes: tuple[str, ...]
    all_cards: Mapping[str, ModelCard]
    space_config: SpaceConfig
    selection: Mapping[str, object] | None = None
    head_start: HeadStart | None = None


def build_storage(config: RootConfig) -> RDBStorage:
    """The storage of the studies, opened for writing.

    Raises:
        HistoryError: It cannot be opened or written to.
    """
    return open_storage(config.storage.url, busy_timeout_s=config.storage.busy_timeout_s)


def build_setup(config: RootConfig, conf: Path) -> Setup:
    """The task's rows, the models that fit it, and the space that they make.

    Raises:
        ConfigError: The configuration contradicts itself, the data or the models.
        DataError: No source has the task's rows.
        ModelError: No model can be had.
    """
    from foretune.train import choose_cards, load_task

    data_config, caps = _capped(config)
    data = load_task(config.task, data_config)
    kind = data.info.kind
    cards, left_out = choose_cards(
        config.model, conf, kind, on_cpu=_device(config) == "cpu", pool=config.pool
    )
    notes = (data.line, *data.notes, *caps, *left_out)
    space = space_of(kind, cards, config.space)
    return Setup(data, cards, space, notes, cards, config.space)


def space_of(kind: TaskKind, cards: Mapping[str, ModelCard], config: SpaceConfig) -> Space:
    """What is searched with these models on a kind of task; the first model's default leads.

    Raises:
        ConfigError: A parameter is unknown or a range is none.
    """
    spaces = [
        ModelSpace(card.name, card.space_for(kind.value), card.default_for(kind.value))
        for card in cards.values()
    ]
    return build_space(dataclasses.asdict(config), spaces, known=_known_params())


def study_name_of(setup: Setup, config: RootConfig) -> str:
    """The name of the search's study."""
    return study_name(setup.data.info, config.search.method, _identity(setup, config))


def build_study(
    setup: Setup,
    config: RootConfig,
    storage: RDBStorage,
    resolved: Mapping[str, object],
    *,
    time_step: TimeStep | None = None,
) -> tuple[Study, SearchPlan, Fidelity]:
    """The search's study, new or taken up again, its plan by ``time_step``, and its fidelity.

    Raises:
        ConfigError: The method cannot be made on this space.
        HistoryError: The storage holds another kind of study under that name.
    """
    info = setup.data.info
    method_name = config.search.method
    learns = method_name == "meta" or config.search.stops_by in ("meta", FREEZE_THAW)
    past = past_studies(config, info) if learns else None
    budget = config.search.budget(on_cpu=_device(config) == "cpu")
    n_workers = config.executor.n_workers
    method = build_method(
        config.search,
        setup.space,
        history=past,
        budget=budget,
        n_workers=n_workers,
        model_chosen=bool(setup.selection and setup.selection.get("sure", True)),
        is_isolated=config.executor.kind != "inline",
    )
    name = study_name_of(setup, config)
    study = open_study(
        storage,
        name=name,
        higher_is_better=info.higher_is_better,
        attributes=_attributes(setup, config)
        | study_attributes(
            info,
            search=method.description,
            models=list(setup.cards),
            device=_device(config),
            versions=installed_versions(),
            model_descriptors=_described(setup),
            default_params=[dict(point) for point in setup.space.defaults],
        ),
        sampler=method.sampler,
        pruner=build_pruner(config.search, history=past),
        space=setup.space,
    )
    plan = plan_search(
        study,
        method=method,
        task=info,
        models=list(setup.cards),
        budget=budget,
        config=resolved,
        notes=(*setup.notes, *about_history(past)),
        folder=Path(config.outputs) / "studies" / name,
        space=setup.space,
        history=past,
        n_workers=n_workers,
        time_step=time_step,
    )
    return study, plan, build_fidelity(config.search, history=past)


def _attributes(setup: Setup, config: RootConfig) -> dict[str, object]:
    """What the study says of its search, beside what every study says."""
    budget = dataclasses.asdict(config.search.budget(on_cpu=_device(config) == "cpu"))
    held: dict[str, object] = {SEED: config.search.seed, BUDGET: budget}
    if setup.selection is not None:
        held[SELECTION] = setup.selection
    if setup.head_start is not None:
        held[HEAD_START] = dataclasses.asdict(setup.head_start)
    return held


def _described(setup: Setup) -> dict[str, dict[str, float]]:
    """Each model's descriptors; with what the support set said of it, on a common scale."""
    described = {name: dict(card.descriptors()) for name, card in setup.cards.items()}
    scores = (setup.selection or {}).get("scores")
    if isinstance(scores, Mapping) and len(scores) > 1:
        values = list(scores.values())
        mean, spread = statistics.fmean(values), statistics.pstdev(values) or 1.0
        for name, own in described.items():
            if name in scores:
                own[PROBE] = (scores[name] - mean) / spread
    return described


def check_outputs(folder: str) -> None:
    """See that results can be written, before anything is computed.

    Raises:
        ConfigError: They cannot.
    """
    probe = Path(folder) / "studies"
    try:
        probe.mkdir(parents=True, exist_ok=True)
        marker = probe / ".writable"
        marker.touch()
        marker.unlink()
    except OSError as error:
        raise ConfigError(
            f"outputs: expected a folder that can be written to, got {folder!r} ({error.strerror});"
            " name another with outputs=DIR"
        ) from error


def _identity(setup: Setup, config: RootConfig) -> dict[str, object]:
    """What makes a search another study: anything that changes its suggestions or its scores."""
    search = config.search
    trainer = {
        key: value
        for key, value in dataclasses.asdict(config.trainer).items()
        if key not in _IMMATERIAL
    }
    method = dataclasses.asdict(getattr(search, search.method, None) or search.grid)
    if not method.get("cost_aware", True):  # off, or by the budget, which is no part of a study
        del method["cost_aware"]
    return {
        "space": space_of(setup.data.info.kind, setup.all_cards, setup.space_config).fingerprint(),
        "models": sorted(setup.all_cards),
        "rows": dict(setup.data.info.rows),
        "data_seed": config.data.seed,
        "metric": setup.data.info.metric,
        "trainer": trainer,
        "seed": search.seed,
        "pruner": search.stops_by,
        **({"objectives": sorted(search.objectives)} if search.wants_front else {}),
        "settings": method if search.method in ("grid", "bayes", "meta") else {},
        "selection": dataclasses.asdict(config.selection) if chooses_models(setup, config) else {},
    }


def chooses_models(setup: Setup, config: RootConfig) -> bool:
    """Whether a support set says which models the search goes on with."""
    asked = config.search.method == "meta" and config.selection.before_search
    return asked and config.model.members == "auto" and len(setup.all_cards) > 1


def _capped(config: RootConfig) -> tuple[DataConfig, list[str]]:
    """The data section with the CPU's row caps where the user named none, and a line on it."""
    if _device(config) != "cpu":
        return config.data, []
    caps = {
        f"{split}_rows": getattr(config.trainer, f"cpu_{split}_rows")
        for split in ("train", "validation", "test")
        if getattr(config.data, f"{split}_rows") is None
    }
    if not caps:
        return config.data, []
    note = "no GPU: few rows (trainer.cpu_train_rows, ...; data.train_rows=N for more)"
    return dataclasses.replace(config.data, **caps), [note]


def _device(config: RootConfig) -> str:
    from foretune.train import choose_device

    asked, executor = config.trainer.device, config.executor
    if executor.kind == "ray" and executor.ray.gpus and asked is Device.auto:
        return "cuda"  # of the cluster's nodes; this machine may have none
    return choose_device(asked)


def _known_params() -> Sequence[str]:
    from foretune.train import PARAMETER_NAMES

    return PARAMETER_NAMES
