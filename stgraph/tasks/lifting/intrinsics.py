"""The camera as a person gives it: a file, or an angle of view."""

import json
from collections.abc import Sequence
from math import radians, tan
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.json_files import read_json

WIDEST = 150.0  # degrees that a camera without distortion sees


def check_focal(focal: Sequence[float], size: tuple[int, int], where: str) -> None:
    """Raises InputError for focal lengths so short that they are in another unit than pixels, such as millimetres."""
    shortest = max(size) / 2 / tan(radians(WIDEST) / 2)
    if min(focal) < shortest:
        found = f"a focal length of {min(focal):g} in an image of {size[0]}x{size[1]}"
        remedy = "of a lens in millimetres: times the image's width in pixels, by the sensor's width in millimetres"
        raise InputError(where=where, found=found, expected=f"pixels, {shortest:.0f} at least", remedy=remedy)


def given_intrinsics(size: tuple[int, int], camera: Path | None, fov: float | None) -> Float[np.ndarray, "4"] | None:
    """Focal lengths and centre in pixels; None where neither is given.

    Args:
        size: width and height of the image, pixels.
        camera: JSON, an object of fx, fy, cx and cy.
        fov: degrees that the camera sees across the image's longer side.

    Raises:
        InputError: a file without these numbers, or an angle that no such camera has.
    """
    if camera:
        tree = read_json(camera, "an object of fx, fy, cx, cy")
        values = [tree.get(name) if isinstance(tree, dict) else None for name in ("fx", "fy", "cx", "cy")]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) < len(values) or not min(numbers[:2]) > 0 or not max(map(abs, numbers)) < float("inf"):
            raise InputError(where=camera, found=json.dumps(tree)[:80], expected="fx, fy, cx, cy in pixels")
        check_focal(numbers[:2], size, str(camera))
        return np.array(numbers)
    if fov is None:
        return None
    if not 5 <= fov <= WIDEST:
        raise InputError(where="--fov", found=f"{fov:g}", expected=f"degrees from 5 to {WIDEST:g}")
    focal = max(size) / 2 / tan(radians(fov) / 2)
    return np.array([focal, focal, size[0] / 2, size[1] / 2])
