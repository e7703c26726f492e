"""Convolutions over frames, and a convolution with a batch norm behind or in front of it.

Folding the norms of evaluation into the weights was measured and is not worth its code: whole networks gain 0 to 9 %,
and a single frame through the linear net takes 1.7 times as long.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from stgraph.models.layers.dropout import relu_dropout
from stgraph.models.layers.shapes import Motion, Result

Weight = Float[Tensor, "d c taps 1"]
LANES = 8  # 32-bit numbers in a register of AVX2
WIDE = 64  # channels from which products pay; with ST-GCN++'s branches of 10 to 46 a step takes longer by them


class FrameConv(nn.Conv2d):
    """A convolution over the frames of each joint: y[t] = b + sum_i W_i x[stride t + dilation i - padding].

    Its weight, its name in a checkpoint and its node in an ONNX file are those of a plain convolution.

    On a processor with AVX2 and no AVX-512, oneDNN's gradient of the weight of a strided one-tap convolution writes
    beyond its working memory where there are fewer than eight channels (oneDNN's issue 6035; torch 2.13 has it). There
    the frames are picked first, and the convolution has no stride.

    Args:
        in_channels, out_channels: widths before and after.
        taps: frames that each result sees.
        stride: frames from one result to the next.
        padding: frames of zeros at each end.
        dilation: frames from one tap to the next.
        bias: whether there is a b.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        taps: int,
        stride: int = 1,
        *,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        along_time = (taps, 1), (stride, 1), (padding, 0), (dilation, 1)
        super().__init__(in_channels, out_channels, *along_time, bias=bias)
        self.picks = taps == 1 and stride > 1 and padding == 0 and in_channels < LANES
        self.wide = min(in_channels, out_channels) >= WIDE

    def forward(self, input: Motion) -> Result:
        """(b c t j) -> (b d s j)."""
        if self.picks:
            return F.conv2d(input[:, :, :: self.stride[0]], self.weight, self.bias)
        if self.wide and torch.is_grad_enabled() and computes_eagerly(input):
            settings = self.stride[0], self.padding[0], self.dilation[0]
            return cast(Tensor, FrameConvolution.apply(input, self.weight, self.bias, settings))
        return super().forward(input)


def computes_eagerly(x: Tensor) -> bool:
    """Where `FrameConvolution` and `GraphMaps` were measured: on a CPU, in 32 bits or more, operation by operation."""
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return x.device.type == "cpu" and x.dtype.itemsize >= 4 and not torch.is_autocast_enabled("cpu") and not recorded


class FrameConvolution(torch.autograd.Function):
    """A convolution over frames whose gradient of the weight is a matrix product for each tap, over views.

    The forward and the gradient of the input are torch's, which reach the rate of the machine's matrix product. Its
    gradient of the weight reaches half of that; the products here take 1.2 to 1.8 times less CPU time (one thread, 64
    to 256 channels, 3 to 9 taps, strides 1 and 3).
    """

    @staticmethod
    def forward(ctx: Any, x: Motion, weight: Weight, bias: Tensor | None, settings: tuple[int, int, int]) -> Result:
        ctx.save_for_backward(x, weight)
        ctx.settings = settings
        stride, padding, dilation = settings
        return F.conv2d(x, weight, bias, (stride, 1), (padding, 0), (dilation, 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Result) -> tuple[Tensor | None, ...]:
        (x, weight), (stride, padding, dilation) = ctx.saved_tensors, ctx.settings
        to_x, to_weight, to_bias, *_ = ctx.needs_input_grad
        shape = (stride, 1), (padding, 0), (dilation, 1), False, (0, 0), 1
        back = torch.ops.aten.convolution_backward
        x_grad = back(grad, x, weight, None, *shape, (True, False, False))[0] if to_x else None
        weight_grad = gradient_of_weight(x, grad, weight, ctx.settings) if to_weight else None
        return x_grad, weight_grad, grad.sum(dim=(0, 2, 3)) if to_bias else None, None


def gradient_of_weight(x: Motion, grad: Result, weight: Weight, settings: tuple[int, int, int]) -> Weight:
    """Of the weight of a convolution, from its input and the gradient of its result."""
    taps = weight.new_zeros(weight.shape[2], *weight.shape[:2])  # each in memory as a product writes it
    for total, (seen, results) in zip(taps, tap_views(x, grad, len(taps), settings), strict=True):
        rows = [view.permute(0, 2, 3, 1).flatten(1, 2) for view in (results, seen)]
        total.addbmm_(rows[0].mT, rows[1])
    return torch.empty_like(weight).copy_(taps.permute(1, 2, 0)[..., None])


def tap_views(x: Motion, y: Result, taps: int, settings: tuple[int, int, int]) -> Iterator[tuple[Motion, Result]]:
    """For every tap, the frames of the input that it sees and the results that they are part of, as many of each."""
    stride, padding, dilation = settings
    for tap in range(taps):
        offset = dilation * tap - padding
        first = max(0, -(offset // stride))  # the first result whose frame is not padding; then the one after the last
        end = max(first, min(y.shape[2], (x.shape[2] - 1 - offset) // stride + 1))
        start = first * stride + offset
        yield x[:, :, start : start + (end - first) * stride : stride], y[:, :, first:end]


class ConvNorm(nn.Module):
    """norm(conv(x)).

    Args:
        conv: any convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return self.norm(self.conv(x))


class ConvNormReLU(ConvNorm):
    """dropout(ReLU(norm(conv(x)))).

    Args:
        conv: any convolution.
        dropout: share of activations that training sets to zero.
    """

    def __init__(self, conv: nn.Conv2d, dropout: float) -> None:
        super().__init__(conv)
        self.dropout = dropout

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return self.activated(self.conv(x))

    def activated(self, y: Result) -> Result:
        """What follows the convolution."""
        return relu_dropout(self.norm(y), self.dropout * self.training)


class NormConv(nn.Module):
    """conv(norm(x)).

    Args:
        conv: any convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(conv.in_channels)
        self.conv = conv

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j), as the convolution strides."""
        return self.conv(self.norm(x))


def zero_bias(conv: nn.Conv2d) -> None:
    """Set the bias, if there is one, to zero."""
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
