"""Evaluation protocols as data: what is predicted from which window, which frames count, and how they are averaged.

Published numbers differ by what they score as much as by what predicts. A protocol states all of it, and every report
carries its statement.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from stgraph.data.dataset import window_table
from stgraph.errors import InputError
from stgraph.scoring.metrics import CORRECTNESS, Correctness

# Frames that a sliding model predicts from one window: shorter tracks are padded, so they are no more.
PIECE = 64
FRAMES_AT_ONCE = 16384


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate, named.

    Attributes:
        name, summary: what reports print.
        share: of a window's frames, how many are scored: its centre `max(1, floor(share x frames))`, windows cut so
            that these centres tile the track. None: the whole window, side by side, the last one moved back to end
            with the track (padded behind where the track is shorter than a window).
        once: each frame of a track counts exactly once. Otherwise whatever the windows score counts, padded frames
            (copies of the track's first or last frame) and overlaps too.
        velocity: differences in time are taken along the whole track, or inside each window only. Where frames count
            more than once, "track" means its windows joined end to end.
        root: the root of a root-relative prediction is set to "zero", is "subtracted" from all joints, or is scored
            "as predicted", against a target of zero.
        correct: what PCK and AUC mean.
        flip: whether the prediction is averaged with that of the mirrored input unless the caller says otherwise.
        without_joints: names of joints that are not scored. Those that a skeleton does not have are ignored.
        without_takes: (subject, take) that are not scored, and why.
        mean_over: what the means over frames are taken by, before their mean: actions, or recordings; "frame": all
            frames count alike. Frames that the file marks as not valid are never scored.
    """

    name: str
    summary: str
    share: Fraction | None = Fraction(1, 3)
    once: bool = True
    velocity: Literal["track", "window"] = "track"
    root: Literal["zero", "subtracted", "as predicted"] = "zero"
    correct: Correctness = CORRECTNESS["3dhp"]
    flip: bool = False
    without_joints: tuple[str, ...] = ()
    without_takes: tuple[tuple[str, str], ...] = ()
    mean_over: Literal["action", "recording", "frame"] = "action"

    def scored(self, outputs: int) -> int:
        """Frames scored per window of a model that predicts `outputs` frames from it."""
        return outputs if self.share is None else min(outputs, max(1, int(self.share * outputs)))

    def windows(
        self, lengths: Int[np.ndarray, " track"], outputs: int, before: int = 0, whole: bool = False
    ) -> Int[np.ndarray, "window 4"]:
        """Windows to predict from, as (track, start, first, last), in the order of the tracks.

        The model sees frames from `start` on, clamped to the track, and predicts `outputs` of them, the first being
        start + before; its predictions of frames first ... last - 1 are scored. All numbers are frames of the track,
        and may lie outside it. `whole`: all predictions are scored, whatever `share` says, which is right for a model
        whose prediction of a frame does not depend on where in the window it lies.
        """
        lengths, size = np.asarray(lengths, dtype=np.int64), outputs if whole else self.scored(outputs)
        by_size = self.share is not None and not whole
        table = window_table(lengths, outputs, size) if by_size else side_by_side(lengths, outputs)
        track, start = table[:, 0], table[:, 1] - before
        first = start + before + (outputs - size) // 2
        last = first + size
        if self.once:
            before = np.where(track == np.roll(track, 1), np.roll(last, 1), 0)
            before[:1] = 0
            first, last = np.maximum(first, before), np.minimum(last, lengths[track])
        return np.stack([track, start, first, last], axis=1)

    def plan(
        self, lengths: Int[np.ndarray, " track"], frames: int, before: int = 0, after: int = 0, sliding: bool = False
    ) -> "Plan":
        """What to predict and what to score for a model that sees so many frames and predicts all but some at the ends.

        A sliding model (see `stgraph.models.Model`) gets longer windows, unless the protocol scores by windows.
        """
        whole = sliding and self.once and self.velocity == "track"
        outputs = max(PIECE, before + after) if whole else frames - before - after
        table = self.windows(lengths, outputs, before, whole)
        return Plan(table, before + outputs + after, before, outputs, self.describe(frames, before, after, whole))

    def describe(self, frames: int, before: int = 0, after: int = 0, whole: bool = False) -> str:
        """Which windows and frames are scored, in words, for a model that sees so many frames and predicts all but
        those `before` and `after`."""
        outputs = frames - before - after
        size = self.scored(outputs)
        if frames == 1 or (whole and not before + after):
            cut = "Each frame by itself"
        elif whole or outputs == 1:
            around = f"{before} before and {after} after it" if after else f"{before} before it"
            cut = f"Each frame from a window of it and the {around}"
        elif self.share is None:
            cut = f"Windows of {frames} frames, {size} apart, the last one moved back to end with the track"
        else:
            cut = f"Windows of {frames} frames, cut every {size}; of each, the {size} in the centre scored"
        parts = [
            self.summary,
            f"{cut}; {'each frame counts once' if self.once else 'overlapping and padded frames count too'}.",
            f"Differences in time are taken {'along tracks' if self.velocity == 'track' else 'inside windows'}.",
        ]
        if self.without_joints:
            parts.append(f"Without {', '.join(self.without_joints)}.")
        return " ".join(parts)

    def leaves_out(self, subject: str, take: str) -> bool:
        """Whether a take is not scored."""
        return (subject, take) in self.without_takes


@dataclass(frozen=True)
class Plan:
    """Windows to predict from.

    Attributes:
        table: (window 4) as `Protocol.windows` gives it.
        frames: length of every window. before: frames in front of the first prediction. outputs: predictions in each.
        text: the plan in words.
    """

    table: Int[np.ndarray, "window 4"]
    frames: int
    before: int
    outputs: int
    text: str

    def predicted(self, index: Int[Tensor, " b"]) -> tuple[Int[Tensor, "b s"], Bool[Tensor, "b s"]]:
        """Frames of their tracks that these windows predict, and which of them are scored."""
        _, start, first, last = torch.from_numpy(self.table)[index].T
        frame = (start + self.before)[:, None] + torch.arange(self.outputs)
        return frame, (frame >= first[:, None]) & (frame < last[:, None])

    def batches(self) -> tuple[Int[Tensor, " b"], ...]:
        """Numbers of all windows, as many at a time as fill a machine and not its memory."""
        return torch.arange(len(self.table)).split(max(1, FRAMES_AT_ONCE // self.frames))


ROOTS = {
    "zero": "set to zero",
    "subtracted": "subtracted from the prediction",
    "as predicted": "scored as predicted, against zero",
}


def side_by_side(lengths: Int[np.ndarray, " track"], frames: int) -> Int[np.ndarray, "window 2"]:
    """Windows (track, start) at 0, frames, 2 frames, ..., the last one ending with the track, none before frame 0."""
    count = -(-lengths // frames)
    track = np.repeat(np.arange(len(lengths)), count)
    within = np.arange(len(track)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([track, np.minimum(within * frames, np.maximum(lengths[track] - frames, 0))], axis=1)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "standard",
            "Every frame once, by the window in whose centre third it lies; all joints.",
        ),
        Protocol(
            "videopose3d",
            "Whole recordings with edge padding: for a model of fixed length, each frame predicted from the window "
            "centred on it.",
            share=Fraction(0),
            root="as predicted",
            flip=True,
        ),
        Protocol(
            "tgraphnet",
            "The centre 31 of every 81 frames (the same share of other lengths), padded frames counted too; exact "
            "means, where the published ones are means of batch means.",
            share=Fraction(31, 81),
            once=False,
            velocity="window",
            correct=CORRECTNESS["tgraphnet"],
        ),
        Protocol(
            "semgcn",
            "16 joints, every frame once; the published models predict from single frames.",
            root="subtracted",
            without_joints=("Neck/Nose",),
        ),
        Protocol(
            "mixste",
            "Windows side by side, the last one aligned to the end and its overlap counted twice.",
            share=None,
            once=False,
            root="as predicted",
            flip=True,
        ),
        Protocol(
            "motionbert",
            "Three S9 takes with bad ground truth left out; without the published rescaling by a ground-truth factor.",
            share=None,
            root="subtracted",
            flip=True,
            without_takes=(("S9", "Greeting"), ("S9", "SittingDown 1"), ("S9", "Waiting 1")),
        ),
        Protocol(
            "3dhp",
            "MPI-INF-3DHP: PCK, AUC and MPJPE by test sequence, valid frames, all joints, aligned at the pelvis; "
            "papers differ in joints, alignment and 3D (annot3 or univ_annot3, which the source of the data names).",
            mean_over="recording",
        ),
        Protocol(
            "3dhp14",
            "MPI-INF-3DHP: PCK, AUC and MPJPE by test sequence, valid frames, the 14 joints of the official script's "
            "groups, aligned at the pelvis, which is not one of them.",
            without_joints=("Hip", "Spine", "Neck/Nose"),
            mean_over="recording",
        ),
        Protocol(
            "3dpw",
            "3DPW: P1 and P2, valid frames, all joints of the file, aligned at the pelvis.",
            mean_over="frame",
        ),
        Protocol(
            "3dpw14",
            "3DPW: P1 and P2, valid frames, the 14 joints that SMPL and Human3.6M share, aligned at the pelvis.",
            without_joints=("Spine", "Neck/Nose", "Head"),
            mean_over="frame",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """A preset by name. Raises InputError with the names there are."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is not known; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
