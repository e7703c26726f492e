"""PoseTrack17's files, `annolist[] {image, annorect[], ignore_regions, imgnum, is_labeled}`, in PoseTrack18's form.

Scalars of the older form are wrapped in lists of one. A point that is listed is annotated, whether it is visible or not
(`is_visible` 0 is an occluded joint), as the benchmark's evaluator has it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from stgraph.formats.json_values import entry, finite, refused, short, whole
from stgraph.skeleton import POSETRACK17

# The joints by the ids of PoseTrack17's points; what it calls neck is the base of the head.
POINTS = (
    *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow"),
    *("LWrist", "HeadBottom", "Nose", "HeadTop"),
)
PLACES = [POSETRACK17.index(name) for name in POINTS]
HEAD = ("x1", "y1", "x2", "y2")


def as_posetrack18(tree: Any, path: Path) -> tuple[dict[str, Any], list[str]]:
    """The images and annotations of a PoseTrack17 file as PoseTrack18 has them.

    An image's id is its place in the file; frames count from 0, by `imgnum` less 1 where it is there.

    Returns:
        The tree, and for each of its annotations the name of its place in the file.

    Raises:
        InputError: a missing key, or a point that is no joint or there twice.
    """
    images, annotations, places = [], [], []
    for place, image in enumerate(entry(tree, "annolist", list, path)):
        where = f"annolist[{place}]"
        about = bare(entry(image, "image", list | dict, path, where))
        frame = whole(bare(image["imgnum"]), path, f"{where}.imgnum") - 1 if "imgnum" in image else place
        xs, ys = ignored(image.get("ignore_regions"), path, where)
        images.append(
            {
                "id": place,
                "frame_id": frame,
                "file_name": entry(about, "name", str, path, f"{where}.image"),
                "is_labeled": bool(bare(image.get("is_labeled", True))),
                "ignore_regions_x": xs,
                "ignore_regions_y": ys,
            }
        )
        for index, person in enumerate(entry(image, "annorect", list, path, where)):
            places.append(f"{where}.annorect[{index}]")
            annotations.append({"image_id": place, **pose(person, path, places[-1])})
    return {"images": images, "annotations": annotations}, places


def bare(value: Any) -> Any:
    """What is wrapped in a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def ignored(regions: Any, path: Path, where: str) -> tuple[list[list], list[list]]:
    """x and y of the corners of every region that is not scored."""
    xs, ys = [], []
    for index, region in enumerate(regions or []):
        place = f"{where}.ignore_regions[{index}]"
        corners = entry(region, "point", list, path, place)
        for axis, found in (("x", xs), ("y", ys)):
            found.append([number(point, axis, path, f"{place}.point[{i}]") for i, point in enumerate(corners)])
    return xs, ys


def pose(person: Any, path: Path, where: str) -> dict[str, Any]:
    """A person's keypoints, head box, score and identity, as far as they are there."""
    if not isinstance(person, dict):
        raise refused(path, where, short(person), "an object with annopoints and track_id", "mend the file")
    found: dict[str, Any] = {key: bare(person[key]) for key in ("track_id", "score") if key in person}
    if any(key in person for key in HEAD):
        left, top, right, bottom = (number(person, key, path, where) for key in HEAD)
        found["bbox_head"] = [left, top, right - left, bottom - top]
    points = bare(person.get("annopoints", [])) or {"point": []}
    keypoints, scores = np.zeros((len(POSETRACK17), 3)), np.zeros(len(POSETRACK17))
    scored, seen = False, set()
    for index, point in enumerate(entry(points, "point", list, path, f"{where}.annopoints")):
        place = f"{where}.annopoints.point[{index}]"
        joint = whole(number(point, "id", path, place), path, f"{place}.id")
        if not 0 <= joint < len(POINTS) or joint in seen:
            what = f"{joint}, which is there already" if joint in seen else str(joint)
            remedy = "leave out the point that is wrong"
            raise refused(path, f"{place}.id", what, f"each joint's id once, 0 to {len(POINTS) - 1}", remedy)
        seen.add(joint)
        keypoints[PLACES[joint]] = number(point, "x", path, place), number(point, "y", path, place), 1
        if "score" in point:
            scored, scores[PLACES[joint]] = True, number(point, "score", path, place)
    return {**found, "keypoints": keypoints.ravel().tolist(), "scores": scores.tolist() if scored else []}


def number(tree: Any, key: str, path: Path, where: str) -> float:
    """The number under a key, wrapped or not. Raises InputError where it is missing, or none that is finite."""
    value = bare(tree[key]) if isinstance(tree, dict) and key in tree else None
    if finite(value):
        return float(value)
    raise refused(path, f"{where}.{key}", short(value), "a finite number, in a list of one", "mend the value")
