"""From poses as they lie in a file to what a recogniser is fed: normalised, augmented, as joints, bones or motion."""

import math
from typing import TYPE_CHECKING

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.geometry import screen_normalise
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.settings import ClipSettings

if TYPE_CHECKING:
    from stgraph.tasks.action.samples import Sample

Poses = Float[Tensor, "p t j d"]
Confidence = Float[Tensor, "p t j _"]  # one channel, or none of 3D
Seen = Bool[Tensor, "p t j"]
Size = int | torch.SymInt  # the latter while a file is exported
# ST-GCN's move for Kinetics: between nodes along the clip, each with an angle, a scale and a shift of its own.
MOVE_ANGLES, MOVE_SCALES = (-10.0, -5.0, 0.0, 5.0, 10.0), (0.9, 1.0, 1.1)  # degrees
MOVE_SHIFTS = (-0.2, -0.1, 0.0, 0.1, 0.2)


class Preparation:
    """Turns samples of clips into the model's input.

    Args:
        skeleton: of the input.
        settings: normalisation, augmentation and stream.
        training: augment, by torch's generator.

    Raises:
        InputError: normalisation "body" of 3D needs shoulders and hips, and flipping sides, that the skeleton lacks.
    """

    def __init__(self, skeleton: Skeleton, settings: ClipSettings, training: bool) -> None:
        self.skeleton, self.settings, self.training = skeleton, settings, training
        self.flat = settings.detector is not None
        self.halves = 1 + settings.moves
        if training and settings.flip and not skeleton.left:
            raise InputError(
                f"data.flip: skeleton {skeleton.name!r} names no left and right joints to swap; name them (`left`, "
                "`right`), or set data.flip=false"
            )
        if settings.normalise == "body" and not self.flat:
            self.girdles = [paired(skeleton, part) for part in ("shoulder", "hip")]

    def __call__(self, sample: "Sample") -> Float[Tensor, "p c t j"]:
        """The input of every person; zero where a joint is not seen."""
        pose, seen = sample.pose, sample.seen
        place, confidence = (pose[..., :2], pose[..., 2:]) if self.flat else (pose, pose[..., :0])
        place = self.normalised(place, seen, sample)
        if self.training:
            place, confidence, seen = self.augmented(place, confidence, seen, sample)
        place = torch.where(seen[..., None], place, 0)
        x = place if not self.settings.confidence else torch.cat([place, confidence], dim=-1)
        return rearrange(self.stream(x, seen), "p t j c -> p c t j").contiguous()

    # Normalisation ----------------------------------------------------------------------------------------------------

    def normalised(self, place: Poses, seen: Seen, sample: "Sample") -> Poses:
        """Positions as the setting `normalise` says; see `ClipSettings`."""
        size = sample.size[sample.clip].to(place)[:, None, None]
        match self.settings.normalise:
            case "image":
                return place / size - 0.5
            case "screen":
                return screen_normalise(place, size[..., 0], size[..., 1])
            case "camera":
                return place
            case "kinect":
                return place * place.new_tensor([-1, -1, 1])
        return self.centred(place, seen, sample)

    def centred(self, place: Poses, seen: Seen, sample: "Sample") -> Poses:
        """The clip's first person who is seen, when first seen, at the origin; then turned, or divided by a size.

        The origin is the root; where that is never seen, the middle of the joints that are. In 2D the size is the
        spread of that person's joints, or the image's, where there is none.
        """
        clips, root = sample.size.shape[0], self.skeleton.root
        lead = first_of(sample.clip, seen.flatten(1).any(1), clips)
        place0, seen0, clip = place[lead], seen[lead], torch.arange(clips, device=lead.device)
        frame = torch.where(seen0[:, :, root].any(1), first(seen0[:, :, root]), first(seen0.any(2)))
        pose, there = place0[clip, frame], seen0[clip, frame]
        origin = torch.where(there[:, root, None], pose[:, root], middle(pose, there))
        if not self.flat:
            whole = seen0.all(dim=2)
            frame = first(whole)
            turn = self.upright(place0[clip, frame], whole[clip, frame])
            return einsum(turn[sample.clip], place - origin[sample.clip, None, None], "p c d, p t j d -> p t j c")
        size = sample.size.amax(1).to(place).clamp_min(1)
        spreads = spread(place0, seen0)
        scale = torch.where(spreads > 1e-3 * size, spreads, size)
        return (place - origin[sample.clip, None, None]) / scale[sample.clip, None, None, None]

    def upright(self, pose: Float[Tensor, "b j 3"], whole: Bool[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
        """Rotation that turns hips-to-shoulders to z and the left-to-right shoulders to the x-z plane's x.

        Where a pose is not whole or its shoulders and spine give no plane, x, y, z become x, z, -y: z is up.
        """
        shoulders, hips = ([pose[:, list(side)].mean(1) for side in part] for part in self.girdles)
        up = F.normalize((shoulders[0] + shoulders[1]) - (hips[0] + hips[1]), dim=-1)
        side = shoulders[1] - shoulders[0]
        side = side - (side * up).sum(-1, keepdim=True) * up
        plain = pose.new_tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        fine = whole & (side.norm(dim=-1) > 1e-3) & (up.norm(dim=-1) > 0.5)
        side = F.normalize(side, dim=-1)
        turn = torch.stack([side, torch.linalg.cross(up, side), up], dim=1)
        return torch.where(fine[:, None, None], turn, plain)

    # Augmentation -----------------------------------------------------------------------------------------------------

    def augmented(
        self, place: Poses, confidence: Confidence, seen: Seen, sample: "Sample"
    ) -> tuple[Poses, Confidence, Seen]:
        """Every clip changed by draws of its own, all its persons alike."""
        settings, clips, clip, dims = self.settings, len(sample.size), sample.clip, place.shape[-1]

        def drawn(*shape: int) -> Tensor:
            """From -1 to 1."""
            return (2 * torch.rand(clips, *shape) - 1).to(place)

        if settings.flip:
            twin = (torch.rand(clips) < 0.5).to(clip.device)[clip]
            order = torch.from_numpy(self.skeleton.mirror).to(clip.device)
            side = place.new_ones(dims)
            side[0] = -1
            place = torch.where(twin[:, None, None, None], place[:, :, order] * side, place)
            confidence = torch.where(twin[:, None, None, None], confidence[:, :, order], confidence)
            seen = torch.where(twin[:, None, None], seen[:, :, order], seen)
        if settings.rotate:
            angle = math.radians(settings.rotate) * drawn(1 if self.flat else 3)
            place = einsum(rotation(angle)[clip], place, "p c d, p t j d -> p t j c")
        if settings.scale:
            place = place * (1 + settings.scale * drawn(dims))[clip, None, None]
        if settings.shift:
            place = place + settings.shift * drawn(dims)[clip, None, None]
        if settings.move:
            matrix, shift = moves(clips, place.shape[1])
            place = (
                einsum(matrix.to(place)[clip], place, "p t c d, p t j d -> p t j c") + shift.to(place)[clip][:, :, None]
            )
        return place, confidence, seen

    # Streams ----------------------------------------------------------------------------------------------------------

    def stream(self, x: Poses, seen: Seen) -> Float[Tensor, "p s j d"]:
        """Joints, bones (a joint less its parent; none of the root), or their change until the file's next frame.

        A confidence becomes the mean of the two; where one of them was not seen, all is zero. For a change, the frames
        after all others lie behind them.
        """
        if self.settings.stream.startswith("bone"):
            parents = self.skeleton.parents
            parent = torch.tensor([own if up < 0 else up for own, up in enumerate(parents)], device=x.device)
            x, seen = self.difference(x, x[:, :, parent], seen & seen[:, :, parent])
        if self.settings.moves:
            (now, after), (seen_now, seen_after) = x.chunk(2, dim=1), seen.chunk(2, dim=1)
            x, _ = self.difference(after, now, seen_now & seen_after)
        return x

    def difference(self, a: Poses, b: Poses, both: Seen) -> tuple[Poses, Seen]:
        """a - b, and the mean of the confidences."""
        confident = self.settings.confidence
        change = a - b
        if confident:
            change = torch.cat([change[..., :2], (a[..., 2:] + b[..., 2:]) / 2], dim=-1)
        return torch.where(both[..., None], change, 0), both


def paired(skeleton: Skeleton, part: str) -> tuple[list[int], list[int]]:
    """Left and right joints whose names have this part in them. Raises InputError where there is none."""
    pairs = [(a, b) for a, b in zip(skeleton.left, skeleton.right, strict=True) if part in skeleton.names[a].lower()]
    if not pairs:
        raise InputError(
            f'data.normalise: "body" turns 3D poses by their shoulders and hips; skeleton {skeleton.name!r} has no '
            f'left and right joint with "{part}" in its name ({", ".join(skeleton.names)}); use "camera"'
        )
    return tuple(map(list, zip(*pairs, strict=True)))


def first(true: Bool[Tensor, "b t"]) -> Int[Tensor, " b"]:
    """Where each row is first true; 0 where it never is."""
    return true.int().argmax(dim=1)


def first_of(clip: Int[Tensor, " p"], seen: Bool[Tensor, " p"], clips: Size) -> Int[Tensor, " b"]:
    """Each clip's first person who is seen, or else its first."""
    # An exported file counts its persons when it runs: no len(), which would keep those of today.
    persons = clip.shape[0]
    order = torch.arange(persons, device=clip.device)
    place = torch.where(seen, order, order + persons)
    least = torch.full((clips,), 2 * persons - 1, device=clip.device).scatter_reduce(0, clip, place, "amin")
    return order.repeat(2)[least]


def middle(place: Float[Tensor, "... j d"], seen: Bool[Tensor, "... j"]) -> Float[Tensor, "... d"]:
    """Of the joints that are seen; zero where none is."""
    return (place * seen[..., None]).sum(-2) / seen.sum(-1).clamp_min(1)[..., None]


def spread(place: Float[Tensor, "b t j d"], seen: Bool[Tensor, "b t j"]) -> Float[Tensor, " b"]:
    """Size of a body: root mean square distance of its joints from their middle, mean over frames with two or more."""
    count = seen.sum(2)
    square = ((place - middle(place, seen)[:, :, None]).square().sum(-1) * seen).sum(2) / count.clamp_min(1)
    told = count > 1
    return (square.sqrt() * told).sum(1) / told.sum(1).clamp_min(1)


def rotation(angle: Float[Tensor, "b a"]) -> Float[Tensor, "b d d"]:
    """Rotation matrices: of the plane for one angle, about x, then y, then z for three."""
    cos, sin = angle.cos(), angle.sin()
    if angle.shape[1] == 1:
        return torch.stack([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)], dim=1)
    turns = []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3).to(angle).repeat(len(angle), 1, 1)
        turn[:, a, a] = turn[:, b, b] = cos[:, axis]
        turn[:, a, b], turn[:, b, a] = -sin[:, axis], sin[:, axis]
        turns.append(turn)
    return turns[2] @ turns[1] @ turns[0]


def moves(clips: int, frames: int) -> tuple[Float[Tensor, "b t 2 2"], Float[Tensor, "b t 2"]]:
    """ST-GCN's random move: angle, scale and shift drawn at the clip's ends, linear between them."""

    def path(values: tuple[float, ...]) -> Float[Tensor, "b t"]:
        ends = torch.tensor(values)[torch.randint(len(values), (clips, 2))].float()
        return ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * torch.linspace(0, 1, frames)

    angle, scale = torch.deg2rad(path(MOVE_ANGLES)), path(MOVE_SCALES)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], dim=-2)
    return matrix, torch.stack([path(MOVE_SHIFTS), path(MOVE_SHIFTS)], dim=-1)
