"""Graph convolutions: adjacency matrices, sums over a joint's neighbours, and the map of those sums."""

from math import sqrt
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stgraph.models.layers.convolution import ConvNormReLU, zero_bias
from stgraph.models.layers.shapes import Motion


class Adjacency(nn.Module):
    """One learnable matrix for each partition of the graph.

    Entry [k, v, w] weighs what node v receives from node w. The model owns it and hands it to its layers.

    Args:
        partitions: (k v w) where training starts.
    """

    def __init__(self, partitions: Float[np.ndarray, "k v w"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(partitions).to(torch.get_default_dtype()))

    def forward(self, x: Motion) -> Float[Tensor, "k v w"]:
        """The matrices, the same for every input."""
        return self.weight


def aggregate(x: Float[Tensor, "b c t j"], adjacency: Float[Tensor, "k v w"]) -> Float[Tensor, "b kc t j"]:
    """What every node receives through each partition: y[k, c, v] = sum_w A[k, v, w] x[c, w].

    Where the adjacency spans several frames, consecutive non-overlapping blocks of frames are a graph each. Partitions
    lie side by side in the channels, ordered (k c), so that mapping and summing them is one matrix product.
    """
    frames = adjacency.shape[1] // x.shape[-1]
    nodes = rearrange(x, "b c (t f) j -> (b t) (f j) c", f=frames)
    # Rows ordered (v k): each graph's product is then, as it lies in memory, the rows of that one matrix product.
    matrix, device = rearrange(adjacency, "k v w -> (v k) w"), x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    received = graph_product(matrix.to(dtype), nodes.to(dtype))
    return rearrange(received, "(b t) (f j k) c -> b (k c) (t f) j", b=x.shape[0], f=frames, k=adjacency.shape[0])


def combine(x: Float[Tensor, "b kc t j"], adjacency: Float[Tensor, "k v w"]) -> Motion:
    """What every node receives of a map for each partition: y[c, v] = sum_kw A[k, v, w] x[k c, w].

    The other order of `aggregate` and its map, the cheaper one where the map does not widen. Channels are (k c).
    """
    rows = rearrange(x, "b (k c) t j -> (b t) (j k) c", k=len(adjacency))
    received = graph_product(rearrange(adjacency, "k v w -> v (w k)").to(x.dtype), rows)
    return rearrange(received, "(b t) j c -> b c t j", b=x.shape[0])


def graph_product(matrix: Float[Tensor, "u w"], nodes: Float[Tensor, "n w c"]) -> Float[Tensor, "n u c"]:
    """matrix @ nodes for every graph n."""
    if torch.is_grad_enabled():
        return cast(Tensor, GraphProduct.apply(matrix, nodes))
    return torch.matmul(matrix, nodes)  # without Python in a trace


class GraphProduct(torch.autograd.Function):
    """matrix @ nodes for every graph, without the copy of all nodes into one large matrix that torch.matmul makes.

    Forward and backward together take 1.8 times less CPU time than torch.matmul in `aggregate` and 2.3 times less in
    `combine` (one thread, 8 windows of `root_rel`); the forward alone is 5 to 10 % slower.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Float[Tensor, "u w"], nodes: Float[Tensor, "n w c"]) -> Float[Tensor, "n u c"]:
        ctx.save_for_backward(matrix, nodes)
        return torch.bmm(matrix.expand(nodes.shape[0], -1, -1), nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "n u c"]) -> tuple[Tensor | None, Tensor | None]:
        matrix, nodes = ctx.saved_tensors
        to_matrix = torch.bmm(grad, nodes.mT).sum(dim=0) if ctx.needs_input_grad[0] else None
        to_nodes = torch.bmm(matrix.mT.expand(grad.shape[0], -1, -1), grad) if ctx.needs_input_grad[1] else None
        return to_matrix, to_nodes


class GraphConv(ConvNormReLU):
    """ReLU(norm(sum_k A_k x W_k + b)) with dropout; its input is the result of `aggregate`.

    Two graph convolutions of one input share that.

    Args:
        in_channels, out_channels: widths before and after.
        partitions: matrices of the adjacency.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, in_channels: int, out_channels: int, partitions: int, dropout: float) -> None:
        super().__init__(nn.Conv2d(partitions * in_channels, out_channels, 1), dropout)
        # Kaiming's, with the fan of the published weights, whose shape is (in, partitions * out).
        bound = sqrt(6 / (partitions * out_channels))
        nn.init.uniform_(self.conv.weight, -bound, bound)
        zero_bias(self.conv)
