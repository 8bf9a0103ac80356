"""Every selector through the contract; what each promises beyond it."""

import numpy as np
import pytest

from foretune.core import HistoryError, ModelError
from foretune.select import (
    PROBES,
    SELECTORS,
    HeadStart,
    Judged,
    adapted_head,
    build_selector,
    learn,
    meta_train,
    read_episodes,
    thompson,
    write_episodes,
)
from foretune.testing.selectors import SelectorContract, planted, planted_episodes


class TestLogme(SelectorContract):
    name = "logme"


class TestHScore(SelectorContract):
    name, knows_classes_alone = "h_score", True


class TestNcm(SelectorContract):
    name, knows_classes_alone = "ncm", True


class TestRidge(SelectorContract):
    name = "ridge_loo"


class TestKnn(SelectorContract):
    name = "knn_loo"


class TestRankAverage(SelectorContract):
    name = "rank_average"


class TestMeta(SelectorContract):
    name = "meta"


class TestMaml(SelectorContract):
    name = "maml"


class TestBandit(SelectorContract):
    name = "bandit"


class TestOracle(SelectorContract):
    name = "oracle"


def test_no_selector_escapes_the_contract():
    tested = {c.name for c in SelectorContract.__subclasses__()}
    # leep needs a source head, the baselines look at nothing
    assert tested | {"leep", "default", "largest", "random"} == set(SELECTORS)


def test_an_unknown_selector_comes_with_the_nearest_name():
    with pytest.raises(ModelError, match="logme"):
        build_selector("logmee")


def test_the_default_is_the_first_and_the_largest_has_most_parameters():
    shown = planted()
    for name, best in (("default", "none"), ("largest", "good")):
        judged = build_selector(name)[0](shown)
        assert max(judged, key=lambda m: judged[m].score) == best


def test_leep_has_no_meaning_without_a_source_head_and_ranks_those_that_have_one():
    shown = planted()
    with pytest.raises(ModelError, match="leep has no meaning"):
        build_selector("leep")[0](shown)
    for name, value in (("good", -0.2), ("weak", -0.5)):
        shown.probes[name]["leep"] = value
    judged = build_selector("leep")[0](shown)
    assert judged["good"].score > judged["weak"].score == judged["none"].score


def test_with_few_past_tasks_meta_says_that_a_probe_judges():
    selector, line = build_selector("meta", episodes=planted_episodes(2))
    assert "too few to learn from; logme judges" in line
    scores = {m: j.score for m, j in selector(planted()).items()}
    assert scores == {m: own["logme"] for m, own in planted().probes.items()}


def test_meta_predicts_final_scores_in_their_own_unit():
    learned = learn(planted_episodes(8), iterations=400)
    judged = learned(planted(seed=3))
    assert judged["good"].score == pytest.approx(0.95, abs=0.12)
    assert judged["none"].score == pytest.approx(0.5, abs=0.15)
    assert judged["good"].low < judged["good"].score < judged["good"].high


def test_meta_learns_which_probe_to_believe():
    """A history in which the probes are wrong and the size is right."""
    episodes = planted_episodes(8)
    turned = [
        type(e)(e.task, e.kind, e.n_rows, tuple(
            type(o)(o.model, 0.9 - 0.2 * k, o.seconds, o.probes, {"log_parameters": 20.0 - k})
            for k, o in enumerate(e.outcomes)))
        for e in episodes
    ]  # fmt: skip
    shown = planted(seed=5)
    for k, name in enumerate(shown.models):
        shown.models[name]["log_parameters"] = 20.0 - k
    judged = learn(turned)(shown)
    assert judged["none"].score > judged["good"].score


def test_episodes_are_read_as_they_were_written(tmp_path):
    episodes = planted_episodes(2)
    write_episodes(episodes, tmp_path / "past.json")
    again = read_episodes(tmp_path / "past.json")
    assert [e.task for e in again] == [e.task for e in episodes]
    for a, b in zip(again, episodes, strict=True):
        assert [o.model for o in a.outcomes] == [o.model for o in b.outcomes]
        np.testing.assert_allclose(
            [list(o.probes.values()) for o in a.outcomes],
            [list(o.probes.values()) for o in b.outcomes], atol=1e-5,
        )  # fmt: skip
    for broken in ("", "{", "[1]", '[{"task": "x"}]', '{"task": 1}'):
        (tmp_path / "past.json").write_text(broken)
        with pytest.raises(HistoryError, match="past selections"):
            read_episodes(tmp_path / "past.json")


def test_meta_training_a_head_lowers_the_loss_of_held_out_tasks():
    supports = [s for seed in range(6) for s in planted(seed=seed).supports.values()]
    start = meta_train(supports, iterations=200)
    held_out = planted(seed=50)

    def likelihood(head):
        judged = build_selector("maml", start=head)[0](held_out)
        return np.mean([j.score for j in judged.values()])

    assert likelihood(start) > likelihood(HeadStart(log_start=4.0, log_rate=3.0))


def test_an_adapted_head_classifies_what_it_was_made_from():
    shown = planted()
    support = shown.supports["good"]
    features = 3.0 * support.features + 7.0  # whatever their scale and place
    weight, bias = adapted_head(features, support.targets, 3)
    assert weight.shape == (3, features.shape[1])
    predicted = (features @ weight.T + bias).argmax(1)
    assert (predicted == support.targets).mean() > 0.9


def test_the_bandit_spends_its_pulls_where_the_best_may_be():
    spent = []

    class Counting(type(planted().tuner)):
        def short(self, name, turn):
            spent.append(name)
            return super().short(name, turn)

    shown = planted()
    object.__setattr__(shown, "tuner", Counting())
    thompson(shown, pulls=18)
    assert len(spent) == 18
    assert spent.count("good") > spent.count("none") >= 1
    prior = {m: Judged(v, v - 0.05, v + 0.05) for m, v in
             {"none": 0.2, "weak": 0.3, "good": 0.9}.items()}  # fmt: skip
    spent.clear()
    thompson(shown, prior, pulls=6)
    assert set(spent) == {"good"}


def test_what_trains_says_so_where_it_cannot():
    shown = planted()
    object.__setattr__(shown, "tuner", None)
    for name in ("bandit", "oracle"):
        with pytest.raises(ModelError, match="expected a trainer"):
            build_selector(name)[0](shown)


def test_probes_that_are_shown_are_those_of_the_package():
    assert set(planted().probes["good"]) == set(PROBES)
