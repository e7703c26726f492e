"""What graph networks over time share: adjacency, graph and temporal convolutions, norms that fold, cheap dropout.

Tensors are `b c t j` in channels-last memory (`b t j c`), which makes every layer a plain matrix product over rows.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

Motion = Float[Tensor, "b c t j"]
Changed = Float[Tensor, "b d t j"]  # in another width
Shorter = Float[Tensor, "b c _ j"]  # at another length


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
    received = GraphProduct.apply(matrix.to(dtype), nodes.to(dtype))
    return rearrange(received, "(b t) (f j k) c -> b (k c) (t f) j", b=x.shape[0], f=frames, k=adjacency.shape[0])


def combine(x: Float[Tensor, "b kc t j"], adjacency: Float[Tensor, "k v w"]) -> Motion:
    """What every node receives of a map for each partition: y[c, v] = sum_kw A[k, v, w] x[k c, w].

    The other order of `aggregate` and its map, the cheaper one where the map does not widen. Channels are (k c).
    """
    rows = rearrange(x, "b (k c) t j -> (b t) (j k) c", k=len(adjacency))
    received = GraphProduct.apply(rearrange(adjacency, "k v w -> v (w k)").to(x.dtype), rows)
    return rearrange(received, "(b t) j c -> b c t j", b=x.shape[0])


class GraphProduct(torch.autograd.Function):
    """matrix @ nodes for every graph. torch.matmul would copy the nodes of all graphs into one large matrix instead."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, matrix: Float[Tensor, "u w"], nodes: Float[Tensor, "n w c"]
    ) -> Float[Tensor, "n u c"]:
        ctx.save_for_backward(matrix, nodes)
        return torch.bmm(matrix.expand(nodes.shape[0], -1, -1), nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Float[Tensor, "n u c"]) -> tuple[Tensor | None, Tensor | None]:
        matrix, nodes = ctx.saved_tensors
        to_matrix = torch.bmm(grad, nodes.mT).sum(dim=0) if ctx.needs_input_grad[0] else None
        to_nodes = torch.bmm(matrix.mT.expand(grad.shape[0], -1, -1), grad) if ctx.needs_input_grad[1] else None
        return to_matrix, to_nodes


def conv_norm(x: Motion, conv: nn.Conv2d, norm: nn.modules.batchnorm._BatchNorm) -> Float[Tensor, "b d s j"]:
    """norm(conv(x)); a norm with fixed statistics is folded into the weights."""
    if norm.training:
        return norm(conv(x))
    scale, shift = affine(norm)
    bias = shift if conv.bias is None else conv.bias * scale + shift
    return F.conv2d(x, conv.weight * scale[:, None, None, None], bias, conv.stride, conv.padding)


def norm_conv(x: Motion, norm: nn.modules.batchnorm._BatchNorm, conv: nn.Conv2d) -> Float[Tensor, "b d _ j"]:
    """conv(norm(x)) of a convolution that does not pad; a norm with fixed statistics is folded into the weights."""
    if norm.training:
        return conv(norm(x))
    scale, shift = affine(norm)
    bias = conv.bias + conv.weight.sum(dim=(2, 3)) @ shift
    return F.conv2d(x, conv.weight * scale[:, None, None], bias, conv.stride)


def affine(norm: nn.modules.batchnorm._BatchNorm) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Scale and shift that a norm with fixed statistics amounts to."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


class GraphConv(nn.Module):
    """ReLU(norm(sum_k A_k x W_k + b)) with dropout.

    Args:
        in_channels, out_channels: widths before and after.
        partitions: matrices of the adjacency.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, in_channels: int, out_channels: int, partitions: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(partitions * in_channels, out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.dropout = dropout
        # Kaiming's, with the fan of the published weights, whose shape is (in, partitions * out).
        bound = sqrt(6 / (partitions * out_channels))
        nn.init.uniform_(self.conv.weight, -bound, bound)
        nn.init.zeros_(self.conv.bias)

    def forward(self, received: Float[Tensor, "b kc t j"]) -> Changed:
        """Map what `aggregate` gave; two graph convolutions of one input share it."""
        return relu_dropout(conv_norm(received, self.conv, self.norm), self.dropout * self.training)


class TemporalConv(nn.Module):
    """residual + dropout(norm(convolution over the whole sequence, zero-padded)).

    Args:
        channels: width before and after.
        dropout: share of activations that training sets to zero.
        taps: frames that the convolution sees, an odd number.
        stride: frames that become one.
    """

    def __init__(self, channels: int, dropout: float, taps: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (taps, 1), (stride, 1), (taps // 2, 0))
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = dropout

    def forward(self, x: Motion, residual: Shorter | None) -> Shorter:
        """Convolve and add the residual, if there is one."""
        y, p = conv_norm(x, self.conv, self.norm), self.dropout * self.training
        return F.dropout(y, p) if residual is None else dropout_add(y, residual, p)


class Shrink(nn.Module):
    """Norm, temporal convolution of `stride` taps that shortens the sequence by `stride`, ReLU, dropout.

    Args:
        channels: width before and after.
        stride: frames that become one.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, (stride, 1), stride=(stride, 1))
        self.dropout = dropout
        nn.init.kaiming_uniform_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Motion) -> Shorter:
        """Shorten the sequence."""
        return relu_dropout(norm_conv(x, self.norm, self.conv), self.dropout * self.training)


def in_full_precision(head: nn.Module, x: Motion) -> Float[Tensor, "b d t _"]:
    """A head's output without autocast: sixteen bits round metres to millimetres, and more far from zero."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return head(x)
    with torch.autocast(device, enabled=False):
        return head(x.float())


# Time -----------------------------------------------------------------------------------------------------------------


def interpolation(frames: int, coarse: int, like: Tensor) -> Float[Tensor, "t s"]:
    """Matrix that stretches `coarse` frames to `frames`, linearly and with both ends fixed (align_corners)."""
    dtype = torch.promote_types(like.dtype, torch.float32)  # sixteen bits do not tell a third of a frame
    place = torch.arange(frames, dtype=dtype, device=like.device) * ((coarse - 1) / max(frames - 1, 1))
    nodes = torch.arange(coarse, dtype=dtype, device=like.device)
    return (1 - (place[:, None] - nodes).abs()).clamp_min(0).to(like.dtype)


def add_stretched(x: Motion, coarser: Sequence[Shorter]) -> Motion:
    """x + the sum of shorter sequences, each stretched to its length: one matrix product for all of them."""
    batch, _, frames, joints = x.shape
    weights = torch.cat([interpolation(frames, path.shape[2], x) for path in coarser], dim=1)
    rows = rearrange(torch.cat(list(coarser), dim=2), "b c s j -> b s (j c)")
    total = torch.baddbmm(rearrange(x, "b c t j -> b t (j c)"), weights.expand(batch, -1, -1), rows)
    return rearrange(total, "b t (j c) -> b c t j", j=joints)


# Dropout --------------------------------------------------------------------------------------------------------------
# On a CPU torch draws a Bernoulli number as slowly as a whole convolution runs. Here a draw is 16 random bits, compared
# with a level while the activation is masked, in the one pass that is the gradient of a threshold. The share dropped is
# p to within 2^-17, and the scale is the exact inverse of the share kept.


@lru_cache
def drop_level(p: float, dtype: torch.dtype) -> tuple[float, float]:
    """The number that a share p of all 16-bit draws does not exceed, read as `drop` reads them; and 1 / share kept."""
    values = as_noise(torch.arange(-(2**15), 2**15, dtype=torch.int16), dtype).double()
    ordered = values[~values.isnan()].sort().values
    level = ordered[min(max(round(p * 2**16), 1), len(ordered) - 1) - 1].item()
    return level, 2**16 / (2**16 - (values <= level).sum().item())


def as_noise(draws: Int[Tensor, "..."], dtype: torch.dtype) -> Float[Tensor, "..."]:
    """16-bit draws as numbers of a type: the same bits where it has 16, else a conversion; only their order counts."""
    return draws.view(dtype) if dtype.itemsize == 2 else draws.to(dtype)


def draw(x: Motion) -> Int[Tensor, " words"]:
    """16 random bits for every element, four elements to a word."""
    return torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)


def drop(x: Motion, words: Int[Tensor, " words"], p: float, out: Motion) -> Motion:
    """x with zeros where the draw is at most the level; unscaled."""
    b, c, t, j = x.shape
    draws = rearrange(words.view(torch.int16)[: x.numel()], "(b t j c) -> b c t j", b=b, c=c, t=t, j=j)
    noise, (level, _) = as_noise(draws, x.dtype), drop_level(p, x.dtype)
    return torch.ops.aten.threshold_backward.grad_input(x, noise, level, grad_input=out)


class ReLUDropout(torch.autograd.Function):
    """dropout(relu(x)) in place. The result tells where a gradient passes, so no mask is kept."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, p: float) -> Tensor:
        ctx.mark_dirty(x)
        ctx.scale = drop_level(p, x.dtype)[1]
        drop(x.relu_(), draw(x), p, out=x).mul_(ctx.scale)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, y, 0).mul_(ctx.scale), None


class DropoutAdd(torch.autograd.Function):
    """dropout(x) + residual, in place of x."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, residual: Tensor, p: float) -> Tensor:
        ctx.mark_dirty(x)
        ctx.p, words = p, draw(x)
        ctx.save_for_backward(words)
        drop(x, words, p, out=x)
        return torch.add(residual, x, alpha=drop_level(p, x.dtype)[1], out=x)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (words,) = ctx.saved_tensors
        kept = drop(grad, words, ctx.p, out=torch.empty_like(grad))
        return kept.mul_(drop_level(ctx.p, grad.dtype)[1]), grad, None


def draws_are_slow(x: Tensor) -> bool:
    """On a CPU, unless a compiler makes torch's draws a part of the kernels around them."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def relu_dropout(x: Motion, p: float) -> Motion:
    """dropout(relu(x)), in place of x."""
    if not p:
        return x.relu_()
    return ReLUDropout.apply(x, p) if draws_are_slow(x) else F.dropout(x.relu(), p)


def dropout_add(x: Motion, residual: Motion, p: float) -> Motion:
    """dropout(x) + residual, in place of x."""
    if not p:
        return x.add_(residual)
    return DropoutAdd.apply(x, residual, p) if draws_are_slow(x) else F.dropout(x, p) + residual
