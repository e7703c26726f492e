"""Graph convolutions: adjacency matrices, sums over a joint's neighbours, and the map of those sums."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stgraph.models.layers.convolution import ConvNormReLU, computes_eagerly, zero_bias
from stgraph.models.layers.shapes import Changed, Motion

PIECE = 1 << 20  # bytes of aggregated features that are made at a time
MAPPED = range(64, 513)  # aggregated channels with which that is as fast as all at once; 1,024 take 6 to 13 % longer


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
    # In two steps, or a batch of one gets a stride by which torch takes it for another memory layout, and copies it.
    rows = rearrange(received, "(b t) (f j k) c -> b (t f) j (k c)", b=x.shape[0], f=frames, k=adjacency.shape[0])
    return rearrange(rows, "b t j c -> b c t j")


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


def graph_maps(x: Motion, adjacency: Float[Tensor, "k v w"], convs: Sequence[nn.Conv2d]) -> list[Changed]:
    """sum_k A_k x W_k + b for each of some maps, 1x1 convolutions of what `aggregate` gives."""
    if not computes_eagerly(x) or len(adjacency) * x.shape[1] not in MAPPED:
        received = aggregate(x, adjacency)
        return [conv(received) for conv in convs]
    frames, (batch, _, _, joints) = adjacency.shape[1] // x.shape[-1], x.shape
    nodes = rearrange(x, "b c (t f) j -> (b t) (f j) c", f=frames).contiguous()
    maps = [values for conv in convs for values in (conv.weight, conv.bias)]
    mapped = cast(tuple[Tensor, ...], GraphMaps.apply(rearrange(adjacency, "k v w -> (v k) w"), nodes, *maps))
    return [rearrange(y, "(b t j) d -> b d t j", b=batch, j=joints) for y in mapped]


class GraphMaps(torch.autograd.Function):
    """Maps W x + b of what nodes receive, (v k) x w for every graph, without the received features in memory.

    These are as many times as large as the nodes as there are partitions. They are made a few graphs at a time, where
    they stay in the processor's cache, and made again in the backward.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Float[Tensor, "vk w"], nodes: Float[Tensor, "n w c"], *maps: Any) -> tuple[Any, ...]:
        weights, biases = [weight.flatten(1) for weight in maps[::2]], maps[1::2]
        ctx.save_for_backward(matrix, nodes, *maps[::2])
        rows = nodes.shape[0] * nodes.shape[1]
        mapped = tuple(nodes.new_empty(rows, len(weight)) for weight in weights)
        for piece, at in pieces(matrix, nodes):
            received = aggregated(matrix, nodes[piece], weights[0].shape[1])
            for y, weight, bias in zip(mapped, weights, biases, strict=True):
                if bias is None:
                    torch.mm(received, weight.mT, out=y[at])
                else:
                    torch.addmm(bias, received, weight.mT, out=y[at])
        return mapped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        matrix, nodes, *shaped = ctx.saved_tensors
        to_matrix, to_nodes, *to_maps = ctx.needs_input_grad
        weights = [weight.flatten(1) for weight in shaped]
        weight_grads = [torch.zeros_like(weight) for weight in weights]
        largest = next(pieces(matrix, nodes))[0].stop  # graphs at a time, each with a gradient until the end
        matrix_grad = matrix.new_zeros(largest, *matrix.shape) if to_matrix else None
        nodes_grad = torch.empty_like(nodes) if to_nodes else None
        for piece, at in pieces(matrix, nodes):
            received = aggregated(matrix, nodes[piece], weights[0].shape[1])
            for grad, weight_grad in zip(grads, weight_grads, strict=True):
                weight_grad.addmm_(grad[at].mT, received)
            back = torch.mm(grads[0][at], weights[0])
            for grad, weight in zip(grads[1:], weights[1:], strict=True):
                back.addmm_(grad[at], weight)
            back = back.view(-1, len(matrix), nodes.shape[2])
            if matrix_grad is not None:
                matrix_grad[: len(back)].baddbmm_(back, nodes[piece].mT)
            if nodes_grad is not None:
                torch.bmm(matrix.mT.expand(len(back), -1, -1), back, out=nodes_grad[piece])
        map_grads: list[Tensor | None] = []
        for grad, weight, weight_grad, to_bias in zip(grads, shaped, weight_grads, to_maps[1::2], strict=True):
            map_grads += [weight_grad.view_as(weight), grad.sum(dim=0) if to_bias else None]
        return None if matrix_grad is None else matrix_grad.sum(dim=0), nodes_grad, *map_grads


def pieces(matrix: Float[Tensor, "u w"], nodes: Float[Tensor, "n w c"]) -> Iterator[tuple[slice, slice]]:
    """A few graphs at a time, and the rows of their nodes, such that what these receive has about `PIECE` bytes."""
    count, width, channels = nodes.shape
    graphs = max(1, PIECE // (len(matrix) * channels * nodes.dtype.itemsize))
    for first in range(0, count, graphs):
        last = min(first + graphs, count)
        yield slice(first, last), slice(first * width, last * width)


def aggregated(matrix: Float[Tensor, "vk w"], nodes: Float[Tensor, "n w c"], width: int) -> Float[Tensor, "nv kc"]:
    """What the nodes of some graphs receive, a row of this width for each."""
    return torch.bmm(matrix.expand(len(nodes), -1, -1), nodes).view(-1, width)


class GraphConv(ConvNormReLU):
    """ReLU(norm(sum_k A_k x W_k + b)) with dropout.

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

    def forward(self, x: Motion, adjacency: Float[Tensor, "k v w"]) -> Changed:  # pyright: ignore[reportIncompatibleMethodOverride]
        """(b c t j) -> (b d t j)."""
        return graph_convs(x, adjacency, [self])[0]


def graph_convs(x: Motion, adjacency: Float[Tensor, "k v w"], layers: Sequence[GraphConv]) -> list[Changed]:
    """The results of graph convolutions of one input, which is aggregated once."""
    mapped = graph_maps(x, adjacency, [layer.conv for layer in layers])
    return [layer.activated(y) for layer, y in zip(layers, mapped, strict=True)]
