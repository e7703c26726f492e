"""What x and y of a file are: pixels, or fractions of the image."""

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import SCALES

TALL = 6  # trunks of a person that the image's height shows, where coordinates are relative to the person
PIXELS = 20  # beyond it, x and y are no fractions


def to_pixels(xy: Float[np.ndarray, "... 2"], scale: str, size: tuple[int, int]) -> Float[np.ndarray, "... 2"]:
    """Coordinates of a scale, a key of `SCALES`, in pixels of images of a size."""
    width, height = size
    factor, offset = {
        "pixels": ((1, 1), (0, 0)),
        "fractions": ((width, height), (0, 0)),
        "centred": ((width, height), (0.5, 0.5)),
        "signed": ((width / 2, height / 2), (1, 1)),
        "screen": ((width / 2, width / 2), (1, height / width)),
        "person": ((height / TALL, height / TALL), (TALL / 2 * width / height, TALL / 2)),
    }[scale]
    return (xy + np.array(offset, xy.dtype)) * np.array(factor, xy.dtype)


def inferred_scale(xy: Float[np.ndarray, "n 2"], where: str, otherwise: str = "") -> str:
    """The scale by the range of the coordinates of seen joints.

    Args:
        xy: coordinates.
        where: the file, for messages.
        otherwise: what else the remedy says.

    Raises:
        InputError: a range that is of none of the scales alone.

    >>> inferred_scale(np.array([[640.0, 360.0]]), ""), inferred_scale(np.array([[0.2, 0.9]]), "")
    ('pixels', 'fractions')
    """
    if not len(xy):
        return "fractions"
    low, high = np.percentile(xy, [0.5, 99.5])
    if high > PIXELS:
        return "pixels"
    for scale, least, most in (("fractions", -0.05, 1.1), ("centred", -0.6, 0.6)):
        if low >= least and high <= most:
            return scale
    scales = "; ".join(f"{name}: {text}" for name, text in SCALES.items())
    problem = f"x and y are {low:.3g} to {high:.3g}, which is ambiguous"
    raise InputError(problem, where=where, remedy=f"say which by --scale: {scales}{otherwise}", kind="scale")
