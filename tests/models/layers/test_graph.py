"""Graph convolutions against plain formulations, and their gradients against finite differences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from stgraph.models.layers import graph
from stgraph.models.layers.graph import GraphConv, aggregate, combine, graph_maps
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


def gradients(outputs: list[torch.Tensor], inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of a sum of different powers of the outputs."""
    total = sum((y ** (2 + number)).sum() for number, y in enumerate(outputs))
    return list(torch.autograd.grad(total, inputs, retain_graph=True))


@pytest.mark.parametrize("graphs", [1, 2, 100])  # that are aggregated at a time
@pytest.mark.parametrize("bias", [True, False])
def test_maps_a_few_graphs_at_a_time_are_those_of_all_at_once(graphs, bias, monkeypatch):
    torch.manual_seed(0)
    x, adjacency = motion(2, 5, 6, 4).requires_grad_(), torch.randn(3, 8, 8, dtype=torch.float64, requires_grad=True)
    convs = [nn.Conv2d(15, width, 1, bias=bias).double() for width in (7, 4)]
    monkeypatch.setattr(graph, "PIECE", graphs * 3 * 8 * 5 * 8)
    monkeypatch.setattr(graph, "MAPPED", [15])
    received = aggregate(x, adjacency)
    expected, mapped = [conv(received) for conv in convs], graph_maps(x, adjacency, convs)
    torch.testing.assert_close(mapped, expected)
    learned = [x, adjacency, *(weight for conv in convs for weight in conv.parameters())]
    torch.testing.assert_close(gradients(mapped, learned), gradients(expected, learned))
    with torch.no_grad():
        torch.testing.assert_close(graph_maps(x, adjacency, convs), expected)
    as_it_comes = graph_maps(x.detach().contiguous(), adjacency.detach(), convs)
    torch.testing.assert_close(gradients(as_it_comes, learned[2:]), gradients(expected, learned[2:]))


def test_maps_keep_the_nodes_and_not_what_they_receive():
    x, adjacency = motion(2, 32, 6, 4).requires_grad_(), torch.randn(3, 4, 4, dtype=torch.float64)
    conv, kept = nn.Conv2d(96, 8, 1).double(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()), lambda _: None):
        graph_maps(x, adjacency, [conv])
    assert sum(kept) == x.numel() + adjacency.numel() + conv.weight.numel()


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
        y = rearrange(layer(x, arrays["adj"]), "b c (t f) j -> b t (f j) c", f=3)
    assert (y - arrays["output"]).abs().max() < 1e-5 * arrays["output"].abs().max()


def test_weights_start_as_published():
    torch.manual_seed(0)
    layer = GraphConv(64, 32, partitions=4, dropout=0.0)
    # Kaiming-uniform for ReLU; the published shape (in, partitions * out) makes its fan partitions * out.
    bound = np.sqrt(6 / (4 * 32))
    assert 0.99 * bound < layer.conv.weight.abs().max().item() <= bound * (1 + 1e-6)
    assert layer.conv.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert layer.conv.bias is not None and not layer.conv.bias.any()
