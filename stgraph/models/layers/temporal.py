"""Along time: convolutions with a residual, layers that shorten a sequence, and interpolation that lengthens one."""

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.layers.convolution import ConvNorm, FrameConv, NormConv, zero_bias
from stgraph.models.layers.dropout import dropout_add, relu_dropout
from stgraph.models.layers.shapes import Motion, Shorter


class TemporalConv(ConvNorm):
    """residual + dropout(norm(convolution over the whole sequence, zero-padded)).

    Args:
        channels: width before and after.
        dropout: share of activations that training sets to zero.
        taps: frames that the convolution sees, an odd number.
        stride: frames that become one.
    """

    def __init__(self, channels: int, dropout: float, taps: int = 3, stride: int = 1) -> None:
        super().__init__(FrameConv(channels, channels, taps, stride, padding=taps // 2))
        self.dropout = dropout

    def forward(self, x: Motion, residual: Shorter | None) -> Shorter:
        """Convolve and add the residual, if there is one."""
        y, p = super().forward(x), self.dropout * self.training
        return F.dropout(y, p) if residual is None else dropout_add(y, residual, p)


class Shrink(NormConv):
    """Norm, temporal convolution of `stride` taps that shortens the sequence by `stride`, ReLU, dropout.

    Args:
        channels: width before and after.
        stride: frames that become one.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, channels: int, stride: int, dropout: float) -> None:
        super().__init__(FrameConv(channels, channels, stride, stride))
        self.dropout = dropout
        nn.init.kaiming_uniform_(self.conv.weight)
        zero_bias(self.conv)

    def forward(self, x: Motion) -> Shorter:
        """Shorten the sequence."""
        return relu_dropout(super().forward(x), self.dropout * self.training)


def interpolation(frames: Any, coarse: Any, like: Tensor) -> Float[Tensor, "t s"]:
    """Matrix that stretches `coarse` frames to `frames`, linearly and with both ends fixed (align_corners).

    Both are whole numbers, which a trace holds as tensors.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)  # sixteen bits do not represent a third of a frame
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
