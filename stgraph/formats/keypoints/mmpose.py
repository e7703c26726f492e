"""MMPose's inferencer: `[{"frame_id": 0, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]}]`.

Of an image it writes the bare list of instances; demos wrap frames in `{"meta_info": {...}, "instance_info": [...]}`,
where `keypoint_id2name` may name the joints. A box is nested once more: `"bbox": [[left, top, right, bottom]]`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import AGAIN, first_object, floats, number, objects, row, stacked, whole
from stgraph.formats.keypoints.frames import videos_of
from stgraph.formats.keypoints.poses import Raw

# By the data sets of its models; several for one number of joints differ in the positions.
LAYOUTS = ("crowdpose14", "aic14", "mpii16", "hand21", "coco23", "halpe26", "wholebody133", "halpe136")
IDENTITIES = ("track_id", "instance_id")


def is_frames(tree: Any) -> bool:
    """Whether JSON is frames with instances, or those in an object."""
    if isinstance(tree, dict):
        return "instance_info" in tree or is_frames([tree])
    return "instances" in first_object(tree)


def is_instances(tree: Any) -> bool:
    """Whether JSON is the bare list of one image's instances."""
    return "keypoint_scores" in first_object(tree)


def read_frames(tree: Any, path: Path) -> list[Raw]:
    """The video of frames with instances. Raises InputError for malformed ones, or without any."""
    about: Any = {}
    if isinstance(tree, dict):
        about = tree.get("meta_info") or {}
        tree = tree.get("instance_info", [tree])
    frames = objects(tree, str(path))
    instances = [
        (whole(one.get("frame_id", place), f"{path}: [{place}].frame_id"), f"{path}: [{place}].instances", one)
        for place, one in enumerate(frames)
    ]
    people = [
        (frame, f"{where}[{index}]", person)
        for frame, where, one in instances
        for index, person in enumerate(objects(one.get("instances"), where))
    ]
    numbers = [frame for frame, _, _ in instances] or [0]
    raw = video(path.stem, people, (min(numbers), max(numbers) + 1), str(path))
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    count = raw.pose.shape[1]
    if isinstance(names, dict) and {*names} == {*map(str, range(count))}:
        raw.joints = tuple(str(names[str(place)]) for place in range(count))
    return [raw]


def read_images(trees: Mapping[Path, Any], folder: str = "") -> list[Raw]:
    """The videos of files that are the bare list of an image's instances. Raises InputError."""
    videos = []
    for name, frames, notes in videos_of([*trees], folder):
        people = [
            (frame, f"{path}: [{index}]", person)
            for path, frame in frames.items()
            for index, person in enumerate(objects(trees[path], str(path)))
        ]
        range_of = (min(frames.values()), max(frames.values()) + 1)
        videos.append(video(name, people, range_of, str(next(iter(frames)))))
        videos[-1].notes += notes
    return videos


def video(name: str, people: list[tuple[int, str, Mapping[str, Any]]], frames: tuple[int, int], where: str) -> Raw:
    """The video of instances, each with its frame and its place. Raises InputError."""
    poses, places, person, score, box, notes = [], [], [], [], [], []
    for _, place, one in people:
        xy = floats(one.get("keypoints", []), f"{place}.keypoints", 2, 3)
        scores = one.get("keypoint_scores")
        if xy.ndim != 2 or (xy.shape[1] == 3 and scores is not None):
            expected = "x and y of every joint, in 2D"
            raise InputError(where=f"{place}.keypoints", found=f"shape {xy.shape}", expected=expected, remedy=AGAIN)
        if scores is None:
            confidence = xy[:, 2] if xy.shape[1] == 3 else np.ones(len(xy))
        else:
            confidence = row(scores, f"{place}.keypoint_scores", len(xy))
        poses.append(np.concatenate([xy[:, :2], confidence[:, None]], axis=1))
        places.append(place)
        identity = next((one[key] for key in IDENTITIES if key in one), -1)
        person.append(max(whole(identity, f"{place}.track_id"), -1))
        score.append(number(one.get("bbox_score"), f"{place}.bbox_score", np.nan))
        corners = floats(one.get("bbox") or [0.0] * 4, f"{place}.bbox").ravel()
        box.append(corners[:4] if len(corners) in (4, 5) else np.zeros(4))
    pose = stacked(poses, places, where)
    frame = [number for number, _, _ in people]
    return Raw(
        name,
        "MMPose",
        frame,
        pose=pose,
        person=person,
        score=np.array(score),
        box=np.stack(box) if np.any(box) else None,
        layouts=LAYOUTS,
        frames=frames,
        notes=notes,
    )
