"""Heatmaps of joints, and the crops of people that they are made from: the single-frame part of pose estimation.

Any backbone that gives a map for each joint of a person's crop (HRNet's are 96 x 72 for crops of 384 x 288, height x
width) takes the place of detected joints: `poses` turns its maps into poses in the image. Torch, batched over leading
axes; points are (x, y), sizes are (height, width).

**Pixels.** A point with whole coordinates is the centre of a pixel: the first pixel of an image, crop or map is at
(0, 0) and covers -0.5 to 0.5. A box's edges are places in these coordinates. A box extended to the crop's shape is
the crop exactly, from -0.5 to width - 0.5, and its centre falls on ((width - 1) / 2, (height - 1) / 2). Pixel i of a
map covers `stride` pixels of the crop and lies in their middle, at crop pixel i * stride + (stride - 1) / 2.

Weights trained with HRNet's own code or with MMPose put pixel i of a map at crop pixel i * stride instead: give
`first=0` for them, or all their joints come out (stride - 1) / 2 crop pixels too far right and down.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from stgraph.errors import InputError

CROP_SIZE = (384, 288)
MARGIN = 1.25  # HRNet's
# Share of a map's maximum below which logarithms are clipped, as in DARK.
LEAST_SHARE = 1e-10


def encode(
    joints: Float[Tensor, "... j 2"], seen: Bool[Tensor, "... j"], size: tuple[int, int], sigma: float = 3.0
) -> Float[Tensor, "... j h w"]:
    """Target maps exp(-|p - l|^2 / sigma^2) of joints l at pixels p (Yang et al. 2021; without the usual factor 2).

    Args:
        joints: x and y in pixels of the map, anywhere between pixels or outside.
        seen: the map of an unseen joint is zero, whatever its coordinates are.
        size: of the maps, height and width.
        sigma: in pixels of the map.
    """
    places = torch.where(seen[..., None], joints, 0)[..., None]
    # The exponential of a sum is a product: one for each column and row, instead of one for each pixel.
    across, down = (
        torch.exp(
            -(((torch.arange(count, dtype=joints.dtype, device=joints.device) - places[..., axis, :]) / sigma) ** 2)
        )
        for axis, count in ((0, size[1]), (1, size[0]))
    )
    return down[..., :, None] * across[..., None, :] * seen[..., None, None]


def heatmap_loss(
    pred: Float[Tensor, "... j h w"], target: Float[Tensor, "... j h w"], seen: Bool[Tensor, "... j"]
) -> Float[Tensor, ""]:
    """Mean squared error over all pixels of all maps; the error of unseen joints is 0.

    As published: unseen joints have weight 0 and stay in the count (HRNet's code also halves it).
    """
    return torch.where(seen[..., None, None], pred - target, 0).square().mean()


def smooth(heatmaps: Float[Tensor, "... j h w"], sigma: float) -> Float[Tensor, "... j h w"]:
    """Convolved with a Gaussian exp(-d^2 / (2 sigma^2)), sigma in pixels; maps are zero outside."""
    radius = int(3 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=heatmaps.dtype, device=heatmaps.device)
    kernel = torch.softmax(-0.5 * (offsets / sigma) ** 2, 0)
    maps = heatmaps.reshape(-1, 1, *heatmaps.shape[-2:])
    maps = F.conv2d(maps, kernel[None, None, :, None], padding=(radius, 0))
    return F.conv2d(maps, kernel[None, None, None, :], padding=(0, radius)).reshape(heatmaps.shape)


def _quarter(around: Float[Tensor, "... 3 3"], centre: Float[Tensor, "... 2"], peak: Float[Tensor, "... 2"]) -> Tensor:
    """The peak moved by a quarter of a pixel towards its higher neighbour along each axis; unchanged at the edge."""
    slope = torch.stack([around[..., 1, 2] - around[..., 1, 0], around[..., 2, 1] - around[..., 0, 1]], -1)
    return peak + torch.where((centre == peak).all(-1, keepdim=True), slope.sign() / 4, 0)


def _taylor(around: Float[Tensor, "... 3 3"], centre: Float[Tensor, "... 2"], peak: Float[Tensor, "... 2"]) -> Tensor:
    """Maximum of the parabola through the logarithms around `centre`, within a pixel of the peak; else the peak.

    The logarithm of a Gaussian is the same parabola around any pixel, so a peak on a map's edge uses the neighbours of
    the next pixel inwards.
    """
    log = around.clamp(min=LEAST_SHARE).log()
    x = (log[..., 1, 2] - log[..., 1, 0]) / 2
    y = (log[..., 2, 1] - log[..., 0, 1]) / 2
    xx = log[..., 1, 2] - 2 * log[..., 1, 1] + log[..., 1, 0]
    yy = log[..., 2, 1] - 2 * log[..., 1, 1] + log[..., 0, 1]
    xy = (log[..., 2, 2] - log[..., 2, 0] - log[..., 0, 2] + log[..., 0, 0]) / 4
    determinant = xx * yy - xy**2
    concave = (xx < 0) & (determinant > 0)
    step = torch.stack([xy * y - yy * x, xy * x - xx * y], -1) / torch.where(concave, determinant, 1)[..., None]
    return torch.where(concave[..., None], peak + (centre + step - peak).clamp(-1, 1), peak)


REFINEMENTS: dict[str, Callable | None] = {"none": None, "quarter": _quarter, "taylor": _taylor}


def decode(
    heatmaps: Float[Tensor, "... j h w"], subpixel: str = "taylor", blur: float = 0.0
) -> Float[Tensor, "... j 3"]:
    """Position of each map's maximum, x and y in pixels of the map, and its confidence: the maximum.

    A map without a positive value gives zeros. Half-precision maps give float32.

    Args:
        heatmaps: positive around the joint; need not be probabilities.
        subpixel: "taylor": second-order step on the logarithm (DARK, Zhang et al. 2020), for maps that look like
            Gaussians, as of networks trained on `encode`; exact for a Gaussian, also at the map's edge. "quarter": a
            quarter of a pixel towards the higher neighbour, as in HRNet's published numbers. "none": the pixel itself,
            as in Yang et al. (2021); off by up to half a pixel along each axis, two pixels of the crop at stride 4.
        blur: sigma in pixels of a Gaussian that smooths the maps before the maximum is searched (the confidence is
            that of the unsmoothed map); 0: none. Use DARK's 2 for a network's maps, whose noise moves the maximum. It
            moves joints near a map's edge inwards and takes ten times as long.

    Raises:
        InputError: unknown refinement, or maps smaller than 3 x 3 to refine.
    """
    if subpixel not in REFINEMENTS:
        raise InputError(where="subpixel", found=repr(subpixel), expected=f"one of {', '.join(REFINEMENTS)}")
    height, width = heatmaps.shape[-2:]
    refine = REFINEMENTS[subpixel]
    if refine and min(height, width) < 3:
        expected = f"3 x 3 or more for subpixel {subpixel!r}, which uses the neighbours of the maximum"
        remedy = 'give subpixel "none" or larger maps'
        raise InputError(where="heatmaps", found=f"{height} x {width}", expected=expected, remedy=remedy)
    maps = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32))
    confidence = maps.flatten(-2).amax(-1)
    smoothed = smooth(maps, blur).flatten(-2) if blur else maps.flatten(-2)
    pixel = smoothed.argmax(-1)
    peak = torch.stack([pixel % width, pixel // width], -1)
    place = peak.to(maps.dtype)
    if refine:
        limit = torch.tensor([width - 2, height - 2], device=maps.device)
        centre = peak.clamp(min=1).minimum(limit)
        near = torch.arange(-1, 2, device=maps.device)
        index = (centre[..., 1, None, None] + near[:, None]) * width + centre[..., 0, None, None] + near
        around = smoothed.gather(-1, index.flatten(-2)) / smoothed.gather(-1, pixel[..., None])
        place = refine(around.unflatten(-1, (3, 3)), centre.to(maps.dtype), place)
    whole = torch.cat([place, confidence[..., None]], -1)
    return torch.where(confidence[..., None] > 0, whole, 0)  # NaN is not above zero


def crop_transform(
    box: Float[Tensor, "... 4"],
    crop_size: tuple[int, int] = CROP_SIZE,
    margin: float = MARGIN,
    rotation: float | Float[Tensor, "..."] = 0.0,
) -> Float[Tensor, "... 2 3"]:
    """The map from pixels of the image to those of a person's crop: crop = matrix @ (x, y, 1).

    The box is extended about its centre to the crop's aspect ratio, then by the margin, which distorts nothing.
    Always float64: at thousands of pixels, float32 does not resolve fractions of one.

    Args:
        box: left, top, right, bottom in pixels of the image. One of its sides may be 0.
        crop_size: height and width.
        margin: factor of the extended box's sides.
        rotation: of the crop's content about the box's centre, degrees clockwise.

    Raises:
        InputError: a box that is empty, reversed or not finite.
    """
    corners = box.double()
    sides = corners[..., 2:] - corners[..., :2]
    good = corners.isfinite().all(-1) & (sides >= 0).all(-1) & (sides > 0).any(-1)
    if not good.all():
        place = (~good).nonzero()[0].tolist()
        raise InputError(
            where=f"box{f' {place}' if place else ''}",
            found=f"{corners[tuple(place)].tolist()}",
            expected="left <= right and top <= bottom in pixels, and not both equal",
            remedy="leave out people without a box, or use a box around their joints",
        )
    height, width = crop_size
    extended = torch.maximum(sides[..., 0], sides[..., 1] * (width / height)) * margin
    angle = torch.deg2rad(torch.as_tensor(rotation, dtype=torch.float64, device=box.device)).expand(extended.shape)
    cos, sin = angle.cos() * width / extended, angle.sin() * width / extended
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    centre = (corners[..., :2] + corners[..., 2:]) / 2
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64, device=box.device)
    return torch.cat([turn, (middle - (turn @ centre[..., None]).squeeze(-1))[..., None]], -1)


def heatmap_transform(
    matrix: Float[Tensor, "... 2 3"], stride: float = 4.0, first: float | None = None
) -> Float[Tensor, "... 2 3"]:
    """The map from pixels of the image to those of a heatmap, from the map to pixels of the crop.

    Args:
        matrix: of `crop_transform`.
        stride: pixels of the crop to one of the heatmap.
        first: crop pixel, in x and y, of the heatmap's pixel 0; None: (stride - 1) / 2.
    """
    first = (stride - 1) / 2 if first is None else first
    return (matrix - first * matrix.new_tensor([0.0, 0.0, 1.0])) / stride


def invert(matrix: Float[Tensor, "... 2 3"]) -> Float[Tensor, "... 2 3"]:
    """The inverse affine map."""
    back = torch.linalg.inv(matrix[..., :2])
    return torch.cat([back, -back @ matrix[..., 2:]], -1)


def apply(matrix: Float[Tensor, "... 2 3"], points: Float[Tensor, "... j 2"]) -> Float[Tensor, "... j 2"]:
    """Points mapped by one matrix per set, in the matrix's precision, and returned in the points' precision."""
    mapped = points.to(matrix.dtype) @ matrix[..., :2].mT + matrix[..., None, :, 2]
    return mapped.to(points.dtype)


def crop(
    image: Shaped[Tensor, "c h w"], matrix: Float[Tensor, "... 2 3"], crop_size: tuple[int, int] = CROP_SIZE
) -> Float[Tensor, "... c height width"]:
    """The crops of an image, sampled bilinearly; zero outside the image.

    A crop with fewer pixels than its box is not averaged and may alias, as in HRNet.

    Args:
        image: of any type; the crops are float32, or float64 for a float64 image.
        matrix: image to crop, one per crop (`crop_transform`).
        crop_size: height and width.
    """
    image = image.to(torch.promote_types(image.dtype, torch.float32))
    down, across = (torch.arange(count, dtype=matrix.dtype, device=matrix.device) for count in crop_size)
    pixels = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1).flatten(0, 1)
    places = apply(invert(matrix), pixels).reshape(-1, *crop_size, 2)
    # grid_sample's -1 and 1 are the outer edges of the outermost pixels (align_corners=False).
    grid = (2 * places + 1) / places.new_tensor([image.shape[2], image.shape[1]]) - 1
    crops = F.grid_sample(image.expand(len(grid), -1, -1, -1), grid.to(image.dtype), align_corners=False)
    return crops.reshape(*matrix.shape[:-2], *crops.shape[1:])


def poses(
    heatmaps: Float[Tensor, "n j h w"],
    box: Float[Tensor, "n 4"],
    crop_size: tuple[int, int] = CROP_SIZE,
    *,
    margin: float = MARGIN,
    rotation: float | Float[Tensor, " n"] = 0.0,
    subpixel: str = "taylor",
    blur: float = 0.0,
    first: float | None = None,
) -> Float[Tensor, "n j 3"]:
    """Poses in pixels of the image, x, y and confidence, from the maps of people's crops and the crops' boxes.

    Args as in `crop_transform`, which made the crops, `decode` and `heatmap_transform`. A joint of confidence 0 is at
    (0, 0).

    Raises:
        InputError: as those functions, or maps whose shape is not the crop's.
    """
    height, width = heatmaps.shape[-2:]
    if crop_size[0] * width != crop_size[1] * height:
        raise InputError(
            where=f"heatmaps of {height} x {width} for crops of {crop_size[0]} x {crop_size[1]} (height x width)",
            expected="the same stride in both",
            remedy="give the size of the crops that the maps were made from",
        )
    decoded = decode(heatmaps, subpixel, blur)
    to_map = heatmap_transform(crop_transform(box, crop_size, margin, rotation), crop_size[0] / height, first)
    places, confidence = apply(invert(to_map), decoded[..., :2]), decoded[..., 2:]
    return torch.cat([torch.where(confidence > 0, places, 0), confidence], -1)
