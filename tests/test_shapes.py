"""The suite's own check of shapes and types finds what it is for."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from jaxtyping import Float

from stgraph.geometry import project
from tests.shapes import checked

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
