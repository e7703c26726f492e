"""What a filter of poses remembers of people: their last frames, and the current estimate."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from stgraph.models.layers.kinematics import Joints


class Memory(NamedTuple):
    """State of the filter for p people: the last n frames in which they were detected, and the current estimate.

    Attributes:
        frames: of each joint `spread`, its standard deviation along an axis in the input's unit; `confidence`, the
            detector's, falling while a joint is predicted, 0 where it is not known yet; `pose`; and `features`, the
            visual ones of the last frame that had any. Side by side, as all are moved together.
        time: seconds; -inf before the person's first frame.
        now_pose, now_spread, now_confidence: estimate for the current frame, detected or only predicted.
    """

    frames: Float[Tensor, "p n j e"]
    time: Float[Tensor, "p n"]
    now_pose: Joints
    now_spread: Float[Tensor, "p j"]
    now_confidence: Float[Tensor, "p j"]

    @property
    def spread(self) -> Float[Tensor, "p n j"]:
        """Of the remembered frames."""
        return self.frames[..., 0]

    @property
    def confidence(self) -> Float[Tensor, "p n j"]:
        """Of the remembered frames."""
        return self.frames[..., 1]

    @property
    def pose(self) -> Float[Tensor, "p n j d"]:
        """Of the remembered frames."""
        return self.frames[..., 2 : 2 + self.now_pose.shape[-1]]

    @property
    def features(self) -> Float[Tensor, "p n j w"]:
        """Of the remembered frames; of width 0 without."""
        return self.frames[..., 2 + self.now_pose.shape[-1] :]


def side_by_side(
    pose: Joints,
    spread: Float[Tensor, "p j"],
    confidence: Float[Tensor, "p j"],
    features: Float[Tensor, "p j w"],
) -> Float[Tensor, "p j e"]:
    """A frame of `Memory`."""
    return torch.cat([spread[..., None].to(pose.dtype), confidence[..., None].to(pose.dtype), pose, features], dim=-1)


def with_frame(frames: Float[Tensor, "p m ..."], frame: Float[Tensor, "p ..."]) -> Float[Tensor, "p n ..."]:
    """Frames with one more behind them."""
    return torch.cat([frames, frame[:, None].to(frames.dtype)], dim=1)


def last_repeated(frames: Shaped[Tensor, "p n ..."]) -> Shaped[Tensor, "p f ..."]:
    """Frames with the last one a second time behind them."""
    return torch.cat([frames, frames[:, -1:]], dim=1)


def remembered(
    frames: Float[Tensor, "p n ..."],
    frame: Float[Tensor, "p ..."],
    detected: Bool[Tensor, " p"],
    later: Bool[Tensor, " p"],
) -> Float[Tensor, "p n ..."]:
    """The last n frames of people after one in which some are seen; it replaces the last if not `later`."""
    over = (slice(None), *[None] * (frames.ndim - 1))
    before = torch.where(later[over], frames[:, 1:], frames[:, :-1])
    return torch.where(detected[over], with_frame(before, frame), frames)
