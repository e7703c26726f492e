"""Skeleton layouts as data. Depth, bones, mirror and the mapping to other skeletons are derived from the names."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError


@dataclass(frozen=True)
class Skeleton:
    """A tree of named joints.

    Attributes:
        name: what the layout is called, e.g. "h36m17".
        names: one name per joint.
        parents: index of each joint's parent, -1 for the root.
        left, right: indices of the joints that a mirror swaps, pair by pair.

    Raises:
        InputError: not a single tree, or left and right do not pair up.
    """

    name: str
    names: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field in ("names", "parents", "left", "right"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        where = f"skeleton {self.name!r}"
        if len(self.names) != len(self.parents) or len(set(self.names)) != len(self.names):
            raise InputError(
                f"{where}: {len(self.names)} names ({len(set(self.names))} different) and {len(self.parents)} "
                "parents; give one parent for each of as many different names"
            )
        if sum(parent < 0 for parent in self.parents) != 1:
            roots = [name for name, parent in zip(self.names, self.parents, strict=True) if parent < 0]
            raise InputError(f"{where}: roots {roots}; exactly one joint has parent -1")
        for joint, parent in enumerate(self.parents):
            seen = {joint}
            while parent >= 0:
                if parent in seen or parent >= len(self):
                    raise InputError(f"{where}: joint {self.names[joint]!r} never leads to the root; mend `parents`")
                seen.add(parent)
                parent = self.parents[parent]
        sides = (*self.left, *self.right)
        doubled = len(set(sides)) != len(sides)
        if len(self.left) != len(self.right) or doubled or not set(sides) <= set(range(len(self))):
            raise InputError(
                f"{where}: left {self.left} and right {self.right}; list each side's joints once, in the same order"
            )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def root(self) -> int:
        """The joint without a parent."""
        return next(joint for joint, parent in enumerate(self.parents) if parent < 0)

    def index(self, name: str) -> int:
        """Position of a joint's name. Raises InputError with the names there are."""
        if name not in self.names:
            raise InputError(f"skeleton {self.name!r} has no joint {name!r}; its joints are {', '.join(self.names)}")
        return self.names.index(name)

    def depth(self, joint: int) -> int:
        """Bones between a joint and the root."""
        parent = self.parents[joint]
        return 0 if parent < 0 else 1 + self.depth(parent)

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
        missing = [name for name in self.names if name not in other.names]
        if missing:
            raise InputError(
                f"skeleton {other.name!r} ({len(other)} joints) lacks {', '.join(missing)} of {self.name!r} "
                f"({len(self)} joints); its joints are {', '.join(other.names)}"
            )
        return np.array([other.names.index(name) for name in self.names])

    def keep(self, names: Sequence[str], name: str) -> "Skeleton":
        """The skeleton of these joints alone; a joint whose parent goes hangs on the nearest ancestor that stays."""
        kept = [self.index(joint) for joint in names]

        def new_parent(joint: int) -> int:
            parent = self.parents[joint]
            while parent >= 0 and parent not in kept:
                parent = self.parents[parent]
            return kept.index(parent) if parent >= 0 else -1

        pairs = [(a, b) for a, b in zip(self.left, self.right, strict=True) if a in kept and b in kept]
        return Skeleton(
            name,
            tuple(names),
            tuple(new_parent(joint) for joint in kept),
            tuple(kept.index(a) for a, _ in pairs),
            tuple(kept.index(b) for _, b in pairs),
        )

    def without(self, *names: str, name: str = "") -> "Skeleton":
        """The skeleton less some joints."""
        for joint in names:
            self.index(joint)
        rest = [joint for joint in self.names if joint not in names]
        return self.keep(rest, name or f"{self.name}-{'-'.join(names)}")


# Human3.6M's 32 joints as its files store them; toe ends, hands' ends and doubled joints carry names of their own.
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

SKELETONS = {skeleton.name: skeleton for skeleton in (H36M32, H36M17, H36M16)}


def shared_layouts(one: Skeleton, other: Skeleton) -> list[str]:
    """Names of the layouts all of whose joints two skeletons have, the one with most joints first.

    >>> shared_layouts(H36M17, H36M32)
    ['h36m17', 'h36m16']
    """
    shared = {*one.names} & {*other.names}
    fitting = [skeleton for skeleton in SKELETONS.values() if {*skeleton.names} <= shared]
    return [skeleton.name for skeleton in sorted(fitting, key=len, reverse=True)]


def partitions(skeleton: Skeleton, strategy: str, frames: int = 1) -> Float[np.ndarray, "k v w"]:
    """The graph of a skeleton over some frames, normalised and dealt to the partitions of a strategy.

    Entry [k, v, w] weighs what node v receives from node w; a node is `len(skeleton) * frame + joint`.

    Args:
        skeleton: gives joints, bones and left-right pairs.
        strategy: a name in `STRATEGIES`, each documented at its function.
        frames: consecutive frames in one graph.

    Raises:
        InputError: unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"unknown partition of the graph {strategy!r}; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy](skeleton, frames)


def bone_matrix(skeleton: Skeleton) -> Bool[np.ndarray, "v w"]:
    """Which joints a bone joins, in both directions."""
    matrix = np.zeros((len(skeleton), len(skeleton)), bool)
    for joint, parent in skeleton.bones:
        matrix[joint, parent] = matrix[parent, joint] = True
    return matrix


def symmetric_partitions(skeleton: Skeleton, frames: int) -> Float[np.ndarray, "4 v w"]:
    """Equally far from the root (and self), closer to it, further from it, and left-right pairs (TGraphNet).

    D^-1/2 A D^-1/2 with the degrees of a whole graph A that also links each joint to itself in neighbouring frames;
    those links are in no partition, so that no frame receives from another until training makes it so.
    """
    depth, bones, itself = skeleton.depths, bone_matrix(skeleton), np.eye(len(skeleton), dtype=bool)
    farther = np.sign(depth[:, None] - depth)  # 1 where v is farther from the root than w
    pairs = itself[skeleton.mirror] & ~itself & ~bones
    parts = np.stack([itself | bones & (farther == 0), bones & (farther > 0), bones & (farther < 0), pairs])
    parts = np.kron(np.eye(frames, dtype=bool), parts)
    neighbours = np.eye(frames, k=1, dtype=bool) | np.eye(frames, k=-1, dtype=bool)
    degree = (parts.any(axis=0) | np.kron(neighbours, itself)).sum(axis=1)
    return parts / np.sqrt(np.outer(degree, degree))


STRATEGIES = {"symmetric": symmetric_partitions}
