"""Evaluation protocols as data: what is predicted from which window, which frames count, and how they are averaged.

Published numbers differ by what they score as much as by what predicts. A protocol states all of it, and every report
carries its statement.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Int

from stgraph.errors import InputError
from stgraph.io.dataset import window_table
from stgraph.metrics import CORRECTNESS, Correctness


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

    def scored(self, outputs: int) -> int:
        """Frames scored per window of a model that predicts `outputs` frames from it."""
        return outputs if self.share is None else min(outputs, max(1, int(self.share * outputs)))

    def windows(
        self, lengths: Int[np.ndarray, " track"], frames: int, outputs: int | None = None
    ) -> Int[np.ndarray, "window 4"]:
        """Windows of `frames` frames to predict from, as (track, start, first, last), in the order of the tracks.

        The model sees frames start ... start + frames - 1, clamped to the track; its predictions of frames first ...
        last - 1 are scored. `outputs` is for a model that predicts only so many frames in the centre of its window.
        All numbers are frames of the track, and may lie outside it.
        """
        outputs = frames if outputs is None else outputs
        lengths, size = np.asarray(lengths, dtype=np.int64), self.scored(outputs)
        if self.share is None:
            table = side_by_side(lengths, outputs)
            track, first = table[:, 0], table[:, 1]
            start = first - (frames - outputs) // 2
        else:
            table = window_table(lengths, frames, size)
            track, start = table[:, 0], table[:, 1]
            first = start + (frames - size) // 2
        last = first + size
        if self.once:
            before = np.where(track == np.roll(track, 1), np.roll(last, 1), 0)
            before[:1] = 0
            first, last = np.maximum(first, before), np.minimum(last, lengths[track])
        return np.stack([track, start, first, last], axis=1)

    def describe(self, frames: int, outputs: int | None = None) -> str:
        """Which windows and frames are scored, in words, for a model of so many frames."""
        outputs = frames if outputs is None else outputs
        size = self.scored(outputs)
        if frames == 1:
            cut = "Each frame by itself"
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
    )
}


def find_protocol(name: str) -> Protocol:
    """A preset by name. Raises InputError with the names there are."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is not known; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
