"""Skeleton layouts as data. Depth, bones, mirror and the mapping to other skeletons are derived from the names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from stgraph.errors import InputError

MOST_JOINTS = 1000  # whole bodies with faces have 543


@dataclass(frozen=True)
class Skeleton:
    """A tree of named joints.

    Attributes:
        name: what the layout is called, e.g. "h36m17".
        names: one name per joint.
        parents: index of each joint's parent, -1 for the root.
        left, right: indices of the joints that a mirror swaps, pair by pair.
        centre: index of the joint that a graph's distances are measured from; given as -1, it becomes the root.

    Raises:
        InputError: not text and numbers, too many joints, not a single tree, left and right do not pair up, or the
            centre is no joint.
    """

    name: str
    names: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    centre: int = -1

    def __post_init__(self) -> None:
        for field in ("names", "parents", "left", "right"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        where = f"skeleton {self.name!r}"
        numbers = (*self.parents, *self.left, *self.right, self.centre)
        whole = all(isinstance(number, int | np.integer) for number in numbers)
        if not whole or not all(isinstance(name, str) for name in (self.name, *self.names)):
            expected = "text as names, and whole numbers as joints"
            raise InputError(where=where, found="other values", expected=expected, remedy="mend the skeleton")
        if len(self.names) > MOST_JOINTS:
            raise InputError(where=where, found=f"{len(self.names)} joints", expected=f"at most {MOST_JOINTS}")
        if len(self.names) != len(self.parents) or len(set(self.names)) != len(self.names):
            problem = f"{len(self.names)} names ({len(set(self.names))} different) and {len(self.parents)} parents"
            raise InputError(problem, where=where, remedy="give one parent for each of as many different names")
        if sum(parent < 0 for parent in self.parents) != 1:
            roots = [name for name, parent in zip(self.names, self.parents, strict=True) if parent < 0]
            raise InputError(f"roots {roots}; exactly one joint has parent -1", where=where)
        for joint, parent in enumerate(self.parents):
            seen = {joint}
            while parent >= 0:
                if parent in seen or parent >= len(self):
                    problem = f"joint {self.names[joint]!r} never leads to the root"
                    raise InputError(problem, where=where, remedy="mend `parents`")
                seen.add(parent)
                parent = self.parents[parent]
        sides = (*self.left, *self.right)
        doubled = len(set(sides)) != len(sides)
        if len(self.left) != len(self.right) or doubled or not set(sides) <= set(range(len(self))):
            remedy = "list each side's joints once, in the same order"
            raise InputError(f"left {self.left} and right {self.right}", where=where, remedy=remedy)
        if not -1 <= self.centre < len(self):
            remedy = f"give one of its {len(self)} joints, or -1 for the root"
            raise InputError(f"centre {self.centre}", where=where, remedy=remedy)
        if self.centre < 0:
            object.__setattr__(self, "centre", self.root)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def root(self) -> int:
        """The joint without a parent."""
        return next(joint for joint, parent in enumerate(self.parents) if parent < 0)

    def index(self, name: str) -> int:
        """Position of a joint's name. Raises InputError with the names there are."""
        if name not in self.names:
            problem = f"has no joint {name!r}; its joints are {', '.join(self.names)}"
            raise InputError(problem, where=f"skeleton {self.name!r}")
        return self.names.index(name)

    def depth(self, joint: int) -> int:
        """Bones between a joint and the root."""
        depth = 0
        while (joint := self.parents[joint]) >= 0:
            depth += 1
        return depth

    @cached_property
    def depths(self) -> Int[np.ndarray, " j"]:
        """Bones between every joint and the root."""
        return np.array([self.depth(joint) for joint in range(len(self))])

    @cached_property
    def bones(self) -> list[tuple[int, int]]:
        """(joint, parent) for every joint but the root."""
        return [(joint, parent) for joint, parent in enumerate(self.parents) if parent >= 0]

    @cached_property
    def mirror(self) -> Int[np.ndarray, " j"]:
        """Permutation that swaps left and right joints: `pose[:, mirror]`."""
        order = np.arange(len(self))
        order[list(self.left)], order[list(self.right)] = self.right, self.left
        return order

    def select_from(self, other: "Skeleton") -> Int[np.ndarray, " j"]:
        """Indices into `other` that give this skeleton's joints, by name. Raises InputError for a missing joint."""
        if missing := [name for name in self.names if name not in other.names]:
            problem = f"lacks {', '.join(missing)} of {self.name!r} ({len(self)} joints)"
            where, remedy = f"skeleton {other.name!r} ({len(other)} joints)", f"its joints are {', '.join(other.names)}"
            raise InputError(problem, where=where, remedy=remedy)
        return np.array([other.names.index(name) for name in self.names])

    def keep(self, names: Sequence[str], name: str) -> "Skeleton":
        """The skeleton of these joints alone; a parent or centre that goes gives way to the nearest ancestor left."""
        kept = [self.index(joint) for joint in names]

        def staying(joint: int) -> int:
            while joint >= 0 and joint not in kept:
                joint = self.parents[joint]
            return kept.index(joint) if joint >= 0 else -1

        pairs = [(a, b) for a, b in zip(self.left, self.right, strict=True) if a in kept and b in kept]
        return Skeleton(
            name,
            tuple(names),
            tuple(staying(self.parents[joint]) for joint in kept),
            left=tuple(kept.index(a) for a, _ in pairs),
            right=tuple(kept.index(b) for _, b in pairs),
            centre=staying(self.centre),
        )

    def without(self, *names: str, name: str = "") -> "Skeleton":
        """The skeleton less some joints."""
        for joint in names:
            self.index(joint)
        rest = [joint for joint in self.names if joint not in names]
        return self.keep(rest, name or f"{self.name}-{'-'.join(names)}")


# Human3.6M's 32 joints as its files store them; toe ends, hands' ends and doubled joints have other names.
H36M32 = Skeleton(
    "h36m32",
    (
        *("Hip", "RHip", "RKnee", "RFoot", "RToeBase", "RToeSite", "LHip", "LKnee", "LFoot", "LToeBase", "LToeSite"),
        *("SpineBase", "Spine", "Thorax", "Neck/Nose", "Head", "LShoulderBase", "LShoulder", "LElbow", "LWrist"),
        *("LWristSite", "LThumb", "LThumbSite", "LHandSite", "RShoulderBase", "RShoulder", "RElbow", "RWrist"),
        *("RWristSite", "RThumb", "RThumbSite", "RHandSite"),
    ),
    (
        *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12),
        *(16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30),
    ),
    (6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23),
    (1, 2, 3, 4, 5, 24, 25, 26, 27, 28, 29, 30, 31),
)

# The 17 that the field reports on; its files hang the shoulders on the thorax.
H36M17 = Skeleton(
    "h36m17",
    (
        *("Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck/Nose", "Head"),
        *("LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist"),
    ),
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    (4, 5, 6, 11, 12, 13),
    (1, 2, 3, 14, 15, 16),
)

# Stacked Hourglass has no Neck/Nose.
H36M16 = H36M17.without("Neck/Nose", name="h36m16")

# OpenPose's COCO model as ST-GCN joins it: the hips hang on the shoulders.
OPENPOSE18 = Skeleton(
    "openpose18",
    (
        *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip", "RKnee", "RAnkle"),
        *("LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
    ),
    (1, -1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    (5, 6, 7, 11, 12, 13, 15, 17),
    (2, 3, 4, 8, 9, 10, 14, 16),
)

# Kinect's joints in NTU RGB+D, rooted between the shoulders; ST-GCN and those after it hang a hand's tip on the thumb.
NTU25 = Skeleton(
    "ntu25",
    (
        *("SpineBase", "SpineMid", "Neck", "Head", "LShoulder", "LElbow", "LWrist", "LHand"),
        *("RShoulder", "RElbow", "RWrist", "RHand", "LHip", "LKnee", "LAnkle", "LFoot"),
        *("RHip", "RKnee", "RAnkle", "RFoot", "SpineShoulder", "LHandTip", "LThumb", "RHandTip", "RThumb"),
    ),
    (1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, -1, 22, 7, 24, 11),
    (4, 5, 6, 7, 12, 13, 14, 15, 21, 22),
    (8, 9, 10, 11, 16, 17, 18, 19, 23, 24),
)

# COCO's keypoints, rooted at the nose as pyskl joins them.
COCO17 = Skeleton(
    "coco17",
    (
        *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
        *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
    ),
    (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    (1, 3, 5, 7, 9, 11, 13, 15),
    (2, 4, 6, 8, 10, 12, 14, 16),
)

# One hand: the wrist, then four joints of every finger from the palm outwards.
HAND21 = Skeleton(
    "hand21",
    (
        "Wrist",
        *(f"{finger}{joint}" for finger in ("Thumb", "Index", "Middle", "Ring", "Little") for joint in range(1, 5)),
    ),
    (-1, *(0 if joint % 4 == 1 else joint - 1 for joint in range(1, 21))),
)

# PoseTrack18's keypoints in the order of its files, rooted at the base of the head; one tree, so that no joint is cut
# off from the others. Its ears are never annotated, and no score counts them.
POSETRACK17 = Skeleton(
    "posetrack17",
    (
        *("Nose", "HeadBottom", "HeadTop", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow"),
        *("LWrist", "RWrist", "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
    ),
    (1, -1, 1, 0, 0, 1, 1, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    (3, 5, 7, 9, 11, 13, 15),
    (4, 6, 8, 10, 12, 14, 16),
)
POSETRACK15 = POSETRACK17.without("LEar", "REar", name="posetrack15")

LAYOUTS = (H36M32, H36M17, H36M16, OPENPOSE18, NTU25, COCO17, HAND21, POSETRACK15)
SKELETONS = {skeleton.name: skeleton for skeleton in LAYOUTS}


def skeleton_from(tree: Any, where: str) -> Skeleton:
    """A layout given as JSON.

    Args:
        tree: an object of `names`; `parents` (the root's is -1 or null); and, where wanted, `name`, `left` and `right`
            (pair by pair), `centre`. Joints are given by index or name.
        where: names the file and the place in it for messages; also the layout, if it has no `name`.

    Raises:
        InputError: a key is missing, unknown or of the wrong type, a joint is unknown, or it is no tree.

    >>> skeleton_from({"name": "arm", "names": ["Elbow", "Wrist"], "parents": [None, "Elbow"]}, "arm.json").parents
    (-1, 0)
    """
    keys = ("names", "parents", "name", "left", "right", "centre")
    if not isinstance(tree, Mapping):
        raise InputError(where=where, found=type(tree).__name__, expected=f"an object with {', '.join(keys)}")
    wrong = [f"unknown key {key!r}" for key in tree if key not in keys]
    wrong += [f"{key} missing" for key in keys[:2] if key not in tree]
    if wrong:
        raise InputError(", ".join(wrong), where=where, expected=f"names, parents, and perhaps {', '.join(keys[2:])}")
    for key in {*tree} - {"name", "centre"}:
        if not isinstance(tree[key], list | tuple):
            expected = "a list with an entry for each joint"
            raise InputError(where=f"{where}: {key}", found=repr(tree[key]), expected=expected)
    names = tuple(tree["names"])
    if not all(isinstance(name, str) for name in names) or not isinstance(tree.get("name", ""), str):
        raise InputError(where=f"{where}: names", found=repr([tree.get("name", ""), *names]), expected="text")

    def joint(value: Any, key: str, lowest: int = 0) -> int:
        if isinstance(value, str) and value in names:
            return names.index(value)
        if type(value) is int and lowest <= value < len(names):
            return value
        expected = f"one of {', '.join(names)}, or an index from {lowest} to {len(names) - 1}"
        raise InputError(where=f"{where}: {key}", found=f"joint {value!r}", expected=expected)

    def joints(key: str) -> tuple[int, ...]:
        return tuple(joint(value, key) for value in tree.get(key, ()))

    parents = tuple(-1 if parent is None else joint(parent, "parents", -1) for parent in tree["parents"])
    centre = -1 if tree.get("centre") is None else joint(tree["centre"], "centre")
    try:
        return Skeleton(
            tree.get("name", where), names, parents, left=joints("left"), right=joints("right"), centre=centre
        )
    except InputError as error:
        raise InputError(str(error), where=where) from error


def shared_layouts(one: Skeleton, other: Skeleton) -> list[str]:
    """Names of the layouts all of whose joints two skeletons have, the one with most joints first.

    >>> shared_layouts(H36M17, H36M32)
    ['h36m17', 'h36m16']
    """
    shared = {*one.names} & {*other.names}
    fitting = [skeleton for skeleton in SKELETONS.values() if {*skeleton.names} <= shared]
    return [skeleton.name for skeleton in sorted(fitting, key=len, reverse=True)]
