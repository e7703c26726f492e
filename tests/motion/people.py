"""Motion of real people from the built-in set, seen by a camera."""

from pathlib import Path

import numpy as np
import torch

from stgraph.geometry import Camera, project, world_to_camera
from stgraph.motion.motion import Motion
from stgraph.skeleton import H36M17

BUILTIN = Path(__file__).parents[2] / "data_prep/builtin/cmu.npz"
SIZE = (1000, 800)
# Looks along the world's y axis from 4.5 m: x right, z up.
CAMERA = Camera(
    "front",
    *SIZE,
    np.array([900, 900, 500, 400, 0, 0, 0, 0, 0]),
    np.array([np.sqrt(0.5), -np.sqrt(0.5), 0, 0]),
    np.array([0, -4.5, 1.0]),
)


def keypoints_of(pose: np.ndarray, camera: Camera = CAMERA) -> np.ndarray:
    """(... 3) pixels and confidence 1 of a pose in the world, 0 where it is NaN."""
    points = world_to_camera(torch.from_numpy(pose.copy()), camera.rotation, camera.translation)
    pixels = project(points, camera.intrinsics).numpy()
    return np.nan_to_num(np.concatenate([pixels, np.isfinite(pixels[..., :1])], -1)).astype(np.float32)


def walking(
    takes: tuple[str, ...] = ("S07/walk 01",), frames: int = 100, away: tuple[int, int] = (20, 30), **fields: object
) -> Motion:
    """People of the built-in set who move 1.2 m apart; those after the first are not there from `away` on.

    Args:
        takes: one for each person.
        frames: at most so many.
        away: first frame of their absence, and the one after it.
        fields: of the motion, in place of what follows from the takes.
    """
    archive = np.load(BUILTIN)
    pose = np.stack([archive[take][:frames] / 8192 for take in takes], axis=1).astype(np.float32)
    pose[..., 0] += 1.2 * np.arange(len(takes), dtype=np.float32)[:, None]
    pose[slice(*away), 1:] = np.nan
    guessed = np.zeros(pose.shape[:3], bool)
    values = {
        "skeleton": H36M17,
        "fps": 50.0,
        "frame": np.arange(len(pose)),
        "person": np.arange(1, len(takes) + 1),
        "pose": pose,
        "guessed": guessed,
        "keypoints": keypoints_of(pose),
        "size": SIZE,
        "camera": CAMERA,
        "notes": ("The scale is that of the recording.",),
    }
    return Motion.of(**(values | fields))


def changed(motion: Motion, **arrays: np.ndarray) -> Motion:
    """The motion with other arrays over all frames and people, such as `pose`."""
    kept = {name: getattr(motion, name) for name in ("pose", "guessed", "keypoints", "uncertainty")}
    about = {"camera": motion.camera, "notes": motion.notes}
    fields = {"frame": motion.frame, "person": motion.person, "size": motion.size}
    return Motion.of(motion.skeleton, motion.fps, **fields, **(kept | arrays), **about)
