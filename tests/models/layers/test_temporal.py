"""Convolutions and interpolation along time against plain formulations."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stgraph.models.layers.graph import GraphConv
from stgraph.models.layers.temporal import Shrink, TemporalConv, add_stretched, interpolation
from tests.models.layers import motion


def test_a_temporal_convolution_adds_its_residual():
    torch.manual_seed(0)
    layer, x = TemporalConv(6, 0.0).double(), motion(3, 6, 9, 4)
    torch.testing.assert_close(layer(x, x), layer.norm(layer.conv(x)) + x)
    torch.testing.assert_close(layer(x, None), layer.norm(layer.conv(x)))


def test_synchronised_norms_take_the_place_of_batch_norms():
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(nn.ModuleList([GraphConv(2, 4, 3, 0.0), Shrink(4, 3, 0.0)]))
    assert all(isinstance(module.norm, nn.SyncBatchNorm) for module in layer)
    layer.eval()
    x, adjacency = motion(2, 2, 9, 5, dtype=torch.float32), torch.randn(3, 5, 5)
    assert layer[1](layer[0](x, adjacency)).shape == (2, 4, 3, 5)


@pytest.mark.parametrize(("frames", "coarse"), [(81, 27), (81, 9), (81, 3), (6, 3), (3, 1)])
def test_interpolation_is_linear_with_fixed_ends(frames, coarse):
    x = motion(2, 3, coarse, 4)
    expected = F.interpolate(x, size=(frames, 4), mode="bilinear", align_corners=True)
    stretched = torch.einsum("ts,bcsj->bctj", interpolation(frames, coarse, x), x)
    torch.testing.assert_close(stretched, expected)


def test_interpolation_places_frames_exactly_in_16_bits():
    exact, low = (interpolation(81, 27, torch.empty((), dtype=dtype)) for dtype in (torch.float64, torch.bfloat16))
    assert low.dtype == torch.bfloat16
    assert (low.double() - exact).abs().max() < 2**-8


def test_stretched_sequences_are_added():
    x, half, third = motion(2, 3, 6, 4), motion(2, 3, 3, 4), motion(2, 3, 2, 4)
    expected = x + sum(F.interpolate(y, size=(6, 4), mode="bilinear", align_corners=True) for y in (half, third))
    torch.testing.assert_close(add_stretched(x, [half, third]), expected)


def test_shrinking_weights_start_as_published():
    torch.manual_seed(0)
    conv = Shrink(32, 3, 0.0).conv
    bound = np.sqrt(6 / (3 * 32))  # Kaiming-uniform for ReLU
    assert 0.99 * bound < conv.weight.abs().max().item() <= bound * (1 + 1e-6)
    assert conv.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert conv.bias is not None and not conv.bias.any()
