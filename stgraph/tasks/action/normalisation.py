"""Position and scale of a clip's people in the model's input: the setting `normalise`."""

from typing import cast

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.geometry import body_scale, screen_normalise
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.settings import ClipSettings

KINECT = (-1, -1, 1)  # x left, y up, z forward, of camera space
SPINE, SHOULDERS = ("SpineBase", "SpineMid"), ("LShoulder", "RShoulder")
CERTAIN = 0.01  # confidence that a joint has at least
Poses = Float[Tensor, "p t j d"]
Size = int | torch.SymInt | Tensor  # the latter two while a file is exported, and in a trace


class Normalisation:
    """Normalises the positions of joints, as `ClipSettings.normalise` says.

    Raises:
        InputError: "body" of 3D needs shoulders and hips, which the skeleton lacks.
    """

    def __init__(self, skeleton: Skeleton, settings: ClipSettings) -> None:
        self.skeleton, self.settings = skeleton, settings
        self.in_3d = settings.detector is None
        self.pyskl = settings.normalise == "pyskl"
        if settings.by_opening:
            if missing := [name for name in (*SPINE, *SHOULDERS) if name not in skeleton.names]:
                raise InputError(
                    f'"pyskl" turns 3D poses by NTU\'s joints; skeleton {skeleton.name!r} has no {", ".join(missing)}',
                    where="data.normalise",
                    remedy='use "body"',
                )
            self.spine, self.across = ([skeleton.index(name) for name in pair] for pair in (SPINE, SHOULDERS))
        if settings.normalise == "body" and self.in_3d:
            self.shoulders, self.hips = paired(skeleton, "shoulder"), paired(skeleton, "hip")

    def __call__(self, place: Poses, sample: Sample) -> Poses:
        """Positions x, y in pixels or x, y, z in metres -> in the input's unit."""
        size = sample.size[sample.clip].to(place)[:, None, None]
        match self.settings.normalise:
            case "image":
                return place / size - 0.5
            case "screen":
                return screen_normalise(place, size[..., 0], size[..., 1])
            case "camera":
                return place
            case "kinect":
                return place * place.new_tensor(KINECT)
            case "pyskl":
                return self.aligned(place, sample) if self.in_3d else 2 * place / size - 1
        return self.centred(place, sample)

    def shown(self, sample: Sample) -> Bool[Tensor, "p t j"]:
        """The joints whose positions go in: those seen, and as pyskl has it certain and not at the origin."""
        if not self.pyskl:
            return sample.seen
        return sample.seen & (sample.pose.any(-1) if self.in_3d else sample.pose[..., 2] > CERTAIN)

    def aligned(self, place: Poses, sample: Sample) -> Poses:
        """pyskl's form: the first person's middle of the spine at the origin, where the clip first shows it.

        All is turned, in Kinect's axes, by the smallest turn of that pose's spine to z, then by the smallest turn of
        its shoulders, left to right, to x.
        """
        seen, clips = sample.seen, sample.size.shape[0]
        first = opening(place, seen, sample.clip, clips) if sample.first is None else sample.first
        axes = place.new_tensor(KINECT)
        first = first.to(place) * axes
        (bottom, top), (left, right) = self.spine, self.across
        spine = smallest_turn(first[:, top] - first[:, bottom], place.new_tensor([0.0, 0, 1]))
        shoulders = einsum(spine, first[:, right] - first[:, left], "b c d, b d -> b c")
        turn = smallest_turn(shoulders, place.new_tensor([1.0, 0, 0])) @ spine
        moved = place * axes - first[sample.clip, None, None, top]
        return einsum(turn[sample.clip], moved, "p c d, p t j d -> p t j c")

    def centred(self, place: Poses, sample: Sample) -> Poses:
        """The clip's first visible person, when first seen, at the origin; then turned, or divided by a size.

        The origin is the root, or the mean of the seen joints where it is never seen. In 2D the size is the spread of
        that person's joints, or the image's size where the spread is 0.
        """
        clips, seen, root = sample.size.shape[0], sample.seen, self.skeleton.root
        lead = first_of(sample.clip, seen.flatten(1).any(1), clips)
        lead_place, lead_seen, clip = place[lead], seen[lead], torch.arange(clips, device=lead.device)
        frame = torch.where(lead_seen[:, :, root].any(1), first(lead_seen[:, :, root]), first(lead_seen.any(2)))
        pose, visible = lead_place[clip, frame], lead_seen[clip, frame]
        origin = torch.where(visible[:, root, None], pose[:, root], body_scale(pose, visible)[0])
        if self.in_3d:
            trunk = [joint for pair in (*self.shoulders, *self.hips) for joint in pair]
            whole = lead_seen[:, :, trunk].all(dim=2)
            frame = first(whole)
            turn = self.upright(lead_place[clip, frame], whole[clip, frame])
            return einsum(turn[sample.clip], place - origin[sample.clip, None, None], "p c d, p t j d -> p t j c")
        image = sample.size.amax(1).to(place).clamp_min(1)
        body = spread(lead_place, lead_seen)
        scale = torch.where(body > 1e-3 * image, body, image)
        return (place - origin[sample.clip, None, None]) / scale[sample.clip, None, None, None]

    def upright(self, pose: Float[Tensor, "b j 3"], whole: Bool[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
        """Rotation that turns hips-to-shoulders to z and the left-to-right shoulders to the x-z plane's x.

        Where a pose lacks one of these (`whole` is False), or its shoulders and spine give no plane, x, y, z become
        x, z, -y: z is up.
        """
        shoulders, hips = ([pose[:, side].mean(1) for side in pair] for pair in (self.shoulders, self.hips))
        up = F.normalize((shoulders[0] + shoulders[1]) - (hips[0] + hips[1]), dim=-1)
        side = shoulders[1] - shoulders[0]
        side = side - (side * up).sum(-1, keepdim=True) * up
        default = pose.new_tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        defined = whole & (side.norm(dim=-1) > 1e-3) & (up.norm(dim=-1) > 0.5)
        side = F.normalize(side, dim=-1)
        turn = torch.stack([side, torch.linalg.cross(up, side), up], dim=1)
        return torch.where(defined[:, None, None], turn, default)


def opening(place: Poses, seen: Bool[Tensor, "p t j"], clip: Int[Tensor, " p"], clips: Size) -> Float[Tensor, "b j d"]:
    """Each clip's first visible person, in the frame where it is first seen."""
    lead = first_of(clip, seen.flatten(1).any(1), clips)
    frame = first(seen[lead].any(2))
    return place[lead, frame]


def smallest_turn(vector: Float[Tensor, "b 3"], axis: Float[Tensor, " 3"]) -> Float[Tensor, "b 3 3"]:
    """Rotation about vector x axis that turns a vector to an axis; none where the two are parallel or it is zero.

    I + [v]x + [v]x^2 / (1 + c), v = u x axis and c = u . axis with u the vector's direction (Rodrigues).
    """
    unit = F.normalize(vector, dim=-1)
    normal, cosine = torch.linalg.cross(unit, axis.expand_as(unit)), unit @ axis
    zero, (x, y, z) = torch.zeros_like(cosine), normal.unbind(-1)
    rows = [torch.stack(row, dim=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    skew, itself = torch.stack(rows, dim=-2), torch.eye(3, dtype=vector.dtype, device=vector.device)
    turn = itself + skew + skew @ skew / (1 + cosine).clamp_min(1e-12)[:, None, None]
    defined = normal.abs().sum(-1) > 1e-6
    return torch.where(defined[:, None, None], turn, itself)


def paired(skeleton: Skeleton, part: str) -> tuple[list[int], list[int]]:
    """Left and right joints whose names contain a body part. Raises InputError without any."""
    pairs = [(a, b) for a, b in zip(skeleton.left, skeleton.right, strict=True) if part in skeleton.names[a].lower()]
    if not pairs:
        raise InputError(
            f'"body" turns 3D poses by their shoulders and hips; skeleton {skeleton.name!r} has no left and right '
            f'joint with "{part}" in its name ({", ".join(skeleton.names)})',
            where="data.normalise",
            remedy='use "camera"',
        )
    return [a for a, _ in pairs], [b for _, b in pairs]


def first(true: Bool[Tensor, "b t"]) -> Int[Tensor, " b"]:
    """Where each row is first true; 0 where it never is."""
    return true.int().argmax(dim=1)


def first_of(clip: Int[Tensor, " p"], seen: Bool[Tensor, " p"], clips: Size) -> Int[Tensor, " b"]:
    """Each clip's first visible person, or else its first."""
    # An exported file counts its persons when it runs: no len(), which would keep those of today.
    persons = clip.shape[0]
    order = torch.arange(persons, device=clip.device)
    place = torch.where(seen, order, order + persons)
    count = cast(int, clips)
    least = torch.full((count,), 2 * persons - 1, device=clip.device).scatter_reduce(0, clip, place, "amin")
    return order.repeat(2)[least]


def spread(place: Float[Tensor, "b t j d"], seen: Bool[Tensor, "b t j"]) -> Float[Tensor, " b"]:
    """`body_scale`, averaged over frames with two visible joints or more; zero where there is none."""
    several = seen.sum(2) > 1
    return (body_scale(place, seen)[1] * several).sum(1) / several.sum(1).clamp_min(1)
