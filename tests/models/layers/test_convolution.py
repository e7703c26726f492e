"""Convolutions over frames against torch's own."""

import pytest
import torch
from torch import nn

from stgraph.models.layers import convolution
from stgraph.models.layers.convolution import FrameConv
from tests.models.layers import motion

SHAPES = [  # channels before and after, taps, stride, padding, dilation, frames
    (9, 12, 3, 1, 1, 1, 7),
    (9, 12, 3, 2, 1, 1, 7),
    (9, 12, 3, 2, 1, 1, 8),
    (10, 10, 5, 1, 8, 4, 6),  # some taps see nothing but padding
    (10, 10, 3, 2, 4, 4, 9),
    (12, 9, 3, 3, 0, 1, 9),
    (12, 9, 3, 3, 0, 1, 11),  # the last frames count in no result
    (12, 9, 1, 2, 0, 1, 5),
    (3, 8, 1, 2, 0, 1, 5),
    (7, 1, 1, 3, 0, 1, 9),
    (1, 2, 9, 2, 4, 1, 1),
    (8, 8, 9, 1, 0, 1, 9),  # a single result
]


@pytest.fixture(autouse=True)
def narrow_ones_count_as_wide(monkeypatch):
    monkeypatch.setattr(convolution, "WIDE", 8)


def pair(shape: tuple, bias: bool = True, dtype: torch.dtype = torch.float64) -> tuple[FrameConv, nn.Conv2d]:
    """The convolution, and torch's with its weights."""
    torch.manual_seed(0)
    before, after, taps, stride, padding, dilation, _ = shape
    ours = FrameConv(before, after, taps, stride, padding=padding, dilation=dilation, bias=bias).to(dtype)
    plain = nn.Conv2d(before, after, (taps, 1), (stride, 1), (padding, 0), (dilation, 1), bias=bias).to(dtype)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def gradients(conv: nn.Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    """The result, and the gradients of a sum of its squares by the input and by what is learned."""
    x = x.clone().requires_grad_()
    y = conv(x)
    return [y.detach(), *torch.autograd.grad(y.square().sum(), [x, *conv.parameters()])]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_and_gradients_are_those_of_a_plain_convolution(shape, bias):
    ours, plain = pair(shape, bias)
    x = motion(3, shape[0], shape[-1], 4)
    torch.testing.assert_close(gradients(ours, x), gradients(plain, x))
    torch.testing.assert_close(gradients(ours, x.contiguous()), gradients(plain, x))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), plain(x))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] >= 8], ids=str)
def test_single_precision(shape):
    ours, plain = pair(shape, dtype=torch.float32)
    x = motion(3, shape[0], shape[-1], 4, dtype=torch.float32)
    torch.testing.assert_close(gradients(ours, x), gradients(plain, x), rtol=1e-4, atol=1e-4)


def test_weights_in_channels_last_memory_get_gradients_there():
    ours, plain = pair(SHAPES[0])
    ours, plain, x = ours.to(memory_format=torch.channels_last), plain, motion(3, 9, 7, 4)
    torch.testing.assert_close(gradients(ours, x), gradients(plain, x), check_stride=False)
    ours(x).sum().backward()
    assert ours.weight.grad is not None and ours.weight.grad.stride() == ours.weight.stride()


def test_what_is_frozen_gets_no_gradient():
    ours, _ = pair(SHAPES[0])
    ours.weight.requires_grad_(False)
    x = motion(3, 9, 7, 4).requires_grad_()
    ours(x).sum().backward()
    assert x.grad is not None and ours.weight.grad is None and ours.bias.grad is not None
    x = motion(3, 9, 7, 4)
    pair(SHAPES[0])[0](x).sum().backward()
    assert x.grad is None


def test_autocast_computes_in_sixteen_bits():
    ours, plain = pair(SHAPES[0], dtype=torch.float32)
    x = motion(3, 9, 7, 4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x)
        torch.testing.assert_close(y, plain(x))
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert ours.weight.grad is not None and ours.weight.grad.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("channels", range(1, 9))
def test_a_strided_map_of_few_channels_writes_within_its_memory(channels):
    # With torch 2.13 a plain convolution ends in "corrupted size vs. prev_size" here, on a processor without AVX-512.
    for stride, frames, joints in ((2, 16, 17), (3, 9, 5)):
        shape = channels, 12, 1, stride, 0, 1, frames
        (ours, _), (double, _) = pair(shape, dtype=torch.float32), pair(shape)
        x = motion(16, channels, frames, joints)
        double.load_state_dict(ours.state_dict())
        expected = [value.float() for value in gradients(double, x)]
        for _ in range(20):
            actual = gradients(ours, x.float().contiguous(memory_format=torch.channels_last))
            torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)
