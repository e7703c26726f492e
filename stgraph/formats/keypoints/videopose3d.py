"""The `.npz` files of VideoPose3D: what its tools write with Detectron2, and its data sets of 2D keypoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import AGAIN, NO_CONFIDENCE, floats, no_people, row, sequence
from stgraph.formats.keypoints.poses import Raw
from stgraph.skeleton import MOST_JOINTS

PERSON = 1  # Detectron's class of people; the first is the background
NAMES = {"coco": "coco17", "h36m": "h36m17"}


def is_detectron(names: tuple[str, ...]) -> bool:
    """Whether an `.npz` of these arrays is inferred by VideoPose3D's tools."""
    return {"boxes", "keypoints", "metadata"} <= {*names}


def is_dataset(names: tuple[str, ...]) -> bool:
    """Whether an `.npz` of these arrays is one of VideoPose3D's 2D data sets."""
    return "positions_2d" in names


def size_of(metadata: Any) -> tuple[int, int] | None:
    """The size under w and h; None where there is none."""
    if not isinstance(metadata, Mapping) or not {"w", "h"} <= {*metadata}:
        return None
    size = row([metadata["w"], metadata["h"]], "metadata", 2)
    return (int(size[0]), int(size[1])) if ((size >= 1) & (size < 1e6)).all() else None


def read_detectron(arrays: Mapping[str, Any], path: Path) -> list[Raw]:
    """`boxes[t][1]` (n 5) and `keypoints[t][1]` (n 4 17): x, y, a logit, a probability, of every person of a frame.

    Raises:
        InputError: other shapes, or no person.
    """
    poses, boxes, frame = [], [], []
    keypoints, all_boxes = sequence(arrays["keypoints"]), sequence(arrays["boxes"])
    if len(keypoints) != len(all_boxes):
        raise InputError(where=path, found="unlike lengths of boxes and keypoints", expected="one of a frame each")
    for number, (one, box) in enumerate(zip(keypoints, all_boxes, strict=True)):
        try:
            one, box = one[PERSON], box[PERSON]
            people = len(one)
        except (IndexError, TypeError, KeyError) as error:
            where = f"{path}, keypoints[{number}]"
            raise InputError(where=where, found="no class of people", expected="[[], poses]", remedy=AGAIN) from error
        if not people:
            continue
        where = f"{path}, keypoints[{number}][{PERSON}]"
        one, box = floats(one, where), floats(box, f"{path}, boxes[{number}][{PERSON}]")
        if one.ndim != 3 or one.shape[1] != 4 or one.shape[2] > MOST_JOINTS or box.shape != (people, 5):
            found = f"shapes {one.shape} and {box.shape}"
            raise InputError(where=where, found=found, expected="(n, 4, joints) and boxes (n, 5)", remedy=AGAIN)
        if poses and one.shape[2] != poses[0].shape[1]:
            expected = f"{poses[0].shape[1]}, as before"
            raise InputError(where=where, found=f"{one.shape[2]} joints", expected=expected, remedy=AGAIN)
        poses.append(one[:, [0, 1, 3]].transpose(0, 2, 1))
        boxes.append(box)
        frame += [number] * people
    if not poses:
        raise no_people(path)
    box = np.concatenate(boxes)
    pose = np.concatenate(poses)
    metadata = arrays["metadata"]
    return [
        Raw(
            path.stem,
            "Detectron2 (VideoPose3D)",
            frame,
            pose,
            score=box[:, 4],
            box=box[:, :4],
            layouts=("coco17",),
            size=size_of(metadata),
            fps=rate_of(metadata),
            frames=(0, len(keypoints)),
        )
    ]


def rate_of(metadata: Any) -> float | None:
    """The rate under fps; None where there is none."""
    fps = metadata.get("fps") if isinstance(metadata, Mapping) else None
    return float(fps) if isinstance(fps, int | float) and 0 < fps < 1e6 else None


def read_dataset(arrays: Mapping[str, Any], path: Path) -> list[Raw]:
    """`positions_2d[subject][action]`, a list of (t j 2) pixels for each camera, and `metadata`.

    Raises:
        InputError: other shapes.
    """
    positions, metadata = arrays["positions_2d"], arrays.get("metadata", {})
    metadata = metadata if isinstance(metadata, Mapping) else {}
    layout = NAMES.get(str(metadata.get("layout_name")))
    sizes = metadata.get("video_metadata", {})
    result = []
    for subject, actions in _pairs(positions, f"{path}, positions_2d"):
        for action, cameras in _pairs(actions, f"{path}, positions_2d[{subject!r}]"):
            cameras = [cameras] if isinstance(cameras, np.ndarray) and cameras.ndim == 3 else sequence(cameras)
            if not cameras:
                where, expected = f"{path}, {subject}/{action}", "an array of poses for each camera"
                raise InputError(where=where, found="none", expected=expected, remedy=AGAIN)
            for camera, values in enumerate(cameras):
                where = f"{path}, {subject}/{action}/{camera}"
                pose = floats(values, where, 2, 3)
                if not len(pose):
                    raise no_people(where)
                if pose.ndim != 3 or not pose.size or pose.shape[1] > MOST_JOINTS:
                    raise InputError(where=where, found=f"shape {pose.shape}", expected="(frames, joints, 2)")
                notes = [] if pose.shape[2] == 3 else [NO_CONFIDENCE]
                if pose.shape[2] == 2:
                    pose = np.concatenate([pose, np.ones_like(pose[..., :1])], axis=-1)
                one = sizes.get(subject) if isinstance(sizes, Mapping) else None
                name = str(subject) if (action, len(cameras)) == ("custom", 1) else f"{subject}/{action}/{camera}"
                result.append(
                    Raw(
                        name,
                        "VideoPose3D",
                        np.arange(len(pose)),
                        pose,
                        np.zeros(len(pose), int),
                        layouts=(layout,) if layout else (),
                        size=size_of(one),
                        fps=rate_of(one),
                        notes=notes,
                    )
                )
    if not result:
        raise InputError(where=path, found="no video in it", expected="one at least")
    return result


def _pairs(value: Any, where: str) -> list[tuple[Any, Any]]:
    if not isinstance(value, Mapping):
        raise InputError(where=where, found=f"a {type(value).__name__}", expected="a dict", remedy=AGAIN)
    return [*value.items()]
