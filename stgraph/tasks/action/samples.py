"""Clips: whole recordings with their persons, sampled to a number of frames and gathered a batch at a time."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.data.recording import members
from stgraph.data.samples import Batch, Samples
from stgraph.errors import InputError
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.sample import Sample, observed
from stgraph.tasks.action.sampling import draw_frames, sample_frames, with_next
from stgraph.tasks.action.settings import ClipSettings


class ClipBatch(Batch):
    """A batch of clips of t frames: `x` has all persons who are seen in the clip, and with padding absent ones."""

    clip: Int[Tensor, " n"]  # clip of the batch that a person belongs to
    person: Int[Tensor, " n"]  # number within the clip
    number: Int[Tensor, " b"]  # of the clip among the kept ones
    view: Int[Tensor, " b"]  # which sample of the clip it is
    frame: Int[Tensor, "b t"]  # frame of the clip, -1 where it is too short


class Clips(Samples):
    """The clips of some recordings of a dataset.

    A clip ends with the last frame of one of its first `max_persons` persons. It begins with their first one where it
    is sampled evenly, and otherwise with the recording's frame 0, as published loaders count.

    Args:
        dataset, labels, skeleton: see `Samples`.
        settings: input, sampling and augmentation.
        kept: which recordings.
        training: draw frames and augmentations at random, `repeat` samples of every clip in an epoch.
        padded: absent persons are input as well, as zeros.
        views: samples of every clip, at as many places of its parts, when not training.

    Attributes:
        recording: number of each clip's recording. lengths: frames of each clip. first_frames: number of its first.
        persons: of each clip. labels: class of each clip.

    Raises:
        InputError: no 3D poses, unknown detector, a joint that the file lacks, or views that would all be the same.
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
        name = "pose3d" if settings.detector is None else f"pose2d/{settings.detector}"
        if settings.detector is None and not dataset.has(name):
            first, *_ = names = dataset.detectors
            remedy = f"take its 2D with `train --set data.detector={first}` (of {', '.join(names)})"
            problem = "has no 3D poses, which data.detector null asks for"
            raise InputError(problem, where=dataset.path, remedy=remedy)
        if views > 1 and settings.sampling == "start":
            problem, remedy = 'with data.sampling "start" all are the same', "score one, or sample otherwise"
            raise InputError(problem, where=f"{views} views of a clip", remedy=remedy)
        super().__init__(dataset, {"pose": name}, skeleton, labels)
        self.settings, self.training, self.padded, self.views = settings, training, padded, views
        self.frames = settings.frames if training else settings.test_frames or settings.frames
        self.prepare = Preparation(skeleton, settings, training)
        self._find_persons(np.flatnonzero(kept))
        self.labels = self.labels[torch.from_numpy(self.recording)]
        size = np.stack([dataset.recordings["width"], dataset.recordings["height"]], axis=1)[self.recording]
        self.size = torch.from_numpy(size).float()
        by_image = ("image", "screen", *(["pyskl"] if settings.detector else []))
        if settings.normalise in by_image and (size <= 0).any():
            id = dataset.recordings["id"][self.recording[int((size <= 0).any(1).argmax())]]
            problem = f"{id} has no image size, which data.normalise {settings.normalise!r} divides by"
            raise InputError(problem, where=dataset.path, remedy='prepare it again with one, or use "body"')

    def _find_persons(self, recordings: Int[np.ndarray, " clip"]) -> None:
        """Tables of clips, of their persons, and of the dataset's row of a person in each frame of the clip."""
        dataset, most = self.dataset, self.settings.max_persons
        tracks = {name: values.astype(np.int64) for name, values in dataset.tracks.items()}
        tracks = {name: values[np.isin(tracks["recording"], recordings)] for name, values in tracks.items()}
        # Persons of a recording counted from 0, in the order of their numbers.
        pairs = np.stack([tracks["recording"], tracks["person"]], axis=1)
        persons, pair = np.unique(pairs, axis=0, return_inverse=True)
        number = np.arange(len(persons)) - np.searchsorted(persons[:, 0], persons[:, 0])
        pair = pair.ravel()
        used = number[pair] < most
        tracks = {name: values[used] for name, values in tracks.items()}
        persons, pair = persons[number < most], (np.cumsum(number < most) - 1)[pair[used]]

        self.recording, clip = np.unique(tracks["recording"], return_inverse=True)
        first = np.array(dataset.rows("frame")[tracks["first_row"]], dtype=np.int64)
        begin, end = np.full(len(self.recording), np.iinfo(np.int64).max), np.zeros(len(self.recording), np.int64)
        np.minimum.at(begin, clip, first if self.settings.sampling == "uniform" else np.zeros_like(first))
        np.maximum.at(end, clip, first + tracks["rows"])
        self.first_frames, self.lengths = begin, end - begin
        owner = np.searchsorted(self.recording, persons[:, 0])
        offset = np.cumsum(self.lengths[owner]) - self.lengths[owner]
        shown = np.full(int(self.lengths[owner].sum()), -1, np.int64)
        track, within = members(tracks["rows"])
        shown[(offset[pair] + first - begin[clip])[track] + within] = tracks["first_row"][track] + within
        if self.settings.by_opening:
            shown, offset = self._led(shown, offset, owner)
        self.row = torch.from_numpy(shown)
        self.offset = torch.from_numpy(offset)
        self.length = torch.from_numpy(self.lengths)
        self.first_pair = torch.from_numpy(np.searchsorted(owner, np.arange(len(self.recording))))
        self.persons = torch.from_numpy(np.bincount(owner, minlength=len(self.recording)))

    def _led(
        self, shown: Int[np.ndarray, " row"], offset: Int[np.ndarray, " pair"], owner: Int[np.ndarray, " pair"]
    ) -> tuple[Int[np.ndarray, " left"], Int[np.ndarray, " pair"]]:
        """The rows of persons in the frames that show the first person alone, as pyskl drops all others.

        Of the first two persons, the one in more frames is the first.
        """
        frames = [shown[begin : begin + self.lengths[clip]] for begin, clip in zip(offset, owner, strict=True)]
        for pair in np.flatnonzero(np.diff(owner, prepend=-1)):
            two = pair + 1 < len(owner) and owner[pair + 1] == owner[pair]
            if two and (frames[pair] >= 0).sum() < (frames[pair + 1] >= 0).sum():
                frames[pair], frames[pair + 1] = frames[pair + 1], frames[pair]
            kept = frames[pair] >= 0
            self.lengths[owner[pair]] = kept.sum()
            for other in range(pair, np.searchsorted(owner, owner[pair], "right")):
                frames[other] = frames[other][kept]
        lengths = np.array([len(rows) for rows in frames])
        return np.concatenate(frames), np.cumsum(lengths) - lengths

    def __len__(self) -> int:
        return len(self.recording) * (self.settings.repeat if self.training else self.views)

    def batch(self, index: Int[Tensor, " b"]) -> ClipBatch:
        """Gather samples; random ones in training, by torch's generator."""
        index = index.to(self.row.device)
        number, view = index % len(self.recording), index // len(self.recording)
        frame, length = self.sampled(number, view), self.length[number, None]
        sample = self.gather(number, with_next(frame, length) if self.settings.moves else frame)
        x, kept = present_persons(self.prepare(sample), self.padded)
        return {
            "x": x,
            "clip": sample.clip[kept],
            "person": sample.person[kept],
            "label": self.labels[number],
            "recording": torch.from_numpy(self.recording[number.cpu().numpy()]),
            "number": number,
            "view": view,
            "frame": frame,
            "inside": torch.ones(len(number), 1, dtype=torch.bool),
        }

    def sampled(self, clip: Int[Tensor, " b"], view: Int[Tensor, " b"]) -> Int[Tensor, "b t"]:
        """Frames of each clip, counted from its first; -1 where the clip is too short."""
        settings, length = self.settings, self.length[clip, None]
        if self.training:
            return draw_frames(length, self.frames, settings.sampling, shortest=float(settings.shortest))
        return sample_frames(length, self.frames, settings.sampling, view=view[:, None], views=self.views)

    def gather(self, clip: Int[Tensor, " b"], frame: Int[Tensor, "b t"]) -> Sample:
        """The persons of some clips in some frames."""
        persons = self.persons[clip]
        if self.padded:
            persons = torch.full_like(persons, self.settings.max_persons)
        owner = torch.repeat_interleave(torch.arange(len(clip), device=clip.device), persons)
        person = torch.arange(len(owner), device=clip.device) - (persons.cumsum(0) - persons)[owner]
        present = person < self.persons[clip][owner]
        pair = torch.where(present, self.first_pair[clip][owner] + person, 0)
        present = present[:, None] & (frame[owner] >= 0)
        row = torch.where(present, self.row[self.offset[pair][:, None] + torch.where(present, frame[owner], 0)], -1)
        pose = torch.where((row >= 0)[..., None, None], self.take("pose", row.clamp_min(0)), 0)
        pose, seen = observed(pose, self.settings, self.skeleton.root)
        first = None
        if self.settings.by_opening:
            first = self.take("pose", self.row[self.offset[self.first_pair[clip]]][:, None])[:, 0]
        return Sample(pose, seen, owner, person=person, size=self.size[clip], first=first)


def present_persons(x: Float[Tensor, "p c t j"], padded: bool) -> tuple[Float[Tensor, "q c t j"], Int[Tensor, " q"]]:
    """The persons that the model sees, and their numbers: those whose input is not all zeros, or with `padded` all.

    At least one person is kept, so that the model has an input.
    """
    kept = x.flatten(1).any(1) | padded
    kept[0] |= not kept.any()
    kept = kept.nonzero()[:, 0]
    return x if len(kept) == len(x) else x[kept], kept
