"""Arrays of files: what is no array of numbers is refused before it fills the memory."""

import re

import numpy as np
import pytest

from data_prep.reading.arrays import flags, numbers
from data_prep.reading.layouts import detections, mapped_image
from stgraph.errors import InputError
from stgraph.skeleton import H36M17, OPENPOSE18


def test_lists_tuples_and_arrays_are_the_same_numbers():
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    for value in (array, array.tolist(), tuple(map(tuple, array)), list(array)):
        found = numbers(value, "a", (-1, 3, 2))
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.float64
    assert numbers([1, 2, 3], "a", (-1, 3), (3,)).shape == (3,)
    shared = [1.0, 2.0, 3.0]
    assert numbers([shared] * 5, "a", (3,), (-1, 3)).shape == (5, 3)


def nested(levels, width):
    """Small, and `width ** levels` numbers when it is written out."""
    value = [1.0] * width
    for _ in range(levels - 1):
        value = [value] * width
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(10, 10),
        nested(3, 3000),
        [np.zeros((100, 1000))] * 10_000,
        ["a" * 1000] * 5,
        [[1, 2], [3]],
        [None, None],
        [np.array([None])],
        {"a": 1},
        "abc",
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_is_not_made_one(monkeypatch, value):
    """Ten lists that hold one another ten times are 80 GB."""
    made = np.asarray
    monkeypatch.setattr(np, "asarray", lambda value: made(value) if len(value) < 10 else pytest.fail("expanded"))
    with pytest.raises(InputError, match=r"^a: a \w+ of other things than numbers.*expected numbers \(frames, 3, 3\)"):
        numbers(value, "a", (-1, 3, 3))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros((2, 3)), "float64 of shape (2, 3)"),
        (np.zeros((0, 3, 3)), "float64 of shape (0, 3, 3)"),
        (np.full((2, 3, 3), "a"), "<U1 of shape (2, 3, 3)"),
        (np.ones((2, 3, 3), complex), "complex128 of shape (2, 3, 3)"),
        ([[[1, 2]]], "int64 of shape (1, 1, 2)"),
    ],
)
def test_arrays_of_another_shape_or_type_are_named(value, found):
    message = re.escape(f"a: {found}; expected numbers (frames, 3, 3) or (9)")
    with pytest.raises(InputError, match=message):
        numbers(value, "a", (-1, 3, 3), (9,))


def test_flags():
    assert flags([0, 1, 2.5, True], "a").tolist() == [False, True, True, True]
    with pytest.raises(InputError, match="a: nan at frame 1; expected 1 for a valid frame"):
        flags(np.array([1, np.nan]), "a")


def test_the_corner_is_no_position():
    pixels = np.array([[[0.0, 0], [0, 5], [5, 0], [4e-4, -1e-4], [3, 4]]])
    np.testing.assert_array_equal(detections(pixels)[..., 2], [[0, 1, 1, 0, 1]])
    np.testing.assert_array_equal(detections(pixels)[0, 3], [0, 0, 0])
    given = np.array([[[1.0, 1], [1, 0], [1, 1], [1, 1], [0, 0]]])
    np.testing.assert_array_equal(detections(pixels, given)[..., 2], [[0, 1, 1, 0, 0]])
    pose = np.ones((1, len(OPENPOSE18), 3))
    pose[0, OPENPOSE18.index("LKnee"), :2] = 0  # however certain
    mapped = mapped_image(pose, OPENPOSE18.names)
    assert [H36M17.names[joint] for joint in np.flatnonzero(mapped[0, :, 2] == 0)] == ["LKnee"]
