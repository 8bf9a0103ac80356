import subprocess
import sys

import numpy as np
import pytest

from foretune.core import ConfigError
from foretune.space import Choice, Float, Grid, Int, Space, finite_size, point_key

TREE = Space(
    (
        Choice("model", ("a", "b", "c")),
        Float("lr", 1e-5, 1e-3, log=True, when={"model": ("a", "b")}),
        Float("lr", 1e-4, 1e-2, log=True, when={"model": ("c",)}),
        Choice("pooling", ("mean", "cls"), when={"model": ("a",)}),
        Int("heads", 1, 2, when={"pooling": ("cls",)}),
        Choice("fixed", ("only",)),
    )
)


def test_sampled_points_respect_the_conditions():
    rng = np.random.default_rng(0)
    points = [TREE.sample(rng) for _ in range(300)]
    assert all(TREE.problems(point) == [] for point in points)
    assert {p["model"] for p in points} == {"a", "b", "c"}
    assert all(("pooling" in p) == (p["model"] == "a") for p in points)
    assert all(("heads" in p) == (p.get("pooling") == "cls") for p in points)
    assert max(p["lr"] for p in points if p["model"] == "c") > 1e-3


def test_encode_and_decode_are_inverse_and_mask_what_is_not_there():
    rng = np.random.default_rng(1)
    for _ in range(100):
        point = TREE.sample(rng)
        u, mask = TREE.encode(point)
        assert u.shape == mask.shape == (5,)
        assert ((u >= 0) & (u <= 1)).all()
        assert dict(zip(TREE.names, mask, strict=True)) == {n: n in point for n in TREE.names}
        again = TREE.decode(u)
        assert again.keys() == point.keys()
        assert again["lr"] == pytest.approx(point["lr"])
        assert (u[~mask] == 0.5).all()


def test_what_is_wrong_with_a_point():
    assert TREE.problems({"model": "b", "lr": 5e-4, "fixed": "only"}) == []
    complaints = TREE.problems({"model": "c", "lr": 1e-5, "pooling": "cls"})
    assert len(complaints) == 3
    assert any("lr: 1e-05 is outside" in c for c in complaints)
    assert "pooling is not active here" in complaints
    assert "fixed is missing" in complaints


def test_complete_clips_fills_in_and_leaves_out():
    point = TREE.complete({"model": "c", "lr": 1.0, "pooling": "cls", "unheard_of": 3})
    assert point == {"model": "c", "lr": 1e-2, "fixed": "only"}


def test_defaults_are_made_points_of_the_space():
    assert TREE.defaults == ()
    assert TREE.complete({})["model"] == "a"
    assert TREE.complete({})["lr"] == pytest.approx(1e-4), "the middle of a logarithmic range"
    space = Space(TREE.parameters, ({"model": "b", "lr": 1.0},))
    assert space.defaults == ({"model": "b", "lr": 1e-3, "fixed": "only"},)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ([Float("x", 0, 1, when={"y": (1,)}), Int("y", 0, 1)], "no parameter before it"),
        ([Choice("y", ("a",)), Float("x", 0, 1, when={"y": ("b",)})], "y is never"),
        ([Float("x", 0, 1), Float("x", 0, 2)], "two of this name can be there at once"),
        (
            [
                Choice("y", ("a", "b")),
                Choice("x", (1, 2), when={"y": ("a",)}),
                Choice("x", (1,), when={"y": ("b",)}),
            ],
            "one list of choices",
        ),
        (
            [
                Choice("y", ("a", "b")),
                Float("x", 1, 2, log=True, when={"y": ("a",)}),
                Float("x", 1, 2, when={"y": ("b",)}),
            ],
            "one scale",
        ),
    ],
)
def test_a_space_that_cannot_be(parameters, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Space(tuple(parameters))


def test_every_problem_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        Space((Float("x", 2, 1), Float("y", 0, 1, log=True), Choice("z", ())))
    assert len(caught.value.problems) == 3


def test_a_grid_counts_each_point_of_a_tree_once():
    grid = Grid(TREE, points=2)
    points = list(grid)
    # a: 2 lr x (mean + cls x 2 heads) = 6; b: 2; c: 2
    assert grid.size == len(points) == 10
    assert len({point_key(p) for p in points}) == 10
    assert all(TREE.problems(p) == [] for p in points)
    with pytest.raises(IndexError):
        grid.point(10)


def test_a_huge_grid_costs_nothing_until_it_is_asked():
    space = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40)))
    grid = Grid(space, points=10)
    assert grid.size == 10**40
    assert set(grid.point(10**40 - 1).values()) == {1.0}


def test_finite_size():
    assert finite_size(TREE) is None
    assert finite_size(Space((Int("n", 1, 3), Choice("c", (True, False))))) == 6


def test_the_key_of_a_point_does_not_depend_on_order_or_number_type():
    assert point_key({"a": 1, "b": 0.1 + 0.2}) == point_key({"b": 0.3, "a": 1.0})
    assert point_key({"a": True}) != point_key({"a": 1})
    assert point_key({"a": "1"}) != point_key({"a": 1})


def test_the_fingerprint_is_the_same_in_every_process():
    code = (
        "from foretune.space import *;"
        "print(Space((Choice('m',('a','b')),Float('lr',1e-5,1e-3,log=True,when={'m':('b',)}))).fingerprint())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert (
        Space((Choice("m", ("a", "b")),)).fingerprint()
        != Space((Choice("m", ("a",)),)).fingerprint()
    )
