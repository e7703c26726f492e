"""From camera space to a world in metres: the root's path, the direction up, the scale, and the floor."""

import numpy as np
from jaxtyping import Float

from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.body import standing_height, trunk

Vector = Float[np.ndarray, "3"]
LEVEL_UP = np.array([0.0, -1.0, 0.0])  # of a level camera: x right, y down, z forward
UPRIGHT = np.cos(np.radians(40))  # of the angle between an upright trunk and the camera's up
FEWEST = 10  # upright frames from which up is estimated
ANKLE = 0.08  # metres of an ankle above the floor


def path_of(
    pose: Float[np.ndarray, "t j 3"], keypoints: Float[np.ndarray, "t j 3"], intrinsics: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "t 3"]:
    """The root's place in every frame, from which the pose is seen where the keypoints are.

    Least squares of f (x + X) - (u - c) (z + Z) = 0 over the seen joints, weighted by their confidence; frames with too
    few of them take the path between their neighbours.

    Args:
        pose: relative to the root, metres, camera axes.
        keypoints: pixels and confidence.
        intrinsics: focal lengths and centre, pixels.
    """
    focal, centre = intrinsics[:2], intrinsics[2:]
    weight = np.sqrt(keypoints[..., 2])
    slope = (keypoints[..., :2] - centre) / focal
    rows = np.zeros((*pose.shape[:2], 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -slope
    known = slope * pose[..., 2:] - pose[..., :2]
    rows, known = rows * weight[..., None, None], known * weight[..., None]
    rows, known = rows.reshape(len(pose), -1, 3), known.reshape(len(pose), -1, 1)
    enough = (weight > 0).sum(-1) >= 4
    path = np.full((len(pose), 3), np.nan)
    normal = np.swapaxes(rows[enough], 1, 2)
    path[enough] = np.linalg.solve(normal @ rows[enough] + 1e-9 * np.eye(3), normal @ known[enough])[..., 0]
    path[~(path[:, 2] > 0.1)] = np.nan
    good = np.flatnonzero(np.isfinite(path[:, 2]))
    if not len(good):
        return np.tile([0.0, 0.0, 4.0], (len(pose), 1))
    return np.stack([np.interp(np.arange(len(path)), good, path[good, axis]) for axis in range(3)], axis=1)


def up_of(pose: Float[np.ndarray, "n j 3"], skeleton: Skeleton) -> tuple[Vector, int]:
    """The median direction of upright trunks in camera axes, and how many there are; the camera's up where few are."""
    along = trunk(pose, skeleton)
    upright = along[along @ LEVEL_UP > UPRIGHT]
    if len(upright) < FEWEST:
        return LEVEL_UP, 0
    middle = np.median(upright, axis=0)
    return middle / np.linalg.norm(middle), len(upright)


def rotation_to_world(up: Vector) -> Float[np.ndarray, "3 3"]:
    """Camera axes to the world's: z is up, x lies to the camera's right, y away from it."""
    right = np.array([1.0, 0, 0]) - up[0] * up
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right), up])


def height_of(pose: Float[np.ndarray, "n j 3"], skeleton: Skeleton) -> float:
    """How tall a person stands, metres."""
    return standing_height(pose, skeleton) + ANKLE


def floor_of(height: Float[np.ndarray, " n"]) -> float:
    """The floor's height under the lowest joints of all frames: few are below it."""
    return float(np.percentile(height, 5)) - ANKLE
