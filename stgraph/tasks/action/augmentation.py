"""Random changes of training clips: mirrored, turned, scaled, shifted, all persons of a clip alike."""

import math

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.errors import InputError
from stgraph.geometry import about
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.settings import ClipSettings

Poses = Float[Tensor, "p t j d"]
Confidence = Float[Tensor, "p t j _"]  # one channel, or none of 3D
Seen = Bool[Tensor, "p t j"]
# The random move of ST-GCN (Yan et al., 2018) for Kinetics: angle (degrees), scale and shift at the ends of the clip.
MOVE_ANGLES, MOVE_SCALES = (-10.0, -5.0, 0.0, 5.0, 10.0), (0.9, 1.0, 1.1)
MOVE_SHIFTS = (-0.2, -0.1, 0.0, 0.1, 0.2)


class Augmentation:
    """Random changes of every clip, drawn from torch's generator.

    Raises:
        InputError: flipping needs left and right joints, which the skeleton lacks.
    """

    def __init__(self, skeleton: Skeleton, settings: ClipSettings) -> None:
        self.settings, self.mirror = settings, torch.from_numpy(skeleton.mirror)
        if settings.flip and not skeleton.left:
            raise InputError(
                f"skeleton {skeleton.name!r} has no left and right joints to swap",
                where="data.flip",
                remedy="name them (`left`, `right`), or set data.flip=false",
            )

    def __call__(
        self, place: Poses, confidence: Confidence, seen: Seen, clip: Int[Tensor, " p"], clips: int
    ) -> tuple[Poses, Confidence, Seen]:
        """Normalised positions, confidences and visibility of the persons of some clips, changed."""
        settings, dims = self.settings, place.shape[-1]

        def drawn(*shape: int) -> Float[Tensor, "b _"]:
            """Uniform from -1 to 1."""
            return (2 * torch.rand(clips, *shape) - 1).to(place)

        if settings.flip:
            flipped = (torch.rand(clips) < 0.5).to(clip.device)[clip][:, None, None]
            mirror = self.mirror.to(clip.device)
            sign = place.new_ones(dims)
            sign[0] = -1
            place = torch.where(flipped[..., None], place[:, :, mirror] * sign, place)
            confidence = torch.where(flipped[..., None], confidence[:, :, mirror], confidence)
            seen = torch.where(flipped, seen[:, :, mirror], seen)
        if settings.rotate:
            angle = math.radians(settings.rotate) * drawn(1 if settings.detector else 3)
            place = einsum(rotation(angle)[clip], place, "p c d, p t j d -> p t j c")
        if settings.scale:
            place = place * (1 + settings.scale * drawn(dims))[clip, None, None]
        if settings.shift:
            place = place + settings.shift * drawn(dims)[clip, None, None]
        if settings.move:
            matrix, shift = (each.to(place)[clip] for each in moves(clips, place.shape[1]))
            place = einsum(matrix, place, "p t c d, p t j d -> p t j c") + shift[:, :, None]
        return place, confidence, seen


def rotation(angle: Float[Tensor, "b a"]) -> Float[Tensor, "b d d"]:
    """Rotation matrices: of the plane for one angle, about x, then y, then z for three."""
    if angle.shape[1] == 1:
        return about(2, angle[:, 0])[:, :2, :2]
    x, y, z = (about(axis, angle[:, axis]) for axis in range(3))
    return z @ y @ x


def moves(clips: int, frames: int) -> tuple[Float[Tensor, "b t 2 2"], Float[Tensor, "b t 2"]]:
    """ST-GCN's random move: angle, scale and shift drawn at the clip's ends, linear between them."""

    def path(values: tuple[float, ...]) -> Float[Tensor, "b t"]:
        ends = torch.tensor(values)[torch.randint(len(values), (clips, 2))].float()
        return ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * torch.linspace(0, 1, frames)

    angle, scale = torch.deg2rad(path(MOVE_ANGLES)), path(MOVE_SCALES)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], dim=-2)
    return matrix, torch.stack([path(MOVE_SHIFTS), path(MOVE_SHIFTS)], dim=-1)
