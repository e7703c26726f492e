"""ST-GCN++: ST-GCN with learned graphs and temporal convolutions at several scales."""

import numpy as np
from jaxtyping import Float
from torch import nn

from stgraph.models.layers.branches import BranchedModel, Branches, residual
from stgraph.models.layers.graph import Adjacency, aggregate
from stgraph.models.layers.shapes import Changed, Motion, Shorter
from stgraph.settings.registry import MODELS


class LearnedGraphConv(nn.Module):
    """ReLU(norm(sum_k W_k A_k x) + residual(x)); the matrices A_k are the layer's own.

    Args:
        in_channels, out_channels: widths before and after.
        matrices: (k v w) where A_k starts.
    """

    def __init__(self, in_channels: int, out_channels: int, matrices: Float[np.ndarray, "k v w"]) -> None:
        super().__init__()
        self.adjacency = Adjacency(matrices)
        self.conv = nn.Conv2d(len(matrices) * in_channels, out_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = residual(in_channels, out_channels)

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j)."""
        return self.norm(self.conv(aggregate(x, self.adjacency(x)))).add_(self.residual(x)).relu_()


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
    width and length by a map and a norm; the first block's T has none. The published network adds a bias to each W_k
    before it aggregates, where here norms follow without any.
    """

    graph_conv, kernel, dilations = LearnedGraphConv, 3, (1, 2, 3, 4)

    @classmethod
    def temporal_conv(cls, width: int, stride: int) -> MixedBranches:
        """The temporal convolution of a block."""
        return MixedBranches(Branches(width, cls.kernel, cls.dilations, stride), width)
