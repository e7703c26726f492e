"""Clips: whole recordings with their persons, sampled to a number of frames and gathered a batch at a time."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.settings import ClipSettings

# Where in its part of a clip the frame is that stands for it, and where consecutive frames begin: 0 to 1.
MIDDLE = 0.5


class Clips:
    """The clips of some recordings of a dataset.

    A clip ends with the last frame of one of its first `max_persons` persons. It begins with their first one where it
    is sampled evenly, and otherwise with the recording's frame 0, as published loaders count. Every field is one tensor
    over all rows, memory-mapped unless `place` moves it; a batch is one gather.

    Args:
        dataset: an opened file.
        settings: what is fed.
        kept: which recordings.
        labels: class of every recording of the dataset, -1 where it has none.
        skeleton: joints to take from the file, found there by their names.
        training: draw frames and augmentations at random, `repeat` samples of every clip in an epoch.
        padded: feed absent persons as well, as zeros.
        views: samples of every clip, at as many places of its parts, when not training.

    Attributes:
        recording: number of each clip's recording. lengths: frames of each clip.

    Raises:
        InputError: no 3D poses, unknown detector, a joint that the file lacks, or no recording is kept.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: ClipSettings,
        kept: Bool[np.ndarray, " recording"],
        *,
        labels: Int[np.ndarray, " recording"],
        skeleton: Skeleton,
        training: bool = False,
        padded: bool = False,
        views: int = 1,
    ) -> None:
        self.dataset, self.settings, self.skeleton = dataset, settings, skeleton
        self.training, self.padded, self.views = training, padded, views
        self.frames = settings.frames if training else settings.test_frames or settings.frames
        self.prepare = Preparation(skeleton, settings, training)
        name = "pose3d" if settings.detector is None else f"pose2d/{settings.detector}"
        if settings.detector is None and not dataset.has(name):
            raise InputError(
                f"{dataset.path}: has no 3D poses, which data.detector null asks for; feed its 2D with --set "
                f"data.detector={dataset.detectors[0]} (there are {', '.join(dataset.detectors)})"
            )
        self.fields = {"pose": torch.from_numpy(dataset.rows(name))}
        order = skeleton.select_from(dataset.skeleton)
        everything = np.array_equal(order, np.arange(len(dataset.skeleton)))
        self.joints = None if everything else torch.from_numpy(order)
        self._find_persons(np.flatnonzero(kept))
        self.labels = torch.from_numpy(labels[self.recording])
        self._check_views()
        size = np.stack([dataset.recordings["width"], dataset.recordings["height"]], axis=1)[self.recording]
        self.size = torch.from_numpy(size).float()
        if settings.normalise in ("image", "screen") and (size <= 0).any():
            id = dataset.recordings["id"][self.recording[int((size <= 0).any(1).argmax())]]
            raise InputError(
                f"{dataset.path}: {id} has no image size, which data.normalise {settings.normalise!r} divides by; "
                'prepare it again with one, or use "body"'
            )

    def _check_views(self) -> None:
        if self.views > 1 and self.settings.sampling == "start":
            raise InputError(
                f'{self.views} views of a clip: with data.sampling "start" all are the same; score one, or sample '
                "otherwise"
            )

    def _find_persons(self, recordings: Int[np.ndarray, " clip"]) -> None:
        """Tables of clips, of their persons, and of the row that shows a person in each frame of the clip."""
        dataset, most = self.dataset, self.settings.max_persons
        tracks = {name: values.astype(np.int64) for name, values in dataset.tracks.items()}
        tracks = {name: values[np.isin(tracks["recording"], recordings)] for name, values in tracks.items()}
        # Persons of a recording counted from 0, in the order of their numbers.
        pairs = np.stack([tracks["recording"], tracks["person"]], axis=1)
        persons, pair = np.unique(pairs, axis=0, return_inverse=True)
        pair = pair.ravel()
        number = np.arange(len(persons)) - np.searchsorted(persons[:, 0], persons[:, 0])
        tracks = {name: values[number[pair] < most] for name, values in tracks.items()}
        renumbered = np.cumsum(number < most) - 1
        pair, persons, number = renumbered[pair[number[pair] < most]], persons[number < most], number[number < most]

        self.recording, clip = np.unique(tracks["recording"], return_inverse=True)
        first = np.array(dataset.rows("frame")[tracks["first_row"]], dtype=np.int64)
        begin, end = np.full(len(self.recording), np.iinfo(np.int64).max), np.zeros(len(self.recording), np.int64)
        np.minimum.at(begin, clip, first if self.settings.sampling == "uniform" else np.zeros_like(first))
        np.maximum.at(end, clip, first + tracks["rows"])
        self.first_frames, self.lengths = begin, end - begin
        owner = np.searchsorted(self.recording, persons[:, 0])
        offset = np.cumsum(self.lengths[owner]) - self.lengths[owner]
        shown = np.full(int(self.lengths[owner].sum()), -1, np.int64)
        within = np.arange(int(tracks["rows"].sum())) - np.repeat(
            np.cumsum(tracks["rows"]) - tracks["rows"], tracks["rows"]
        )
        place = offset[pair] + first - begin[clip]
        shown[np.repeat(place, tracks["rows"]) + within] = np.repeat(tracks["first_row"], tracks["rows"]) + within
        self.row = torch.from_numpy(shown)
        self.offset = torch.from_numpy(offset)
        self.length = torch.from_numpy(self.lengths)
        self.first_pair = torch.from_numpy(np.searchsorted(owner, np.arange(len(self.recording))))
        self.persons = torch.from_numpy(np.bincount(owner, minlength=len(self.recording)))

    def place(self, move: Callable[[Tensor], Tensor]) -> None:
        """Move the fields and tables with `move`, e.g. to the device that trains."""
        self.fields = {name: move(values) for name, values in self.fields.items()}
        for name in ("row", "offset", "length", "first_pair", "persons", "labels", "size"):
            setattr(self, name, move(getattr(self, name)))
        self.joints = self.joints if self.joints is None else move(self.joints)

    def __len__(self) -> int:
        """Samples."""
        return len(self.recording) * (self.settings.repeat if self.training else self.views)

    def ids(self, recording: Int[Tensor, " b"]) -> list[str]:
        """Ids of recordings, each once, in order."""
        return list(dict.fromkeys(self.dataset.recordings["id"][recording.cpu().numpy()]))

    def batch(self, index: Int[Tensor, " b"]) -> dict[str, Tensor]:
        """Gather samples of t frames; random ones in training, by torch's generator.

        Returns:
            x: (p c t j) the model's input: all persons of all clips but those of whom it has nothing, unless padded.
            clip: (p) whose they are. person: (p) number within the clip.
            label: (b) class. recording: (b) row in the dataset's table. number: (b) of the clip among the kept ones.
            view: (b) which sample of the clip it is.
            frame: (b t) frame of the clip, -1 for filled-up ones. inside: (b 1) true.
        """
        index = index.to(self.row.device)
        number = index % len(self.recording)
        frame = self.sampled(number, index // len(self.recording))
        after = torch.where(frame < 0, -1, (frame + 1).minimum(self.length[number, None] - 1))
        sample = self.gather(number, torch.cat([frame, after], dim=1) if self.settings.moves else frame)
        x, kept = fed(self.prepare(sample), self.padded)
        return {
            "x": x,
            "clip": sample.clip[kept],
            "person": sample.person[kept],
            "label": self.labels[number],
            "recording": torch.from_numpy(self.recording[number.cpu().numpy()]),
            "number": number,
            "view": index // len(self.recording),
            "frame": frame,
            "inside": torch.ones(len(number), 1, dtype=torch.bool),
        }

    def sampled(self, clip: Int[Tensor, " b"], view: Int[Tensor, " b"]) -> Int[Tensor, "b t"]:
        """Frames of each clip, counted from its first; -1 where it is filled up."""
        settings, frames = self.settings, self.frames
        length = self.length[clip].double()[:, None]
        step = torch.arange(frames, device=clip.device)
        if self.training:
            where = torch.rand(len(clip), frames, dtype=torch.float64).to(clip.device)
            share = 1 - (1 - settings.shortest) * torch.rand(len(clip), 1, dtype=torch.float64).to(clip.device)
            begin = torch.rand(len(clip), 1, dtype=torch.float64).to(clip.device)
        else:
            begin = (view[:, None].double() + MIDDLE) / self.views
            where, share = begin, torch.ones_like(begin)
        if settings.sampling == "uniform":
            used = share * length
            return ((step + where) * used / frames + begin * (length - used)).long().minimum(length.long() - 1)
        spare = length - frames
        # A shorter clip is placed anywhere in training, and at the front otherwise.
        first = torch.where(spare > 0, begin * (spare + 1), begin * (spare - 1) * self.training)
        first = torch.trunc(first).long() if settings.sampling == "crop" else torch.zeros_like(length).long()
        frame = first + step
        return torch.where((frame >= 0) & (frame < length), frame, -1)

    def gather(self, clip: Int[Tensor, " b"], frame: Int[Tensor, "b t"]) -> Sample:
        """The persons of some clips at some of their frames."""
        persons = self.persons[clip]
        if self.padded:
            persons = torch.full_like(persons, self.settings.max_persons)
        owner = torch.repeat_interleave(torch.arange(len(clip), device=clip.device), persons)
        person = torch.arange(len(owner), device=clip.device) - (persons.cumsum(0) - persons)[owner]
        there = person < self.persons[clip][owner]
        pair = torch.where(there, self.first_pair[clip][owner] + person, 0)
        there = there[:, None] & (frame[owner] >= 0)
        row = torch.where(there, self.row[self.offset[pair][:, None] + torch.where(there, frame[owner], 0)], -1)
        values = self.fields["pose"]
        pose = values.index_select(0, row.clamp_min(0).flatten()).view(*row.shape, *values.shape[1:])
        pose = pose if self.joints is None else pose[:, :, self.joints]
        seen = found(pose, self.settings) & (row >= 0)[..., None]
        return Sample(pose * seen[..., None], seen, owner, person, self.size[clip])


def found(pose: Float[Tensor, "p t j 3"], settings: ClipSettings) -> Bool[Tensor, "p t j"]:
    """Which joints are there: in 2D those with a confidence, in 3D all of a person who is not all zeros."""
    return pose[..., 2] > 0 if settings.detector else (pose != 0).flatten(2).any(2, keepdim=True).expand(pose.shape[:3])


def fed(x: Float[Tensor, "p c t j"], padded: bool) -> tuple[Float[Tensor, "q c t j"], Int[Tensor, " q"]]:
    """Persons who are fed, and which they are: whoever is not all zeros, or everybody; never nobody at all."""
    kept = x.flatten(1).any(1) | padded
    kept[0] |= not kept.any()
    kept = kept.nonzero()[:, 0]
    return x if len(kept) == len(x) else x[kept], kept
