"""What JSON holds, with errors that name the place: numbers, objects and lists as they should be."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stgraph.errors import InputError
from stgraph.formats.keypoints.plausible import check_rated

_NUMBERS = {int, float, type(None)}
AGAIN = "write or fetch the file again"
CUT = f"it may have been cut short: {AGAIN}"
NO_CONFIDENCE = "confidence is not given: 1 where a joint is seen"
MOST_NUMBERS = 20_000_000  # that nested lists may hold


def floats(value: Any, where: str, *widths: int) -> Float[np.ndarray, "..."]:
    """Numbers of a list, or of lists of lists, null being NaN.

    Args:
        value: a list of any depth, or an array.
        where: file and place, for messages.
        widths: how long the last axis may be; any where none is given.

    Raises:
        InputError: other things than numbers, lists of unlike length, or another width.
    """
    problem = ""
    array = np.zeros(0)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        array = value.astype(np.float64)
    else:
        shape, flat = _flattened(value)
        if shape is None or not {*map(type, flat)} <= _NUMBERS:
            problem = "other things than numbers, or lists of unlike length"
        else:
            try:
                array = np.array(flat, np.float64).reshape(shape)
            except OverflowError:
                problem = "a number of more than 300 digits"
    width = array.shape[-1] if array.ndim else 1
    if not problem and widths and width not in widths:
        problem = f"{width} numbers"
    if problem:
        expected = f"{' or '.join(map(str, widths))} numbers" if widths else "numbers"
        raise InputError(where=where, found=problem, expected=expected, remedy=AGAIN)
    return array


def _flattened(value: Any) -> tuple[tuple[int, ...] | None, list]:
    """The shape of nested lists and what is in them; no shape where lists are of unlike length."""
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.size <= MOST_NUMBERS else None
    if not isinstance(value, list | tuple):
        return None, []
    shape: tuple[int, ...] = (len(value),)
    items = [*value]
    while items and all(isinstance(item, list | tuple | np.ndarray) for item in items):
        lengths = {len(item) if not isinstance(item, np.ndarray) or item.ndim else -1 for item in items}
        if len(lengths) > 1 or len(shape) > 4 or len(items) * (width := lengths.pop()) > MOST_NUMBERS or width < 0:
            return None, []
        shape += (width,)
        items = [part.item() if isinstance(part, np.generic) else part for item in items for part in item]
    return shape, [item.item() if isinstance(item, np.generic) else item for item in items]


def row(value: Any, where: str, width: int) -> Float[np.ndarray, " width"]:
    """So many numbers, also in a list of one. Raises InputError for another count, or other things."""
    array = floats(value, where, width)
    if array.size != width:
        found, expected = f"{array.size} numbers", f"{width} numbers"
        raise InputError(where=where, found=found, expected=expected, remedy=AGAIN)
    return array.reshape(width)


def is_sequence(value: Any) -> bool:
    """Whether this is a list, a tuple, or an array with axes."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def sequence(value: Any) -> list:
    """The items of a list, a tuple or an array; none for other objects."""
    return list(value) if is_sequence(value) else []


def items(value: Any, where: str) -> list:
    """A list. Raises InputError for anything else."""
    if not isinstance(value, list):
        raise InputError(where=where, found=f"a {type(value).__name__}", expected="a list", remedy=AGAIN)
    return value


def first_object(tree: Any) -> Mapping[str, Any]:
    """The first of a list of objects; an empty one for anything else."""
    return tree[0] if isinstance(tree, list) and tree and isinstance(tree[0], dict) else {}


def objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    """A list of objects. Raises InputError for anything else."""
    for index, item in enumerate(items(value, where)):
        if not isinstance(item, dict):
            found = f"a {type(item).__name__}"
            raise InputError(where=f"{where}[{index}]", found=found, expected="an object", remedy=AGAIN)
    return value


def number(value: Any, where: str, default: float | None = None) -> float:
    """One number, also one in a list of one; `default` for None. Raises InputError for anything else."""
    one = unwrapped(value)
    if one is None and default is not None:
        return default
    if not isinstance(one, int | float) or isinstance(one, bool) or (isinstance(one, int) and abs(one) >= 2**63):
        raise InputError(where=where, found=reprlib.repr(one), expected="a number", remedy=AGAIN)
    return float(one)


def whole(value: Any, where: str) -> int:
    """One whole number, also in a list of one or as 3.0. Raises InputError for anything else."""
    one = number(value, where)
    if not np.isfinite(one) or one != round(one) or abs(one) >= 2**53:
        raise InputError(where=where, found=reprlib.repr(value), expected="a whole number", remedy=AGAIN)
    return round(one)


def unwrapped(value: Any) -> object:
    """What is in a list of one, at any depth."""
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value


def triples(value: Any, where: str) -> Float[np.ndarray, "j 3"]:
    """Joints of a flat list x, y, c, x, y, c, ... or a list of [x, y, c]. Raises InputError for anything else."""
    array = floats(value, where)
    if array.ndim > 2 or not array.size or array.size % 3 or (array.ndim == 2 and array.shape[1] != 3):
        found = f"numbers of shape {array.shape}"
        raise InputError(where=where, found=found, expected="x, y and confidence of every joint", remedy=AGAIN)
    return array.reshape(-1, 3)


def no_people(where: object) -> InputError:
    """The error for a file without a pose."""
    remedy = "check that the detector found someone"
    return InputError("no people in it", where=where, expected="a pose at least", remedy=remedy, kind="no person")


def present(
    xy: Float[np.ndarray, "t m j 2"], confidence: Float[np.ndarray, "t m j"], where: object
) -> tuple[Float[np.ndarray, "n j 3"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The poses in which any joint is seen, with their frames and places among the people.

    Raises InputError where there is none, or none has a confidence.
    """
    pose = np.concatenate([xy, confidence[..., None]], axis=-1)
    shown = np.nan_to_num(xy).any(axis=(2, 3)) & (np.nan_to_num(confidence) > 0).any(axis=2)
    frame, person = np.nonzero(shown)
    if not len(frame):
        check_rated(pose.reshape(-1, *pose.shape[2:]), where)
        raise no_people(where)
    return pose[frame, person], frame, person


def stacked(poses: Sequence[Float[np.ndarray, "_ c"]], places: Sequence[str], where: str) -> Float[np.ndarray, "n j c"]:
    """Poses of one file as an array.

    Raises:
        InputError: no pose at all, or another number of joints than in the first pose.
    """
    if not len(poses):
        raise no_people(where)
    for pose, place in zip(poses, places, strict=True):
        if pose.shape != poses[0].shape:
            expected = f"{len(poses[0])}, as {places[0]} has"
            raise InputError(where=place, found=f"{len(pose)} joints", expected=expected, remedy=AGAIN)
    return np.stack(poses)


def corners(box: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom of left, top, width, height."""
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)
