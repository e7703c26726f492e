"""Arrays that carry no names: joint orders mapped to Human3.6M's skeleton by tables in `mappings/arrays/`, shapes.

The tables are those of `data_prep.rigs`; `order` names the joints of the array.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.rigs import RigMapping, read_mapping
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

# Camera axes to world axes, quaternion w x y z: looking along y, z up. For cameras of which no place is known.
LEVEL = np.array([0.5**0.5, -(0.5**0.5), 0, 0])


@cache
def layout(name: str) -> RigMapping:
    """A table by its file's name."""
    return read_mapping(Path(__file__).parent / "mappings" / "arrays" / f"{name}.json")


def mapped_image(pose2d: Float[np.ndarray, "t w 3"], table: RigMapping, where: str) -> Float[np.ndarray, "t j 3"]:
    """Detections (pixels and confidence) of Human3.6M's joints, from joints in the table's order.

    A joint that is made of several is as certain as the least certain of them; unseen joints are all zero.
    """
    index = {name: number for number, name in enumerate(table.order)}
    sources = [[index[name] for name in table.joints[joint]] for joint in H36M17.names]
    confidence = np.stack([pose2d[:, joints, 2].min(axis=1) for joints in sources], axis=1)
    mapped = np.concatenate([table.apply(pose2d, table.order, where)[..., :2], confidence[..., None]], axis=-1)
    return np.where(confidence[..., None] > 0, mapped, 0)


def level_camera(name: str, width: int, height: int, intrinsics: Float[np.ndarray, "9"]) -> Camera:
    """A camera whose place is not known: level, at the origin of a world of its own."""
    return Camera(name, width, height, intrinsics, LEVEL, np.zeros(3))


def held(valid: Bool[np.ndarray, " t"]) -> Int[np.ndarray, " t"]:
    """For each frame the last valid one up to it, or the first valid one: what may be checked in its place."""
    return np.maximum.accumulate(np.where(valid, np.arange(len(valid)), valid.argmax()))


def numbers(value: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An array of float64 of a shape, -1 being any length but none. Raises InputError for another."""
    try:
        array = np.asarray(value)
    except ValueError:  # of lists of unlike length
        array = np.array(None)
    fits = array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "biuf" or not fits or not array.size:
        expected = ", ".join("frames" if want < 0 else str(want) for want in shape)
        raise InputError(
            f"{where}: {array.dtype} of shape {array.shape}; expected numbers ({expected}); get the file again"
        )
    return array.astype(np.float64)


def same_length(where: Path | str, values: dict[str, Any]) -> None:
    """Raises InputError where the parts of a file that it has are of different length."""
    lengths = {name: len(value) for name, value in values.items() if value is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(f"{where}: {found}; expected as many of each, get the file again")
