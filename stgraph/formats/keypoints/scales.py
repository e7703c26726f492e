"""What x and y of a file are: pixels, or fractions of the image."""

import numpy as np
from jaxtyping import Float

SCALES = {
    "pixels": "pixels",
    "fractions": "fractions of the image's width and height",
    "centred": "fractions less 0.5, as ST-GCN takes them",
    "signed": "-1 to 1 over the image's width and height, as OpenPose's --keypoint_scale 4",
    "screen": "x / width * 2 - 1 and y / width * 2 - height / width",
}
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
    }[scale]
    return (xy + np.array(offset, xy.dtype)) * np.array(factor, xy.dtype)


def fitting_scale(xy: Float[np.ndarray, "n 2"]) -> str:
    """The scale by the range of the coordinates of seen joints; "" where several fit.

    >>> fitting_scale(np.array([[640.0, 360.0]])), fitting_scale(np.array([[0.2, 0.9]]))
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
    return ""
