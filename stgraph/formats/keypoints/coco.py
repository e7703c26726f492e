"""COCO's results and AlphaPose's: a list with an object for each pose.

`[{"image_id": 7, "category_id": 1, "keypoints": [x, y, c, ...], "score": 0.9, "idx": 2}]`: AlphaPose's `image_id` is
the name of an image, `idx` the person's identity, its boxes are `box`, and its scores reach beyond 1.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import (
    AGAIN,
    corners,
    first_object,
    number,
    objects,
    row,
    stacked,
    triples,
    whole,
)
from stgraph.formats.keypoints.frames import last_numbers
from stgraph.formats.keypoints.names import natural
from stgraph.formats.keypoints.poses import Raw

LAYOUTS = ("coco17", "halpe26", "halpe136", "wholebody133", "coco23")
POSETRACK_IDS = range(10**10, 10**11)  # image ids of PoseTrack, which end in four digits of the frame


def is_results(tree: Any) -> bool:
    """Whether JSON is a list of poses."""
    first = first_object(tree)
    return "keypoints" in first and ("image_id" in first or "category_id" in first)


def read_results(tree: Any, path: Path) -> list[Raw]:
    """The videos of a list of poses: one for each folder that the names of images are in.

    Raises:
        InputError: malformed poses, or poses of several numbers of joints.
    """
    entries = objects(tree, str(path))
    ids = [one.get("image_id") for one in entries]
    frames, notes = frames_of(ids, path)
    videos: dict[str, list[int]] = {}
    for index, image in enumerate(ids):
        folder = str(PurePosixPath(image.replace("\\", "/")).parent) if isinstance(image, str) else "."
        videos.setdefault(folder, []).append(index)
    return [
        video(
            {member: entries[member] for member in members},
            [frames[member] for member in members],
            path,
            path.stem if len(videos) == 1 else folder,
            notes,
        )
        for folder, members in videos.items()
    ]


def frames_of(ids: Sequence[Any], path: Path) -> tuple[list[int], list[str]]:
    """The frame of each image: its number, the last one in its name, or its place among all; and what was assumed.

    Raises:
        InputError: an id that is neither a number nor a name.
    """
    if not all(type(one) in (int, str) for one in ids):
        if all(one is None for one in ids):
            return [*range(len(ids))], ["poses have no image_id: one frame each, in their order"]
        index = next(index for index, one in enumerate(ids) if type(one) not in (int, str))
        found, expected = repr(ids[index])[:40], "a number or a name"
        raise InputError(where=f"{path}: [{index}].image_id", found=found, expected=expected, remedy=AGAIN)
    if all(type(one) is int for one in ids):
        if all(one in POSETRACK_IDS for one in ids):
            return [one % 10**4 for one in ids], []
        return list(ids), []
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for name in sorted({*map(str, ids)}, key=natural):
        file = PurePosixPath(name.replace("\\", "/"))
        folders.setdefault(file.parent, {})[name] = file.stem
    result: dict[str, int] = {}
    notes: list[str] = []
    for stems in folders.values():
        numbers, remarks = last_numbers([*stems.values()])
        result |= dict(zip(stems, numbers, strict=True))
        notes += remarks
    return [result[str(one)] for one in ids], notes[:1]


def video(
    entries: Mapping[int, Mapping[str, Any]], frames: Sequence[int], path: Path, name: str, notes: Sequence[str]
) -> Raw:
    """The video of some of the poses, by their numbers in the file. Raises InputError."""
    places, some = [f"{path}: [{number}]" for number in entries], list(entries.values())
    poses = []
    for one, place in zip(some, places, strict=True):
        if "keypoints" not in one:
            raise InputError(where=place, found="no keypoints", expected="keypoints in every pose", remedy=AGAIN)
        poses.append(triples(one["keypoints"], f"{place}.keypoints"))
    pose = stacked(poses, places, str(path))
    identified = any("idx" in one or "track_id" in one for one in some)
    person = [
        max(whole(one.get("idx", one.get("track_id", -1)), f"{place}.idx"), -1) if identified else -1
        for one, place in zip(some, places, strict=True)
    ]
    score = np.array(
        [number(one.get("score"), f"{place}.score", np.nan) for one, place in zip(some, places, strict=True)]
    )
    boxes = [one.get("box", one.get("bbox")) for one in some]
    box = None
    if any(boxes):
        rows = [row(one or [0.0] * 4, f"{place}.box", 4) for one, place in zip(boxes, places, strict=True)]
        box = corners(np.stack(rows))
    alpha = identified or any("box" in one or isinstance(one.get("image_id"), str) for one in some)
    return Raw(
        name,
        "AlphaPose" if alpha else "COCO results",
        frames,
        pose=pose,
        person=person,
        score=score,
        box=box,
        layouts=LAYOUTS,
        notes=[*notes],
    )
