"""The history that ships: whole, its families apart, and less than the user's own."""

import json
from collections import Counter

import numpy as np
import pytest

import foretune
from foretune.history import HistoryRecords, StudyRecord
from foretune.history.records import Curves
from foretune.history.seed import SEED_FILE
from foretune.meta.tasks import build_tasks, weights


@pytest.fixture(scope="module")
def shipped():
    return foretune.seed_history()


def test_it_holds_what_was_promised(shipped):
    assert shipped.notes == ()
    assert shipped.n_shipped == len(shipped.studies) >= 12
    families = Counter(s.user_attrs["family"] for s in shipped.studies)
    assert len(families) >= 6
    assert {s.user_attrs["modality"] for s in shipped.studies} == {"text", "image"}
    for study in shipped.studies:
        assert study.scored.sum() >= 60
        assert np.isfinite(study.trial_attrs["test_score"][study.scored]).all()
        assert np.isfinite(study.seconds[study.scored]).all()
        assert len(np.unique(study.curves.trial)) >= study.scored.sum()
        assert not study.user_attrs["stand_in"]
    assert SEED_FILE.stat().st_size < 5e6


def test_it_tells_where_from_and_names_no_machine(shipped):
    import pyarrow.parquet as pq

    table = pq.read_table(SEED_FILE)
    for cell in table.column("user_attrs").to_pylist():
        assert "lease" not in json.loads(cell)
    for study in shipped.studies:
        recorded = study.user_attrs["recorded"]
        assert set(recorded) >= {"plan", "seed", "task", "weights", "hardware", "commit"}
        assert "dirty" not in (recorded["commit"] or "dirty")
        assert study.user_attrs["versions"].keys() >= {"foretune", "optuna", "torch"}
        assert not str(study.user_attrs["origin"]).startswith(("/", "~", "."))


def test_tasks_of_one_kind_have_the_same_configurations(shipped):
    rows, own = {}, []
    for study in shipped.studies:
        columns = sorted(study.columns, key=lambda c: c.name)
        cells = np.nan_to_num(np.stack([c.values for c in columns], axis=1), nan=-1.0)
        points = list(dict.fromkeys(map(tuple, cells.tolist())))
        n = study.user_attrs["shared_points"]
        rows.setdefault(study.user_attrs["kind"], []).append(set(points[:n]))
        own.append(set(points[n:]))
    for first, *others in rows.values():
        assert all(len(points & first) >= 0.9 * len(first) for points in others)
    assert min(map(len, own)) >= 25  # and some that no other task has
    assert not set.intersection(*own)
    assert len(set.union(*own)) == sum(map(len, own))


def test_no_family_is_on_both_sides(shipped):
    first = next(s for s in shipped.studies if s.user_attrs["family"] == "ag_news")
    for left in (
        foretune.seed_history(exclude_fingerprint=str(first.user_attrs["fingerprint"])),
        foretune.seed_history(exclude_task="ag_news"),
    ):
        families = {s.user_attrs["family"] for s in left.studies}
        assert "ag_news" not in families
        assert len(families) >= 5
    assert len(foretune.seed_history(exclude_task="no such").studies) == len(shipped.studies)


def own(k):
    empty = np.zeros(0)
    return StudyRecord(
        name=f"own-{k}", source="here", maximize=True, user_attrs={}, columns=(),
        values=empty, states=empty, numbers=empty, seconds=empty,
        curves=Curves(empty, empty, empty), trial_attrs={},
    )  # fmt: skip


@pytest.mark.parametrize("n_own", [1, 3, 40])
def test_the_users_own_studies_always_outweigh_it(shipped, n_own):
    found = weights([*(own(k) for k in range(n_own)), *shipped.studies])
    assert (found[:n_own] == 1).all()
    assert 0 < found[n_own:].sum() <= n_own / 2 + 1e-9


def test_alone_it_counts_in_full(shipped):
    assert (weights(shipped.studies) == 1).all()
    tasks = build_tasks(HistoryRecords(shipped.studies))
    assert tasks.learned_from == {"own": 0, "shipped": len(shipped.studies)}
    assert all(task.name.endswith("(shipped)") for task in tasks.tasks)
