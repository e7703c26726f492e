"""Temporal convolutions at several scales side by side, and the blocks of the networks that use them."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional as F

from stgraph.models.base import Dropout, Size, Widths
from stgraph.models.layers.convolution import ConvNorm, FrameConv
from stgraph.models.layers.dropout import dropout_add, relu_dropout
from stgraph.models.layers.partitions import partitions
from stgraph.models.layers.recogniser import ClipModel
from stgraph.models.layers.shapes import Motion, Result, Shorter
from stgraph.skeleton import Skeleton

Matrices = Float[np.ndarray, "k v w"]  # an adjacency of each partition


def branch_widths(channels: int, branches: int) -> list[int]:
    """Channels of every branch: as equal as whole numbers can be, the first takes the remainder.

    >>> branch_widths(64, 6)
    [14, 10, 10, 10, 10, 10]
    """
    width = channels // branches
    return [channels - width * (branches - 1)] + [width] * (branches - 1)


class Branches(nn.Module):
    """Norm of the branches' results side by side, each with its share of the channels:

        K_i ReLU(norm(W_i x)), K_i a temporal convolution with dilation d_i, for every dilation
        max over 3 frames of ReLU(norm(W x))
        W x

    A branch keeps ceil(t / stride) of t frames, whatever t. Maps that differ in the branch alone are one product.

    Args:
        channels: width before and after, at least one for every branch.
        kernel: taps of the convolutions, an odd number.
        dilations: frames between two taps, one branch for each.
        stride: frames that become one.
    """

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int], stride: int) -> None:
        super().__init__()
        *self.widths, plain = branch_widths(channels, len(dilations) + 2)
        self.stride = stride
        # Nothing has a bias in front of a norm, which would subtract it.
        self.lift = nn.Conv2d(channels, channels - plain, 1, bias=False)
        self.lift_norm = nn.BatchNorm2d(channels - plain)
        self.convs = nn.ModuleList(
            FrameConv(width, width, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
            for width, dilation in zip(self.widths, dilations, strict=False)
        )
        self.plain = FrameConv(channels, plain, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Motion) -> Shorter:
        """(b c t j) -> (b c s j), s = ceil(t / stride)."""
        *lifted, pooled = self.lift_norm(self.lift(x)).relu_().split(self.widths, dim=1)
        results = [conv(features) for conv, features in zip(self.convs, lifted, strict=True)]
        results += [F.max_pool2d(pooled, (3, 1), (self.stride, 1), (1, 0)), self.plain(x)]
        return self.norm(torch.cat(results, dim=1))


def residual(in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """What goes around layers: the input, or norm(W x) where width or length change."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return ConvNorm(FrameConv(in_channels, out_channels, 1, stride, bias=False))


class Block(nn.Module):
    """ReLU(dropout(time(space(x))) + residual(x)), a graph convolution and a temporal one.

    Args:
        space: (b c t j) -> (b d t j).
        time: (b d t j) -> (b d s j).
        residual: (b c t j) -> (b d s j); None: there is none.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, space: nn.Module, time: nn.Module, residual: nn.Module | None, dropout: float) -> None:
        super().__init__()
        self.space, self.time, self.residual = space, time, residual
        self.dropout = dropout

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j)."""
        y, p = self.time(self.space(x)), self.dropout * self.training
        if self.residual is None:
            return relu_dropout(y, p)
        return dropout_add(y, self.residual(x), p).relu_()


class BranchedModel(ClipModel):
    """A graph convolution, then a temporal one with branches, in every block: what ST-GCN++ and CTR-GCN share.

    A subclass defines `graph_conv` and sets the `kernel` and the `dilations` of its branches. The first block has
    neither residual nor dropout. Clips may have any number of frames. The graphs start as ST-GCN's spatial partitions,
    normalised together; the published networks' start as self links, links inwards and links outwards, each normalised
    by itself.

    Args:
        skeleton: gives the graph, with its centre.
        in_channels: of a joint: x and y and confidence, or x, y and z.
        heads: name -> outputs, {"action": classes}. Each is a map of each node.
        channels: width of every block; published [64] * 4 + [128] * 3 + [256] * 3.
        strides: frames that become one in every block; published 2 in the fifth and the eighth, else 1.
        dropout: share of activations that training sets to zero after each temporal convolution but the first.
        persons: whose coordinates the first norm treats each by themselves; above 1 for clips whose absent persons are
            padded (`task.persons`).
        as_pyskl: the blocks as pyskl has them, for its weights; each model says what differs.
    """

    small, small_frames = {"channels": [8, 12], "strides": [1, 2]}, 9
    kernel: ClassVar[int]
    dilations: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Widths,
        strides: list[Size],
        dropout: Dropout = 0.0,
        persons: Size = 1,
        as_pyskl: bool = False,
    ) -> None:
        matrices = partitions(skeleton, "spatial")
        blocks = [
            Block(
                self.graph_conv(before, width, matrices, as_pyskl),
                self.temporal_conv(width, stride, as_pyskl),
                residual(before, width, stride) if index else None,
                dropout if index else 0.0,
            )
            for index, (before, width, stride) in enumerate(
                zip([in_channels, *channels[:-1]], channels, strides, strict=True)
            )
        ]
        width = channels[-1]
        super().__init__(skeleton, in_channels, heads, blocks=blocks, width=width, strides=strides, persons=persons)

    @classmethod
    def graph_conv(cls, before: int, width: int, matrices: Matrices, as_pyskl: bool) -> nn.Module:
        """The graph convolution of a block, with matrices where training starts."""
        raise NotImplementedError

    @classmethod
    def temporal_conv(cls, width: int, stride: int, as_pyskl: bool) -> nn.Module:
        """The temporal convolution of a block."""
        return Branches(width, cls.kernel, cls.dilations, stride)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section."""
        problems, narrowest = super().check(settings, frames), min(settings["channels"])
        branches = len(cls.dilations) + 2
        if narrowest < branches:
            text = f"{narrowest} are too few for {branches} temporal branches; give each at least 1"
            problems.append(f"channels: {text}")
        return problems
