"""From a recogniser's outputs of samples to the scores of clips, their persons and their frames."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.models.base import Model
from stgraph.scoring.clip_scores import ClipScores, write_csv
from stgraph.tasks.action.samples import Clips


class FrameRows(NamedTuple):
    """The recognised classes of a clip's frames.

    Attributes:
        clip: its number. frame: numbers within its recording.
        recognised: class of every frame. probability: of that class.
    """

    clip: int
    frame: Int[np.ndarray, " f"]
    recognised: Int[np.ndarray, " f"]
    probability: Float[np.ndarray, " f"]


class ScoreAccumulator:
    """Adds up the scores of batches of samples.

    Args:
        clips: that the batches are taken from.
        classes: their names.
        model: whose steps in time stand for frames: `stride` input frames each, after `before` frames of context.
        per_frame: keep every frame's result in `frame_rows`.
    """

    def __init__(self, clips: Clips, classes: tuple[str, ...], model: Model, per_frame: bool = False) -> None:
        self.clips, self.classes, self.model = clips, classes, model
        self.persons = clips.persons.cpu()
        count = len(self.persons)
        self.probabilities = torch.zeros(count, len(classes))
        self.frames = np.zeros((count, len(classes)), np.int32)
        self.contributions: Tensor | None = torch.zeros(count, len(clips.skeleton))
        self.first_person = self.persons.cumsum(0) - self.persons
        self.person_clip = torch.arange(count).repeat_interleave(self.persons)
        self.person_probabilities = torch.zeros(len(self.person_clip), len(classes))
        self.per_frame, self.frame_rows = per_frame, list[FrameRows]()

    def add(
        self,
        batch: dict[str, Tensor],
        scores: Float[Tensor, "b n"],
        dense: Float[Tensor, "p n s j"],
        contributions: Float[Tensor, "p s v"] | None,
    ) -> None:
        """Add a batch of clips: their scores, the dense scores and the contributions of the joints."""
        number, view, clip, person = (batch[name].cpu() for name in ("number", "view", "clip", "person"))
        dense, frames, views = dense.float().cpu(), batch["frame"].cpu().numpy(), self.clips.views
        count = torch.bincount(clip, minlength=len(number)).clamp_min(1)
        self.probabilities.index_add_(0, number, scores.float().softmax(1).cpu() / views)
        owner = number[clip]
        present = person < self.persons[owner]  # absent persons are zeros in the input of some models
        row = self.first_person[owner[present]] + person[present]
        self.person_probabilities.index_add_(0, row, dense[present].mean(dim=(2, 3)).softmax(1) / views)
        if contributions is None or self.contributions is None:
            self.contributions = None
        else:
            self.contributions.index_add_(0, owner, contributions.mean(dim=1) / count[clip, None] / views)
        along = dense.mean(dim=3)
        along = along.new_zeros(len(number), *along.shape[1:]).index_add(0, clip, along) / count[:, None, None]
        probability, recognised = (values.numpy() for values in along.softmax(1).max(1))
        for sample in (view == 0).nonzero()[:, 0].tolist():  # one view: every frame counts once
            self._add_frames(int(number[sample]), frames[sample], probability[sample], recognised[sample])

    def _add_frames(
        self,
        clip: int,
        frames: Int[np.ndarray, " t"],
        probability: Float[np.ndarray, " s"],
        recognised: Int[np.ndarray, " s"],
    ) -> None:
        frame, step = self._steps(frames, int(self.clips.lengths[clip]), len(recognised))
        np.add.at(self.frames[clip], recognised[step], 1)
        if self.per_frame:
            first = self.clips.first_frames[clip]
            self.frame_rows.append(FrameRows(clip, frame + first, recognised[step], probability[step]))

    def _steps(
        self, frames: Int[np.ndarray, " t"], length: int, steps: int
    ) -> tuple[Int[np.ndarray, " f"], Int[np.ndarray, " f"]]:
        """Frames of a clip of this length, counted from its first, and the step of the model that stands for each.

        Args:
            frames: the model's input, -1 where it is filled up. Where the clip is sampled uniformly, each stands for
                an equal part of the clip; else they are consecutive and stand for themselves.
        """
        if self.clips.settings.sampling == "uniform":
            frame = np.arange(length)
            place = frame * len(frames) // length
        else:
            place = np.flatnonzero(frames >= 0)
            frame = frames[place]
        step = (place - self.model.before) // self.model.stride
        covered = (place >= self.model.before) & (step < steps)
        return frame[covered], step[covered]

    def result(self, about: dict) -> ClipScores:
        """The scores of all clips, once every sample is added."""
        clips, table = self.clips, self.clips.dataset.recordings
        contributions = torch.zeros(len(self.frames), 0) if self.contributions is None else self.contributions
        person = torch.arange(len(self.person_clip)) - self.first_person[self.person_clip]
        return ClipScores(
            classes=list(self.classes),
            **{name: table[name][clips.recording] for name in ("id", "action", "subject", "camera")},
            label=clips.labels.cpu().numpy(),
            probabilities=self.probabilities.numpy(),
            person_clip=self.person_clip.numpy(),
            person=person.numpy(),
            person_probabilities=self.person_probabilities.numpy(),
            frames=self.frames,
            joints=np.array(clips.skeleton.names),
            contributions=contributions.numpy(),
            about=about,
        )


def write_frames(frame_rows: list[FrameRows], scores: ClipScores, path: Path) -> Path:
    """Write a CSV row for every frame that a step of the model covers, in order."""
    rows = [
        (scores.id[rows.clip], frame, scores.action[rows.clip], scores.classes[number], f"{probability:.4f}")
        for rows in sorted(frame_rows, key=lambda rows: rows.clip)
        for frame, number, probability in zip(rows.frame, rows.recognised, rows.probability, strict=True)
    ]
    return write_csv(path, ("id", "frame", "action", "recognised", "probability"), rows)
