"""What models of single frames share: frames as a batch, and residual blocks over a flattened pose."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Model
from stgraph.models.layers.blocks import Motion, conv_norm, relu_dropout


class FrameModel(Model):
    """A graph network over the joints of each frame. Frames go through as a batch, however they lie in windows."""

    sliding = True

    def forward(self, x: Motion, **inputs: Tensor) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Every head's output (b n t j); the pose in metres."""
        outputs = super().forward(rearrange(x, "b c t j -> (b t) c 1 j"), **inputs)
        return {name: rearrange(output, "(b t) n 1 j -> b n t j", b=x.shape[0]) for name, output in outputs.items()}


# The frames of a batch lie below one another in a single image, whose memory is rows of channels: a 1x1 convolution of
# it is one matrix product, and norms, folding and dropout are those of the graph networks.
Rows = Float[Tensor, "1 c n 1"]
ChangedRows = Float[Tensor, "1 d n 1"]


def flat_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """An affine map of every row, with Kaiming's weights."""
    conv = nn.Conv2d(in_channels, out_channels, 1)
    nn.init.kaiming_normal_(conv.weight)
    return conv


class Dense(nn.Module):
    """dropout(ReLU(norm(W x + b))).

    Args:
        in_channels, out_channels: widths before and after.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.conv = flat_conv(in_channels, out_channels)
        self.norm = nn.BatchNorm2d(out_channels)
        self.dropout = dropout

    def forward(self, rows: Rows) -> ChangedRows:
        """Map every row."""
        return relu_dropout(conv_norm(rows, self.conv, self.norm), self.dropout * self.training)


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
        self.conv = flat_conv(channels, out_channels * self.nodes)

    def forward(self, features: Float[Tensor, "b c t 1"]) -> Float[Tensor, "b d t j"]:
        """(b channels t 1) -> (b out_channels t nodes)."""
        rows = self.conv(rearrange(features, "b c t 1 -> 1 c (b t) 1"))
        y = rearrange(rows, "1 (j d) (b t) 1 -> b d t j", b=features.shape[0], j=self.nodes)
        if self.zero is None:
            return y
        return torch.cat([y[..., : self.zero], torch.zeros_like(y[..., :1]), y[..., self.zero :]], dim=-1)


class FlatModel(Model):
    """Residual blocks of two dense layers, x + dense(dense(x)), over the flattened joints of each frame.

    Args:
        first: map of a frame's numbers, ordered (joint, channel), to the features.
        heads: from features to outputs.
        channels: width of the features.
        layers: residual blocks.
        dropout: share of activations that training sets to zero.
    """

    sliding = True

    def __init__(
        self, first: nn.Module, heads: dict[str, FlatHead], channels: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = first
        self.blocks = nn.ModuleList(
            nn.Sequential(Dense(channels, channels, dropout), Dense(channels, channels, dropout)) for _ in range(layers)
        )
        self.heads = nn.ModuleDict(heads)

    def features(self, x: Motion) -> Float[Tensor, "b d t 1"]:
        """Body without heads: (b c t j) -> (b channels t 1)."""
        rows = self.first(rearrange(x, "b c t j -> 1 (j c) (b t) 1"))
        for block in self.blocks:
            rows = rows + block(rows)
        return rearrange(rows, "1 c (b t) 1 -> b c t 1", b=x.shape[0])
