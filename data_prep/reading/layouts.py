"""Arrays that carry no names: joint orders mapped to Human3.6M's skeleton by tables in `mappings/arrays/`, shapes.

The tables are those of `data_prep.reading.rigs`; `order` names the joints of the array.
"""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.reading.rigs import RigMapping, read_mapping
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

# Numbers that nested lists may hold: the longest archive has a hundredth of it.
MOST_NUMBERS = 100_000_000
# Pixels from the image's corner that are a (0, 0) which was scaled and back.
CORNER = 1e-3
# Camera axes to world axes, quaternion w x y z: looking along y, z up. For cameras of which no place is known.
LEVEL = np.array([0.5**0.5, -(0.5**0.5), 0, 0])


@cache
def layout(name: str) -> RigMapping:
    """A table by its file's name."""
    return read_mapping(Path(__file__).parents[1] / "mappings" / "arrays" / f"{name}.json")


def mapped_image(pose2d: Float[np.ndarray, "t w 3"], table: RigMapping, where: str) -> Float[np.ndarray, "t j 3"]:
    """Detections (pixels and confidence) of Human3.6M's joints, from joints in the table's order.

    A joint that is made of several is as certain as the least certain of them; unseen joints are all zero.
    """
    index = {name: number for number, name in enumerate(table.order)}
    pose2d = pose2d * detections(pose2d[..., :2])[..., 2:]
    sources = [[index[name] for name in table.joints[joint]] for joint in H36M17.names]
    confidence = np.stack([pose2d[:, joints, 2].min(axis=1) for joints in sources], axis=1)
    mapped = np.concatenate([table.apply(pose2d, table.order, where)[..., :2], confidence[..., None]], axis=-1)
    return np.where(confidence[..., None] > 0, mapped, 0)


def detections(pixels: Float[np.ndarray, "t j 2"], given: Float[np.ndarray, "t j 2"] | None = None) -> np.ndarray:
    """Pixels and confidence (t j 3) of poses that have none: 1, and all zero for what was not seen.

    Files write (0, 0) for that, before or after they normalise: no joint is ever exactly there.

    Args:
        given: the same as the file has them, if not in pixels.
    """
    seen = (np.abs(pixels) > CORNER).any(axis=-1, keepdims=True)
    if given is not None:
        seen &= (given != 0).any(axis=-1, keepdims=True)
    return np.where(seen, np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1), 0)


def level_camera(name: str, width: int, height: int, intrinsics: Float[np.ndarray, "9"] | None = None) -> Camera:
    """A camera whose place is not known: level, at the origin of a world of its own. Unknown intrinsics are 0."""
    return Camera(name, width, height, np.zeros(9) if intrinsics is None else intrinsics, LEVEL, np.zeros(3))


def held(valid: Bool[np.ndarray, " t"]) -> Int[np.ndarray, " t"]:
    """For each frame the last valid one up to it, or the first valid one: what may be checked in its place."""
    return np.maximum.accumulate(np.where(valid, np.arange(len(valid)), valid.argmax()))


def numbers(value: Any, where: str, *shapes: tuple[int, ...]) -> np.ndarray:
    """An array of float64 of one of the shapes, -1 being any length but none. Raises InputError for another.

    Lists are counted before they are made an array: ten that hold one another ten times are ten billion numbers.
    """
    array = np.array(None)
    if isinstance(value, np.ndarray):
        array = value
    elif count(value, max(map(len, shapes)), {}) <= MOST_NUMBERS:
        with suppress(ValueError):  # of lists of unlike length
            array = np.asarray(value)
    fits = any(
        array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))
        for shape in shapes
    )
    if array.dtype.kind not in "biuf" or not fits or not array.size:
        found = f"{array.dtype} of shape {array.shape}"
        if array.dtype.kind == "O":
            found = f"a {type(value).__name__} of other things than numbers, or of lists of unlike length"
        expected = " or ".join(
            f"({', '.join('frames' if want < 0 else str(want) for want in shape)})" for shape in shapes
        )
        raise InputError(f"{where}: {found}; expected numbers {expected}; get the file again")
    return array.astype(np.float64)


def count(value: Any, axes: int, known: dict[tuple[int, int], float]) -> float:
    """Numbers in nested lists, those that are shared as often as they are there; infinite for what is no array."""
    if isinstance(value, list | tuple):
        if (id(value), axes) not in known:
            known[id(value), axes] = sum(count(item, axes - 1, known) for item in value) if axes else np.inf
        return known[id(value), axes]
    if isinstance(value, np.ndarray | np.generic):
        return value.size if value.dtype.kind in "biuf" and value.ndim <= axes else np.inf
    return 1 if isinstance(value, int | float) else np.inf


def flags(value: Any, where: str) -> Bool[np.ndarray, " t"]:
    """Which of some numbers are not 0. Raises InputError for what is not a row of finite numbers."""
    array = numbers(value, where, (-1,))
    if not np.isfinite(array).all():
        t = int(np.argmin(np.isfinite(array)))
        raise InputError(f"{where}: {array[t]} at frame {t}; expected 1 for a valid frame and 0 for others")
    return array != 0


def same_length(where: Path | str, values: dict[str, Any]) -> None:
    """Raises InputError where the parts of a file that it has are of different length."""
    lengths = {name: len(value) for name, value in values.items() if value is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(f"{where}: {found}; expected as many of each, get the file again")
