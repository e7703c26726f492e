"""Cameras, projection, rotations and alignment. Torch, in whatever float type is given; xyz comes last.

Camera parameters (rotations, translations, intrinsics, image sizes) are given once for all points or per clip: their
leading axes are the **first** axes of the points, so intrinsics (b 9) go with points (b t j 3). They may be NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from stgraph.errors import InputError

# Width and height of common videos, pixels: landscape, square and portrait.
IMAGE_SIZES = ((1920, 1080), (1280, 720), (640, 480), (1000, 1000), (1080, 1080), (1080, 1920), (720, 1280), (480, 640))
FARTHEST = 1e6  # pixels or metres from the origin; larger numbers are no coordinates
Array = Tensor | np.ndarray | float | int
Points = TypeVar("Points", Tensor, np.ndarray)


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera. Compared by identity, because its fields are arrays.

    Attributes:
        name: what its files call it, e.g. "54138969".
        width, height: image size in pixels.
        intrinsics: (9,) pixels: focal length 2, centre 2, radial distortion 3, tangential distortion 2.
        rotation: (4,) unit quaternion w x y z that turns camera axes into world axes.
        translation: (3,) metres, the camera's centre in the world.

    Raises:
        InputError: wrong shapes, values that are not finite, an empty image, or a quaternion not of length 1.
    """

    name: str
    width: int
    height: int
    intrinsics: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def __post_init__(self) -> None:
        for field, size in (("intrinsics", 9), ("rotation", 4), ("translation", 3)):
            value = np.array(getattr(self, field), dtype=np.float64)
            if value.shape != (size,) or not np.isfinite(value).all():
                problem = f"found {value}; expected {size} finite numbers"
                raise InputError(problem, where=f"camera {self.name}, {field}")
            value.setflags(write=False)
            object.__setattr__(self, field, value)
        if self.width <= 0 or self.height <= 0:
            problem = f"image of {self.width} x {self.height}; expected its size in pixels"
            raise InputError(problem, where=f"camera {self.name}")
        length = np.linalg.norm(self.rotation)
        if abs(length - 1) > 1e-3:
            problem = f"quaternion {self.rotation} of length {length:g}; expected a unit quaternion w x y z"
            raise InputError(problem, where=f"camera {self.name}, rotation")


def _per_point(parameter: Array, points: Tensor) -> Tensor:
    """Put axes of size one between a parameter's leading axes and its last, so that it broadcasts against points."""
    # A copy, since a camera's arrays cannot be written to and torch warns of those.
    parameter = np.array(parameter) if isinstance(parameter, np.ndarray) else parameter
    parameter = torch.as_tensor(parameter, dtype=points.dtype, device=points.device)
    between = (1,) * (points.ndim - parameter.ndim)
    return parameter.reshape(*parameter.shape[:-1], *between, parameter.shape[-1])


# Cameras -------------------------------------------------------------------------------------------------------------


def world_to_camera(points: Float[Tensor, "... 3"], rotation: Array, translation: Array) -> Float[Tensor, "... 3"]:
    """World coordinates seen from a camera: R^-1 (X - t), with R the camera's quaternion (... 4) and t its centre."""
    inverse = _per_point(rotation, points) * points.new_tensor([1, -1, -1, -1])
    return rotate(inverse, points - _per_point(translation, points))


def camera_to_world(points: Float[Tensor, "... 3"], rotation: Array, translation: Array) -> Float[Tensor, "... 3"]:
    """The way back: R X + t."""
    return rotate(_per_point(rotation, points), points) + _per_point(translation, points)


def project(points: Float[Tensor, "... 3"], intrinsics: Array) -> Float[Tensor, "... 2"]:
    """Image of camera-space points, with distortion: f * (u * (radial + tangential) + p * r2) + c.

    u = clamp(xy / z, -1, 1), r2 = |u|^2, radial = 1 + k . (r2, r2^2, r2^3), tangential = p . u: the model of
    Human3.6M's calibration as VideoPose3D evaluates it. Pixel intrinsics give pixels, normalised ones normalised
    coordinates. The clamp bounds what a point beside or behind the camera does to the distortion polynomial.
    """
    focal, centre, radial, tangential = _per_point(intrinsics, points).split([2, 2, 3, 2], dim=-1)
    # Kept from zero, where a projection has neither value nor gradient.
    depth = torch.where(points[..., 2:].abs() < 1e-6, 1e-6, points[..., 2:])
    u = (points[..., :2] / depth).clamp(-1, 1)
    r2 = u.square().sum(-1, keepdim=True)
    stretch = 1 + (radial * torch.cat([r2, r2**2, r2**3], -1)).sum(-1, keepdim=True)
    stretch = stretch + (tangential * u).sum(-1, keepdim=True)
    return focal * (u * stretch + tangential * r2) + centre


def _screen(width: Array, height: Array, points: Tensor) -> tuple[Tensor, Tensor]:
    """Half the width, and the normalised centre (1, h / w), shaped to broadcast against points."""
    width = _per_point(torch.as_tensor(width)[..., None], points)
    height = _per_point(torch.as_tensor(height)[..., None], points)
    return width / 2, torch.cat([torch.ones_like(width), height / width], -1)


def numbers_of(values: object, where: str) -> Float[np.ndarray, "..."]:
    """Numbers, or lists of them of one length, as an array; None is NaN. Raises InputError for anything else."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        remedy = "give an array, or lists of numbers that are all of one length"
        raise InputError(str(error), where=where, expected="numbers", remedy=remedy) from error


def coordinates_of(values: object, where: str) -> Float[np.ndarray, "..."]:
    """As `numbers_of`; raises InputError for numbers that no image or room has, too. Those not finite stay."""
    array = numbers_of(values, where)
    beyond = np.isfinite(array) & (np.abs(array) > FARTHEST)
    if beyond.any():
        raise InputError(where=where, found=f"{array[beyond][0]:g}", expected=f"numbers up to {FARTHEST:.0f}")
    return array


def check_size(size: object) -> tuple[float, float]:
    """Width and height of an image, pixels. Raises InputError for anything but two numbers above 0."""
    try:
        width, height = (float(side) for side in size)  # pyright: ignore[reportGeneralTypeIssues]
        if 0 < width < float("inf") and 0 < height < float("inf"):
            return width, height
    except (TypeError, ValueError):
        pass
    raise InputError(where="size", found=repr(size), expected="width and height of the image in pixels, above 0")


def image_space(
    pose: Float[Tensor, "... j 3"], intrinsics: Array, root: int
) -> tuple[Float[Tensor, "... j 3"], Float[Tensor, "..."]]:
    """A camera-space pose as pixels x, y and a depth of the same scale, and that scale in metres per pixel.

    The depth behind the root is divided by root's depth / focal length, the scale with which the root's plane is seen
    (Sun et al., ECCV 2018).
    """
    focal = _per_point(intrinsics, pose)[..., :2].mean(-1)
    depth = pose[..., 2]
    scale = depth[..., root] / focal[..., 0]
    behind = (depth - depth[..., root, None]) / scale[..., None]
    return torch.cat([project(pose, intrinsics), behind[..., None]], -1), scale


def screen_normalise(x: Float[Tensor, "... 2"], width: Array, height: Array) -> Float[Tensor, "... 2"]:
    """Pixels to [-1, 1] across the width, the aspect ratio kept: x / w * 2 - (1, h / w)."""
    half, centre = _screen(width, height, x)
    return x / half - centre


def screen_denormalise(x: Float[Tensor, "... 2"], width: Array, height: Array) -> Float[Tensor, "... 2"]:
    """Screen-normalised coordinates to pixels: (x + (1, h / w)) * w / 2."""
    half, centre = _screen(width, height, x)
    return (x + centre) * half


def normalise_intrinsics(intrinsics: Float[Tensor, "... 9"], width: Array, height: Array) -> Float[Tensor, "... 9"]:
    """Pixel intrinsics to those whose projection is screen-normalised; distortion has no unit and stays."""
    half, _ = _screen(width, height, intrinsics)
    centre = screen_normalise(intrinsics[..., 2:4], width, height)
    return torch.cat([intrinsics[..., :2] / half, centre, intrinsics[..., 4:]], -1)


def denormalise_intrinsics(intrinsics: Float[Tensor, "... 9"], width: Array, height: Array) -> Float[Tensor, "... 9"]:
    """Screen-normalised intrinsics to pixels."""
    half, _ = _screen(width, height, intrinsics)
    centre = screen_denormalise(intrinsics[..., 2:4], width, height)
    return torch.cat([intrinsics[..., :2] * half, centre, intrinsics[..., 4:]], -1)


def mirror_intrinsics(intrinsics: Float[Tensor, "... 9"], width: Tensor | float | int = 0) -> Float[Tensor, "... 9"]:
    """The camera that sees the mirrored scene in the mirrored image: projecting (-x, y, z) gives (width - x, y).

    Screen-normalised intrinsics mirror about 0: leave `width` at 0. Pixel intrinsics need the image's width.
    """
    mirrored = intrinsics.clone()
    mirrored[..., 2] = width - intrinsics[..., 2]
    mirrored[..., 7] = -intrinsics[..., 7]
    return mirrored


# Rotations -----------------------------------------------------------------------------------------------------------


def rotate(quaternion: Float[Tensor, "... 4"], points: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """Turn points by unit quaternions w x y z; the leading axes broadcast."""
    w, axis = quaternion[..., :1], quaternion[..., 1:].expand_as(points)
    twice = 2 * torch.linalg.cross(axis, points)
    return points + w * twice + torch.linalg.cross(axis, twice)


def quaternion_to_matrix(quaternion: Float[Tensor, "... 4"]) -> Float[Tensor, "... 3 3"]:
    """Rotation matrices, acting on column vectors, of unit quaternions w x y z."""
    axes = torch.eye(3, dtype=quaternion.dtype, device=quaternion.device).expand(*quaternion.shape[:-1], 3, 3)
    return rotate(quaternion[..., None, :], axes).mT


def euler_to_matrix(degrees: Float[Tensor, "... n"], order: Sequence[str]) -> Float[Tensor, "... 3 3"]:
    """Rotation about named axes, multiplied in the order given: "ZXY" is R_z(d_0) R_x(d_1) R_y(d_2), in **degrees**.

    That is the order of BVH channels and of Human3.6M's D3_Angles. ASF's `axis X Y Z` turns about x first, in fixed
    axes: give its angles back to front with "ZYX". Any number of axes, one angle each.

    Raises:
        InputError: another axis than X, Y or Z, or not one angle for each.
    """
    if not set(order) <= set("XYZ") or len(order) != degrees.shape[-1] or not len(order):
        problem = f"order {order!r} for {degrees.shape[-1]} angles; expected one of X, Y and Z for every angle"
        raise InputError(problem, where="Euler angles")
    turns = []
    for name, half in zip(order, (torch.deg2rad(degrees) / 2).unbind(-1), strict=True):
        quaternion = torch.zeros(*half.shape, 4, dtype=half.dtype, device=half.device)
        quaternion[..., 0], quaternion[..., 1 + "XYZ".index(name)] = half.cos(), half.sin()
        turns.append(quaternion_to_matrix(quaternion))
    return reduce(torch.matmul, turns)


def about(axis: int, angle: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    """Rotation matrices about x (0), y (1) or z (2), radians, counter-clockwise as seen from the axis' tip."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = torch.eye(3, dtype=angle.dtype, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first] = angle.sin()
    matrix[:, first, second] = -angle.sin()
    return matrix


# Size ----------------------------------------------------------------------------------------------------------------


def body_scale(
    pose: Shaped[Points, "*b j d"], seen: Shaped[Points, "*b j"]
) -> tuple[Shaped[Points, "*b d"], Shaped[Points, "*b"]]:
    """Mean of the seen joints, and the root of their mean squared distance from it: a third of an upright height.

    NumPy or torch, 2D or 3D. Zeros where no joint is seen; 0 where all seen joints coincide: a caller that divides by
    it takes a least value.
    """
    weight, count = seen[..., None], seen.sum(-1)[..., None].clip(1)
    centre = (pose * weight).sum(-2) / count
    squares = (((pose - centre[..., None, :]) * weight) ** 2).sum((-2, -1)) / count[..., 0]
    return cast("tuple[Points, Points]", (centre, squares**0.5))


# Alignment -----------------------------------------------------------------------------------------------------------


def procrustes(pred: Float[Tensor, "... j 3"], target: Float[Tensor, "... j 3"]) -> Float[Tensor, "... j 3"]:
    """Predictions moved onto their targets by the best rotation, scale and translation, without reflection.

    Least squares per pose (Umeyama 1991). Degenerate poses have an answer too: where all predicted joints, or all
    true ones, coincide, the result is the target's mean. Non-finite coordinates raise torch's LinAlgError.
    """
    centre = target.mean(-2, keepdim=True)
    p, q = pred - pred.mean(-2, keepdim=True), target - centre
    u, singular, vt = torch.linalg.svd(p.mT @ q)
    # The smallest direction is turned round wherever the best orthogonal map would be a reflection.
    sign = torch.ones_like(singular)
    sign[..., 2] = torch.where(torch.linalg.det(u @ vt) < 0, -1.0, 1.0)
    spread = p.square().sum((-2, -1)).clamp(min=torch.finfo(p.dtype).tiny)
    scale = (singular * sign).sum(-1) / spread
    return scale[..., None, None] * (p @ (u * sign[..., None, :]) @ vt) + centre
