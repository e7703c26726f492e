"""What in poses makes it likely that a file or an option says something else than it means: a sentence about each."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.names import canonical

BEYOND, SOME = 0.1, 0.02  # of an image's longer side; share of the joints farther outside that is mentioned
SMALL = 8  # pixels of a person in which no detector finds joints
MOST = 0.9  # share of poses that lie or hang that is mentioned
UPPER, LOWER = ("lshoulder", "rshoulder"), ("lhip", "rhip")


def outside(xy: Float[np.ndarray, "n 2"], size: tuple[int, int]) -> list[str]:
    """A sentence where so many joints lie so far outside of the image that its size may be another one."""
    margin = BEYOND * max(size)
    share = ((xy < -margin) | (xy > np.array(size) + margin)).any(axis=-1).mean() if len(xy) else 0.0
    text = f"{share:.0%} of the joints lie outside of the image of {size[0]}x{size[1]} pixels: check --image-size"
    return [text] if share > SOME else []


def small(pose: Float[np.ndarray, "n j 3"]) -> list[str]:
    """A sentence where people are so small that their coordinates may be in another unit than pixels."""
    seen = pose[..., 2:] > 0
    several = seen.sum(axis=(1, 2)) > 1
    xy, seen = pose[several, :, :2], seen[several]
    if not len(xy):
        return []
    extent = np.where(seen, xy, -np.inf).max(axis=1) - np.where(seen, xy, np.inf).min(axis=1)
    median = float(np.median(extent.max(axis=-1)))
    return [f"people are {median:.2g} pixels large: check what x and y are (--scale)"] if median < SMALL else []


def turned(pose: Float[np.ndarray, "n j 3"], joints: Sequence[str]) -> list[str]:
    """A sentence where nearly all trunks hang head down or lie, as with y that grows upwards or in place of x."""
    names = [canonical(joint) for joint in joints]
    if not {*UPPER, *LOWER} <= {*names}:
        return []
    places = [names.index(joint) for joint in (*UPPER, *LOWER)]
    trunks = pose[(pose[:, places, 2] > 0).all(axis=1)][:, places, :2]
    if not len(trunks):
        return []
    x, y = (trunks[:, :2].mean(axis=1) - trunks[:, 2:].mean(axis=1)).T
    hanging, lying = float((y > np.abs(x)).mean()), float((np.abs(x) > np.abs(y)).mean())
    if hanging > MOST:
        return [f"shoulders are below the hips in {hanging:.0%} of the poses: where y grows upwards, write height - y"]
    return [f"trunks lie in {lying:.0%} of the poses: if people stand, x and y are swapped"] if lying > MOST else []


def check_rated(pose: Float[np.ndarray, "n j 3"], where: object) -> None:
    """Raises InputError where joints have places, and none of them a confidence."""
    if np.nan_to_num(pose[..., :2]).any() and not (np.nan_to_num(pose[..., 2]) > 0).any():
        remedy = "give 1 to a joint that is seen, or leave the confidences out"
        raise InputError("every joint has confidence 0", where=where, remedy=remedy, kind="no person")
