"""Cameras drawn anew for the windows of a batch.

Drawn for each window: the image's shape, the focal length, the direction and height of the camera, how large the person
appears, where in the image, and the roll. The ranges are those of videos that people make: see the constants.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stgraph.geometry import IMAGE_SIZES, about, body_scale

FOCAL = (0.8, 1.8)  # of the image's longer side: 64 to 31 degrees across it
ABOVE = (-0.6, 2.1)  # metres of the camera above the person's root: from a standing person's knee to a ladder
APPEARS = (0.2, 0.95)  # a standing person's height, of the image's height or 1.2 times its width, whichever is less
DISTANCE = (1.8, 20.0)  # metres from the camera to the root, along the floor
ACROSS = 0.35  # how wide a person is, of the height: as much of the image's width stays free
ASIDE = 0.85  # how far from the middle the root may be, of the room that the person's size leaves
NEAREST = 0.8  # metres from the camera to any joint, along its axis
ROLL = 2.5  # degrees, standard deviation
UPRIGHT = 3.0  # times `body_scale` is a standing person's height


class View(NamedTuple):
    """What cameras see: poses in metres, camera space; intrinsics in pixels; image width and height in pixels."""

    pose: Float[Tensor, "b t j 3"]
    intrinsics: Float[Tensor, "b 9"]
    size: Float[Tensor, "b 2"]


class Cameras(NamedTuple):
    """Drawn cameras: rotations from the world (z up) into camera space, where the root is there, and as in `View`."""

    turn: Float[Tensor, "b 3 3"]
    place: Float[Tensor, "b 3"]
    intrinsics: Float[Tensor, "b 9"]
    size: Float[Tensor, "b 2"]


def drawn_cameras(person: Float[Tensor, "b j 3"]) -> Cameras:
    """A camera without distortion for every pose: it turns to the root, and on until the root is where it was drawn.

    Args:
        person: metres, z up; where the origin lies does not matter. Only its size does.
    """

    def uniform(low: float, high: float) -> Float[Tensor, " b"]:
        return low + (high - low) * torch.rand(len(person), device=person.device, dtype=person.dtype)

    sizes = person.new_tensor(IMAGE_SIZES)
    size = sizes[torch.randint(len(sizes), (len(person),), device=person.device)]
    width, height = size.unbind(-1)
    focal = uniform(*FOCAL) * size.amax(-1)
    tall = UPRIGHT * body_scale(person, torch.ones_like(person[..., 0]))[1]
    appears = torch.exp(uniform(math.log(APPEARS[0]), math.log(APPEARS[1]))) * height.minimum(1.2 * width)
    distance, above = (focal * tall / appears).clamp(*DISTANCE), uniform(*ABOVE)
    aside = uniform(-ASIDE, ASIDE) * (width - ACROSS * appears).clamp_min(0) / 2
    down = uniform(-ASIDE, ASIDE) * (height - appears).clamp_min(0) / 2
    # From a level camera (x right, y down, z forward) that looks along the floor.
    turn = about(2, torch.randn_like(focal) * math.radians(ROLL)) @ about(0, -torch.atan2(down, focal))
    turn = turn @ about(1, torch.atan2(aside, focal)) @ about(0, torch.atan2(above, distance))
    place = turn @ torch.stack([torch.zeros_like(above), above, distance], dim=-1)[..., None]
    level = person.new_tensor([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    intrinsics = F.pad(torch.cat([focal[:, None], focal[:, None], size / 2], dim=-1), (0, 5))
    return Cameras(turn @ level @ about(2, uniform(0.0, 2 * math.pi)), place[..., 0], intrinsics, size)


def seen_by(cameras: Cameras, pose: Float[Tensor, "b t j 3"], origin: Float[Tensor, "b 3"]) -> View:
    """Poses through cameras that stand back as far as the nearest joint needs.

    Args:
        pose: metres, z up.
        origin: the root's place in the frame that the cameras turn to.
    """
    moved = (pose - origin[:, None, None]).flatten(1, 2) @ cameras.turn.mT + cameras.place[:, None]
    back = (NEAREST - moved[..., 2].amin(1)).clamp_min(0)
    moved = moved + F.pad(back[:, None], (2, 0))[:, None]
    return View(moved.unflatten(1, pose.shape[1:3]), cameras.intrinsics, cameras.size)


def drawn_views(pose: Float[Tensor, "b t j 3"], root: int) -> View:
    """Every window through a drawn camera, which turns to the root in the middle frame."""
    person = pose[:, pose.shape[1] // 2]
    return seen_by(drawn_cameras(person), pose, person[:, root])
