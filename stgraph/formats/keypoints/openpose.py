"""OpenPose's files: one JSON for each frame, `{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, c, ...]}]}`.

The frame's number is in the file's name: `NAME_000000000012_keypoints.json`. Coordinates are pixels, or 0 to 1 or -1 to
1 (`--keypoint_scale`), which their range tells.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stgraph.formats.keypoints.content import objects, stacked, triples, whole
from stgraph.formats.keypoints.frames import videos_of
from stgraph.formats.keypoints.poses import Raw

LAYOUTS = ("body25", "openpose18", "mpi15")
BEYOND = 1.5  # no joint is so far outside an image that reaches from 0 or -1 to 1
KEYS = ("pose_keypoints_2d", "pose_keypoints")  # the second until OpenPose 1.3


def is_openpose(tree: Any) -> bool:
    """Whether JSON is a frame of OpenPose."""
    return isinstance(tree, dict) and "people" in tree


def read_openpose(trees: Mapping[Path, Any], folder: str = "") -> list[Raw]:
    """The videos of some files, which differ in what comes before the frame's number in their names.

    Args:
        trees: the content of each file.
        folder: names the video where the files' names do not.

    Raises:
        InputError: malformed files, or a video without a person.
    """
    return [video(trees, name, frames, notes) for name, frames, notes in videos_of([*trees], folder)]


def video(trees: Mapping[Path, Any], name: str, frames: Mapping[Path, int], notes: list[str]) -> Raw:
    """The video of some files. Raises InputError."""
    poses, places, frame, person = [], [], [], []
    for path, number in frames.items():
        for index, one in enumerate(objects(trees[path]["people"], f"{path}: people")):
            place = f"{path}: people[{index}]"
            value = next((one[key] for key in KEYS if key in one), [])
            if value == []:  # only a face or hands
                continue
            poses.append(triples(value, f"{place}.{KEYS[0]}"))
            places.append(place)
            frame.append(number)
            identity = one.get("person_id")
            person.append(-1 if identity in (None, []) else max(whole(identity, f"{place}.person_id"), -1))
    first = next(iter(frames))
    pose = stacked(poses, places, str(first if len(frames) == 1 else first.parent))
    return Raw(
        name,
        "OpenPose",
        frame,
        pose,
        person,
        layouts=LAYOUTS,
        scale=keypoint_scale(pose),
        frames=(min(frames.values()), max(frames.values()) + 1),
        notes=notes,
    )


def keypoint_scale(pose: Float[np.ndarray, "n j 3"]) -> str:
    """The scale by the range of the seen joints: pixels, unless all are from 0 to 1 or from -1 to 1."""
    seen = pose[(pose[..., 2] > 0) & np.isfinite(pose).all(axis=-1)][:, :2]
    if not len(seen) or np.abs(seen).max() > BEYOND:
        return "pixels"
    return "signed" if seen.min() < -0.1 else "fractions"
