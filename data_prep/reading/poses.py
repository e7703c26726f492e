"""A clip as arrays (m t j c) of persons, frames, joints and channels. Missing values are zero or not finite."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from data_prep.options import ORDERS
from data_prep.reading.left_out import Kind
from stgraph.errors import InputError
from stgraph.formats.keypoints.content import MOST_NUMBERS
from stgraph.formats.keypoints.poses import SLACK
from stgraph.formats.keypoints.scales import PIXELS


@dataclass(frozen=True)
class Poses:
    """A clip as its file has it.

    Attributes:
        values: (m t j c) persons, frames, joints, channels; all zero, or some not finite, where missing.
        channels: "xy", "xyc" or "xyz"; "" where the file does not say what a third channel is.
        size: width and height of the images; then x and y are pixels. None where the file does not say.
        axes: of 3D, a key of `conventions.AXES`; then it is in metres. "" where the file does not say.
        joints: their names, where the file has them.
        order: of the axes in the file, one of ORDERS, where it is an array.
    """

    values: Shaped[np.ndarray, "m t j c"]
    channels: str = ""
    size: tuple[int, int] | None = None
    axes: str = ""
    joints: tuple[str, ...] = ()
    order: str = ""

    @property
    def third(self) -> tuple[float, float]:
        """Least and greatest finite number of the third channel; 0 and 0 where there is none."""
        values = self.values[..., 2]
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)

    @property
    def confident(self) -> bool:
        """Whether the third channel can be a confidence."""
        return self.third[0] >= 0 and self.third[1] <= SLACK

    @property
    def pixels(self) -> bool:
        """Whether the channels can only be pixels and confidence."""
        return self.confident and bool((np.abs(self.values[..., :2]) > PIXELS).any())


def no_poses(shape: tuple[int, int, int, int], dtype: type) -> Shaped[np.ndarray, "m t j c"]:
    """Zeros for a clip of so many persons, frames, joints and channels. Raises InputError where they are too many."""
    if math.prod(shape) > MOST_NUMBERS:
        found, expected = f"{shape[0]} persons in {shape[1]} frames", f"at most {MOST_NUMBERS} numbers"
        raise InputError(found=found, expected=expected, remedy="give a shorter clip", kind=Kind.SHAPE)
    return np.zeros(shape, dtype)


def persons_first(values: np.ndarray, order: str) -> Shaped[np.ndarray, "m t j c"]:
    """A clip's array with its axes as (m t j c); `order_of` says which they are.

    >>> persons_first(np.zeros((3, 300, 25, 2)), "ctjm").shape
    (2, 300, 25, 3)
    """
    axes = order if "m" in order else "m" + order
    return (values if "m" in order else values[None]).transpose([axes.index(axis) for axis in "mtjc"])


def order_of(values: np.ndarray, order: str) -> str:
    """The axes of a clip's array.

    Args:
        order: the axes in the file, one of ORDERS, or "" to infer them from the lengths: c is 2 or 3, and where two
            axes may be c, it is the one that leaves 2 persons with 3 channels.

    Raises:
        InputError: no clip, or one that fits several orders.

    >>> order_of(np.zeros((3, 300, 25, 2)), "")
    'ctjm'
    """
    if values.dtype.kind not in "iuf":
        raise InputError(f"an array of {values.dtype}", expected="numbers", kind=Kind.NO_NUMBERS)
    lengths = {axes: dict(zip(axes, values.shape, strict=True)) for axes in ORDERS if len(axes) == values.ndim}
    fitting = [axes for axes, length in lengths.items() if order in ("", axes) and length["c"] in (2, 3)]
    if len(fitting) > 1:
        fitting = [axes for axes in fitting if (lengths[axes]["c"], lengths[axes].get("m")) == (3, 2)] or fitting
    if len(fitting) != 1:
        problem = f"shape {values.shape} fits {' and '.join(fitting) or 'no order of axes'}"
        expected = f"{order or ' or '.join(ORDERS)}: m persons, t frames, j joints, c channels (2 or 3)"
        raise InputError(problem, expected=expected, remedy="choose one by --order" if fitting else "", kind=Kind.SHAPE)
    return fitting[0]
