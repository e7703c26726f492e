"""Place, scale and velocities of bodies, without a network."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stgraph.geometry import body_scale

Joints = Float[Tensor, "p j d"]
FASTEST = 20.0  # body scales a second that a joint moves along an axis, at most


class Kinematics(NamedTuple):
    """Motion of p people up to the last of some frames, with k frames before it.

    Attributes:
        centre, scale: of the last pose.
        last: the last pose; the centre for a joint that is not yet known.
        age: seconds from each older frame to the last.
        both: whether a joint is known in that frame and in the last.
        velocity: of each joint from that frame to the last, units a second; and of the body, the median of those over
            joints, on which joints that jump have little effect.
    """

    centre: Float[Tensor, "p d"]
    scale: Float[Tensor, " p"]
    last: Joints
    age: Float[Tensor, "p k 1 1"]
    both: Bool[Tensor, "p k j 1"]
    velocity: Float[Tensor, "p k j 2 d"]


def kinematics(pose: Float[Tensor, "p n j d"], known: Bool[Tensor, "p n j"], time: Float[Tensor, "p n"]) -> Kinematics:
    """Place, scale and velocities of people in the last of n frames, of their joints that are known in each."""
    centre, scale = centre_and_scale(pose[:, -1], known[:, -1])
    last = torch.where(known[:, -1, :, None], pose[:, -1], centre[:, None])
    age = (time[:, -1:] - time[:, :-1])[..., None, None].to(last.dtype)
    both = (known[:, -1:] & known[:, :-1])[..., None]
    own = torch.where(both, (last[:, None] - pose[:, :-1]) / age.clamp_min(1e-3), torch.nan)
    body = own.nanmedian(dim=2, keepdim=True).values.nan_to_num(0).expand_as(own)
    fastest = FASTEST * scale[:, None, None, None]
    velocity = torch.stack([own.nan_to_num(0).clamp(-fastest, fastest), body], dim=3)
    return Kinematics(centre, scale, last, age=age, both=both, velocity=velocity)


def centre_and_scale(pose: Joints, known: Bool[Tensor, "p j"]) -> tuple[Float[Tensor, "p d"], Float[Tensor, " p"]]:
    """`body_scale` as constants to the gradient.

    Where all known joints coincide, the scale is that of the last digits of the coordinates: positive.
    """
    centre, scale = body_scale(pose.detach(), known.to(pose.dtype))
    return centre, torch.maximum(scale, 1e-3 * (1 + centre.abs().amax(dim=1)))
