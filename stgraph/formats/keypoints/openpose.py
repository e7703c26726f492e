"""OpenPose's files: one JSON for each frame, `{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, c, ...]}]}`.

The frame's number is in the file's name: `NAME_000000000012_keypoints.json`. Coordinates are pixels, or 0 to 1 or -1 to
1 (`--keypoint_scale`), which their range tells.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.json_files import read_json
from stgraph.formats.keypoints.content import objects, stacked, triples, whole
from stgraph.formats.keypoints.names import natural
from stgraph.formats.keypoints.poses import MOST_FRAMES, Raw

EXPECTED = 'OpenPose\'s {"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}'
NAME = re.compile(r"(?P<video>.*?)[_\-. ]?(?P<frame>\d+)(_keypoints|_pose)?$")
LAYOUTS = {25: ("body25",), 18: ("openpose18",), 15: ("mpi15",)}
BEYOND = 1.5  # no joint is so far outside an image that reaches from 0 or -1 to 1
KEYS = ("pose_keypoints_2d", "pose_keypoints")  # the second until OpenPose 1.3


def is_openpose(tree: Any) -> bool:
    """Whether JSON is a frame of OpenPose."""
    return isinstance(tree, dict) and "people" in tree


def read_openpose(trees: Mapping[Path, Any], name: str = "") -> list[Raw]:
    """The videos of some files, which are told apart by what comes before the frame's number in their names.

    Args:
        trees: the content of each file.
        name: of the video where the files' names give none.

    Raises:
        InputError: malformed files, two of one frame, or none with a person.
    """
    videos: dict[str, dict[Path, int | None]] = {}
    for path in sorted(trees, key=lambda path: natural(path.name)):
        match = NAME.fullmatch(path.stem)
        number = int(match["frame"]) if match and len(match["frame"]) < 20 else None
        videos.setdefault(match["video"] if match else path.stem, {})[path] = number
    return [video(trees, numbers, title or name or next(iter(numbers)).stem) for title, numbers in videos.items()]


def video(trees: Mapping[Path, Any], numbers: Mapping[Path, int | None], name: str) -> Raw:
    """The video of some files. Raises InputError."""
    notes = []
    frames = {path: place if number is None else number for place, (path, number) in enumerate(numbers.items())}
    if max(frames.values()) >= MOST_FRAMES:
        notes.append("the numbers in the files' names are too large for frames: numbered in their order")
        frames = {path: place for place, path in enumerate(numbers)}
    if len({*frames.values()}) < len(frames):
        raise InputError("two files of one frame", where=next(iter(frames)).parent, remedy="leave one of them out")
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
            person.append(max(whole(one.get("person_id", -1) or -1, f"{place}.person_id"), -1))
    where = str(next(iter(frames)) if len(frames) == 1 else next(iter(frames)).parent)
    pose = stacked(poses, places, where)
    return Raw(
        name,
        "OpenPose",
        frame,
        pose,
        person,
        layouts=LAYOUTS.get(pose.shape[1], ()),
        scale=keypoint_scale(pose),
        frames=(min(frames.values()), max(frames.values()) + 1),
        notes=notes,
    )


def keypoint_scale(pose: np.ndarray) -> str:
    """The scale by the range of the seen joints: pixels, unless all are from 0 to 1 or from -1 to 1."""
    seen = pose[(pose[..., 2] > 0) & np.isfinite(pose).all(axis=-1)][:, :2]
    if not len(seen) or np.abs(seen).max() > BEYOND:
        return "pixels"
    return "signed" if seen.min() < -0.1 else "fractions"


def read_files(paths: Sequence[Path], name: str = "") -> list[Raw]:
    """The videos of OpenPose's files. Raises InputError, also for a file that is none."""
    trees = {}
    for path in paths:
        trees[path] = read_json(path, EXPECTED)
        if not is_openpose(trees[path]):
            raise InputError(where=path, found="other JSON", expected=EXPECTED, remedy="leave the file out")
    return read_openpose(trees, name)
