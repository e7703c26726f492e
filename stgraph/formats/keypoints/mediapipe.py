"""MediaPipe's 33 landmarks: x and y in fractions of the image, z, visibility, as arrays and as JSON.

It defines no file; what people write are arrays (frames, 33, 3 to 5 numbers), CSV with four columns for a landmark, and
JSON: a list of frames, each of them a list of landmarks `{"x": 0.5, "y": 0.5, "z": 0, "visibility": 0.9}` or of such
numbers, by itself or under `landmarks` or `pose_landmarks`, perhaps for several people.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import AGAIN, first_object, items, no_people, number, present, whole
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.poses import Raw

NAME = "mediapipe33"
POSE = len(LAYOUTS[NAME])
KEYS = ("pose_landmarks", "landmarks", "poseLandmarks", "keypoints")
CHANNELS = ("x", "y", "z", "visibility")


def from_landmarks(values: Float[np.ndarray, "t m j c"], name: str, where: str) -> Raw:
    """The video of an array of landmarks with 3 to 5 channels: x, y, z, visibility, presence.

    Three channels are x, y and z where the third is below 0 anywhere, else x, y and visibility.

    Raises:
        InputError: another number of channels, or no landmark.
    """
    frames, people, _, channels = values.shape
    notes = []
    if channels in (4, 5):
        visibility = values[..., 3]
    elif channels == 3 and np.nanmin(values[..., 2], initial=0) >= 0:
        visibility = values[..., 2]
    elif channels == 3:
        visibility = np.ones(values.shape[:3])
        notes.append("visibility is not given: 1 where a landmark is there")
    else:
        raise InputError(where=where, found=f"{channels} channels", expected="x, y, z, visibility of each landmark")
    pose, frame, person = present(values[..., :2], visibility, where)
    return Raw(
        name,
        "MediaPipe",
        frame,
        pose,
        person if people == 1 else None,
        layouts=(NAME,),
        scale="",
        frames=(0, frames),
        notes=notes,
    )


def is_landmarks(tree: Any) -> bool:
    """Whether JSON is landmarks: of a frame, of people, or of frames."""
    if isinstance(tree, dict):
        return any(key in tree for key in KEYS[:3]) or is_landmarks(tree.get("frames"))
    while isinstance(tree, list) and tree:
        tree = next((one for one in tree if one), None)
        if isinstance(tree, dict):
            return {"x", "y"} <= {*tree} or any(key in tree for key in KEYS[:3])
    return False


def read_landmarks(tree: Any, path: Path) -> list[Raw]:
    """The video of JSON as `is_landmarks` knows it. Raises InputError for malformed landmarks."""
    fps, where = None, str(path)
    if isinstance(tree, dict):
        fps = number(tree["fps"], f"{path}: fps") if "fps" in tree else None
        tree = items(tree.get("frames", [tree]), f"{path}: frames")
    if "x" in first_object(tree):
        tree = [tree]
    poses, frame, total = [], [], 0
    for place, one in enumerate(tree):
        at, index = f"{path}: frame {place}", place
        if isinstance(one, dict):
            index = next(
                (whole(one[key], f"{at}.{key}") for key in ("frame", "frame_id", "frame_index") if key in one), place
            )
            one = next((one[key] for key in KEYS if key in one), [])
        people = [] if not one else [one] if _is_pose(one) else one
        for person in items(people, at):
            if person:
                poses.append(landmarks(person, at))
                frame.append(index)
        total = max(total, index + 1)
    if not poses:
        raise no_people(where)
    values = np.stack(poses)[:, None]
    raw = from_landmarks(values, path.stem, where)
    raw.frame = np.array(frame)[np.asarray(raw.frame)]
    raw.person, raw.frames, raw.fps = None, (0, total), fps
    if len({*frame}) == len(frame):
        raw.person = np.zeros(len(raw.frame), int)
    return [raw]


def _is_pose(value: Any) -> bool:
    """Whether a list is of landmarks and not of people."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) or (
        isinstance(first, list) and bool(first) and not isinstance(first[0], list | dict)
    )


def landmarks(value: Any, where: str) -> Float[np.ndarray, "j 4"]:
    """One person's landmarks: x, y, z, visibility; 1 where it is not given. Raises InputError."""
    if not isinstance(value, list) or len(value) != POSE:
        found = f"{len(value)} landmarks" if isinstance(value, list) else f"a {type(value).__name__}"
        raise InputError(where=where, found=found, expected=f"{POSE} landmarks", remedy=AGAIN)
    rows = np.zeros((POSE, len(CHANNELS)))
    for place, one in enumerate(value):
        at = f"{where}, landmark {place}"
        if isinstance(one, list) and 3 <= len(one) <= 5:
            one = dict(zip(CHANNELS, one, strict=False))
        if not isinstance(one, dict):
            raise InputError(where=at, found=repr(one)[:40], expected="x, y, z and visibility")
        rows[place] = [number(one.get(key), f"{at}.{key}", 1.0 if key == "visibility" else np.nan) for key in CHANNELS]
    rows[:, 2] = 0
    return rows
