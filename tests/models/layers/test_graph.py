"""Graph convolutions against plain formulations, and their gradients against finite differences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.autograd import gradcheck
from torch.nn import functional as F

from stgraph.models.layers.graph import GraphConv, aggregate, combine
from tests.models.layers import motion

GOLDEN = Path(__file__).parents[2] / "golden"


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


def test_weights_start_as_published():
    torch.manual_seed(0)
    layer = GraphConv(64, 32, partitions=4, dropout=0.0)
    # Kaiming-uniform for ReLU; the published shape (in, partitions * out) makes its fan partitions * out.
    bound = np.sqrt(6 / (4 * 32))
    assert 0.99 * bound < layer.conv.weight.abs().max().item() <= bound * (1 + 1e-6)
    assert layer.conv.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert layer.conv.bias is not None and not layer.conv.bias.any()
