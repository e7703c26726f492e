"""PoseMixer: a lifter of whole poses over time, in a canonical view, that a mirror does not change."""

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Model, Size, in_full_precision
from stgraph.models.layers.mirror import FromPose, MirrorLinear, MirrorNorm, ToPose, mirror_basis
from stgraph.models.layers.shapes import Motion
from stgraph.models.layers.time_mixing import ALL, TimeMixing
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton

FOCAL = 2.2  # of a camera that is not known, on the normalised screen: 49 degrees across the image
PERSON = 0.55  # metres: `stgraph.geometry.body_scale` of a standing person, which turns apparent size into distance
NEAREST = 40.0  # how much less a frame's view counts than that of a frame one step nearer, in powers of e: not at all
UNSEEN = 1e6  # the same for a frame that shows nothing: more than for any number of steps


class CanonicalView(nn.Module):
    """The canonical view: what a camera sees that has turned to the person and sees every person as large.

    The centre of a frame's seen joints is turned onto the optical axis, and their spread about it is 1. A frame in
    which nothing is seen has the centre and spread of the nearest one in which something is (of the past, if causal).
    """

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(
        self, screen: Float[Tensor, "b t j 2"], seen: Float[Tensor, "b t j"], camera: Float[Tensor, "b 4"]
    ) -> tuple[Float[Tensor, "b t j 2"], Float[Tensor, "b t 3 3"], Float[Tensor, "b t 4"]]:
        """The joints in the canonical view, the rotations into it, and four numbers of the view.

        These are, for every frame: the centre's slopes x and y, the logarithm of the spread and that of the focal
        length.
        """
        known = camera[:, :1] > 0
        focal = torch.where(known, camera[:, :2], FOCAL)[:, None, None]
        slopes = (screen - camera[:, None, None, 2:] * known[:, None, None]) / focal
        count = seen.sum(-1, keepdim=True)
        hold = self.nearest(count[..., 0] > 0).to(seen)
        centre = hold @ ((slopes * seen[..., None]).sum(2) / count.clamp_min(1))
        turn = turn_to(centre)
        rays = F.pad(slopes, (0, 1), value=1.0) @ turn.mT
        flat = rays[..., :2] / rays[..., 2:].clamp_min(0.2) * seen[..., None]
        spread = (hold @ (flat.square().sum(-1).sum(-1, keepdim=True) / count.clamp_min(1))).clamp_min(1e-6).sqrt()
        size = focal[:, 0, :, :1].log().expand(-1, spread.shape[1], -1)
        return flat / spread[..., None], turn, torch.cat([centre, spread.log(), size], dim=-1)

    def nearest(self, some: Tensor) -> Float[Tensor, "b t s"]:
        """Weights of the frames that show something: 1 for the nearest."""
        frame = torch.arange(some.shape[1], device=some.device)
        later = frame - frame[:, None]
        weight = -NEAREST * later.abs().to(torch.float32) - UNSEEN * ~some[:, None]
        if self.causal:
            weight = weight.masked_fill(later > 0, -math.inf)
        return weight.softmax(-1)


def turn_to(slopes: Float[Tensor, "... 2"]) -> Float[Tensor, "... 3 3"]:
    """Rotations that turn the ray (x, y, 1) onto the optical axis: first about y, then about x, so without a roll.

    The mirror's ray has the mirrored rotation.
    """
    x, y = slopes.unbind(-1)
    forward = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = torch.stack([torch.ones_like(x), torch.zeros_like(x), -x], dim=-1)
    right = right / right.norm(dim=-1, keepdim=True)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)


class Block(nn.Module):
    """x + mixing over time of norm(x), then x + W_2 GELU(W_1 norm(x)) of every step."""

    def __init__(self, channels: int, hidden: int, mixing: TimeMixing) -> None:
        super().__init__()
        self.mixing_norm, self.mixing = MirrorNorm(channels), mixing
        self.norm, self.lift = MirrorNorm(channels), MirrorLinear(channels, hidden)
        self.project = MirrorLinear(hidden, channels, gain=0.3)

    def forward(self, x: Float[Tensor, "b t c2"], kept: slice = ALL) -> Float[Tensor, "b s c2"]:
        """(b t c2) -> (b s c2), of all steps or of those that are kept."""
        x = x[:, kept] + self.mixing(self.mixing_norm(x), kept)
        return x + self.project(F.gelu(self.lift(self.norm(x))))


@MODELS.register("posemixer")
class PoseMixer(Model):
    """Whole poses of `patch` frames as one step, mixed over time by learned weights of distance, between two views.

        v, R = canonical view of the screen;  x = W [v, seen, confidence, view] of every patch
        x <- x + mix(norm(x));  x <- x + W_2 GELU(W_1 norm(x))          in every block, its own
        pose = R^T (W norm(x));  root = R^T PERSON e^d (u, v, 1 / spread)

    Every layer commutes with the mirror (`layers.mirror`), so that nothing is learned for left and right twice, and
    averaging with the mirrored input's prediction changes nothing. Frames and joints that are not seen are zeros with
    a zero beside them, anywhere.

    Args:
        skeleton: gives joints, mirror and root.
        in_channels: of the input: 2 for x and y, 3 with the confidence.
        heads: name -> channels of every output. "pose" and "uncertainty" give every joint; any other name one node.
        channels: width, of which the mirror swaps the halves.
        hidden: width inside a block, times `channels`.
        blocks: of mixing and map.
        groups: of channels that are mixed over time by weights of their own; divide half the channels.
        reach: steps before and after a step that a block mixes.
        patch: frames that become one step.
        causal: use no later frames; needs a patch of 1.
    """

    small, small_frames = {"channels": 16, "blocks": 1, "groups": 2, "reach": 2, "patch": 1}, 4

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 384,
        hidden: Size = 2,
        blocks: Size = 4,
        groups: Size = 16,
        reach: Size = 13,
        patch: Size = 3,
        causal: bool = False,
    ) -> None:
        super().__init__()
        half, self.root, self.patch, self.reach = channels // 2, skeleton.root, patch, reach
        self.stepwise = causal
        self.depends_on = blocks * reach if patch == 1 else None
        self.view = CanonicalView(causal)
        input_signs = (-1, *(1,) * in_channels)  # x, y, what else is known, and whether it was seen
        self.input_basis = Basis(skeleton, input_signs)
        self.pose_basis, self.joint_basis = Basis(skeleton, (-1, 1, 1)), Basis(skeleton, (1,))
        self.first = FromPose(patch * (self.input_basis.evens + 3), patch * (self.input_basis.odds + 1), half)
        self.blocks = nn.ModuleList(
            Block(half, hidden * half, TimeMixing(groups, reach, causal)) for _ in range(blocks)
        )
        self.norm = MirrorNorm(half)
        outputs = {"pose": (self.pose_basis.evens + 2, self.pose_basis.odds + 1)}
        outputs["uncertainty"] = (self.joint_basis.evens, self.joint_basis.odds)
        self.widths = {name: outputs.get(name, (width, 0)) for name, width in heads.items()}
        self.heads = nn.ModuleDict(
            {name: ToPose(half, patch * even, patch * odd) for name, (even, odd) in self.widths.items()}
        )

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        problems = []
        if settings["channels"] % (2 * settings["groups"]):
            problems.append(
                f"groups: {settings['groups']} of them do not divide half of {settings['channels']} channels"
            )
        if settings["causal"] and settings["patch"] > 1:
            problems.append(f"patch: a causal model sees frame by frame; give 1, not {settings['patch']}")
        return problems

    def forward(
        self, x: Motion, camera: Float[Tensor, "b 4"] | None = None, *, at: int | None = None, **inputs: Tensor
    ) -> dict[str, Tensor]:
        """Every head's output (b n t j); the root of the pose is its path in camera space.

        Args:
            x: screen-normalised x and y, perhaps the confidence; zeros where a joint was not seen.
            camera: focal length and centre on the normalised screen; zeros (or None) where not known.
            at: the only frame whose outputs are needed, (b n 1 j), for a patch of 1. Every block then computes no more
                than the steps on which they depend.
        """
        frames, x = x.shape[2], rearrange(x, "b c t j -> b t j c")
        if camera is None:
            camera = x.new_zeros(x.shape[0], 4)  # len would fix the batch of an exported file
        x = F.pad(x, (0, 0, 0, 0, 0, self.patch - 1))  # with frames that show nothing, for the last patch
        x = x[:, : x.shape[1] // self.patch * self.patch]
        seen = (x[..., :2] != 0).any(-1).to(x)
        with torch.autocast(x.device.type, enabled=False):
            flat, turn, view = self.view(x[..., :2], seen, camera)
        x = torch.cat([flat, x[..., 2:], seen[..., None]], dim=-1)
        even, odd = self.input_basis.split(x)
        # The view's numbers, in the range of the others: its centre's x is odd.
        even = torch.cat([even, view[..., 1:2] * 3, view[..., 2:3] + 2.5, view[..., 3:] - math.log(FOCAL)], dim=-1)
        odd = torch.cat([odd, view[..., :1] * 3], dim=-1)
        features = self.first(*(rearrange(part, "b (t p) n -> b t (p n)", p=self.patch) for part in (even, odd)))
        shown = slice(frames) if at is None else slice(at, at + 1)
        for number, block in enumerate(self.blocks, start=1):
            kept = ALL
            if at is not None:
                reached = (len(self.blocks) - number) * self.reach
                kept = slice(max(at - reached, 0), at + reached + 1)
                at -= kept.start
            features = block(features, kept)
        features = self.norm(features)
        outputs = {}
        for name, head in self.heads.items():
            evens, odds = self.widths[name]
            parts = in_full_precision(head, features).split([self.patch * evens, self.patch * odds], dim=-1)
            even, odd = (rearrange(part, "b t (p n) -> b (t p) n", p=self.patch)[:, :frames] for part in parts)
            with torch.autocast(x.device.type, enabled=False):
                outputs[name] = self.output(name, even, odd, turn[:, shown], view[:, shown])
        return outputs

    def step(
        self, past: Motion | None, frame: Float[Tensor, "b c 1 j"], camera: Float[Tensor, "b 4"] | None = None
    ) -> tuple[dict[str, Tensor], Float[Tensor, "b c _ j"]]:
        """The outputs of one more frame, as `forward` gives them for all frames at once, and the past to go on with.

        The past is all frames that the next output depends on, and before them the last that showed something. Only for
        a causal model.

        Args:
            past: what the step before returned; None before the first.
        """
        x = frame if past is None else torch.cat([past, frame], dim=2)
        outputs = self(x, camera=camera, at=x.shape[2] - 1)
        reach = len(self.blocks) * self.reach
        older, newer = x[:, :, :-reach], x[:, :, -reach:]
        if older.shape[2]:
            shows = (older[:, :2] != 0).any(1).any(-1)
            last = older.shape[2] - 1 - shows.flip(1).int().argmax(1)
            newer = torch.cat([older[torch.arange(len(x)), :, last][:, :, None], newer], dim=2)
        return outputs, newer

    def output(
        self,
        name: str,
        even: Float[Tensor, "b t e"],
        odd: Float[Tensor, "b t o"],
        turn: Float[Tensor, "b t 3 3"],
        view: Float[Tensor, "b t 4"],
    ) -> Float[Tensor, "b n t j"]:
        """A head's output, back in the camera's view."""
        if name == "uncertainty":
            return rearrange(self.joint_basis.join(even, odd), "b t j n -> b n t j")
        if name != "pose":
            return rearrange(even, "b t n -> b n t 1")
        pose = self.pose_basis.join(even[..., :-2], odd[..., :-1])
        pose = pose - pose[:, :, [self.root]]
        place = torch.cat([odd[..., -1:], even[..., -2:-1], (-view[..., 2:3]).exp()], dim=-1)
        path = PERSON * even[..., -1:].exp() * place
        pose = torch.cat([pose[:, :, : self.root], path[:, :, None], pose[:, :, self.root + 1 :]], dim=2)
        return rearrange(pose @ turn, "b t j c -> b c t j")


class Basis(nn.Module):
    """What the mirror keeps and negates of every joint's channels (`layers.mirror.mirror_basis`)."""

    even: Tensor
    odd: Tensor

    def __init__(self, skeleton: Skeleton, signs: tuple[int, ...]) -> None:
        super().__init__()
        even, odd = (torch.from_numpy(part).to(torch.get_default_dtype()) for part in mirror_basis(skeleton, signs))
        self.register_buffer("even", even, persistent=False)
        self.register_buffer("odd", odd, persistent=False)
        self.evens, self.odds, self.channels = len(even), len(odd), len(signs)

    def split(self, x: Float[Tensor, "b t j c"]) -> tuple[Float[Tensor, "b t e"], Float[Tensor, "b t o"]]:
        """Coordinates in the two bases."""
        x = x.flatten(2)
        return x @ self.even.mT, x @ self.odd.mT

    def join(self, even: Float[Tensor, "b t e"], odd: Float[Tensor, "b t o"]) -> Float[Tensor, "b t j c"]:
        """The way back."""
        return rearrange(even @ self.even + odd @ self.odd, "b t (j c) -> b t j c", c=self.channels)
