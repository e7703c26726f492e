"""Sequences: pieces of single people's tracks, detected and annotated, gathered a batch at a time."""

import math
from typing import NotRequired

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.data.recording import members
from stgraph.data.samples import Batch, TrackSamples
from stgraph.errors import InputError
from stgraph.geometry import body_scale
from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.settings import TrackSettings

RUN = 4.0  # frames that an added run of missed joints lasts, on average
MOVING, LOOKED_AT = 0.15, 4096  # body scales; sequences at once
OUTLIER = 0.25  # body scales: a detected joint that is further from the truth is no candidate for its type
BESIDE = 1.0  # body scales: standard deviation of where another person's candidate joints lie
Poses = Float[Tensor, "b t j c"]


class SequenceBatch(Batch):
    """A batch of sequences of t frames.

    `x` is in pixels or metres. `inside`: the frame is predicted, has an annotated joint, and the person was detected
    in a frame of the sequence that is input of its prediction.
    """

    confidence: Float[Tensor, "b t j"]  # 0 = not detected
    time: Float[Tensor, "b t"]  # seconds
    ahead: Int[Tensor, "b t"]  # frames since the last input frame of a frame's prediction; 0 = not predicted
    target: Float[Tensor, "b t j c"]
    annotated: Bool[Tensor, "b t j"]  # whether the joint is scored
    scale: Float[Tensor, "b t"]  # of the annotated joints
    features: NotRequired[Float[Tensor, "b w t j"]]  # visual features
    # Candidate joints of the last frame. A label is the joint, their number for none, or -1 without a candidate.
    candidates: NotRequired[Float[Tensor, "b c 1 q"]]
    candidate_confidence: NotRequired[Float[Tensor, "b 1 q"]]
    candidate_label: NotRequired[Int[Tensor, "b 1 q"]]
    candidate_features: NotRequired[Float[Tensor, "b w 1 q"]]


class Sequences(TrackSamples):
    """Sequences of some recordings' tracks, each within one track.

    Frames after the end of a track are empty.

    Args:
        dataset, skeleton: see `Samples`.
        settings: of input and augmentation.
        kept: which recordings.
        training: draw frame steps, augmentations and missed joints at random.
        candidates: add candidate joints of the current frame: the detected ones and another person's.

    Raises:
        InputError: no 3D poses, unknown detector or features, a joint that the file lacks, or no track of two frames.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: TrackSettings,
        kept: Bool[np.ndarray, " recording"],
        *,
        skeleton: Skeleton,
        training: bool = False,
        candidates: bool = False,
    ) -> None:
        tracks = np.flatnonzero(kept[dataset.tracks["recording"]] & (dataset.tracks["rows"] > 1))
        if not len(tracks):
            problem = "every track of these recordings has one frame; nothing can be predicted"
            raise InputError(problem, where=dataset.path)
        names = {"input": f"pose2d/{settings.detector}", "target": f"pose2d/{settings.truth}"}
        names = names if settings.detector else {"input": "pose3d", "target": "pose3d"}
        names |= {"features": f"features/{settings.features}"} if settings.features else {}
        super().__init__(dataset, names | {"frame": "frame", "valid": "valid"}, skeleton)
        self.keep_tracks(tracks)
        self.settings, self.training, self.candidates = settings, training, candidates
        self.frames, self.dimensions = settings.frames, settings.channels
        self.fps = torch.from_numpy(dataset.recordings["fps"])
        self.width = torch.from_numpy(dataset.recordings["width"])
        # The last sequence of a track ends with the track; a shorter track has one sequence.
        last = np.maximum(self.lengths - settings.frames, 0)
        stride = settings.stride if training else settings.frames - 1  # the first frame of a sequence is not predicted
        track, number = members(-(-last // stride) + 1)
        self.table = torch.from_numpy(np.stack([track, np.minimum(stride * number, last[track])], axis=1))
        if training and settings.still < 1:
            draws = torch.rand(len(self), generator=torch.Generator().manual_seed(0))  # the same in every run
            moving = self.moving() | (draws < settings.still)
            self.table = self.table[moving] if moving.any() else self.table

    def moving(self) -> Bool[Tensor, " n"]:
        """The sequences with motion: joints move by `MOVING` body scales in a quarter of the time, on average."""
        moving = []
        for table in self.table.split(LOOKED_AT):
            track, start = table.unbind(1)
            frame = start[:, None] + torch.linspace(0, self.frames - 1, 5).long()
            pose, confidence = self.poses("target", self.rows(track, frame))
            annotated = confidence > 0
            both = annotated[:, 1:] & annotated[:, :-1]
            change = pose.diff(dim=1).norm(dim=-1) / sequence_scale(pose, annotated)[:, :1, None]
            moving.append(((change * both).sum(-1) / both.sum(-1).clamp_min(1)).amax(1) > MOVING)
        return torch.cat(moving)

    def poses(self, field: str, rows: Int[Tensor, "b t"]) -> tuple[Poses, Float[Tensor, "b t j"]]:
        """Poses of a field, and their confidence, which is 1 in 3D."""
        values = self.take(field, rows)
        confidence = values[..., 2] if self.dimensions == 2 else torch.ones_like(values[..., 0])
        return values[..., : self.dimensions], confidence

    def batch(self, index: Int[Tensor, " b"]) -> SequenceBatch:
        """Gather sequences."""
        track, start = self.table[index].unbind(1)
        steps = torch.tensor(self.settings.frame_steps)
        step = steps[torch.randint(len(steps), (len(index),))] if self.training else steps[:1].expand(len(index))
        frame = start[:, None] + step.to(start)[:, None] * torch.arange(self.frames, device=start.device)
        last, rows, recording = self.last[track, None], self.rows(track, frame), self.recording[track]
        within = frame <= last
        (pose, confidence), (target, certainty) = (self.poses(field, rows) for field in ("input", "target"))
        annotated = (certainty > 0) & (within & self.take("valid", rows))[..., None]
        confidence = confidence * within[..., None]
        features = self.take("features", rows) if "features" in self.fields else None
        if self.training:
            confidence = self.missed(confidence)
            middle = self.width[recording].to(pose)[:, None, None] / 2
            middle = middle if self.dimensions == 2 else torch.zeros_like(middle)
            pose, target, order = self.turned(pose, target, middle)
            confidence, annotated = (values.gather(2, order) for values in (confidence, annotated))
            features = None if features is None else features.gather(2, order[..., None].expand_as(features))
        if self.settings.noise:
            pose = pose + self.settings.noise * self.normal(rows, pose)
        seen = confidence > 0
        pose = torch.where(seen[..., None], pose, 0)
        # Time continues after the track's end.
        numbers = self.take("frame", rows) + (frame - frame[:, :1].minimum(last) - (rows - rows[:, :1]))
        time = (numbers - numbers[:, :1]) / self.fps[recording, None]
        ahead = self.ahead(time) if self.training else torch.ones_like(rows)
        known = torch.arange(self.frames, device=rows.device) - ahead
        before = seen.any(-1).cummax(1).values.gather(1, known.clamp_min(0)) & (known >= 0) & (ahead > 0)
        batch: SequenceBatch = {
            "x": rearrange(pose, "b t j c -> b c t j"),
            "confidence": confidence,
            "time": time.to(pose),
            "ahead": ahead,
            "target": target,
            "annotated": annotated,
            "scale": sequence_scale(target, annotated),
            "inside": before & annotated.any(-1),
            "recording": recording,
            "label": self.labels[recording],
        }
        if features is not None:
            batch["features"] = rearrange(features * seen[..., None], "b t j w -> b w t j")
        if self.candidates:
            self.add_candidates(batch)
        return batch

    def normal(self, rows: Int[Tensor, "b t"], like: Poses) -> Poses:
        """Normal noise; outside training a function of the rows."""
        if self.training:
            return torch.randn(like.shape).to(like)
        draws = [np.random.default_rng([1, int(row)]).normal(size=like.shape[2:]) for row in rows.flatten()]
        return torch.from_numpy(np.stack(draws)).to(like).view_as(like)

    # Augmentation -----------------------------------------------------------------------------------------------------

    def missed(self, confidence: Float[Tensor, "b t j"]) -> Float[Tensor, "b t j"]:
        """The confidences with random runs of joints at 0."""
        batch, frames, joints = confidence.shape
        if share := self.settings.missed_joints:
            # A chain of two states: a run ends with probability 1 / RUN, and as many begin as give the share.
            ends, begins = 1 / RUN, share / (RUN * (1 - share))
            draws, gone = torch.rand(frames, batch, joints), torch.rand(batch, joints) < share
            missing = []
            for draw in draws:
                gone = torch.where(gone, draw >= ends, draw < begins)
                missing.append(gone)
            confidence = confidence * ~torch.stack(missing, dim=1).to(confidence.device)
        return confidence

    def ahead(self, like: Float[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        """Random frames between each frame and the last input frame of its prediction: 1, or more without detections.

        Uniform on a logarithmic scale. 0 for frames that are not predicted; the last frame always is.
        """
        batch, frames = like.shape
        length = torch.exp(torch.rand(batch, frames) * math.log(frames)).long()
        length = torch.where(torch.rand(batch, frames) < self.settings.missed_people, length, 1)
        length = length.minimum(torch.arange(frames)).clamp_min(1)
        predicted = torch.rand(batch, frames) < self.settings.predicted
        predicted[:, -1] = True
        return (length * predicted).to(like.device)

    def turned(
        self, pose: Poses, target: Poses, middle: Float[Tensor, "b 1 1"]
    ) -> tuple[Poses, Poses, Int[Tensor, "b t j"]]:
        """Input and target mirrored and rotated alike, and the original index of each joint."""
        batch, frames, joints, _ = pose.shape
        twin = (torch.rand(batch) < 0.5 * self.settings.flip).to(pose.device)
        order = torch.where(twin[:, None], self.mirror_order, torch.arange(joints, device=pose.device))
        order = repeat(order, "b j -> b t j", t=frames)
        side = torch.where(twin, -1.0, 1.0).to(pose)[:, None, None]
        turns = math.radians(self.settings.rotate) * (2 * torch.rand(batch) - 1).to(pose)
        cos, sin = turns.cos()[:, None, None], turns.sin()[:, None, None]
        moved = []
        for values in (pose, target):
            values = values.gather(2, order[..., None].expand_as(values))
            x, y = side * (values[..., 0] - middle), values[..., 1]
            turned = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
            moved.append(torch.cat([turned, values[..., 2:]], dim=-1))
        return *moved, order

    # Candidates -------------------------------------------------------------------------------------------------------

    def add_candidates(self, batch: SequenceBatch) -> None:
        """Add the detected joints of the last frame, and those of the batch's next person, moved beside them.

        A detected joint without an annotation may be correct, so it is not used as a candidate.
        """
        target, annotated, scale = (values[:, -1:] for values in (batch["target"], batch["annotated"], batch["scale"]))
        confidence, scale = batch["confidence"][:, -1:], scale[..., None]
        pose, seen = rearrange(batch["x"][:, :, -1:], "b c t j -> b t j c"), confidence > 0
        other, other_seen = pose.roll(1, 0), seen.roll(1, 0)
        draws = torch.randn if self.training else torch.zeros
        beside = BESIDE * scale[..., None] * draws(len(pose), 1, 1, pose.shape[-1]).to(pose)
        centre, other_centre = (body_scale(*body)[0][:, :, None] for body in ((pose, seen), (other, other_seen)))
        other = (other - other_centre) * (scale / scale.roll(1, 0))[..., None] + centre + beside
        near = (pose - target).norm(dim=-1) < OUTLIER * scale
        joints = pose.shape[2]
        kind = torch.where(near, torch.arange(joints, device=pose.device), joints)
        kind = torch.where(annotated, kind, -1)
        label = torch.cat([kind, torch.full_like(kind, joints)], dim=2)
        # A person without detections has no place beside them.
        other_confidence = confidence.roll(1, 0) * seen.any(2, keepdim=True) * (len(pose) > 1)
        confidence = torch.cat([confidence, other_confidence], dim=2)
        batch["candidates"] = rearrange(torch.cat([pose, other], dim=2), "b t q c -> b c t q")
        batch["candidate_confidence"] = confidence
        batch["candidate_label"] = torch.where(confidence > 0, label, -1)
        if "features" in batch:
            features = batch["features"][:, :, -1:]
            batch["candidate_features"] = torch.cat([features, features.roll(1, 0)], dim=3)


def sequence_scale(pose: Poses, annotated: Bool[Tensor, "b t j"]) -> Float[Tensor, "b t"]:
    """The largest `body_scale` of a sequence, which does not shrink when a person turns or leaves the image."""
    largest = body_scale(pose, annotated)[1].amax(dim=1, keepdim=True)
    return torch.where(largest > 0, largest, 1).expand(-1, pose.shape[1])
