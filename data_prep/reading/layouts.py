"""Poses in arrays that carry no names: joint orders are mapped to Human3.6M's by tables in `mappings/arrays/`.

The tables are those of `data_prep.reading.rigs`; `order` names the joints of the array.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.reading.rigs import RigMapping, read_mapping
from stgraph.formats.keypoints.keypoints import joint_sources, mapped
from stgraph.formats.keypoints.poses import CORNER
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

# Camera axes to world axes, quaternion w x y z: looking along y, z up. For cameras whose place is not known.
LEVEL = np.array([0.5**0.5, -(0.5**0.5), 0, 0])


@cache
def layout(name: str) -> RigMapping:
    """A table by its file's name."""
    return read_mapping(Path(__file__).parents[1] / "mappings" / "arrays" / f"{name}.json")


def mapped_image(pose2d: Float[np.ndarray, "t w 3"], joints: Sequence[str]) -> Float[np.ndarray, "t j 3"]:
    """Detections (pixels and confidence) of Human3.6M's joints, from joints of these names.

    A joint that is made of several is as certain as the least certain of them; unseen joints are all zero.
    """
    return mapped(pose2d * detections(pose2d[..., :2])[..., 2:], joint_sources(joints, H36M17.names))


def detections(
    pixels: Float[np.ndarray, "t j 2"], stored: Float[np.ndarray, "t j 2"] | None = None
) -> Float[np.ndarray, "t j 3"]:
    """Pixels and confidence of poses that have none: 1, and all zero for unseen joints.

    Files write (0, 0) for that, before or after they normalise: no joint is ever exactly there.

    Args:
        stored: the coordinates as the file has them, if not in pixels.
    """
    seen = (np.abs(pixels) > CORNER).any(axis=-1, keepdims=True)
    if stored is not None:
        seen &= (stored != 0).any(axis=-1, keepdims=True)
    return np.where(seen, np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1), 0)


def level_camera(name: str, width: int, height: int, intrinsics: Float[np.ndarray, "9"] | None = None) -> Camera:
    """A camera whose place is not known: level, at the origin of a world of its own. Unknown intrinsics are 0."""
    intrinsics = np.zeros(9) if intrinsics is None else intrinsics
    return Camera(name, width, height, intrinsics, rotation=LEVEL, translation=np.zeros(3))


def last_valid(valid: Bool[np.ndarray, " t"]) -> Int[np.ndarray, " t"]:
    """For each frame the index of the last valid frame up to it, else of the first valid one (sample and hold)."""
    return np.maximum.accumulate(np.where(valid, np.arange(len(valid)), valid.argmax()))
