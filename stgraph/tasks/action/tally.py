"""From a recogniser's outputs for samples of clips to the scores of the clips, their persons and their frames."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

FrameRows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # clip, frame of its recording, class, probability


@dataclass(frozen=True)
class Steps:
    """Which of the model's steps in time stands for a frame of a clip.

    Attributes:
        uniform: whether the frames fed stand for equal parts of the clip; else they are consecutive.
        stride: frames fed for one step. before: frames fed in front of the first step, which the model only sees.
    """

    uniform: bool
    stride: int
    before: int

    def of(self, fed: Int[np.ndarray, " t"], length: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames of the clip, counted from its first, that a step stands for, and those steps."""
        if self.uniform:
            frame = np.arange(length)
            place = frame * len(fed) // length
        else:
            place = np.flatnonzero(fed >= 0)
            frame = fed[place]
        step = (place - self.before) // self.stride
        told = (place >= self.before) & (step < steps)
        return frame[told], step[told]


class Tally:
    """Adds up what is found in batches of samples.

    Args:
        classes, joints: how many.
        lengths: frames of each clip. first_frames: number of its first one in the recording.
        persons: of each clip. views: samples of each clip.
        steps: how the model's steps stand for frames.
        per_frame: keep every frame's result.
    """

    def __init__(
        self,
        classes: int,
        joints: int,
        lengths: Int[np.ndarray, " clip"],
        first_frames: Int[np.ndarray, " clip"],
        persons: Int[np.ndarray, " clip"],
        views: int,
        steps: Steps,
        per_frame: bool,
    ) -> None:
        count = len(lengths)
        self.lengths, self.first_frames, self.views, self.steps = lengths, first_frames, views, steps
        self.probabilities = torch.zeros(count, classes)
        self.frames = np.zeros((count, classes), np.int32)
        self.contributions: Tensor | None = torch.zeros(count, joints)
        self.person_clip = np.repeat(np.arange(count), persons)
        self.first_person = np.cumsum(persons) - persons
        self.person = np.arange(len(self.person_clip)) - self.first_person[self.person_clip]
        self.persons = persons
        self.person_probabilities = torch.zeros(len(self.person_clip), classes)
        self.frame_rows: list[FrameRows] | None = [] if per_frame else None

    def add(
        self,
        batch: dict[str, Tensor],
        scores: Float[Tensor, "b n"],
        dense: Float[Tensor, "p n s j"],
        contributions: Float[Tensor, "p s v"] | None,
    ) -> None:
        """A batch of `Clips`, its clips' scores, the dense ones and what the joints contribute."""
        number, view, clip, person = (batch[name].cpu() for name in ("number", "view", "clip", "person"))
        dense, fed = dense.float().cpu(), batch["frame"].cpu().numpy()
        count = torch.bincount(clip, minlength=len(number)).clamp_min(1)
        self.probabilities.index_add_(0, number, scores.float().softmax(1).cpu() / self.views)
        owner = number[clip]
        real = person < torch.from_numpy(self.persons)[owner]  # absent ones are fed as zeros to some models
        place = torch.from_numpy(self.first_person)[owner[real]] + person[real]
        self.person_probabilities.index_add_(0, place, dense[real].mean(dim=(2, 3)).softmax(1) / self.views)
        if contributions is None or self.contributions is None:
            self.contributions = None
        else:
            share = contributions.mean(dim=1) / count[clip, None] / self.views
            self.contributions.index_add_(0, owner, share)
        along = dense.mean(dim=3)
        along = along.new_zeros(len(number), *along.shape[1:]).index_add(0, clip, along) / count[:, None, None]
        certain, found = (values.numpy() for values in along.softmax(1).max(1))
        for sample in (view == 0).nonzero()[:, 0].tolist():  # one view: every frame counts once
            self._add_frames(int(number[sample]), fed[sample], certain[sample], found[sample])

    def _add_frames(
        self, clip: int, fed: Int[np.ndarray, " t"], certain: Float[np.ndarray, " s"], found: Int[np.ndarray, " s"]
    ) -> None:
        frame, step = self.steps.of(fed, int(self.lengths[clip]), len(found))
        np.add.at(self.frames[clip], found[step], 1)
        if self.frame_rows is not None:
            rows = (np.full(len(frame), clip, np.int32), frame + self.first_frames[clip], found[step], certain[step])
            self.frame_rows.append(rows)
