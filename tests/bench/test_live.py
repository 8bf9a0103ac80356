"""What is told of live searches is what they did."""

from __future__ import annotations

import pytest

from foretune.bench.live import LiveSearch, live_findings
from foretune.bench.page import merged, write_page
from foretune.bench.report_parts import live_sentence


def ran(method: str, ends_s: list[float], score: list[float | None], seed: int = 0) -> LiveSearch:
    return LiveSearch(
        "t", "t", method, seed, ends_s, score, test=0.7, again=[(score[-1] or 0.0, 0.6)]
    )


def told(*searches: LiveSearch) -> dict:
    return live_findings(list(searches), budget_s=30.0, about="", notes=[])


def test_meta_must_be_there_in_a_third_of_the_seconds():
    finding = told(
        ran("meta", [8.0, 20.0], [0.85, 0.9]),
        ran("grid", [10.0, 20.0, 30.0], [None, 0.7, 0.8]),
        ran("tpe", [10.0, 20.0], [0.5, 0.9]),
    )
    grid, tpe = finding["reach"]
    assert grid["got"] == pytest.approx(8 / 30)
    assert grid["reached"] is True
    assert tpe["got"] == pytest.approx(20 / 30)
    assert tpe["reached"] is False
    assert live_sentence(finding) == (
        "Really trained on one task, 30 s a search: of the seconds that they have, meta reaches"
        " grid's best in 27%, TPE's best in 67%."
    )


def test_what_is_never_reached_costs_the_whole_budget():
    finding = told(ran("meta", [5.0], [0.5]), ran("grid", [5.0], [0.9]))
    (row,) = [r for r in finding["rows"] if r["method"] == "meta"]
    assert row["to_grid_s"] == 30.0
    assert row["to_tpe_s"] is None


def test_a_curve_begins_where_every_seed_has_a_score():
    finding = told(ran("random", [3.0, 9.0], [0.4, 0.6]), ran("random", [6.0], [0.8], seed=1))
    curve = finding["tasks"][0]["curves"]["random"]
    at = dict(zip(finding["tasks"][0]["seconds"], curve, strict=True))
    assert at[3.0] is None
    assert at[6.0] == pytest.approx(0.6)
    assert at[9.0] == pytest.approx(0.7)


def test_a_search_of_failures_has_no_score():
    finding = told(ran("gp", [5.0], [None]))
    (row,) = finding["rows"]
    assert row["best"] is None
    assert finding["tasks"][0]["curves"]["gp"][-1] is None


def made(n: int) -> dict:
    return {"command": f"make it {n}", "config": {}, "facts": {}, "notes": [], "sources": {}}


def test_a_page_says_how_its_latest_live_comparison_was_made(tmp_path):
    """It kept the first one's commit, command and number of searches."""
    found = told(ran("meta", [5.0], [0.5]), ran("grid", [5.0], [0.9]))
    for n in (1, 2):
        page = write_page(tmp_path, {"live": found}, {}, otherwise=made(n))
    assert "<pre>make it 2</pre>" in page.read_text(encoding="utf-8")


def test_a_replay_s_page_keeps_how_the_replay_was_made():
    before = {"table": {"n_trials": 30}, "command": "make benchmark"}
    report = merged(before, {"live": {}}, {"command": "make benchmark-live"})
    assert report == {**before, "live": {}}
