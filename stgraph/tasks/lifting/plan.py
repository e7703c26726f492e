"""Windows that a lifter predicts from, and which of the predicted frames a protocol scores."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from stgraph.data.dataset import window_table
from stgraph.tasks.lifting.protocols import Protocol
from stgraph.training.run import FRAMES_AT_ONCE

PIECE = 64  # frames that a sliding model predicts from one window; small, as shorter tracks are padded to it


@dataclass(frozen=True)
class ModelWindow:
    """Lengths of a model's input and prediction.

    Attributes:
        frames: of the input.
        before, after: input frames at either end that are not predicted.
        sliding: whether it predicts a frame the same wherever in a longer window it lies (see `stgraph.models.Model`).
    """

    frames: int
    before: int = 0
    after: int = 0
    sliding: bool = False

    @property
    def outputs(self) -> int:
        """Number of predicted frames."""
        return self.frames - self.before - self.after


@dataclass(frozen=True)
class Plan:
    """Windows to predict from.

    Attributes:
        table: (track, start, first, last) of every window, in the order of the tracks: see `cut_windows`.
        frames: length of every window. before: frames in front of the first prediction. outputs: predictions in each.
        text: the windows in words.
    """

    table: Int[np.ndarray, "window 4"]
    frames: int
    before: int
    outputs: int
    text: str

    def predicted(self, index: Int[Tensor, " b"]) -> tuple[Int[Tensor, "b s"], Bool[Tensor, "b s"]]:
        """Predicted frames of these windows, as frames of their tracks, and which of them are scored."""
        _, start, first, last = torch.from_numpy(self.table)[index].T
        frame = (start + self.before)[:, None] + torch.arange(self.outputs)
        return frame, (frame >= first[:, None]) & (frame < last[:, None])

    def batches(self) -> tuple[Int[Tensor, " b"], ...]:
        """Numbers of all windows in batches of about `FRAMES_AT_ONCE` frames."""
        return torch.arange(len(self.table)).split(max(1, FRAMES_AT_ONCE // self.frames))


def plan_windows(protocol: Protocol, lengths: Int[np.ndarray, " track"], model: ModelWindow) -> Plan:
    """Windows for a model over tracks of these lengths, and the frames of each that are scored.

    A sliding model predicts from longer windows than it was trained on, unless the protocol scores by windows.
    """
    whole = model.sliding and protocol.once and protocol.velocity == "track"
    outputs = max(PIECE, model.before + model.after) if whole else model.outputs
    table = cut_windows(protocol, lengths, outputs, model.before, whole)
    text = describe_windows(protocol, model, whole)
    return Plan(table, model.before + outputs + model.after, model.before, outputs, text)


def cut_windows(
    protocol: Protocol, lengths: Int[np.ndarray, " track"], outputs: int, before: int = 0, whole: bool = False
) -> Int[np.ndarray, "window 4"]:
    """Windows as (track, start, first, last), in the order of the tracks.

    The model sees frames from `start` on, clamped to the track, and predicts `outputs` of them, the first being
    start + before; its predictions of frames first ... last - 1 are scored. All numbers are frames of the track, and
    may lie outside it. `whole`: all predictions are scored, whatever `protocol.share` says, which is right for a model
    whose prediction of a frame does not depend on where in the window it lies.
    """
    lengths, size = np.asarray(lengths, dtype=np.int64), outputs if whole else protocol.scored(outputs)
    by_size = protocol.share is not None and not whole
    table = window_table(lengths, outputs, size) if by_size else side_by_side(lengths, outputs, whole or protocol.tail)
    track, start = table.T
    first = start + (outputs - size) // 2
    last = first + size
    if protocol.once:
        previous = np.where(track == np.roll(track, 1), np.roll(last, 1), 0)
        previous[:1] = 0
        first, last = np.maximum(first, previous), np.minimum(last, lengths[track])
    return np.stack([track, start - before, first, last], axis=1)


def describe_windows(protocol: Protocol, model: ModelWindow, whole: bool = False) -> str:
    """A sentence about the windows that are cut for a model, and the frames of each that are scored."""
    scored = protocol.scored(model.outputs)
    if model.frames == 1 or (whole and not model.before + model.after):
        return "Each frame by itself."
    if whole or model.outputs == 1:
        after = f" and {model.after} after" if model.after else ""
        return f"Each frame from a window of it and the {model.before} before{after} it."
    if protocol.share is None:
        last = ", the last one moved back to end with the track" if protocol.tail else ""
        return f"Windows of {model.frames} frames, {scored} apart{last}."
    return f"Windows of {model.frames} frames, cut every {scored}; of each, the {scored} in the centre scored."


def side_by_side(lengths: Int[np.ndarray, " track"], frames: int, tail: bool = True) -> Int[np.ndarray, "window 2"]:
    """Windows (track, start) at 0, frames, 2 frames, ..., the last one ending with the track, none before frame 0.

    Without `tail` only whole windows, and one for a shorter track.
    """
    count = -(-lengths // frames) if tail else np.maximum(lengths // frames, 1)
    track = np.repeat(np.arange(len(lengths)), count)
    within = np.arange(len(track)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([track, np.minimum(within * frames, np.maximum(lengths[track] - frames, 0))], axis=1)
