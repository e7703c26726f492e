"""Sequences: stretches of single people's tracks, as a detector saw them, with what was true; a batch at a time."""

import math
from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.settings import TrackSettings

RUN = 4.0  # frames that an added run of missed joints lasts, on average
MOVING, LOOKED_AT = 0.15, 4096  # body scales; sequences at once
OUTLIER = 0.25  # body scales: a detected joint that is further from the truth is no candidate for its type
BESIDE = 1.0  # body scales: standard deviation of where another person's candidate joints lie
Poses = Float[Tensor, "b t j d"]
Seen = Bool[Tensor, "b t j"]


class Sequences:
    """Sequences of some recordings' tracks; none crosses from one track into another.

    Every field is one tensor over all rows, memory-mapped unless `place` moves it; a batch is one gather. Frames behind
    the end of a track are empty.

    Args:
        dataset: an opened file.
        settings: what is fed.
        kept: which recordings.
        skeleton: joints to take from the file, found there by their names.
        training: draw frame steps, augmentations and what is missed at random.
        candidates: make candidate joints of the current frame: those detected, and another person's.

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
        self.dataset, self.settings, self.skeleton = dataset, settings, skeleton
        self.training, self.candidates, self.frames = training, candidates, settings.frames
        order = skeleton.select_from(dataset.skeleton)
        self.joints = torch.from_numpy(order)
        tracks = np.flatnonzero(kept[dataset.tracks["recording"]] & (dataset.tracks["rows"] > 1))
        if not len(tracks):
            raise InputError(f"{dataset.path}: every track of these recordings has one frame; nothing can be predicted")
        names = {"input": f"pose2d/{settings.detector}", "target": f"pose2d/{settings.truth}"}
        names = names if settings.detector else {"input": "pose3d", "target": "pose3d"}
        names |= {"features": f"features/{settings.features}"} if settings.features else {}
        self.fields = {name: torch.from_numpy(dataset.rows(place)) for name, place in names.items()}
        self.fields |= {name: torch.from_numpy(dataset.rows(name)) for name in ("frame", "valid")}
        self.first_rows = torch.from_numpy(dataset.tracks["first_row"][tracks])
        self.lengths = torch.from_numpy(dataset.tracks["rows"][tracks])
        self.recording = torch.from_numpy(dataset.tracks["recording"][tracks])
        self.fps = torch.from_numpy(dataset.recordings["fps"])
        self.width = torch.from_numpy(dataset.recordings["width"])
        self.mirror_order = torch.from_numpy(skeleton.mirror)
        # The last sequence of a track ends with it; of a shorter track there is one.
        last = np.maximum(self.lengths.numpy() - settings.frames, 0)
        stride = settings.stride if training else settings.frames - 1  # the first frame of a sequence is not predicted
        counts = -(-last // stride) + 1
        track = np.repeat(np.arange(len(tracks)), counts)
        number = np.arange(len(track)) - np.repeat(np.cumsum(counts) - counts, counts)
        start = np.minimum(stride * number, last[track])
        self.table = torch.from_numpy(np.stack([track, start], axis=1))
        if training and settings.still < 1:
            kept = self.moving() | (torch.rand(len(self), generator=seeded()) < settings.still)
            self.table = self.table[kept] if kept.any() else self.table

    def moving(self) -> Bool[Tensor, " n"]:
        """In which sequences the person moves: joints by `MOVING` body scales in a quarter of the time, on average."""
        found = []
        for table in self.table.split(LOOKED_AT):
            track, start = table.unbind(1)
            frame = start[:, None] + torch.linspace(0, self.frames - 1, 5).long()
            rows = self.first_rows[track, None] + frame.minimum(self.lengths[track, None] - 1)
            target = self.gather(self.fields["target"], rows)
            flat = bool(self.settings.detector)
            annotated = target[..., 2] > 0 if flat else torch.ones_like(target[..., 0], dtype=torch.bool)
            place, both = target[..., : 2 if flat else 3], annotated[:, 1:] & annotated[:, :-1]
            change = place.diff(dim=1).norm(dim=-1) / body_scale(place, annotated)[:, :1, None]
            found.append(((change * both).sum(-1) / both.sum(-1).clamp_min(1)).amax(1) > MOVING)
        return torch.cat(found)

    def place(self, move: Callable[[Tensor], Tensor]) -> None:
        """Move the fields and tables with `move`, e.g. to the device that trains."""
        self.fields = {name: move(values) for name, values in self.fields.items()}
        for name in ("first_rows", "lengths", "recording", "fps", "width", "mirror_order", "joints", "table"):
            setattr(self, name, move(getattr(self, name)))

    def __len__(self) -> int:
        """Sequences."""
        return len(self.table)

    def batch(self, index: Int[Tensor, " b"]) -> dict[str, Tensor]:
        """Gather sequences of t frames.

        Returns:
            x: (b d t j) the input, pixels or metres. confidence: (b t j), 0 = not detected. time: (b t) seconds.
            target: (b t j d). annotated: (b t j) whether it is to be scored. scale: (b t) of the annotated joints.
            ahead: (b t) frames from the last one that a frame's prediction knows; 0 where there is none to be made.
            inside: (b t) whether the person was detected in a frame of the sequence by then.
            features: (b w t j) with visual features. recording: (b) row in the dataset's table.
            candidates, candidate_confidence, candidate_label: (b d 1 q), (b 1 q), (b 1 q) of the last frame, if asked
            for; the label is the joint, or their number for none, or -1 where there is no candidate.
        """
        track, start = self.table[index].unbind(1)
        steps = torch.tensor(self.settings.frame_steps)
        step = steps[torch.randint(len(steps), (len(index),))] if self.training else steps[:1].expand(len(index))
        frame = start[:, None] + step.to(start)[:, None] * torch.arange(self.frames, device=start.device)
        within = frame < self.lengths[track, None]
        rows = self.first_rows[track, None] + frame.minimum(self.lengths[track, None] - 1)
        fields = {name: self.gather(values, rows) for name, values in self.fields.items()}
        flat, recording = bool(self.settings.detector), self.recording[track]
        pose, target = (fields[name][..., : 2 if flat else 3] for name in ("input", "target"))
        confidence = fields["input"][..., 2] if flat else torch.ones_like(pose[..., 0])
        annotated = fields["target"][..., 2] > 0 if flat else torch.ones_like(confidence, dtype=torch.bool)
        annotated = annotated & (within & fields["valid"])[..., None]
        confidence = confidence * within[..., None]
        features = fields.get("features")
        if self.training:
            confidence = self.missed(confidence)
            middle = self.width[recording].to(pose)[:, None, None] / 2 if flat else pose.new_zeros(len(pose), 1, 1)
            pose, target, order = self.turned(pose, target, middle)
            confidence, annotated = (values.gather(2, order) for values in (confidence, annotated))
            features = None if features is None else features.gather(2, order[..., None].expand_as(features))
        if self.settings.noise:
            pose = pose + self.settings.noise * self.normal(rows, pose)
        seen = confidence > 0
        pose = torch.where(seen[..., None], pose, 0)
        first = frame[:, :1].minimum(self.lengths[track, None] - 1)
        numbers = fields["frame"] + (frame - first - (rows - rows[:, :1]))  # behind the track's end time goes on
        time = (numbers - numbers[:, :1]) / self.fps[recording, None]
        scale = body_scale(target, annotated)
        ahead = self.ahead(time) if self.training else torch.ones_like(rows)
        last = torch.arange(self.frames, device=rows.device) - ahead
        before = seen.any(-1).cummax(1).values.gather(1, last.clamp_min(0)) & (last >= 0) & (ahead > 0)
        batch = {
            "x": rearrange(pose, "b t j d -> b d t j"),
            "confidence": confidence,
            "time": time.to(pose),
            "ahead": ahead,
            "target": target,
            "annotated": annotated,
            "scale": scale,
            "inside": before & annotated.any(-1),
            "recording": recording,
            "label": recording,
        }
        if features is not None:
            batch["features"] = rearrange(features * seen[..., None], "b t j w -> b w t j")
        return batch | (self.candidates_of(batch) if self.candidates else {})

    def gather(self, values: Tensor, rows: Int[Tensor, "b t"]) -> Tensor:
        """Rows of a field, (b t) or (b t j w) with the joints that are wanted."""
        found = values.index_select(0, rows.flatten()).view(*rows.shape, *values.shape[1:])
        return found if found.ndim == 2 else found[:, :, self.joints]

    def normal(self, rows: Int[Tensor, "b t"], like: Poses) -> Poses:
        """Normal noise; outside training the same for the same rows, whoever asks."""
        if self.training:
            return torch.randn(like.shape).to(like)
        draws = [np.random.default_rng([1, int(row)]).normal(size=like.shape[2:]) for row in rows.flatten()]
        return torch.from_numpy(np.stack(draws)).to(like).view_as(like)

    # Augmentation -----------------------------------------------------------------------------------------------------

    def missed(self, confidence: Float[Tensor, "b t j"]) -> Float[Tensor, "b t j"]:
        """The confidences with runs of joints at 0, drawn anew for every sequence."""
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
        """Frames to each frame from the last one that its prediction knows, drawn anew: 1, or more to go on alone.

        As many short stretches as long ones, on a logarithmic scale. 0 for frames that are not predicted this time; the
        last one always is.
        """
        batch, frames = like.shape
        length = torch.exp(torch.rand(batch, frames) * math.log(frames)).long()
        length = torch.where(torch.rand(batch, frames) < self.settings.missed_people, length, 1)
        length = length.minimum(torch.arange(frames)).clamp_min(1)
        asked = torch.rand(batch, frames) < self.settings.predicted
        asked[:, -1] = True
        return (length * asked).to(like.device)

    def turned(
        self, pose: Poses, target: Poses, middle: Float[Tensor, "b 1 1"]
    ) -> tuple[Poses, Poses, Int[Tensor, "b t j"]]:
        """Input and target mirrored and turned alike; also which joint each one was."""
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
            flat = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
            moved.append(torch.cat([flat, values[..., 2:]], dim=-1))
        return *moved, order

    # Candidates -------------------------------------------------------------------------------------------------------

    def candidates_of(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The joints that were detected in the last frame, and those of the batch's next person, put beside them."""
        names = ("confidence", "target", "annotated", "scale")
        confidence, target, annotated, scale = (batch[name][:, -1:] for name in names)
        pose, seen, scale = rearrange(batch["x"][:, :, -1:], "b d t j -> b t j d"), confidence > 0, scale[..., None]
        other, there = pose.roll(1, 0), seen.roll(1, 0)
        draws = torch.randn if self.training else torch.zeros
        beside = BESIDE * scale[..., None] * draws(len(pose), 1, 1, pose.shape[-1]).to(pose)
        other = (other - mean(other, there)) * (scale / scale.roll(1, 0))[..., None] + mean(pose, seen) + beside
        near = (pose - target).norm(dim=-1) < OUTLIER * scale
        joints = pose.shape[2]
        kind = torch.where(near, torch.arange(joints, device=pose.device), joints)
        # What is detected where nothing is annotated may be right: it is no candidate to learn from.
        kind = torch.where(annotated, kind, -1)
        label = torch.cat([kind, torch.full_like(kind, joints)], dim=2)
        # Of someone who is missed nobody knows where others would be beside.
        others = confidence.roll(1, 0) * seen.any(2, keepdim=True) * (len(pose) > 1)
        confidence = torch.cat([confidence, others], dim=2)
        found = {
            "candidates": rearrange(torch.cat([pose, other], dim=2), "b t q d -> b d t q"),
            "candidate_confidence": confidence,
            "candidate_label": torch.where(confidence > 0, label, -1),
        }
        if "features" in batch:
            features = batch["features"][:, :, -1:]
            found["candidate_features"] = torch.cat([features, features.roll(1, 0)], dim=3)
        return found

    def ids(self, recording: Int[Tensor, " b"]) -> list[str]:
        """Ids of recordings, each once, in order."""
        return list(dict.fromkeys(self.dataset.recordings["id"][recording.cpu().numpy()]))


def seeded() -> torch.Generator:
    """For choices that are the same in every run of the same data."""
    return torch.Generator().manual_seed(0)


def mean(pose: Poses, seen: Seen) -> Float[Tensor, "b t 1 d"]:
    """Of the joints that are seen, 0 where none is."""
    weight = seen[..., None].to(pose)
    return (pose * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp_min(1)


def body_scale(pose: Poses, annotated: Seen) -> Float[Tensor, "b t"]:
    """Root mean square distance of a sequence's annotated joints from the middle of each frame; its largest over time.

    The largest, since someone who is half outside the image, or turns, is as large as before.
    """
    weight = annotated[..., None].to(pose)
    squares = ((pose - mean(pose, annotated)) * weight).square().sum((-1, -2)) / weight.sum((-1, -2)).clamp_min(1)
    largest = squares.sqrt().amax(dim=1, keepdim=True)
    return torch.where(largest > 0, largest, 1).expand(-1, pose.shape[1])
