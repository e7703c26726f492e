"""Graph networks' blocks against plain formulations, and their gradients against finite differences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from stgraph.models.layers import blocks
from stgraph.models.layers.blocks import (
    GraphConv,
    Shrink,
    TemporalConv,
    add_stretched,
    aggregate,
    combine,
    interpolation,
)

GOLDEN = Path(__file__).parents[2] / "golden"


def motion(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Random (b c t j) in channels-last memory."""
    return torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_aggregate_is_the_sum_over_neighbours(frames):
    x, adjacency = motion(2, 5, 6, 4), torch.randn(3, 4 * frames, 4 * frames, dtype=torch.float64)
    blocks_of_frames = rearrange(x, "b c (t f) j -> b c t (f j)", f=frames)
    received = torch.einsum("kvw,bctw->bkctv", adjacency, blocks_of_frames)
    expected = rearrange(received, "b k c t (f j) -> b (k c) (t f) j", f=frames)
    torch.testing.assert_close(aggregate(x, adjacency), expected)
    torch.testing.assert_close(aggregate(x.contiguous(), adjacency), expected)


def test_aggregate_has_the_gradient_of_its_definition():
    x, adjacency = motion(2, 2, 4, 3).requires_grad_(), torch.randn(2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(aggregate, (x, adjacency))


def test_mapping_first_is_the_same_graph_convolution():
    x, adjacency, weight = motion(2, 5, 6, 4), torch.randn(3, 4, 4).double(), torch.randn(7, 3, 5).double()
    expected = torch.einsum("kvw,dkc,bctw->bdtv", adjacency, weight, x)
    mapped = F.conv2d(x, rearrange(weight, "d k c -> (k d) c 1 1"))
    torch.testing.assert_close(combine(mapped, adjacency), expected)
    aggregated_first = F.conv2d(aggregate(x, adjacency), rearrange(weight, "d k c -> d (k c) 1 1"))
    torch.testing.assert_close(aggregated_first, expected)


def test_combine_has_the_gradient_of_its_definition():
    x, adjacency = motion(2, 4, 3, 3).requires_grad_(), torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(combine, (x, adjacency))


def test_graph_convolution_is_the_published_one():
    with np.load(GOLDEN / "tgraphnet_gcn_layer.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind in "fi"}
    layer = GraphConv(5, 7, partitions=4, dropout=0.1).eval()
    layer.conv.weight.data = rearrange(arrays["state/gcn.weight"], "c (k d) -> d (k c) 1 1", k=4)
    layer.conv.bias.data = arrays["state/gcn.bias"]
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(layer.norm, name).data = arrays[f"state/gcn.norm.{name}"]
    # Its 51 nodes are three frames of a graph each; its time is not ours.
    x = rearrange(arrays["input"], "b t (f j) c -> b c (t f) j", f=3)
    with torch.no_grad():
        y = rearrange(layer(aggregate(x, arrays["adj"])), "b c (t f) j -> b t (f j) c", f=3)
    assert (y - arrays["output"]).abs().max() < 1e-5 * arrays["output"].abs().max()


@pytest.mark.parametrize(
    "make", [lambda: GraphConv(2, 4, 3, 0.0), lambda: Shrink(6, 3, 0.0), lambda: TemporalConv(6, 0.0)]
)
def test_a_norm_with_fixed_statistics_is_folded_exactly(make):
    torch.manual_seed(0)
    layer, x = make().double(), motion(3, 6, 9, 4)
    for tensor in (layer.norm.running_mean, layer.norm.running_var, layer.norm.weight.data, layer.norm.bias.data):
        tensor.uniform_(0.5, 1.5)
    conv, norm = layer.conv, layer.norm.eval()
    plain = conv(norm(x)) if isinstance(layer, Shrink) else norm(conv(x))
    expected = plain + x if isinstance(layer, TemporalConv) else plain.relu()
    layer.eval()
    torch.testing.assert_close(layer(x, x) if isinstance(layer, TemporalConv) else layer(x), expected)


def test_synchronised_norms_take_the_place_of_batch_norms():
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(nn.ModuleList([GraphConv(2, 4, 3, 0.0), Shrink(4, 3, 0.0)]))
    assert all(isinstance(module.norm, nn.SyncBatchNorm) for module in layer)
    layer.eval()
    assert layer[1](layer[0](motion(2, 6, 9, 5, dtype=torch.float32))).shape == (2, 4, 3, 5)


# Time -----------------------------------------------------------------------------------------------------------------


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


# Dropout --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.4999, 0.5, 0.75, 0.9])
def test_dropout_drops_the_share_asked_for(dtype, p):
    words = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.int64)  # every draw once
    ones = torch.ones(1, 1, 2**16, 1, dtype=dtype)
    kept = blocks.drop(ones, words, p, out=torch.empty_like(ones)).bool()
    assert abs((~kept).double().mean().item() - p) <= 2**-17
    assert blocks.drop_level(p, dtype)[1] == pytest.approx(1 / kept.double().mean().item())


def test_draws_are_fair_and_independent():
    torch.manual_seed(0)
    ones = torch.ones(64, 8, 30, 17)
    words, n = blocks.draw(ones), ones.numel()
    uniform = words.view(torch.int16).double() / 2**16
    assert abs(uniform.mean() + 2**-17) < 5 / np.sqrt(12 * n)
    assert abs(uniform.var() - 1 / 12) < 5 / np.sqrt(180 * n)
    for lag in (1, 2, 3, 4, 8, 17):
        assert abs(torch.corrcoef(torch.stack([uniform[lag:], uniform[:-lag]]))[0, 1]) < 5 / np.sqrt(n)
    dropped = blocks.drop(ones, words, 0.1, out=torch.empty_like(ones)) == 0
    assert abs(dropped.double().mean() - 0.1) < 5 * np.sqrt(0.09 / n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_shares_drop_some_and_keep_some(dtype):
    scales = [blocks.drop_level(p, dtype)[1] for p in (1e-9, 1 - 1e-9)]
    assert scales[0] == pytest.approx(1 + 2**-16, abs=1e-9) and scales[1] > 200


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_relu_dropout_is_the_scaled_relu_of_what_is_kept(dtype):
    torch.manual_seed(1)
    x, p = motion(4, 8, 9, 5, dtype=dtype), 0.3
    y = blocks.relu_dropout(x.clone(memory_format=torch.preserve_format), p)
    scale = blocks.drop_level(p, dtype)[1]
    torch.testing.assert_close(y[y != 0], x[y != 0] * scale)
    assert (x[y != 0] > 0).all()
    assert 0.2 < (y[x > 0] == 0).double().mean() < 0.4
    total = torch.stack([blocks.relu_dropout(x.clone(), p) for _ in range(400)]).double().mean(0)
    assert (total - x.double().relu()).abs().max() < 0.2 * x.abs().max()


def repeated(function):
    """The function with the same random numbers at every call."""

    def call(*args: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(7)
        return function(*(arg.clone(memory_format=torch.preserve_format) for arg in args))

    return call


def test_dropout_has_the_gradient_of_what_it_kept():
    x, residual = motion(2, 3, 4, 5).requires_grad_(), motion(2, 3, 4, 5).requires_grad_()
    assert gradcheck(repeated(lambda x: blocks.relu_dropout(x, 0.3)), x)
    assert gradcheck(repeated(lambda x, residual: blocks.dropout_add(x, residual, 0.3)), (x, residual))
    assert gradcheck(repeated(lambda x, residual: blocks.dropout_add(x, residual, 0.0)), (x, residual))


def test_dropped_residual_branch_leaves_the_residual_as_it_is():
    x, residual = motion(2, 3, 40, 5), motion(2, 3, 40, 5)
    y = blocks.dropout_add(x.clone(memory_format=torch.preserve_format), residual, 0.5)
    dropped = y == residual
    assert 0.4 < dropped.double().mean() < 0.6
    torch.testing.assert_close((y - residual)[~dropped], 2 * x[~dropped])


def test_weights_start_as_published():
    torch.manual_seed(0)
    layer, shrink = GraphConv(64, 32, partitions=4, dropout=0.0), Shrink(32, 3, 0.0)
    # Kaiming-uniform for ReLU; the published shape (in, partitions * out) makes its fan partitions * out.
    for weight, fan in ((layer.conv.weight, 4 * 32), (shrink.conv.weight, 3 * 32)):
        bound = np.sqrt(6 / fan)
        assert 0.99 * bound < weight.abs().max().item() <= bound * (1 + 1e-6)
        assert weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert not layer.conv.bias.any() and not shrink.conv.bias.any()
