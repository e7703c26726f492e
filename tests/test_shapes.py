"""The suite's own check of shapes and types finds what it is for."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from jaxtyping import Float

from stgraph.geometry import project
from tests.shapes import Unknown, checked, kind

Rows = Float[np.ndarray, "n c"]


@checked
def stacked(one: Rows, other: Float[np.ndarray, "m c"], times: int = 1) -> Float[np.ndarray, "_ c"]:
    return np.concatenate([one, *[other] * times])[:, : 2 + times]


@checked(typechecker=None)
def first(rows: Rows, count: int) -> Float[np.ndarray, "{count} c"]:
    return rows[:count]


@checked
def named(rows: "Rows | None", unknown: "NotImported | None" = None) -> "Later":
    return Later(np.ones((2, 3)) if rows is None else rows)


@checked
@dataclass(frozen=True)
class Later:
    rows: Rows


def test_what_fits_passes():
    assert stacked(np.ones((2, 3)), np.ones((4, 3))).shape == (6, 3)
    assert first(np.ones((5, 2)), 3).shape == (3, 2)
    assert named(None).rows.shape == (2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stacked(np.ones((2, 3)), np.ones((4, 2))),  # axes of two arguments
        lambda: stacked(np.ones((2, 4)), np.ones((4, 4))),  # of an argument and the result
        lambda: stacked(np.ones((2, 3)), np.ones((4, 3), int)),
        lambda: stacked(np.ones(3), np.ones((4, 3))),
        lambda: stacked(np.ones((2, 3)), np.ones((4, 3)), times="1"),
        lambda: first(np.ones((2, 3)), 4),
        lambda: named(np.ones(3)),
        lambda: Later(np.ones(3)),
        lambda: Later([1.0]),
    ],
)
def test_what_does_not_fit_is_found(call):
    with pytest.raises(TypeError, match="violates type hint"):
        call()


def test_the_toolkits_functions_are_checked(pytestconfig):
    if not pytestconfig.getoption("--jaxtyping-packages"):
        pytest.skip("checks are off")
    with pytest.raises(TypeError, match="violates type hint"):
        project(torch.ones(2, 3, 2), torch.ones(9))


def test_calls_have_axes_of_their_own():
    assert first(np.ones((5, 2)), len(stacked(np.ones((1, 3)), np.ones((1, 3))))).shape == (2, 2)
    assert first(first(np.ones((5, 4)), 3), 2).shape == (2, 4)


@checked
def some(rows: Rows, keep: list[bool], way: Literal["rows", "list"] = "rows") -> Float[np.ndarray, "_ c"]:
    found = rows[keep]
    return found.tolist() if way == "list" else found if len(found) != 2 else found.T


def test_each_kind_of_argument_and_of_answer_is_checked():
    rows = np.ones((3, 4))
    for _ in range(2):
        assert some(rows, [True, False, False]).shape == (1, 4)
        assert some(rows, [True, True, True]).shape == (3, 4)
        for wrong in (lambda: some(rows, [True, True, False]), lambda: some(rows, [True, False, False], "list")):
            with pytest.raises(TypeError, match="violates type hint"):
                wrong()
        with pytest.raises(TypeError, match="violates type hint"):
            some(rows, [True, False, False], way="columns")
        with pytest.raises(TypeError, match="violates type hint"):
            some(rows.astype(int), [True, False, False])
    for count in (2, 3):
        assert len(first(np.ones((5, 2)), count)) == count
    with pytest.raises(TypeError, match="violates type hint"):
        first(np.ones((5, 2)), 6)


def test_what_does_not_decide_is_checked_every_time():
    assert kind([np.ones((2, 3)), "a", None, {"b": 1}]) == kind([np.zeros((2, 3)), "a", None, {"b": 2}])
    assert kind([np.ones((2, 3))]) != kind([np.ones((3, 3))]) != kind([np.ones((3, 3), np.float32)])
    itself: list = []
    itself.append(itself)
    for value in (list(range(100)), "a" * 100, {1, 2}, np.ma.ones(3), [[{1}]], itself):
        with pytest.raises(Unknown):
            kind(value)
