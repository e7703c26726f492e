"""Which frames of a clip a recogniser sees. In whole numbers, so that an exported file chooses the same ones."""

from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor

Frames = Int[Tensor, "*n t"]
Length = int | torch.SymInt | Int[Tensor, "b 1"]  # a symbol while a file is exported


def sample_frames(
    length: Length, frames: int, sampling: str, *, view: int | Int[Tensor, "b 1"] = 0, views: int = 1
) -> Frames:
    """Frames of clips outside training, -1 where a clip is too short.

    View v of n lies at (2 v + 1) / 2 n: of each of as many equal parts as there are frames where these are spread
    evenly ("uniform"); of all places that a run of consecutive frames can have ("crop"). "start" is the first frames.

    Args:
        length: frames of each clip.
        frames: to take.
        sampling: "uniform", "crop" or "start".
        view, views: which of how many samples of each clip.

    >>> sample_frames(30, 5, "uniform").tolist()
    [3, 9, 15, 21, 27]
    """
    device = length.device if isinstance(length, Tensor) else None
    length = cast(Tensor, length)  # numbers and symbols calculate alike
    step, place = torch.arange(frames, device=device), 2 * view + 1
    if sampling == "uniform":
        return (2 * views * step + place) * length // (2 * views * frames)
    spare = torch.zeros_like(step) + (length - frames)
    frame = step + ((spare + 1).clamp_min(0) * place // (2 * views) if sampling == "crop" else 0)
    return torch.where(frame < length, frame, -1)


def draw_frames(
    length: Int[Tensor, "b 1"], frames: int, sampling: str, *, shortest: float = 1.0
) -> Int[Tensor, "b {frames}"]:
    """Frames of clips for training, by torch's generator; -1 where a clip is too short.

    "uniform": a random one of each of as many equal parts, of a random share of the clip that is at least `shortest`.
    "crop": consecutive ones from anywhere; a shorter clip lies anywhere among them. "start": the first ones.
    """
    step, clips = torch.arange(frames, device=length.device), len(length)
    where = torch.rand(clips, frames, dtype=torch.float64).to(length.device)
    share = 1 - (1 - shortest) * torch.rand(clips, 1, dtype=torch.float64).to(length.device)
    begin = torch.rand(clips, 1, dtype=torch.float64).to(length.device)
    if sampling == "uniform":
        used = share * length
        return ((step + where) * used / frames + begin * (length - used)).long().minimum(length - 1)
    spare = length - frames
    first = torch.trunc(begin * (spare + torch.where(spare > 0, 1, -1))).long() * (sampling == "crop")
    frame = step + first
    return torch.where((frame >= 0) & (frame < length), frame, -1)


def with_next(frame: Frames, length: Length) -> Int[Tensor, "*n s"]:
    """Frames, and after them the one that follows each: the last one follows itself, and nothing follows -1."""
    after = (frame + 1).clamp(max=cast(Tensor, length) - 1)
    return torch.cat([frame, torch.where(frame < 0, -1, after)], dim=-1)
