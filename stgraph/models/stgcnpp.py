"""ST-GCN++: ST-GCN with learned graphs and temporal convolutions at several scales."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from stgraph.models import pyskl
from stgraph.models.base import Published
from stgraph.models.layers.branches import BranchedModel, Branches, Matrices, residual
from stgraph.models.layers.graph import Adjacency, aggregate
from stgraph.models.layers.shapes import Changed, Motion, Shorter
from stgraph.settings.registry import MODELS


class LearnedGraphConv(nn.Module):
    """ReLU(norm(sum_k A_k (W_k x + b_k)) + residual(x)); the matrices A_k are the layer's own.

    Args:
        in_channels, out_channels: widths before and after.
        matrices: (k v w) where A_k starts.
        biased: whether there are biases b_k.
    """

    def __init__(self, in_channels: int, out_channels: int, matrices: Matrices, biased: bool = False) -> None:
        super().__init__()
        self.adjacency = Adjacency(matrices)
        self.conv = nn.Conv2d(len(matrices) * in_channels, out_channels, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(len(matrices), out_channels)) if biased else None
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = residual(in_channels, out_channels)

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j)."""
        adjacency = self.adjacency(x)
        y = self.conv(aggregate(x, adjacency))
        if self.bias is not None:
            y = y + rearrange(adjacency.sum(dim=2).T @ self.bias, "v d -> d 1 v")
        return self.norm(y).add_(self.residual(x)).relu_()


class MixedBranches(nn.Module):
    """norm(W ReLU(branches(x))): the results of the branches, mixed.

    Args:
        branches: side by side.
        channels: width before and after.
    """

    def __init__(self, branches: Branches, channels: int) -> None:
        super().__init__()
        self.branches = branches
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Motion) -> Shorter:
        """(b c t j) -> (b c s j), s = ceil(t / stride)."""
        return self.norm(self.conv(self.branches(x).relu_()))


@MODELS.register("stgcnpp")
class STGCNpp(BranchedModel):
    """A graph convolution, then a temporal one T in every block: ReLU(T(ReLU(norm(sum_k W_k A_k x) + x)) + x).

    Every block learns matrices A_k of its own (Duan et al., PYSKL, 2022). T has six branches (kernel 3 with dilations 1
    to 4, max-pooling over 3 frames, a map of each frame), side by side, norm, ReLU, map, norm. The residuals x change
    width and length by a map and a norm; the first block's T has none. `as_pyskl`: a bias is added to each W_k x before
    it is aggregated.
    """

    kernel, dilations = 3, (1, 2, 3, 4)
    published = (pyskl.facts(r"^backbone\.gcn\.0\.tcn\.branches\."),)

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Published for several layouts."""
        return pyskl.of_layout(super().published_for(state), state)

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`."""
        return pyskl.settings(state) | {"as_pyskl": True}, pyskl.stgcnpp_weights(state)

    @classmethod
    def graph_conv(cls, before: int, width: int, matrices: Matrices, as_pyskl: bool) -> nn.Module:
        """The graph convolution of a block."""
        return LearnedGraphConv(before, width, matrices, biased=as_pyskl)

    @classmethod
    def temporal_conv(cls, width: int, stride: int, as_pyskl: bool) -> MixedBranches:
        """The temporal convolution of a block."""
        return MixedBranches(Branches(width, cls.kernel, cls.dilations, stride), width)
