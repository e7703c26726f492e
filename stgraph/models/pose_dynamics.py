"""Pose dynamics: from a person's joints in the last frames to those of the current one (Yang et al., CVPR 2021).

Nodes are the joints of the last n frames and of the current one; layers of separate spatial and temporal attention join
them. The model is a filter: it predicts a frame, merges the prediction with the detections in that frame, each weighed
by its variance, and remembers the result. Joints that are not detected in a frame are remembered as predicted. A frame
in which nothing of a person is detected is not remembered: it is predicted from the last remembered frames over a
longer time, which is an input.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Model, Size, in_full_precision
from stgraph.models.layers.attention import MASKED, Attention, Nodes, mlp
from stgraph.models.layers.kinematics import Joints, Kinematics, centre_and_scale, kinematics
from stgraph.models.layers.memory import Memory, last_repeated, remembered, side_by_side, with_frame
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton

FRAME = 0.04  # seconds between frames by default; a displacement is learned in units of its size over that time
TIGHTEST, LOOSEST = -5.0, 3.0  # bounds of the logarithm of a learned standard deviation, in body scales or shares
WALK = 1.0  # body scales that a joint moves in a second
UNKNOWN = 0.5  # standard deviation of a joint that was never detected, body scales
SHARE = 0.6  # of a constant velocity that training starts from
AHEAD = 0.2  # seconds that velocities are extrapolated for as input of the network
USUAL = 16.0  # squared deviation, in variances, beyond which a detection is an outlier
GUESSED = 0.05  # least confidence of a joint that is predicted without a recent detection


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
        channels: width.
        layers: of attention.
        features: width of the visual features of a joint; 0 without.
        spacing: least seconds between remembered frames: twice the time halves the noise of a velocity.
        fade: seconds in which the confidence of a joint that is not detected halves.
    """

    now: Float[Tensor, "f 1 1"]
    absent: Float[Tensor, "f 1 1"]
    small, small_frames = {"history": 2, "channels": 8, "layers": 2, "features": 3}, 5
    serves = ("tracks",)
    former_names: ClassVar[Mapping[str, str]] = {"sight": "visual"}

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        history: Size = 3,
        channels: Size = 64,
        layers: Size = 2,
        features: Annotated[int, Field(ge=0, le=1 << 16)] = 0,
        spacing: Annotated[float, Field(ge=0)] = 0.1,
        fade: Annotated[float, Field(gt=0)] = 0.5,
    ) -> None:
        super().__init__()
        self.history, self.dimensions, self.width = history, in_channels, features
        self.spacing, self.fade = spacing, fade
        joints = len(skeleton)
        self.inputs = 2 * in_channels + 6 + (history - 1) * (2 * in_channels + 2)  # of a node: see `nodes`
        self.place = mlp(self.inputs, channels)
        self.visual = mlp(features, channels) if features else None
        self.kind = nn.Parameter(0.1 * torch.randn(joints, channels))
        self.layers = nn.ModuleList(Attention(channels) for _ in range(layers))
        # Displacement along each axis, shares of the velocities of joint and body, the logarithm of the spread.
        outputs = heads | {"displacement": in_channels * heads["displacement"] + 2 * (history - 1) + 1}
        modules = {name: nn.Linear(channels, count) for name, count in outputs.items()}
        self.heads = nn.ModuleDict(modules)
        # Training starts from shares of constant velocities and the spread of a random walk.
        nn.init.zeros_(modules["displacement"].weight)
        nn.init.zeros_(modules["displacement"].bias)
        nn.init.constant_(modules["displacement"].bias[in_channels:-1], SHARE / max(1, 2 * (history - 1)))
        # Logarithm of a detected joint's standard deviation at confidence 1, in body scales; its growth with doubt.
        self.noise = nn.Parameter(torch.full((joints,), -4.0))
        self.doubt = nn.Parameter(torch.tensor(1.0))
        # Of the remembered frames and the current one, whose joints are all present.
        now = F.pad(torch.ones(1, 1, 1), (0, 0, 0, 0, history, 0))
        self.register_buffer("now", now, persistent=False)
        self.register_buffer("absent", MASKED * (1 - now), persistent=False)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
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
        """The memory of people after their first frame; joints that are not detected have confidence 0."""
        _, scale = centre_and_scale(pose, confidence > 0)
        spread = self.detected_spread(confidence, scale)
        visual = pose.new_zeros(*pose.shape[:2], self.width) if features is None else features
        frame, before = side_by_side(pose, spread, confidence, visual), self.history - 1
        empty, never = torch.zeros_like(frame).unsqueeze(1), torch.full_like(time, -torch.inf).unsqueeze(1)
        frames = with_frame(empty.expand(-1, before, -1, -1), frame)
        return Memory(frames, with_frame(never.expand(-1, before), time), pose, spread, confidence)

    def detected_spread(self, confidence: Float[Tensor, "p j"], scale: Float[Tensor, " p"]) -> Float[Tensor, "p j"]:
        """Learned standard deviation along an axis of a detected joint of this confidence."""
        logarithm = self.noise + self.doubt * (1 - confidence)
        return scale[:, None] * logarithm.clamp(TIGHTEST, LOOSEST).exp()

    def predict(self, memory: Memory, time: Float[Tensor, " p"]) -> Prediction:
        """The joints at a later time, seconds; joints that were never detected are inferred from the others."""
        return self.look_ahead(memory, time)[0]

    def look_ahead(self, memory: Memory, time: Float[Tensor, " p"]) -> tuple[Prediction, list[Nodes]]:
        """The prediction, and the input nodes of each layer, which `candidates` takes."""
        nodes, mask, motion = self.nodes(memory, time)
        layer_inputs, current = [], nodes[:, -1]
        for layer in self.layers:
            layer_inputs.append(nodes)
            current = layer(nodes, mask)
            nodes = with_frame(nodes[:, :-1], current)
        out = in_full_precision(self.heads["displacement"], current)
        elapsed, unit = (time - memory.time[:, -1]).to(out.dtype)[:, None, None], motion.scale[:, None, None]
        displacement, shares, logarithm = out.split([self.dimensions, 2 * (self.history - 1), 1], dim=-1)
        shares = shares.unflatten(-1, (2, self.history - 1)).permute(0, 3, 1, 2)[..., None]
        moved = (shares * motion.velocity).sum(dim=(1, 3)) * elapsed
        displacement = torch.addcmul(moved, unit * (elapsed / FRAME).sqrt(), displacement)
        # The spread of a random walk, times a learned factor.
        before = torch.where(memory.confidence[:, -1] > 0, memory.spread[:, -1], UNKNOWN * unit[..., 0])
        spread = torch.hypot(before, WALK * unit[..., 0] * elapsed[..., 0])
        spread = spread * logarithm[..., 0].clamp(-LOOSEST, LOOSEST).exp()
        return Prediction(motion.last + displacement, spread, displacement), layer_inputs

    def nodes(self, memory: Memory, time: Float[Tensor, " p"]) -> tuple[Nodes, Float[Tensor, "p f j"], Kinematics]:
        """Input of the layers, what is added to the attention of each node, and the motion up to the last frame.

        The current frame's nodes stand at the last pose, those of a joint that is not known yet at its centre.
        """
        # The current frame is as the last one.
        numbers = last_repeated(memory.frames)
        spread, confidence, pose, visual = numbers.split([1, 1, self.dimensions, self.width], dim=-1)
        seen = confidence > 0
        motion = kinematics(pose[:, :-1], seen[:, :-1].squeeze(-1), memory.time)
        unit, last, centre = motion.scale[:, None, None, None], motion.last[:, None], motion.centre[:, None, None]
        elapsed = last_repeated(time[:, None] - memory.time).to(last.dtype).nan_to_num(posinf=0)[..., None, None]
        known = seen.to(last.dtype)
        # Changes are small beside places; multiplied by 5 they weigh as much.
        lengths = torch.cat([pose - centre, 5 * (pose - last), spread], dim=-1) / unit
        places, spread = lengths.split([2 * self.dimensions, 1], dim=-1)
        # Velocities are input of the current frame's nodes alone: attention gives a mean over older frames' nodes, from
        # which a velocity can be inferred, but no acceleration.
        both = motion.both.to(last.dtype)
        way = torch.cat([motion.velocity.flatten(3) * (AHEAD / unit), motion.age.clamp(max=1e3) * both, both], dim=-1)
        way = F.pad(way.transpose(1, 2).flatten(2)[:, None], (0, 0, 0, 0, self.history, 0))
        times = (values.expand_as(known) for values in (elapsed, (elapsed + 0.01).log(), self.now))
        spread = spread.clamp_min(1e-4).log() * known
        total, parts = self.place(torch.cat([places * known, confidence, known, spread, *times, way], dim=-1)), 2
        total = total + self.kind
        if self.visual is not None:
            total, parts = total + F.pad(self.visual(visual[:, :-1]), (0, 0, 0, 0, 0, 1)), 3
        return total / parts, (seen.logical_not() * self.absent).squeeze(-1), motion

    def merge(
        self,
        memory: Memory,
        predicted: Joints,
        spread: Float[Tensor, "p j"],
        pose: Joints,
        confidence: Float[Tensor, "p j"],
        *,
        time: Float[Tensor, " p"],
        features: Float[Tensor, "p j w"] | None = None,
    ) -> Memory:
        """The memory after a frame: predicted and detected joints weighed by their variances.

        A detection that deviates by more than both variances make likely counts as noisier. A joint that is not
        detected (confidence 0) is as predicted, and its confidence falls.

        Args:
            predicted, spread: of `predict` for this frame.
            pose, confidence: as detected.
            time: of the frame, seconds.
            features: visual features of the detections; None: those of the last frame.
        """
        before, since = memory.confidence[:, -1], memory.time[:, -1]
        seen, ever = confidence > 0, (before > 0).any(dim=1, keepdim=True)
        _, scale = centre_and_scale(torch.where(seen[..., None], pose, predicted), seen | ever)
        error, variance = pose - predicted, spread.square()
        noise = self.detected_spread(confidence, scale).square()
        deviation = error.square().sum(dim=-1) / ((variance + noise) * self.dimensions)
        noise = noise * torch.where(ever, (deviation - (USUAL - 1)).clamp_min(1), 1)
        gain = torch.where(ever, torch.where(seen, variance / (variance + noise), 0), 1)
        merged = torch.addcmul(predicted, gain[..., None], error)
        spread = torch.where(ever, variance * (1 - gain).clamp_min(1e-6), noise).sqrt()
        # Times may be doubles, seconds since long ago.
        elapsed = (time - since).to(confidence.dtype)
        faded = before * torch.exp2(elapsed * (-1 / self.fade))[:, None]
        certain = torch.maximum(confidence, faded)
        visual = memory.frames[:, -1, :, 2 + self.dimensions :] if features is None else features
        frame = side_by_side(merged, spread, certain, visual)
        # This frame replaces the last one if that followed the one before it too soon.
        detected = seen.any(dim=1)
        later = (since - memory.time[:, -2] >= self.spacing) if self.history > 1 else detected
        frames = remembered(memory.frames, frame, detected, later)
        times = remembered(memory.time, time, detected, later)
        # A joint that was never detected is inferred from the others, in each frame anew and with little confidence.
        return Memory(frames, times, merged, spread, torch.where(ever, certain.clamp_min(GUESSED), certain))

    def candidates(
        self,
        memory: Memory,
        layer_inputs: list[Nodes],
        pose: Float[Tensor, "p q d"],
        confidence: Float[Tensor, "p q"],
        features: Float[Tensor, "p q w"] | None = None,
    ) -> Float[Tensor, "p n q"]:
        """Logits of the class of each candidate joint of the current frame: a joint of the skeleton, in order, or none.

        Args:
            layer_inputs: of `look_ahead`.
            confidence: 0 where there is no candidate.
        """
        known = memory.confidence[:, -1] > 0
        centre, scale = centre_and_scale(memory.pose[:, -1], known)
        place = (pose - centre[:, None]) / scale[:, None, None]
        # A candidate has no change since an older frame, and is neither known nor of another time: zeros.
        numbers = torch.cat([place, torch.zeros_like(place), confidence[..., None]], dim=-1)
        x = self.place(F.pad(numbers, (0, self.inputs - numbers.shape[-1])))
        parts = [x] if self.visual is None or features is None else [x, self.visual(features)]
        x = torch.stack(parts).mean(0)
        for layer, nodes in zip(cast(Iterable[Attention], self.layers), layer_inputs, strict=True):
            x = layer.of_candidates(x, nodes, confidence > 0, known)
        return in_full_precision(self.heads["candidate"], x).mT

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
        """Every frame as predicted from those before, and as estimated with its detections.

        Args:
            confidence: 0 where a joint was not detected; by default all are.
            time: seconds, ascending.
            ahead: of each frame the number of frames from the last one that its prediction knows, by default 1; at most
                as many as there are before it. 0: it is not predicted, but remembered alone; the last frame is
                predicted if there are candidates.
            features: visual ones.
            candidates: joints of the last frame, for the head "candidate", with their confidence and visual features.

        Returns:
            displacement: (b d t j) of the last pose, as learned. pose: (b d t j) predicted. spread: (b 1 t j)
            of the prediction, standard deviation along an axis. merged: (b d t j). candidate: (b n 1 q) logits. All in
            the unit of x; the first frame, and others that are not predicted, are as detected.
        """
        pose = x.permute(0, 2, 3, 1)
        confidence = torch.ones_like(pose[..., 0]) if confidence is None else confidence
        if time is None:
            time = (FRAME * torch.arange(pose.shape[1], device=x.device, dtype=x.dtype)).expand(len(pose), -1)
        if ahead is None:
            ahead = torch.ones(pose.shape[:2], dtype=torch.long, device=x.device)
        detected = {"pose": pose, "confidence": confidence, "time": time}
        if features is not None:
            detected["features"] = features.permute(0, 2, 3, 1)
        # The memory after each frame comes first, without gradients: through all frames they cost as much again and are
        # noise. All frames are then one batch.
        with torch.no_grad():
            memories = [self.start(**{name: values[:, 0] for name, values in detected.items()})]
            for frame in range(1, pose.shape[1] - 1):
                seen = {name: values[:, frame] for name, values in detected.items()}
                predicted = self.predict(memories[-1], time[:, frame])
                memories.append(self.merge(memories[-1], predicted.pose, predicted.spread, **seen))
        person, frame = (ahead[:, 1:] > 0).nonzero().unbind(1)
        frame = frame + 1
        known = frame - ahead[person, frame]
        before = Memory._make(torch.stack(values, dim=1)[person, known] for values in zip(*memories, strict=True))
        prediction, layer_inputs = self.look_ahead(before, time[person, frame])
        seen = {name: values[person, frame] for name, values in detected.items()}
        merged = self.merge(before, prediction.pose, prediction.spread, **seen)
        rows = confidence.flatten(0, 1)
        spread = self.detected_spread(rows, centre_and_scale(pose.flatten(0, 1), rows > 0)[1]).view_as(confidence)
        each = {
            "displacement": (torch.zeros_like(pose), prediction.displacement),
            "pose": (pose, prediction.pose),
            "merged": (pose, merged.now_pose),
            "spread": (spread[..., None], prediction.spread[..., None]),
        }
        outputs = {
            name: as_detected.index_put((person, frame), predicted.to(as_detected.dtype)).movedim(-1, 1)
            for name, (as_detected, predicted) in each.items()
        }
        if candidates is not None and candidate_confidence is not None:
            last = (frame == pose.shape[1] - 1).nonzero()[:, 0]
            logits = self.candidates(
                Memory._make(values[last] for values in before),
                [nodes[last] for nodes in layer_inputs],
                candidates[:, :, 0].mT,
                candidate_confidence[:, 0],
                None if candidate_features is None else candidate_features[:, :, 0].mT,
            )
            outputs["candidate"] = logits[:, :, None]
        return outputs
