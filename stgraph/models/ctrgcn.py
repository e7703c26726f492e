"""CTR-GCN: every channel of every clip has a graph of its own, refined from one that is learned for all."""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models import pyskl
from stgraph.models.base import Published
from stgraph.models.layers.branches import BranchedModel, Matrices, residual
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.settings.registry import MODELS


class RefinedAdjacency(nn.Module):
    """A'_k[c, v, w] = A_k[v, w] + alpha (W_k tanh(mean_t psi_k(x)_v - mean_t phi_k(x)_w))[c].

    psi_k, phi_k and W_k are affine maps of channels; alpha, one number, starts at 0.

    Args:
        in_channels: of x.
        out_channels: graphs in each partition.
        matrices: (k v w) where A_k starts.
    """

    def __init__(self, in_channels: int, out_channels: int, matrices: Matrices) -> None:
        super().__init__()
        partitions, relations = len(matrices), max(8, in_channels // 8)
        self.shared = nn.Parameter(torch.from_numpy(matrices).to(torch.get_default_dtype()))
        # The two biases count by their difference alone.
        self.receiver = nn.Conv2d(in_channels, partitions * relations, 1)
        self.sender = nn.Conv2d(in_channels, partitions * relations, 1, bias=False)
        self.weight = nn.Parameter(torch.randn(partitions, out_channels, relations) * (2 / out_channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(partitions, out_channels, 1, 1))
        self.alpha = nn.Parameter(torch.zeros(()))
        for conv in (self.receiver, self.sender):
            nn.init.kaiming_normal_(conv.weight)

    def forward(self, x: Motion) -> Float[Tensor, "b k d v w"]:
        """The graphs of every clip."""
        partitions, joints = len(self.shared), x.shape[-1]
        mean = x.mean(dim=2, keepdim=True)  # before the maps, which are affine: a frame's work instead of a clip's
        receiver = rearrange(self.receiver(mean), "b (k r) 1 v -> b k r v 1", k=partitions)
        sender = rearrange(self.sender(mean), "b (k r) 1 w -> b k r 1 w", k=partitions)
        relation = (receiver - sender).tanh().flatten(3)
        refined = (self.alpha * self.weight) @ relation
        return refined.unflatten(3, (joints, joints)) + (self.shared[:, None] + self.alpha * self.bias)


class ChannelGraphConv(nn.Module):
    """ReLU(norm(sum_k A'_k V_k x) + residual(x)), V_k an affine map, A'_k a graph for each of its channels.

    Args:
        in_channels, out_channels: widths before and after.
        matrices: (k v w) where the graphs start.
    """

    def __init__(self, in_channels: int, out_channels: int, matrices: Matrices) -> None:
        super().__init__()
        self.adjacency = RefinedAdjacency(in_channels, out_channels, matrices)
        self.weight = nn.Parameter(torch.empty(len(matrices) * out_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(len(matrices) * out_channels, 1))
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = residual(in_channels, out_channels)
        # The norm starts at 1 and not, as published, at 1e-6: from there a small set takes twice as many steps.
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j)."""
        adjacency, batch = self.adjacency(x), x.shape[0]
        # Channels-last rows times a matrix from the left: every channel's joints come out together, without a copy.
        rows = rearrange(x, "b c t j -> b c (t j)")
        values = torch.baddbmm(self.bias, self.weight.expand(batch, -1, -1), rows)
        values = rearrange(values, "b (k d) (t w) -> b k d t w", k=adjacency.shape[1], w=x.shape[-1])
        received = torch.einsum("bkdvw, bkdtw -> bkdtv", adjacency, values).sum(dim=1)
        y = self.norm(received.contiguous(memory_format=torch.channels_last))
        return y.add_(self.residual(x)).relu_()


@MODELS.register("ctrgcn")
class CTRGCN(BranchedModel):
    """A graph convolution, then a temporal one T in every block: ReLU(T(ReLU(norm(sum_k A'_k V_k x) + x)) + x).

        A'_k[c, v, w] = A_k[v, w] + alpha (W_k tanh(mean_t psi_k(x)_v - mean_t phi_k(x)_w))[c]

    Every channel aggregates over a graph of its own, which depends on the clip (Chen et al., ICCV 2021); alpha starts
    at 0. T has four branches (kernel 5 with dilations 1 and 2, max-pooling over 3 frames, a map of each frame), side by
    side, norm. The residuals x change width and length by a map and a norm; the first block's T has none.
    `as_pyskl`: T ends with a ReLU.
    """

    kernel, dilations = 5, (1, 2)
    published = (pyskl.facts(r"^backbone\.net\.0\.gcn1\."),)

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Published for several layouts."""
        return pyskl.of_layout(super().published_for(state), state)

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`."""
        return pyskl.settings(state) | {"as_pyskl": True}, pyskl.ctrgcn_weights(state)

    @classmethod
    def graph_conv(cls, before: int, width: int, matrices: Matrices, as_pyskl: bool) -> nn.Module:
        """The graph convolution of a block."""
        return ChannelGraphConv(before, width, matrices)

    @classmethod
    def temporal_conv(cls, width: int, stride: int, as_pyskl: bool) -> nn.Module:
        """The temporal convolution of a block."""
        branches = super().temporal_conv(width, stride, as_pyskl)
        return nn.Sequential(branches, nn.ReLU()) if as_pyskl else branches
