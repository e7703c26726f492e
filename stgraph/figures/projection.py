"""Poses and floors in space, projected onto the screen; NumPy alone."""

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.figures.clip import View

SQUARE, FLOOR_RADIUS = 0.5, 0.8  # metres: the floor's squares, and how far it is drawn around the person


def upright(
    points: Float[np.ndarray, "... 3"], rotation: Float[np.ndarray, "4"] | None = None
) -> Float[np.ndarray, "... 3"]:
    """Camera axes to right, away and up, with the camera's tilt and roll taken out where its rotation is known."""
    up = np.array([0.0, -1.0, 0.0])
    if rotation is not None:
        w, x, y, z = rotation
        up = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # the world's z seen by it
    # Level, and to the image's right; for a camera that is rolled onto its side, to its bottom.
    axis = np.eye(3)[0] if abs(up[0]) < 0.99 else np.eye(3)[1]
    right = axis - (axis @ up) * up
    right /= np.linalg.norm(right)
    return points @ np.stack([right, np.cross(up, right), up], axis=-1)


def on_screen(points: Float[np.ndarray, "... 3"], view: View) -> Float[np.ndarray, "... 3"]:
    """Right, away and up to the screen: x right, y up, and the distance behind the screen (orthographic), metres."""
    azimuth, elevation = np.radians([view.azimuth, view.elevation])
    x, away, up = np.moveaxis(points, -1, 0)
    x, away = x * np.cos(azimuth) + away * np.sin(azimuth), away * np.cos(azimuth) - x * np.sin(azimuth)
    y = up * np.cos(elevation) + away * np.sin(elevation)
    return np.stack([x, y, away * np.cos(elevation) - up * np.sin(elevation)], axis=-1)


def floor_lines(height: float, centre: Float[np.ndarray, "2"]) -> Float[np.ndarray, "line end 3"]:
    """Lines of the floor's squares around the origin of the drawing, for a person who stands at `centre`."""
    lines = []
    for axis in range(2):
        first = -FLOOR_RADIUS + (-centre[axis] + FLOOR_RADIUS) % SQUARE
        for place in np.arange(first, FLOOR_RADIUS + 1e-6, SQUARE):
            ends = np.full((2, 3), height)
            ends[:, axis], ends[:, 1 - axis] = place, (-FLOOR_RADIUS, FLOOR_RADIUS)
            lines.append(ends)
    return np.array(lines)


def ground_lines(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]) -> Float[np.ndarray, "line end 3"]:
    """Squares under the box from `low` to `high` (right, away, up), of a size that suits it: 1, 2 or 5 times 10^n."""
    aim = np.linalg.norm(high - low) / 4
    step = 10 ** np.floor(np.log10(max(aim, 1e-9)))
    step *= max(times for times in (1, 2, 5) if times * step <= max(aim, 1e-9))
    first, last = np.floor(low[:2] / step) * step, np.ceil(high[:2] / step) * step
    lines = []
    for axis in range(2):
        for place in np.arange(first[axis], last[axis] + step / 2, step):
            ends = np.full((2, 3), low[2])
            ends[:, axis], ends[:, 1 - axis] = place, (first[1 - axis], last[1 - axis])
            lines.append(ends)
    return np.array(lines)


def seen(pose: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... 2"]:
    """x and y, NaN where the confidence is 0."""
    return pose if pose.shape[-1] == 2 else np.where(pose[..., 2:] > 0, pose[..., :2], np.nan)


def bounds(points: Float[np.ndarray, "... d"], title: str) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest coordinates. Raises InputError where there is nothing to show."""
    points = points.reshape(-1, points.shape[-1])
    points = points[np.isfinite(points).all(-1)]
    if not len(points):
        remedy = "choose another recording or start"
        raise InputError("no joint of the clip is finite and seen", where=f"panel {title!r}", remedy=remedy)
    return points.min(0), points.max(0)
