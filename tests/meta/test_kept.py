"""What ships trained is found, and nothing else is taken for it."""

from dataclasses import replace

import numpy as np
import optuna
import pytest

from foretune import MetaPruner, MetaSampler, read_history, seed_history
from foretune.history.attrs import TASK
from foretune.history.seed import FAMILY
from foretune.meta import kept
from foretune.meta.curve_model import CurveModel
from foretune.meta.kept import content
from foretune.meta.model import MetaModel
from foretune.meta.settings import MetaSettings
from foretune.testing.samplers import random_studies


@pytest.fixture(scope="module")
def shipped():
    return seed_history()


def left_out(shipped):
    """A task of each family; None: nothing is left out."""
    return [None, *{s.user_attrs[FAMILY]: s.user_attrs[TASK] for s in shipped.studies}.values()]


@pytest.mark.parametrize("maker", [MetaSampler, MetaPruner])
def test_a_first_search_on_any_recorded_task_or_another_need_not_train(shipped, tmp_path, maker):
    """Where this fails: python benchmarks/shipped_models.py."""
    study = optuna.create_study()
    for task in left_out(shipped):
        history = seed_history(exclude_task=task)
        model = maker(history, cache_dir=tmp_path).model(study)
        assert model is not None
        assert model.from_cache, f"without {task}"
    assert not list(tmp_path.iterdir())
    kinds = {"meta": len(left_out(shipped)), "curves": len(left_out(shipped))}
    for kind, n in kinds.items():
        assert len(list(kept.MODELS.glob(f"{kind}-*.npz"))) == n  # none that nothing asks for


def test_names_and_order_of_studies_are_no_matter(shipped):
    studies = tuple(replace(s, name=f"other {k}") for k, s in enumerate(shipped.studies))
    assert content(replace(shipped, studies=studies[::-1])) == content(shipped)


def test_whatever_is_learnt_from_matters(shipped):
    study = shipped.studies[0]
    column = study.columns[0]
    others = (
        replace(study, maximize=not study.maximize),
        replace(study, values=np.where(study.numbers == 3, study.values + 1e-9, study.values)),
        replace(study, columns=(replace(column, values=column.values[::-1]), *study.columns[1:])),
        replace(study, user_attrs={**study.user_attrs, "task_descriptors": {"n_rows": 1.0}}),
        replace(study, curves=replace(study.curves, value=study.curves.value + 1e-9)),
    )
    found = {content(replace(shipped, studies=(s,))) for s in (study, *others)}
    assert len(found) == len(others) + 1
    assert content(replace(shipped, studies=shipped.studies[1:])) != content(shipped)


def test_other_numbers_or_studies_of_ones_own_are_learnt_from(shipped, tmp_path):
    url = f"sqlite:///{tmp_path / 'own.db'}"
    random_studies(
        url, lambda t: t.suggest_float("lr", 1e-5, 1e-1, log=True), n_studies=1, n_trials=9
    )
    few = MetaSettings(meta_iterations=2)
    assert not MetaModel.fit(shipped, few, None).from_cache
    own = replace(shipped, studies=(*shipped.studies, *read_history(url).studies))
    assert not MetaModel.fit(own, few, None).from_cache
    assert not CurveModel.fit(shipped, iterations=2, seed=0, cache_dir=None).from_cache


def test_what_is_kept_is_what_was_trained(shipped, tmp_path):
    few = MetaSettings(meta_iterations=2)
    trained = MetaModel.fit(shipped, few, tmp_path)
    (path,) = tmp_path.iterdir()
    n_numbers = sum(v.numel() for v in trained.network.state_dict().values())
    assert path.stat().st_size < 5 * n_numbers  # four bytes each
    loaded = MetaModel.fit(shipped, few, tmp_path)
    assert loaded.from_cache
    for name, value in trained.network.state_dict().items():
        assert np.array_equal(value, loaded.network.state_dict()[name])


def test_curves_of_trials_that_share_a_value_are_learnt_from_once(tmp_path):
    """A column that never varies has an infinite scale, which is no damage to the file."""
    url = f"sqlite:///{tmp_path / 'past.db'}"

    def objective(trial):
        gain = trial.suggest_float("lr", 0.1, 1.0) * trial.suggest_int("layers", 6, 9, step=3)
        trial.suggest_categorical("pooling", ["mean"])
        for step in range(1, 7):
            trial.report(1.0 - gain ** (-step), step)
        return 1.0 - gain ** (-6)

    random_studies(url, objective, n_studies=4, n_trials=12)
    history = read_history(url)
    fits = [CurveModel.fit(history, iterations=5, seed=0, cache_dir=tmp_path) for _ in range(2)]
    assert np.isinf(fits[0].network.spread.numpy()).any()
    assert [model.from_cache for model in fits] == [False, True]
    for name, value in fits[0].network.state_dict().items():
        assert np.array_equal(value, fits[1].network.state_dict()[name])
