"""The exact image of several people in a camera, before a detector."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from data_prep.cameras.viewpoints import see
from data_prep.sources.scenes.body import hidden
from stgraph.geometry import Camera


@dataclass(frozen=True)
class View:
    """p people in t frames as a camera sees them; NaN where a person is not in the room.

    Attributes:
        bodies: (p t j 3) camera space, metres.
        pixels: (p t j 2).
        scale: (p t) pixels to the metre at each person's depth.
        inside: (p t j) joints that are in the image.
        hidden: (p t j) joints in the image that a body covers.
    """

    bodies: Float[np.ndarray, "p t j 3"]
    pixels: Float[np.ndarray, "p t j 2"]
    scale: Float[np.ndarray, "p t"]
    inside: Bool[np.ndarray, "p t j"]
    hidden: Bool[np.ndarray, "p t j"]


def view_of(bodies: Float[np.ndarray, "p t j 3"], camera: Camera) -> View:
    """People (metres, world) as a camera sees them."""
    in_camera, pixels, inside = in_image(bodies, camera)
    scale = camera.intrinsics[0] / in_camera[..., 2].mean(axis=-1)
    return View(in_camera, pixels, scale, inside, hidden(in_camera) & inside)


def in_image(
    points: Float[np.ndarray, "*n 3"], camera: Camera
) -> tuple[Float[np.ndarray, "*n 3"], Float[np.ndarray, "*n 2"], Bool[np.ndarray, "*n"]]:
    """Points through a camera: in its space, in pixels, and whether they are in the image (NaN never are)."""
    seen, pixels, _ = see(points.reshape(-1, 1, 3), camera, 0, 0)
    seen, pixels = seen.reshape(points.shape), pixels.reshape(*points.shape[:-1], 2)
    inside = (pixels >= 0) & (pixels < np.array([camera.width, camera.height]))
    # Beyond a slope of 1 the projection is clamped.
    return seen, pixels, inside.all(axis=-1) & (np.abs(seen[..., :2]).max(axis=-1) < seen[..., 2])
