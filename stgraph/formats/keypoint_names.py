"""The names of keypoints as COCO and PoseTrack have them in `categories`, and the skeleton that they are of."""

import re
import reprlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from stgraph.errors import InputError
from stgraph.formats.keypoints.fit import layout_by_content, remedy_of
from stgraph.formats.keypoints.layouts import LAYOUTS, find_layout, known_skeleton
from stgraph.formats.posetrack18 import FIRST_ID, Annotation, Category, Image
from stgraph.skeleton import POSETRACK15, POSETRACK17, SKELETONS, Skeleton


def keypoint_name(joint: str) -> str:
    """A joint's name as COCO and PoseTrack spell it; one that is spelled so already stays.

    >>> keypoint_name("LShoulder"), keypoint_name("HeadTop"), keypoint_name("left_shoulder")
    ('left_shoulder', 'head_top', 'left_shoulder')
    """
    for letter, side in (("L", "left"), ("R", "right")):
        joint = re.sub(f"^{letter}(?=[A-Z])", f"{side}_", joint)
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", joint).lower()


EARS = {keypoint_name(name) for name in POSETRACK17.names} - {keypoint_name(name) for name in POSETRACK15.names}


def category(skeleton: Skeleton, given: Sequence[str] | None) -> dict[str, object]:
    """The entry of `categories` for people of a skeleton: names of the joints, and its bones counted from 1.

    Joints have the names that are given; else PoseTrack's are spelled as its files have them, others as the skeleton
    does.
    """
    names = given or (map(keypoint_name, skeleton.names) if skeleton == POSETRACK17 else skeleton.names)
    bones = [[joint + 1, parent + 1] for joint, parent in skeleton.bones]
    return {"supercategory": "person", "id": 1, "name": "person", "keypoints": list(names), "skeleton": bones}


def layout(categories: Sequence[Category] | None, path: Path) -> tuple[Skeleton, Int[np.ndarray, " j"], int]:
    """The skeleton of a file's keypoints.

    Names that are PoseTrack's, with or without ears, are of POSETRACK15, and so are those of no categories.
    Other names are those of a known skeleton, in any order; else they and the pairs in `skeleton` make one, or without
    pairs those that are a body's make a tree by themselves.

    Args:
        categories: of the file; the first one is read.
        path: of the file, for messages.

    Returns:
        The skeleton, the place of each of its joints among the keypoints, and how many keypoints there are.

    Raises:
        InputError: no names, names that are there twice, or unknown ones whose pairs make no tree.
    """
    if not categories:
        return POSETRACK15, POSETRACK15.select_from(POSETRACK17), len(POSETRACK17)
    where, names = f"{path}: categories[0]", categories[0].keypoints
    spelled = [keypoint_name(name) for name in names]
    if not names or len({*spelled}) < len(names):
        found, expected = reprlib.repr(names), "a different name for each keypoint"
        raise InputError(where=f"{where}.keypoints", found=found, expected=expected, remedy="name the keypoints")
    for skeleton in (POSETRACK15, *SKELETONS.values()):
        wanted = [keypoint_name(name) for name in skeleton.names]
        extra = EARS if skeleton == POSETRACK15 else set()
        if {*wanted} == {*spelled} - extra:
            return skeleton, np.array([spelled.index(name) for name in wanted]), len(names)
    pairs = categories[0].skeleton or []
    known = None if pairs else known_skeleton(names)
    return known or skeleton_of(names, pairs, where), np.arange(len(names)), len(names)


def unnamed_layout(
    images: Sequence[Image],
    annotations: Sequence[Annotation],
    path: Path,
    named: str | Skeleton | Sequence[str] | None = None,
) -> tuple[Skeleton, Int[np.ndarray, " j"], int]:
    """As `layout`, of a file without categories: PoseTrack's by its image ids, else as named or as the positions tell.

    Raises:
        InputError: no layout has so many keypoints, or it is not clear which one it is.
    """
    posetrack = len(POSETRACK17)
    rows = [one.keypoints for one in annotations if one.keypoints]
    count = len(rows[0]) // 3 if rows else posetrack
    if named is None and (any(image.id >= FIRST_ID for image in images) or not rows or not count):
        return POSETRACK15, POSETRACK15.select_from(POSETRACK17), posetrack
    if named is not None:
        name, joints = find_layout(named)
        if len(joints) != count:
            expected = f"{len(joints)}, as the layout {name or 'given'} has"
            raise InputError(where=path, found=f"{count} keypoints", expected=expected, remedy=remedy_of(count))
    else:
        poses = np.array([row for row in rows if len(row) == 3 * count], float).reshape(-1, count, 3)
        seen, remedy = (poses[..., 2] > 0) & poses.any(axis=2), f"{remedy_of(count)}, or name them in `categories`"
        name = layout_by_content(poses[..., :2], seen, str(path), remedy=remedy)
        joints = LAYOUTS[name]
        if name == POSETRACK17.name:
            return POSETRACK15, POSETRACK15.select_from(POSETRACK17), count
    skeleton = known_skeleton(joints, name)
    if skeleton is None:
        found = f"the joints {reprlib.repr(joints)}, which make no tree by their names"
        raise InputError(where=path, found=found, remedy="name the keypoints and their bones in `categories`")
    return skeleton, np.arange(count), count


def skeleton_of(names: Sequence[str], pairs: Sequence[tuple[int, int]], where: str) -> Skeleton:
    """The skeleton of named joints and the pairs of them, counted from 1, that are joined.

    Its root is the joint that comes first in no pair where there is exactly one, as in the files that this project
    writes; else the first joint. Left and right are inferred from the names.

    Raises:
        InputError: the pairs make no tree.
    """
    numbers = range(1, len(names) + 1)
    tops = [joint for joint in numbers if joint not in [pair[0] for pair in pairs]]
    root = tops[0] if len(tops) == 1 else 1
    parents, reached = {root: 0}, [root]
    for joint in reached:
        for pair in pairs:
            other = sum(pair) - joint
            if joint in pair and other in numbers and other not in parents:
                parents[other] = joint
                reached.append(other)
    if len(pairs) != len(names) - 1 or len(parents) < len(names):
        raise InputError(
            where=f"{where}.skeleton",
            found=reprlib.repr([*pairs]),
            expected=f"{len(names) - 1} pairs of numbers 1 to {len(names)} that make a tree, as the names are no known "
            "skeleton's",
            remedy=f"correct the pairs, or name the joints as one of {', '.join(SKELETONS)}",
        )
    spelled = [keypoint_name(name) for name in names]
    sides = [
        (index, spelled.index(name.replace("left_", "right_", 1)))
        for index, name in enumerate(spelled)
        if name.startswith("left_") and name.replace("left_", "right_", 1) in spelled
    ]
    left, right = zip(*sides, strict=True) if sides else ((), ())
    try:
        return Skeleton("keypoints", tuple(names), tuple(parents[joint] - 1 for joint in numbers), left, right)
    except InputError as error:
        raise InputError(str(error), where=where) from error
