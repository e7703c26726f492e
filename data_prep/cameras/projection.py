"""Poses through a camera, in NumPy: world to camera space, camera space to pixels, and the check of their depth."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.geometry import Camera, project, world_to_camera


def to_camera(pose: Float[np.ndarray, "*n 3"], camera: Camera) -> Float[np.ndarray, "*n 3"]:
    """World to camera space, metres."""
    return world_to_camera(torch.from_numpy(pose), camera.rotation, camera.translation).numpy()


def image(pose: Float[np.ndarray, "*n 3"], camera: Camera) -> Float[np.ndarray, "*n 2"]:
    """Pixels of camera-space points, lens distortion included."""
    return project(torch.from_numpy(pose), camera.intrinsics).numpy()


def check_in_front(pose: Float[np.ndarray, "t j 3"], joints: Sequence[str], where: str, remedy: str) -> None:
    """Raises InputError that names the first frame and joint beside or behind the camera, and counts the frames.

    Args:
        pose: camera space, metres.
        joints: their names.
        remedy: what to do about it.
    """
    behind = pose[..., 2] <= 0
    if behind.any():
        t, j = np.argwhere(behind)[0]
        raise InputError(
            f"joint {joints[j]} is behind the camera at frame {t} (depth {pose[t, j, 2]:.2f} m, in "
            f"{np.count_nonzero(behind.any(axis=-1))} of {len(pose)} frames)",
            where=where,
            expected="poses in camera space, the root not removed",
            remedy=remedy,
        )
