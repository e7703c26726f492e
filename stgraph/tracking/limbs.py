"""The lengths that a tracked person's limbs have, which predicted joints keep.

In an image a limb is as long as it is turned to the camera, so a person has a range for each bone: the shortest and the
longest that are usual. Both follow the detections, fast outwards and slowly inwards, so that a single wrong joint does
not set them.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.skeleton import Skeleton

OUTWARDS, INWARDS = 0.3, 0.02  # share of the way to a detected length that the nearer and the farther bound go
SHORTER = 0.6  # of its shortest usual length: a limb may turn farther towards the camera than it was seen
SLACK = 1.05  # factor by which a bone may be outside of its range
IMPOSSIBLE = 1.25  # factor beyond which it is no person's
OUTSIDE = np.array([-1, 1])  # the sign that a step outwards has, of the shortest length and of the longest

Lengths = Float[np.ndarray, "p b"]
Range = Float[np.ndarray, "p b 2"]  # shortest and longest usual length; zeros where a bone was never detected


class Limbs:
    """The bones of a skeleton, parents first: `joint` and `parent` of each."""

    def __init__(self, skeleton: Skeleton) -> None:
        bones = sorted(skeleton.bones, key=lambda bone: skeleton.depth(bone[0]))
        self.joint, self.parent = np.array(bones, int).reshape(-1, 2).T
        depth = np.array([skeleton.depth(joint) for joint, _ in bones], int)
        # The bones as far from the root as one another.
        self.levels = [np.flatnonzero(depth == level) for level in np.unique(depth)]

    def __len__(self) -> int:
        return len(self.joint)

    def lengths(self, pose: Float[np.ndarray, "p j d"]) -> Lengths:
        """Distance of the two joints of each bone."""
        return np.sqrt(np.square(pose[:, self.joint] - pose[:, self.parent]).sum(axis=-1))

    def observed(self, known: Range, pose: Float[np.ndarray, "p j d"], seen: Bool[np.ndarray, "p j"]) -> Range:
        """The ranges after a frame in which some joints were detected; those before it are `known`."""
        length, both = self.lengths(pose), seen[:, self.joint] & seen[:, self.parent]
        apart = length[..., None] - known
        share = np.where(apart * OUTSIDE > 0, OUTWARDS, INWARDS)
        share[known[..., 1] == 0] = 1
        return known + share * apart * both[..., None]

    def kept(
        self, pose: Float[np.ndarray, "p j d"], predicted: Bool[np.ndarray, "p j"], known: Range
    ) -> tuple[Float[np.ndarray, "p j d"], Bool[np.ndarray, "p j"]]:
        """Poses whose predicted joints are moved along their bones so that these have usual lengths.

        Detected joints stay where they are. Of two predicted joints the one farther from the root moves.

        Args:
            pose: joints that are neither detected nor predicted may be anything.
            predicted: which joints may be moved.
            known: ranges of the people's bones.

        Returns:
            The poses, and the predicted joints that are still farther from or nearer to a neighbour than a person's.
        """
        impossible = np.zeros(predicted.shape, bool)
        people = np.flatnonzero(self.outside(pose, predicted, known, SLACK).any(axis=1))
        if not len(people):
            return pose, impossible
        pose = pose.copy()
        some, movable, usual = pose[people], predicted[people], known[people]
        # Detected joints draw the predicted ones above them; then every joint is drawn by the one above it.
        for bones in reversed(self.levels):
            which = movable[:, self.parent[bones]] & ~movable[:, self.joint[bones]]
            place(some, self.parent[bones], self.joint[bones], usual[:, bones], which)
        for bones in self.levels:
            place(some, self.joint[bones], self.parent[bones], usual[:, bones], movable[:, self.joint[bones]])
        pose[people] = some
        row, bone = np.nonzero(self.outside(some, movable, usual, IMPOSSIBLE))
        lower = movable[row, self.joint[bone]]
        impossible[people[row], np.where(lower, self.joint[bone], self.parent[bone])] = True
        return pose, impossible

    def outside(
        self, pose: Float[np.ndarray, "p j d"], predicted: Bool[np.ndarray, "p j"], known: Range, slack: float
    ) -> Bool[np.ndarray, "p b"]:
        """The bones with a predicted joint that are outside of their range by more than a factor."""
        length, (low, high) = self.lengths(pose), np.moveaxis(known * [SHORTER, 1], -1, 0)
        free = (predicted[:, self.joint] | predicted[:, self.parent]) & (high > 0)
        return free & ((length > slack * high) | (length * slack < low))


def place(
    pose: Float[np.ndarray, "p j d"],
    joint: Int[np.ndarray, " b"],
    other: Int[np.ndarray, " b"],
    usual: Range,
    which: Bool[np.ndarray, "p b"],
) -> None:
    """Move joints of some people, in place, along the lines to their neighbours, to usual distances from them."""
    row, bone = np.nonzero(which & (usual[..., 1] > 0))
    if not len(row):
        return
    end = pose[row, other[bone]]
    apart = pose[row, joint[bone]] - end
    length = np.sqrt(np.square(apart).sum(axis=-1))
    wanted = length.clip(*(usual[row, bone] * [SHORTER, 1]).T)
    pose[row, joint[bone]] = end + apart * (wanted / np.where(length > 0, length, 1))[:, None]
