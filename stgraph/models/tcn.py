"""Temporal convolution (VideoPose3D): dilated convolutions over the flattened joints of each frame."""

import re
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Dropout, Model, Published, Size, Widths, renamed
from stgraph.models.layers.dropout import relu_dropout
from stgraph.models.layers.frames import flat_heads
from stgraph.models.layers.shapes import Motion
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton

Rows = Float[Tensor, "b t c"]
Fewer = Float[Tensor, "b s c"]


class Layer(nn.Module):
    """dropout(ReLU(norm(x W))), frame by frame.

    Args:
        in_channels, out_channels: widths before and after.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.dropout = dropout

    def forward(self, x: Rows) -> Float[Tensor, "b t d"]:
        """(b t c) -> (b t d)."""
        y = self.norm(rearrange(self.linear(x), "b t c -> b c t 1"))
        return rearrange(relu_dropout(y, self.dropout * self.training), "b c t 1 -> b t c")


def side_by_side(x: Rows, taps: int, dilation: int, strided: bool) -> Float[Tensor, "b s wc"]:
    """The frames that a convolution without padding sums over, next to one another, ordered (w c).

    Args:
        taps: frames that each result sees.
        dilation: frames from one of them to the next.
        strided: they are neighbours instead, and the next result sees the `taps` frames after them.
    """
    if strided:
        return rearrange(x, "b (s w) c -> b s (w c)", w=taps)
    last = (taps - 1) * dilation
    return torch.cat([x[:, tap * dilation : x.shape[1] - last + tap * dilation] for tap in range(taps)], dim=-1)


class Block(nn.Module):
    """The frame itself + a convolution over time and a map of each frame, without padding.

    Args:
        channels: width before and after.
        taps, dilation: of the convolution.
        causal: a result belongs to the last frame that it sees, and not to the one in the middle.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, channels: int, taps: int, dilation: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.own = taps - 1 if causal else taps // 2
        self.conv = Layer(taps * channels, channels, dropout)
        self.map = Layer(channels, channels, dropout)

    def forward(self, x: Rows, strided: bool) -> Fewer:
        """(b t c) -> (b s c), shorter by (taps - 1) x dilation frames, or by a factor of `taps` where strided."""
        rows, channels = side_by_side(x, self.taps, self.dilation, strided), x.shape[-1]
        itself = rows[..., self.own * channels : (self.own + 1) * channels]
        return itself + self.map(self.conv(rows))


def in_block(match: re.Match[str]) -> str:
    """Ours for a layer of a residual block, which has two of them; published ones are counted on through all blocks."""
    block, layer = divmod(int(match[2]), 2)
    part = {"conv": "linear", "bn": "norm"}[match[1]]
    return f"blocks.{block}.{('conv', 'map')[layer]}.{part}."


# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^layers_(conv|bn)\.(\d+)\.", in_block),
    (r"^expand_conv\.", "first.linear."),
    (r"^expand_bn\.", "first.norm."),
    (r"^shrink\.", "heads.pose.conv."),
)


@MODELS.register("tcn")
class TemporalConvolution(Model):
    """A convolution over time, then residual blocks of a dilated one and a map of each frame; none pads.

    A window of just the frames that one result depends on goes through strided convolutions, which compute nothing
    else; longer windows through dilated ones, which share what neighbouring frames have in common. Both are the same
    function with the same weights.

    Args:
        skeleton: gives the number of joints.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" maps a frame to all joints, any other name to one node.
        channels: width of the body.
        filter_widths: taps of every convolution over time; each is dilated by the product of those before it.
        causal: predict the last frame that is seen, and not the one in the middle.
        dropout: share of activations that training sets to zero.
        dense: instead of dilated, convolutions see every frame of the same stretch.
    """

    small, small_frames = {"channels": 8, "filter_widths": [3, 3], "dropout": 0.0, "causal": True}, 12
    published = (Published("videopose3d", r"^expand_conv\.", H36M17, "tcn"),)
    sliding = True

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 1024,
        filter_widths: Widths = [3, 3, 3, 3, 3],  # noqa: B006 - only read
        causal: bool = False,
        dropout: Dropout = 0.25,
        dense: bool = False,
    ) -> None:
        super().__init__()
        first, *others = filter_widths
        self.receptive_field = prod(filter_widths)
        seen = self.receptive_field - 1
        self.before, self.after = (seen, 0) if causal else (seen // 2, seen // 2)
        self.first_taps, self.dense = first, dense
        self.first = Layer(first * len(skeleton) * in_channels, channels, dropout)
        dilations = accumulate(filter_widths[:-1], mul)
        self.blocks = nn.ModuleList(
            Block(channels, (taps - 1) * dilation + 1, 1, causal, dropout)
            if dense
            else Block(channels, taps, dilation, causal, dropout)
            for taps, dilation in zip(others, dilations, strict=True)
        )
        self.heads = flat_heads(heads, channels, len(skeleton))
        for module in self.heads.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()  # the published network begins with PyTorch's weights everywhere

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        widths, problems = settings["filter_widths"], []
        if any(width % 2 == 0 for width in widths):
            problems.append(f"filter_widths: {widths} has an even one, which has no frame in its middle; give odd ones")
        if frames < prod(widths):
            problems.append(
                f"filter_widths: {widths} see {prod(widths)} frames for each that they predict, so data.frames must be "
                f"at least {prod(widths)} and is {frames}"
            )
        return problems

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`. Whether the network is causal cannot be inferred."""
        weights = {}
        for published, value in state.items():
            name = renamed(published, PUBLISHED_NAMES)
            if value.ndim == 3:
                value = rearrange(value, "d c 1 -> d c 1 1" if "heads" in name else "d c w -> d (w c)")
            weights[name] = value
        evens = [f"layers_conv.{number}.weight" for number in range(0, len(state), 2)]  # odd ones map single frames
        convs = [state[name] for name in ("expand_conv.weight", *evens) if name in state]
        if "expand_conv.weight" not in state or any(conv.ndim != 3 for conv in convs):
            return {}, weights
        taps = [conv.shape[-1] for conv in convs]
        undilated = undilated_widths(taps)
        settings = {
            "channels": len(convs[0]),
            "filter_widths": undilated or taps,
            "dense": undilated is not None,
            "data.frames": prod(undilated or taps),
        }
        return settings, weights

    def features(self, x: Motion) -> Float[Tensor, "b d s 1"]:
        """Body without heads: (b c t j) -> (b channels s 1), s = t - before - after."""
        strided = not (self.dense or x.shape[2] != self.receptive_field)
        rows = rearrange(x, "b c t j -> b t (j c)")
        rows = self.first(side_by_side(rows, self.first_taps, 1, strided))
        for block in self.blocks:
            rows = block(rows, strided)
        return rearrange(rows, "b t c -> b c t 1")


def undilated_widths(taps: list[int]) -> list[int] | None:
    """The filter widths of a dense network whose convolutions have so many taps; None if they are of no such network.

    >>> undilated_widths([3, 7, 19])
    [3, 3, 3]
    >>> undilated_widths([3, 3, 3])
    """
    widths = taps[:1]
    for count in taps[1:]:
        width, rest = divmod(count - 1, prod(widths))
        if rest or width < 2:
            return None
        widths.append(width + 1)
    return widths if len(widths) > 1 else None
