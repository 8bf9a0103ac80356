"""Statistics are over families: seeds and twin tasks make nothing surer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from foretune.bench.findings import findings, reach
from foretune.bench.measures import Measures
from foretune.bench.statistics import compare, interval, nemenyi, ranks, signed_rank
from foretune.bench.trace import Scale, Trace

SCALE = Scale(best=1.0, worst=0.0, median=0.5, trial_s=1.0)


def traces(method: str, scores: dict[str, list[float]], n_seeds: int = 2) -> list[Trace]:
    return [
        Trace(
            method, task, task.split("/")[0], seed, np.array(score), np.full(len(score), np.nan),
            np.ones(len(score)), np.zeros(len(score)),
        )
        for task, score in scores.items()
        for seed in range(n_seeds)
    ]  # fmt: skip


def test_a_family_of_many_tasks_counts_once():
    names = ("a/1", "a/2", "a/3", "b")
    scores = {name: [0.0] for name in names[:3]} | {"b": [1.0]}
    measures = Measures.of(traces("meta", scores), dict.fromkeys(names, SCALE), 1)
    assert measures.regret("meta").mean() == pytest.approx(0.75)
    assert measures.by_family(measures.regret("meta")).mean() == pytest.approx(0.5)


def test_a_method_that_lacks_a_task_is_left_out_and_said():
    found = [*traces("meta", {"a": [1.0], "b": [1.0]}), *traces("nearest", {"a": [1.0]})]
    measures = Measures.of(found, {"a": SCALE, "b": SCALE}, 1)
    assert measures.methods == ("meta",)
    assert measures.left_out == {"nearest": 1}


def test_wins_ties_losses_and_holm():
    meta = np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0])
    others = {"random": meta + 0.3, "tpe": np.array([0.0, 0.0, 0.1, 0.2, 0.3, 0.4])}
    random, tpe = compare(meta, others)
    assert (random.wins, random.ties, random.losses) == (6, 0, 0)
    assert (tpe.wins, tpe.ties, tpe.losses) == (4, 1, 1)
    assert random.difference == pytest.approx(-0.3)
    assert random.low == pytest.approx(random.high) == pytest.approx(-0.3)
    assert random.p == pytest.approx(wilcoxon(np.full(6, -0.3)).pvalue)
    assert random.p_holm == pytest.approx(2 * random.p)
    assert tpe.p_holm >= tpe.p


def test_no_difference_is_no_evidence():
    assert signed_rank(np.zeros(5)) == 1.0


def test_the_interval_shrinks_with_families_alone():
    few = np.linspace(-1.0, 1.0, 6)[:, None]
    width = [high - low for low, high in (interval(few), interval(np.tile(few, (30, 1))))]
    assert width[1] < width[0] / 3  # by the root of 30, if it were exact
    low, high = interval(np.full((4, 2), 0.5))
    np.testing.assert_allclose([low, high], 0.5)


def test_ranks_share_ties():
    np.testing.assert_allclose(ranks(np.array([[0.0, 0.0, 1.0], [0.0, 0.5, 1.0]])), [1.25, 1.75, 3])
    table = nemenyi(np.random.default_rng(0).random((8, 3)), ["a", "b", "c"])
    assert (np.diag(table) == 1).all()
    np.testing.assert_allclose(table, table.T)


def test_what_must_be_reached_is_judged_as_it_says():
    tasks = {"a": SCALE, "b": SCALE, "c": SCALE}
    everywhere = lambda score: dict.fromkeys(tasks, score)  # noqa: E731
    found = [
        *traces("meta", {"a": [0.95] * 10, "b": [0.99] * 10, "c": [0.2] * 10}),
        *traces("random", everywhere([0.5] * 10)),
        *traces("tpe", everywhere([0.5] * 9 + [0.6])),
        *traces("mean_rank", everywhere([0.9] * 10)),
    ]
    finding = findings(Measures.of(found, tasks, 10))
    judged = {line["what"]: line for line in reach(finding, table=True)}
    assert judged["meta's regret after 1 trial"]["reached"] is False
    assert judged["meta after 3 trials no worse than TPE after 10"]["reached"] is True
    worse = judged["families on which meta is worse than random after 10 trials"]
    assert worse["named"] == ["c"]
    assert worse["reached"] is False
    assert finding["losses"][0]["task"] == "c"
    speed = {(s["method"], s["against"]): s for s in finding["speed"]}
    assert speed["meta", "random"]["share"] == pytest.approx(2 / 3)
    assert speed["meta", "random"]["trials"] == pytest.approx((1 + 1 + 11) / 3)
