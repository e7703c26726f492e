"""Similarity of poses: object keypoint similarity (OKS), and non-maximum suppression by it. NumPy, float64.

Poses are in any unit, pixels in 2D and metres in 3D; areas and spreads are in the same. Coordinates of unseen joints
are ignored, so they may be anything.
"""

import re

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError
from stgraph.skeleton import Skeleton

# Spread of annotators' clicks over the square root of a person's area, by the joint's letters without its side: COCO's,
# PoseTrack's for the head, and that of the most similar joint for the others.
SIGMAS = {
    **{"nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062},
    **{"hip": 0.107, "knee": 0.087, "ankle": 0.089, "headbottom": 0.08, "headtop": 0.06},
    # The whole head and its base; Human3.6M's Neck/Nose lies within the head and not at its front.
    **{"head": 0.06, "neck": 0.08, "necknose": 0.08},
    # The trunk, at the height of the shoulders and below.
    **dict.fromkeys(("thorax", "spineshoulder", "shoulderbase"), 0.079),
    **dict.fromkeys(("spine", "spinemid", "spinebase", "pelvis"), 0.107),
    # Human3.6M's foot is the ankle, and Kinect's is near; so is its hand to the wrist.
    **{"foot": 0.089, "hand": 0.062},
}
OTHER_SIGMA = 0.067  # of any other joint: the mean of COCO's

SMALLEST = {2: 16.0, 3: 0.1}  # dimensions -> side of the smallest area: pixels in 2D, metres in 3D
# A person's area over the squared diagonal of the box.
THINNEST = 1 / 8  # the least in 2D: a box 8 times as long as wide
STANDING = 1 / 4  # in 3D; in 2D a box 4 times as long as wide, a standing person
FEW = 1000  # pairs whose boxes are all looked at
BLOCK = 1000  # poses that are compared with all others in one call
AT_ONCE = 20_000  # pairs that are compared in one call

# Coordinates of some poses and of others, and which of them are seen.
Poses = tuple[Float[np.ndarray, "p j d"], Bool[np.ndarray, "p j"]]
Others = tuple[Float[np.ndarray, "m j d"], Bool[np.ndarray, "m j"]]
Box = tuple[Float[np.ndarray, "... d"], Float[np.ndarray, "... d"]]  # lower and upper corner
Pairs = tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]


def sigmas(skeleton: Skeleton) -> Float[np.ndarray, " j"]:
    """Each joint's sigma of OKS, inferred from its name without the side ("LKnee", "left_knee", "Knee Right").

    COCO's and PoseTrack's joints have the published sigmas, other joints of the body those of the most similar joint
    (`SIGMAS`), and unknown joints `OTHER_SIGMA`.

    >>> from stgraph.skeleton import POSETRACK15
    >>> sigmas(POSETRACK15)[:5]
    array([0.026, 0.08 , 0.06 , 0.079, 0.079])
    """

    def sigma(name: str) -> float:
        letters = re.sub("[^a-z]", "", name.lower())
        return SIGMAS.get(letters) or SIGMAS.get(re.sub("^(left|right|l|r)|(left|right)$", "", letters), OTHER_SIGMA)

    return np.array([sigma(name) for name in skeleton.names])


def box(pose: Float[np.ndarray, "... j d"], seen: Bool[np.ndarray, "... j"]) -> Box:
    """Corners of the boxes around the seen joints; without any, the lower is inf and the upper -inf."""
    known = seen[..., None]
    lowest = np.where(known, pose, np.inf).min(-2, initial=np.inf)
    return lowest, np.where(known, pose, -np.inf).max(-2, initial=-np.inf)


def area(corners: Box) -> Float[np.ndarray, "..."]:
    """A person's area, the scale of distances in OKS, by the `box` of the seen joints: pixels^2, or metres^2 in 3D.

    2D: width x height, at least an eighth of the squared diagonal and (16 pixels)^2. The first bound keeps the area,
    and OKS with it, from vanishing where a person turns sideways or only a limb is seen; it is about COCO's area, that
    of the silhouette. The second holds where one or two joints do not give a size.

    3D: a quarter of the squared diagonal, at least (0.1 m)^2. Unlike width x height, the diagonal hardly depends on the
    axes; a quarter of its square is width x height of a standing person.

    Only the seen joints of a truncated or occluded person count. OKS uses the mean of two areas, so one complete pose
    of the two is enough.
    """
    sides = np.maximum(corners[1] - corners[0], 0, dtype=np.float64)  # without a joint it is -inf
    dimensions = sides.shape[-1]
    diagonal = np.square(sides).sum(-1)
    area = np.maximum(sides.prod(-1), THINNEST * diagonal) if dimensions == 2 else STANDING * diagonal
    return np.asarray(np.maximum(area, SMALLEST[dimensions] ** 2))


def oks(
    one: Float[np.ndarray, "*n j d"],
    other: Float[np.ndarray, "*m j d"],
    one_seen: Bool[np.ndarray, "*n j"],
    other_seen: Bool[np.ndarray, "*m j"],
    sigmas: Float[np.ndarray, " j"],
    *,
    areas: Float[np.ndarray, "*k"],
    spread: Float[np.ndarray, "*n j"] | None = None,
) -> Float[np.ndarray, "*k"]:
    """Object keypoint similarity of pairs of poses, in [0, 1]; leading axes are broadcast.

    Mean of exp(-d^2 / (2 (s^2 (2 sigma)^2 + spread^2))) over the joints seen in both, at distance d; s^2 is the mean of
    the two areas. 0 where no joint is seen in both. Without a spread this is COCO's OKS, with the areas of both poses
    instead of the true pose alone, which makes it symmetric.

    Args:
        one, other: coordinates, 2D or 3D.
        one_seen, other_seen: which joints count.
        sigmas: of `sigmas`.
        areas: the sum of both poses' `area`.
        spread: standard deviation of the first poses' joints along each axis, in the coordinates' unit; the
            uncertainty of a prediction adds to that of annotators, so uncertain predictions match further away.
    """
    # An unseen joint is infinitely far from any other, so that it adds nothing to the sum.
    one = np.where(one_seen[..., None], one.astype(np.float64), np.inf)
    other = np.where(other_seen[..., None], other.astype(np.float64), -np.inf)
    # Axis by axis, so that the only large array is of pairs by joints.
    squared = np.square(one[..., 0] - other[..., 0])
    for axis in range(1, one.shape[-1]):
        step = one[..., axis] - other[..., axis]
        squared += np.multiply(step, step, out=step)
    # -2 s^2 (2 sigma)^2; the two areas together are 2 s^2.
    divisor = areas[..., None] * (-4 * np.square(sigmas, dtype=np.float64))
    if spread is not None:
        divisor = divisor - 2 * np.square(np.where(one_seen, spread, 0))
    squared /= divisor
    shared = (one_seen & other_seen).sum(-1)
    return np.exp(squared, out=squared).sum(-1) / np.maximum(shared, 1)


def alike(
    one: Poses,
    other: Others,
    least: float,
    sigmas: Float[np.ndarray, " j"],
    spread: Float[np.ndarray, "p j"] | None = None,
    later: bool = False,
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The pairs of poses whose `oks` is above `least`, and it; only poses near one another are compared.

    An OKS is at most its best joint's, which is above `least` within a distance of
    sqrt(-2 ln(least) (s^2 (2 sigma)^2 + spread^2)). Poses are compared whose boxes, so much wider, touch; of many poses
    those whose circles around the boxes do. If `later`, of these only pairs with others of a higher index.
    """
    boxes = [box(*one)]
    boxes.append(boxes[0] if other is one else box(*other))
    areas = [area(corners) for corners in boxes]
    widest = (2 * sigmas.max()) ** 2 * -np.log(least)  # of each area, of which s^2 has one half
    extra = -2 * np.log(least) * (np.where(one[1], spread, 0).max(axis=1) ** 2 if spread is not None else 0)
    reach = np.sqrt(widest * areas[0] + extra), np.sqrt(widest * areas[1])
    if len(areas[0]) * len(areas[1]) <= FEW:
        (low, high), (other_low, other_high) = boxes
        apart = np.maximum(low[:, None] - other_high, other_low - high[:, None]).max(axis=2)
        rows, columns = np.nonzero(apart <= reach[0][:, None] + reach[1])
    else:
        rows, columns = touching(*circle(boxes[0], reach[0]), *circle(boxes[1], reach[1]))
    if later:
        after = columns > rows
        rows, columns = rows[after], columns[after]
    value = np.zeros(len(rows))
    for first in range(0, len(rows), AT_ONCE):
        p, m = rows[first : first + AT_ONCE], columns[first : first + AT_ONCE]
        some = None if spread is None else spread[p]
        both = areas[0][p] + areas[1][m]
        pairs = oks(one[0][p], other[0][m], one[1][p], other[1][m], sigmas, areas=both, spread=some)
        value[first : first + AT_ONCE] = pairs
    above = value > least
    return rows[above], columns[above], value[above]


def circle(
    corners: Box, wider: Float[np.ndarray, " p"] | float
) -> tuple[Float[np.ndarray, "p d"], Float[np.ndarray, " p"]]:
    """Centre and radius of the circle around each box, so much wider; radius -inf where no joint is seen."""
    low, high = corners
    there = low[:, :1] <= high[:, :1]
    low, high = np.where(there, low, 0), np.where(there, high, 0)
    return (low + high) / 2, np.where(there[:, 0], np.linalg.norm(high - low, axis=1) / 2 + wider, -np.inf)


def touching(
    centre: Float[np.ndarray, "p d"],
    radius: Float[np.ndarray, " p"],
    other: Float[np.ndarray, "m d"],
    other_radius: Float[np.ndarray, " m"],
) -> Pairs:
    """The pairs of circles that touch, sorted by the first's index."""
    from scipy.spatial import KDTree

    # With a tree the cost grows with the people and the pairs that are near, and not with all pairs.
    found = KDTree(other).query_ball_point(centre, (radius + other_radius.max()).clip(0))
    counts = [len(near) for near in found]
    rows = np.repeat(np.arange(len(centre)), counts)
    columns = np.fromiter((at for near in found for at in near), int, sum(counts))
    apart = np.linalg.norm(centre[rows] - other[columns], axis=1)
    near = apart <= radius[rows] + other_radius[columns]
    return rows[near], columns[near]


def nms(
    poses: Float[np.ndarray, "p j d"],
    seen: Bool[np.ndarray, "p j"],
    score: Float[np.ndarray, " p"],
    threshold: float,
    sigmas: Float[np.ndarray, " j"],
) -> Int[np.ndarray, " m"]:
    """Indices of the poses that are kept, best first: those without an OKS above the threshold to a better one.

    Poses of equal score keep their order.

    Raises:
        InputError: a score that is negative or no number.
    """
    if not (good := score >= 0).all():
        wrong = good.argmin()
        raise InputError(
            where=f"score of pose {wrong}",
            found=f"{score[wrong]}",
            expected="a number of at least 0, higher where the pose is more certain",
            remedy="exponentiate scores that are logarithms",
        )
    waiting, kept = np.argsort(-score, kind="stable"), []
    while len(waiting):
        # The next best ones are compared with all that wait, so that any number of doubles takes little memory.
        block = waiting[:BLOCK]
        all_waiting = poses[waiting], seen[waiting]
        some = all_waiting if len(block) == len(waiting) else (poses[block], seen[block])
        rows, columns, _ = alike(some, all_waiting, threshold, sigmas, later=True)
        staying = np.ones(len(waiting), bool)
        # Better ones first: a pose that was dropped drops no other.
        for better, worse in zip(rows.tolist(), columns.tolist(), strict=True):
            staying[worse] &= not staying[better]
        kept.append(block[staying[:BLOCK]])
        waiting = waiting[BLOCK:][staying[BLOCK:]]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)
