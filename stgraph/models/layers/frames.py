"""Models of single frames: frames as a batch, and residual blocks over the flattened joints of a frame."""

from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Dropout, Model, Size
from stgraph.models.layers.convolution import ConvNormReLU
from stgraph.models.layers.shapes import Motion
from stgraph.skeleton import Skeleton


class FrameModel(Model):
    """A graph network over the joints of each frame. Frames go through as a batch, however they lie in windows."""

    sliding = True

    def forward(self, x: Motion, **inputs: Tensor) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Every head's output (b n t j); the pose in metres."""
        outputs = super().forward(rearrange(x, "b c t j -> (b t) c 1 j"), **inputs)
        return {name: rearrange(output, "(b t) n 1 j -> b n t j", b=x.shape[0]) for name, output in outputs.items()}


# The frames of a batch lie below one another in a single image, whose memory is rows of channels: a 1x1 convolution of
# it is one matrix product, and norms and dropout are those of the graph networks.
Rows = Float[Tensor, "1 c n 1"]


def row_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """An affine map of every row, with Kaiming's weights."""
    conv = nn.Conv2d(in_channels, out_channels, 1)
    nn.init.kaiming_normal_(conv.weight)
    return conv


def dense(in_channels: int, out_channels: int, dropout: float) -> ConvNormReLU:
    """dropout(ReLU(norm(W x + b))) of every row."""
    return ConvNormReLU(row_conv(in_channels, out_channels), dropout)


class FlatHead(nn.Module):
    """An affine map from a frame's features to all its nodes, ordered (joint, channel).

    Args:
        channels: of the features.
        out_channels: of every node.
        nodes: in the output.
        zero: a node whose output is zero and not mapped; None: there is none.
    """

    def __init__(self, channels: int, out_channels: int, nodes: int = 1, zero: int | None = None) -> None:
        super().__init__()
        self.zero, self.nodes = zero, nodes - (zero is not None)
        self.conv = row_conv(channels, out_channels * self.nodes)

    def forward(self, features: Float[Tensor, "b c t 1"]) -> Float[Tensor, "b d t j"]:
        """(b channels t 1) -> (b out_channels t nodes)."""
        rows = self.conv(rearrange(features, "b c t 1 -> 1 c (b t) 1"))
        y = rearrange(rows, "1 (j d) (b t) 1 -> b d t j", b=features.shape[0], j=self.nodes)
        if self.zero is None:
            return y
        return torch.cat([y[..., : self.zero], torch.zeros_like(y[..., :1]), y[..., self.zero :]], dim=-1)


def flat_heads(heads: dict[str, int], channels: int, joints: int, zero: int | None = None) -> nn.ModuleDict:
    """A head for each output (name -> its channels): "pose" gives every joint, any other name one node."""
    return nn.ModuleDict(
        {
            name: FlatHead(channels, outputs, joints, zero) if name == "pose" else FlatHead(channels, outputs)
            for name, outputs in heads.items()
        }
    )


class FlatModel(Model):
    """Residual blocks x + dense(dense(x)) over the flattened joints of each frame, between a first layer and the heads.

    Args:
        skeleton: gives the joints and the root.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" gives every joint (zero for a root that is not predicted); any
            other name one node.
        channels: width of the body.
        layers: residual blocks.
        dropout: share of activations that training sets to zero.
    """

    small, small_frames = {"channels": 16, "layers": 1, "dropout": 0.0}, 2
    sliding = True
    normed_input: ClassVar[bool]  # whether the first layer is a dense one, or an affine map alone

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 1024,
        layers: Size = 2,
        dropout: Dropout = 0.5,
    ) -> None:
        super().__init__()
        width = len(skeleton) * in_channels
        self.first = dense(width, channels, dropout) if self.normed_input else row_conv(width, channels)
        modules = flat_heads(heads, channels, len(skeleton), zero=None if self.predicts_root else skeleton.root)
        self.blocks = nn.ModuleList(
            nn.Sequential(dense(channels, channels, dropout), dense(channels, channels, dropout)) for _ in range(layers)
        )
        self.heads = modules

    def features(self, x: Motion) -> Float[Tensor, "b d t 1"]:
        """Body without heads: (b c t j) -> (b channels t 1)."""
        rows = self.first(rearrange(x, "b c t j -> 1 (j c) (b t) 1"))
        for block in self.blocks:
            rows = rows + block(rows)
        return rearrange(rows, "1 c (b t) 1 -> b c t 1", b=x.shape[0])
