"""ST-GCN++: its equations, its published size, any skeleton and length, and that it learns a small set."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from stgraph.models.layers.partitions import partitions
from stgraph.models.stgcnpp import LearnedGraphConv, STGCNpp
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, SKELETONS, Skeleton
from tests.models.clip_oracles import (
    AGAIN,
    STAR,
    literal_branches,
    literal_data_norm,
    literal_residual,
    normed,
    reordered,
    training_accuracy,
    with_random_norms,
)

SMALL = {"channels": [6, 8, 8], "strides": [1, 2, 1]}
PUBLISHED = {"channels": [64] * 4 + [128] * 3 + [256] * 3, "strides": [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]}


def build(skeleton: Skeleton = STAR, **settings: object) -> STGCNpp:
    """A small model in double precision whose norms and graphs are those of no fresh one."""
    torch.manual_seed(0)
    model = with_random_norms(STGCNpp(skeleton, 3, {"action": 4}, **(SMALL | settings)).double())
    for block in model.blocks:
        torch.nn.init.normal_(block.space.adjacency.weight)
    return model


def literal_block(block: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A block as published, but for biases in front of norms."""

    space, time = block.space, block.time
    width = x.shape[1]
    y = 0
    for part, matrix in enumerate(space.adjacency.weight):
        mapped = torch.einsum("dc,bctj->bdtj", space.conv.weight[:, part * width : (part + 1) * width, 0, 0], x)
        y = y + torch.stack([sum(a * mapped[..., w] for w, a in enumerate(row)) for row in matrix], dim=-1)
    y = F.relu(normed(y, space.norm) + literal_residual(space.residual, x))
    z = F.relu(literal_branches(time.branches, y, STGCNpp.dilations, STGCNpp.kernel))
    z = normed(torch.einsum("dc,bctj->bdtj", time.conv.weight[..., 0, 0], z), time.norm)
    return F.relu(z if block.residual is None else z + literal_residual(block.residual, x))


def test_the_network_is_its_equations():
    model, x = build().eval(), torch.randn(2, 3, 9, 5, dtype=torch.float64)
    y = literal_data_norm(model.data_norm.norm, x)
    for block in model.blocks:
        y = literal_block(block, y)
    torch.testing.assert_close(model.features(x), y)
    head = model.heads["action"]
    expected = torch.einsum("nc,bctj->bntj", head.weight[..., 0, 0], y) + head.bias[:, None, None]
    torch.testing.assert_close(model(x)["action"], expected)


def test_graphs_start_as_the_spatial_partitions_and_every_block_has_its_own():
    model = STGCNpp(H36M17, 3, {"action": 4}, **SMALL)
    for block in model.blocks:
        np.testing.assert_allclose(block.space.adjacency.weight.detach(), partitions(H36M17, "spatial"), rtol=1e-6)
    assert len({id(block.space.adjacency.weight) for block in model.blocks}) == 3


def test_other_order_of_joints_other_order_of_features():
    model = STGCNpp(STAR, 3, {"action": 4}, **SMALL).eval()
    permuted = STGCNpp(reordered(), 3, {"action": 4}, **SMALL).eval()
    graphs = {name: value for name, value in permuted.state_dict().items() if "adjacency" in name}
    permuted.load_state_dict(model.state_dict() | graphs)
    x = torch.randn(2, 3, 8, 5)
    torch.testing.assert_close(permuted(x[..., AGAIN])["action"], model(x)["action"][..., AGAIN])


@pytest.mark.slow
def test_as_large_as_published():
    """1.40 M parameters; 2.96 GMAC for two persons over 100 frames."""
    model = STGCNpp(SKELETONS["ntu25"], 3, {"action": 60}, **PUBLISHED)
    ours = sum(weight.numel() for weight in model.parameters())
    # Biases of the published convolutions: in front of norms, and one for each partition.
    biases = sum(
        (3 + (block.space.conv.in_channels != 3 * width)) * width  # partitions, and the residual
        + sum(block.time.branches.widths) + sum(block.time.branches.widths[:4]) + block.time.branches.plain.out_channels
        + width * (1 + isinstance(getattr(block.residual, "conv", None), torch.nn.Conv2d))
        for block, width in zip(model.blocks, PUBLISHED["channels"], strict=True)
    )  # fmt: skip
    assert ours == 1_394_322
    assert round((ours + biases) / 1e6, 2) == 1.40
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.randn(2, 3, 100, 25))
    # The published network maps before it aggregates, which costs more where a map widens.
    widens = ((3, 64, 100), (64, 128, 100), (128, 256, 50))  # channels before and after, frames
    later = sum(2 * frames * 3 * (after - before) * 25**2 for before, after, frames in widens)
    assert (counter.get_total_flops() / 2 + later) / 1e9 == pytest.approx(2.96, rel=0.01)


def test_impossible_settings_are_listed():
    settings = {"name": "stgcnpp", "channels": [5, 8], "strides": [1]}
    problems = MODELS.get("stgcnpp").check(settings, 64)
    assert [problem.split(":")[0] for problem in problems] == ["strides", "channels"]


def test_dropout_is_for_training_alone():
    model, x = build(dropout=0.5), torch.randn(8, 3, 6, 5, dtype=torch.float64)
    once, again = (model.train()(x)["action"] for _ in range(2))
    assert (once != again).any()
    torch.testing.assert_close(model.eval()(x), model(x), rtol=0, atol=0)


def test_a_graph_convolution_aggregates_before_it_maps_or_after_alike():
    layer = LearnedGraphConv(4, 6, partitions(STAR, "spatial")).double().eval()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    maps = layer.conv.weight[..., 0, 0].unflatten(1, (3, 4))
    mapped = torch.einsum("kvw,dkc,bctw->bdtv", layer.adjacency.weight, maps, x)
    torch.testing.assert_close(layer(x), F.relu(normed(mapped, layer.norm) + layer.residual(x)))


@pytest.mark.slow
def test_sixty_clips_are_learned_in_seconds():
    torch.manual_seed(0)
    model = STGCNpp(STAR, 3, {"action": 5}, channels=[12, 12, 24], strides=[1, 2, 1])
    assert training_accuracy(model) > 0.95
