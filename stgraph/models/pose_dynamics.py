"""Pose dynamics: from a person's joints in the last frames to those of the current one (Yang et al., CVPR 2021).

Nodes are the joints of the last n frames and of the current one; layers of separate spatial and temporal attention join
them. The model is a filter: it predicts a frame, merges the prediction with what was detected there, each by its
variance, and remembers the result. Of someone who is seen in part, the missed joints are remembered as they were
predicted. While nothing of a person is seen there is nothing to remember: each frame is then predicted from the last
ones that were, over a time that grows, which is an input.
"""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Model
from stgraph.models.layers.attention import Attention, Head, Nodes
from stgraph.models.layers.blocks import in_full_precision
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton

Joints = Float[Tensor, "p j d"]
FRAME = 0.04  # seconds between frames where nobody says when they were; a displacement is learned in its size then
TIGHTEST, LOOSEST = -5.0, 3.0  # logarithms between which a standard deviation is learned, in body scales or shares
WALK = 1.0  # body scales that a joint moves in a second
UNKNOWN = 0.5  # body scales that a joint may be off of which nothing is known
SHARE = 0.6  # of a constant velocity that training starts from
AHEAD = 0.2  # seconds that velocities are shown to the network for
FASTEST = 20.0  # body scales a second that a joint moves along an axis
USUAL = 16.0  # squared deviation, in variances, beyond which a detection is an outlier
GUESSED = 0.05  # confidence of a joint that was never seen, or not for long


class Memory(NamedTuple):
    """What is remembered of p people: n frames in which they were seen, the latest last, and what is believed now.

    Attributes:
        pose: in the input's unit. spread: standard deviation of each joint along an axis, in that unit.
        confidence: the detector's, falling while a joint is predicted; 0 where nothing is known of it yet.
        time: seconds; -inf before the person's first frame.
        features: visual ones, as they were last given; of width 0 without.
        now_pose, now_spread, now_confidence: of the current frame, in which the person may be predicted alone.
    """

    pose: Float[Tensor, "p n j d"]
    spread: Float[Tensor, "p n j"]
    confidence: Float[Tensor, "p n j"]
    time: Float[Tensor, "p n"]
    features: Float[Tensor, "p n j w"]
    now_pose: Joints
    now_spread: Float[Tensor, "p j"]
    now_confidence: Float[Tensor, "p j"]


class Prediction(NamedTuple):
    """Of the current frame: the joints, their standard deviation along an axis, and the displacement in `pose`."""

    pose: Joints
    spread: Float[Tensor, "p j"]
    displacement: Joints


@MODELS.register("pose_dynamics")
class PoseDynamics(Model):
    """The pose-dynamics graph network as a filter.

    Args:
        skeleton: any.
        in_channels: coordinates of a joint, 2 or 3.
        heads: "displacement", and perhaps "candidate" with the number of its outputs.
        history: frames that are remembered of a person.
        channels: width. layers: of attention.
        features: width of the visual features of a joint; 0 without.
        spacing: seconds between remembered frames, at least: of a velocity's noise, twice the time leaves half.
        fade: seconds in which the confidence of a joint that is not detected halves.
    """

    serves = ("tracks",)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        history: PositiveInt = 3,
        channels: PositiveInt = 64,
        layers: PositiveInt = 2,
        features: NonNegativeInt = 0,
        spacing: Annotated[float, Field(ge=0)] = 0.1,
        fade: Annotated[float, Field(gt=0)] = 0.5,
    ) -> None:
        super().__init__()
        self.history, self.dimensions, self.width = history, in_channels, features
        self.spacing, self.fade = spacing, fade
        joints = len(skeleton)
        numbers = 2 * in_channels + 6 + (history - 1) * (2 * in_channels + 2)  # of a node: see `nodes`
        self.place = nn.Sequential(nn.Linear(numbers, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.sight = None
        if features:
            self.sight = nn.Sequential(nn.Linear(features, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.kind = nn.Parameter(0.1 * torch.randn(joints, channels))
        self.layers = nn.ModuleList(Attention(channels) for _ in range(layers))
        # Displacement along each axis, shares of the velocities of joint and body, the logarithm of the spread.
        outputs = heads | {"displacement": in_channels * heads["displacement"] + 2 * (history - 1) + 1}
        self.heads = nn.ModuleDict({name: Head(channels, count) for name, count in outputs.items()})
        # Training starts from shares of constant velocities and the spread of a random walk.
        nn.init.zeros_(self.heads["displacement"].weight)
        nn.init.zeros_(self.heads["displacement"].bias)
        nn.init.constant_(self.heads["displacement"].bias[in_channels:-1], SHARE / max(1, 2 * (history - 1)))
        # Logarithm of a detected joint's standard deviation at confidence 1, in body scales, and what doubt adds to it.
        self.noise = nn.Parameter(torch.full((joints,), -4.0))
        self.doubt = nn.Parameter(torch.tensor(1.0))

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for sequences of this length."""
        if settings["history"] >= frames:
            return [f"history: {settings['history']} frames leave none of data.frames, {frames}, to predict"]
        return []

    # One frame --------------------------------------------------------------------------------------------------------

    def start(
        self,
        pose: Joints,
        confidence: Float[Tensor, "p j"],
        time: Float[Tensor, " p"],
        features: Float[Tensor, "p j w"] | None = None,
    ) -> Memory:
        """The memory of people who are seen for the first time; their unseen joints have confidence 0."""
        _, scale = centre_and_scale(pose, confidence > 0)
        spread = self.detected_spread(confidence, scale)
        sight = pose.new_zeros(*pose.shape[:2], self.width) if features is None else features
        frame = (pose, spread, confidence, time, sight)
        empty = [
            values.new_zeros(values[:, None].shape).expand(-1, self.history - 1, *values.shape[1:]) for values in frame
        ]
        empty[3] = empty[3] - torch.inf
        return Memory(*map(with_frame, empty, frame), pose, spread, confidence)

    def detected_spread(self, confidence: Float[Tensor, "p j"], scale: Float[Tensor, " p"]) -> Float[Tensor, "p j"]:
        """Standard deviation along an axis that a detected joint of this confidence has, learned."""
        logarithm = self.noise + self.doubt * (1 - confidence)
        return scale[:, None] * logarithm.clamp(TIGHTEST, LOOSEST).exp()

    def predict(self, memory: Memory, time: Float[Tensor, " p"]) -> Prediction:
        """The joints at a later time, seconds; those that were never seen are told from the others."""
        return self.look_ahead(memory, time)[0]

    def look_ahead(self, memory: Memory, time: Float[Tensor, " p"]) -> tuple[Prediction, list[Nodes]]:
        """The prediction, and the nodes that each layer was given, of which candidates are told."""
        nodes, there, scale, last, velocities = self.nodes(memory, time)
        given = []
        for layer in self.layers:
            given.append(nodes)
            nodes = layer(nodes, there)
        out = in_full_precision(self.heads["displacement"], nodes[:, -1:].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)[:, 0]
        elapsed = (time - memory.time[:, -1]).to(out.dtype)[:, None, None]
        displacement, shares, logarithm = out.split([self.dimensions, velocities.shape[1], 1], dim=-1)
        moved = (shares.permute(0, 2, 1)[..., None] * velocities).sum(dim=1) * elapsed
        displacement = scale[:, None, None] * (elapsed / FRAME).sqrt() * displacement + moved
        # As a random walk's, times what the network says.
        before = torch.where(memory.confidence[:, -1] > 0, memory.spread[:, -1], UNKNOWN * scale[:, None])
        spread = torch.hypot(before, WALK * scale[:, None] * elapsed[..., 0])
        spread = spread * logarithm[..., 0].clamp(-LOOSEST, LOOSEST).exp()
        return Prediction(last + displacement, spread, displacement), given

    def nodes(
        self, memory: Memory, time: Float[Tensor, " p"]
    ) -> tuple[Nodes, Bool[Tensor, "p f j"], Float[Tensor, " p"], Joints, Float[Tensor, "p k j d"]]:
        """What the layers begin with; whether each node is there; scale, last pose, and velocities of joints and body.

        The current frame's nodes stand at the last pose, those of a joint that nobody knows yet at its centre. The
        velocities are those from each older frame to the last: of each joint, and their median for all joints, of which
        joints that jump to another place do not move much.
        """
        known = memory.confidence > 0
        centre, scale = centre_and_scale(memory.pose[:, -1], known[:, -1])
        unit = scale[:, None, None]
        last = torch.where(known[:, -1, :, None], memory.pose[:, -1], centre[:, None])
        age = (memory.time[:, -1:] - memory.time[:, :-1])[..., None, None].to(last.dtype)
        both = (known[:, -1:] & known[:, :-1])[..., None]
        own = torch.where(both, (last[:, None] - memory.pose[:, :-1]) / age.clamp_min(1e-3), torch.nan)
        body = own.nanmedian(dim=2, keepdim=True).values.nan_to_num(0).expand_as(own)
        fastest = FASTEST * unit[:, None]
        own = own.nan_to_num(0).maximum(-fastest).minimum(fastest)
        elapsed = (time[:, None] - memory.time).to(last.dtype)
        elapsed = torch.where(torch.isfinite(elapsed), elapsed, 0)
        # Changes are small beside places; some times as large they weigh as much.
        place, change = memory.pose - centre[:, None, None], 5 * (memory.pose - last[:, None])
        moves = [torch.where(known[..., None], values / unit[:, None], 0) for values in (place, change)]
        current = torch.cat([(last - centre[:, None]) / unit, torch.zeros_like(last)], dim=-1)
        places = torch.cat([torch.cat(moves, dim=-1), current[:, None]], dim=1)

        def with_last(values: Shaped[Tensor, "p n j"]) -> Shaped[Tensor, "p f j"]:
            return torch.cat([values, values[:, -1:]], dim=1)

        known = with_last(known)
        spread = torch.where(known, with_last(memory.spread) / unit, 1).clamp_min(1e-4).log()
        elapsed = torch.cat([elapsed, elapsed[:, -1:]], dim=1)[..., None].expand_as(spread)
        now = torch.zeros_like(spread)
        now[:, -1] = 1
        numbers = [with_last(memory.confidence), known.to(spread.dtype), spread, elapsed, (elapsed + 0.01).log(), now]
        # The current frame's nodes know how everything moved before: of older frames' nodes an attention gives a mean,
        # and a mean tells a velocity, but no acceleration.
        age = torch.where(both, age.clamp(max=1e3), 0)
        way = torch.cat([AHEAD * own / unit[:, None], AHEAD * body / unit[:, None], age, both.to(age.dtype)], dim=-1)
        way = F.pad(way.permute(0, 2, 1, 3).flatten(2)[:, None], (0, 0, 0, 0, self.history, 0))
        x = self.place(torch.cat([places, torch.stack(numbers, dim=-1), way], dim=-1))
        total, parts = x + self.kind, 2
        if self.sight is not None:
            total, parts = total + F.pad(self.sight(memory.features), (0, 0, 0, 0, 0, 1)), 3
        return total / parts, known | (now > 0), scale, last, torch.cat([own, body], dim=1)

    def merge(
        self,
        memory: Memory,
        predicted: Joints,
        spread: Float[Tensor, "p j"],
        pose: Joints,
        confidence: Float[Tensor, "p j"],
        time: Float[Tensor, " p"],
        features: Float[Tensor, "p j w"] | None = None,
    ) -> Memory:
        """The memory after a frame: predicted and detected joints weighed by their variances.

        A detection that is further off than both variances make likely has a larger one. A joint that was not detected
        (confidence 0) is as predicted, and its confidence falls.
        """
        seen, ever = confidence > 0, (memory.confidence[:, -1] > 0).any(dim=1, keepdim=True)
        _, scale = centre_and_scale(torch.where(seen[..., None], pose, predicted), seen | ever)
        noise = self.detected_spread(confidence, scale).square()
        variance = spread.square()
        off = (pose - predicted).square().mean(dim=-1) / (variance + noise)
        noise = noise * torch.where(ever, 1 + (off - USUAL).clamp_min(0), 1)
        gain = torch.where(ever, torch.where(seen, variance / (variance + noise), 0), 1)
        merged = predicted + gain[..., None] * (pose - predicted)
        spread = torch.where(ever, variance * (1 - gain).clamp_min(1e-6), noise).sqrt()
        # Times are doubles where the caller's are: seconds since long ago.
        passed = (time - memory.time[:, -1]).to(confidence.dtype)
        faded = memory.confidence[:, -1] * torch.exp2(-passed / self.fade)[:, None]
        certain = torch.where(seen, torch.maximum(confidence, faded), faded)
        sight = memory.features[:, -1] if features is None else features
        frame = (merged, spread, certain, time, sight)
        # The last frame gives way to this one if it followed the one before it too soon.
        later = (memory.time[:, -1] - memory.time[:, -2] >= self.spacing) if self.history > 1 else seen.any(dim=1)
        there, kept = seen.any(dim=1), []
        for old, new in zip(memory, frame, strict=False):
            over = (slice(None), *[None] * (old.ndim - 1))
            before = torch.where(later[over], old[:, 1:], old[:, :-1])
            kept.append(torch.where(there[over], with_frame(before, new), old))
        # Where a joint is that was never seen the others tell: of each frame anew, and not for sure.
        return Memory(*kept, merged, spread, torch.where(ever, certain.clamp_min(GUESSED), certain))

    def candidates(
        self,
        memory: Memory,
        given: list[Nodes],
        pose: Float[Tensor, "p q d"],
        confidence: Float[Tensor, "p q"],
        features: Float[Tensor, "p q w"] | None = None,
    ) -> Float[Tensor, "p n q"]:
        """Logits of what each candidate joint of the current frame is: a joint of the skeleton, in order, or none.

        Args:
            given: of `look_ahead`.
            confidence: 0 where there is no candidate.
        """
        known = memory.confidence[:, -1] > 0
        centre, scale = centre_and_scale(memory.pose[:, -1], known)
        place = (pose - centre[:, None]) / scale[:, None, None]
        # It has not moved from anywhere, and is neither known nor of another time.
        rest = self.place[0].in_features - 2 * self.dimensions - 1
        numbers = torch.cat([place, torch.zeros_like(place), confidence[..., None]], dim=-1)
        x = self.place(F.pad(numbers, (0, rest)))
        parts = [x] if self.sight is None or features is None else [x, self.sight(features)]
        x = torch.stack(parts).mean(0)
        for layer, nodes in zip(self.layers, given, strict=True):
            x = layer.of_candidates(x, nodes, confidence > 0, known)
        return in_full_precision(self.heads["candidate"], x.mT[:, :, None])[:, :, 0]

    # A sequence -------------------------------------------------------------------------------------------------------

    def forward(
        self,
        x: Float[Tensor, "b d t j"],
        *,
        confidence: Float[Tensor, "b t j"] | None = None,
        time: Float[Tensor, "b t"] | None = None,
        ahead: Int[Tensor, "b t"] | None = None,
        features: Float[Tensor, "b w t j"] | None = None,
        candidates: Float[Tensor, "b d 1 q"] | None = None,
        candidate_confidence: Float[Tensor, "b 1 q"] | None = None,
        candidate_features: Float[Tensor, "b w 1 q"] | None = None,
    ) -> dict[str, Tensor]:
        """Every frame as it was predicted from those before, and as it is believed once its joints are known.

        Args:
            confidence: 0 where a joint was not detected; by default all are.
            time: seconds, ascending.
            ahead: of each frame the number of frames from the last one that its prediction knows, by default 1; at most
                as many as there are before it. 0: it is not predicted, but remembered alone; the last one is, if
                candidates are given.
            candidates: joints of the last frame, for the head "candidate".

        Returns:
            displacement: (b d t j) of the last pose, as learned. pose: (b d t j) predicted. spread: (b 1 t j)
            of the prediction, standard deviation along an axis. merged: (b d t j). candidate: (b n 1 q) logits. All in
            the unit of x; the first frame, and others that are not predicted, are as they were detected.
        """
        pose = x.permute(0, 2, 3, 1)
        confidence = torch.ones_like(pose[..., 0]) if confidence is None else confidence
        if time is None:
            time = (FRAME * torch.arange(pose.shape[1], device=x.device, dtype=x.dtype)).expand(len(pose), -1)
        sight = [None] * pose.shape[1] if features is None else features.permute(0, 2, 3, 1).unbind(1)
        # What is remembered after each frame comes first, without gradients: through all frames they cost as much
        # again and are noise. All frames are then one batch.
        memories = []
        with torch.no_grad():
            memory = self.start(pose[:, 0], confidence[:, 0], time[:, 0], sight[0])
            for frame in range(1, pose.shape[1]):
                memories.append(memory)
                found = self.predict(memory, time[:, frame])
                seen = pose[:, frame], confidence[:, frame], time[:, frame], sight[frame]
                memory = self.merge(memory, found.pose, found.spread, *seen)
        ahead = torch.ones(pose.shape[:2], dtype=torch.long, device=x.device) if ahead is None else ahead
        person, frame = (ahead[:, 1:] > 0).nonzero().unbind(1)
        frame = frame + 1
        known = frame - ahead[person, frame]
        before = Memory(*(torch.stack(values, dim=1)[person, known] for values in zip(*memories, strict=True)))
        prediction, given = self.look_ahead(before, time[person, frame])
        new = (pose, confidence, time) if features is None else (pose, confidence, time, features.permute(0, 2, 3, 1))
        merged = self.merge(before, prediction.pose, prediction.spread, *(values[person, frame] for values in new))
        flat = confidence.flatten(0, 1)
        spread = self.detected_spread(flat, centre_and_scale(pose.flatten(0, 1), flat > 0)[1]).view_as(confidence)
        each = {
            "displacement": (torch.zeros_like(pose), prediction.displacement),
            "pose": (pose, prediction.pose),
            "merged": (pose, merged.now_pose),
            "spread": (spread[..., None], prediction.spread[..., None]),
        }
        outputs = {}
        for name, (values, told) in each.items():
            outputs[name] = values.index_put((person, frame), told.to(values.dtype)).movedim(-1, 1)
        if candidates is not None:
            last = (frame == pose.shape[1] - 1).nonzero()[:, 0]
            sight = None if candidate_features is None else candidate_features[:, :, 0].mT
            logits = self.candidates(
                Memory(*(values[last] for values in before)),
                [nodes[last] for nodes in given],
                candidates[:, :, 0].mT,
                candidate_confidence[:, 0],
                sight,
            )
            outputs["candidate"] = logits[:, :, None]
        return outputs


def centre_and_scale(pose: Joints, known: Bool[Tensor, "p j"]) -> tuple[Float[Tensor, "p d"], Float[Tensor, " p"]]:
    """Mean of the known joints, and the root of their mean squared distance from it; constants to the gradient.

    Where all known joints coincide, the scale is that of the last digits of the coordinates: positive.
    """
    pose, weight = pose.detach(), known[..., None].to(pose.dtype)
    count = weight.sum(1).clamp_min(1)
    centre = (pose * weight).sum(1) / count
    squares = ((pose - centre[:, None]) * weight).square().sum(dim=(1, 2)) / count[:, 0]
    least = 1e-3 * (1 + centre.abs().amax(dim=1))
    return centre, torch.maximum(squares.sqrt(), least)


def with_frame(frames: Float[Tensor, "p m ..."], frame: Float[Tensor, "p ..."]) -> Float[Tensor, "p n ..."]:
    """Frames with one more behind them."""
    return torch.cat([frames, frame[:, None].to(frames.dtype)], dim=1)
