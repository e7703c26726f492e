"""CTR-GCN: its equations, its published size, that graphs depend on the clip, and that it learns a small set."""

import pytest
import torch
from torch.nn import functional as F

from stgraph.models.ctrgcn import CTRGCN, ChannelGraphConv
from stgraph.models.layers.partitions import partitions
from stgraph.settings.registry import MODELS
from stgraph.skeleton import SKELETONS, Skeleton
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


def build(skeleton: Skeleton = STAR, alpha: float = 0.7, **settings: object) -> CTRGCN:
    """A small model in double precision whose norms, graphs and biases are those of no fresh one."""
    torch.manual_seed(0)
    model = with_random_norms(CTRGCN(skeleton, 3, {"action": 4}, **(SMALL | settings)).double())
    for block in model.blocks:
        adjacency = block.space.adjacency
        for weight in (adjacency.shared, adjacency.bias, block.space.bias):
            torch.nn.init.normal_(weight)
        torch.nn.init.constant_(adjacency.alpha, alpha)
    return model


def literal_graphs(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(b k c v w), a pair of joints at a time; maps before the mean over time, as the equation has them."""
    parts, channels, relations = module.weight.shape
    receiver = torch.einsum("rc,bctj->brtj", module.receiver.weight[..., 0, 0], x) + module.receiver.bias[:, None, None]
    sender = torch.einsum("rc,bctj->brtj", module.sender.weight[..., 0, 0], x)
    receiver, sender = receiver.mean(dim=2), sender.mean(dim=2)
    graphs = x.new_zeros(x.shape[0], parts, channels, x.shape[3], x.shape[3])
    for part in range(parts):
        rows = slice(part * relations, (part + 1) * relations)
        for v in range(x.shape[3]):
            for w in range(x.shape[3]):
                relation = (receiver[:, rows, v] - sender[:, rows, w]).tanh()
                refined = relation @ module.weight[part].T + module.bias[part, :, 0, 0]
                graphs[:, part, :, v, w] = module.shared[part, v, w] + module.alpha * refined
    return graphs


def literal_conv(layer: ChannelGraphConv, x: torch.Tensor) -> torch.Tensor:
    graphs = literal_graphs(layer.adjacency, x)
    parts, channels = graphs.shape[1:3]
    y = x.new_zeros(x.shape[0], channels, *x.shape[2:])
    for part in range(parts):
        rows = slice(part * channels, (part + 1) * channels)
        values = torch.einsum("dc,bctj->bdtj", layer.weight[rows], x) + layer.bias[rows, :, None]
        for v in range(x.shape[3]):
            for w in range(x.shape[3]):
                y[..., v] += graphs[:, part, :, v, w, None] * values[..., w]
    return F.relu(normed(y, layer.norm) + literal_residual(layer.residual, x))


def test_the_network_is_its_equations():
    model, x = build().eval(), torch.randn(2, 3, 7, 5, dtype=torch.float64)
    y = literal_data_norm(model.data_norm.norm, x)
    for block in model.blocks:
        z = literal_branches(block.time, literal_conv(block.space, y), CTRGCN.dilations, CTRGCN.kernel)
        y = F.relu(z if block.residual is None else z + literal_residual(block.residual, y))
    torch.testing.assert_close(model.features(x), y)


def test_without_refinement_it_is_the_graph_convolution_over_the_shared_graphs():
    layer, x = build(alpha=0.0).eval().blocks[1].space, torch.randn(2, 6, 4, 5, dtype=torch.float64)
    values = torch.einsum("kdc,bctw->bkdtw", layer.weight.view(3, 8, 6), x) + layer.bias.view(3, 8, 1, 1)
    received = torch.einsum("kvw,bkdtw->bdtv", layer.adjacency.shared, values)
    torch.testing.assert_close(layer(x), F.relu(normed(received, layer.norm) + literal_residual(layer.residual, x)))


def test_refined_graphs_are_those_of_the_clip():
    adjacency = build().blocks[1].space.adjacency
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    one, other = adjacency(x)
    assert (one - other).abs().amax(dim=(0, 2, 3)).min() > 1e-3  # in every channel
    torch.testing.assert_close(adjacency(x[1:])[0], other)
    torch.testing.assert_close(adjacency(x.flip(2)), adjacency(x))  # of its mean over time
    adjacency.alpha.data.zero_()
    one, other = adjacency(x)
    torch.testing.assert_close(one, adjacency.shared[:, None].expand_as(one), rtol=0, atol=0)
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_training_starts_from_the_partitions_without_refinement():
    model = CTRGCN(STAR, 3, {"action": 4}, **SMALL)
    expected = torch.from_numpy(partitions(STAR, "spatial")).float()
    for block in model.blocks:
        torch.testing.assert_close(block.space.adjacency.shared.data, expected)
        assert block.space.adjacency.alpha == 0
    assert len({id(block.space.adjacency.shared) for block in model.blocks}) == 3


@pytest.mark.slow
def test_refinement_learns_after_its_weight_has_left_zero():
    torch.manual_seed(0)
    model = CTRGCN(STAR, 3, {"action": 4}, **SMALL)
    optimizer, x = torch.optim.SGD(model.parameters(), 0.1), torch.randn(8, 3, 6, 5)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x)["action"].mean(dim=(2, 3)), torch.arange(8) % 4).backward()
        optimizer.step()
    for block in model.blocks:
        for name, weight in block.space.adjacency.named_parameters():
            assert weight.grad.any(), name


def test_other_order_of_joints_other_order_of_features():
    model = build().float().eval()
    permuted = CTRGCN(reordered(), 3, {"action": 4}, **SMALL).eval()
    state = model.state_dict()
    for name in (name for name in state if name.endswith("shared")):
        state[name] = state[name][:, AGAIN][:, :, AGAIN]
    for name in (name for name in state if name.startswith("data_norm") and state[name].ndim):
        state[name] = state[name].view(5, 3)[AGAIN].flatten()
    permuted.load_state_dict(state)
    x = torch.randn(2, 3, 8, 5)
    torch.testing.assert_close(permuted(x[..., AGAIN])["action"], model(x)["action"][..., AGAIN], rtol=1e-4, atol=1e-5)


def test_as_large_as_published():
    """1.46 M parameters with NTU RGB+D 120's classes."""
    model = CTRGCN(SKELETONS["ntu25"], 3, {"action": 120}, **PUBLISHED)
    ours = sum(weight.numel() for weight in model.parameters())
    # What the published network has besides: a data norm for each of two persons, and biases: two in each relation,
    # and one in front of every norm.
    besides = 2 * 3 * 25 + sum(
        block.space.adjacency.receiver.out_channels
        + width * (block.space.weight.shape[1] != width)
        + width + sum(block.time.widths[:2])
        + width * isinstance(getattr(block.residual, "conv", None), torch.nn.Conv2d)
        for block, width in zip(model.blocks, PUBLISHED["channels"], strict=True)
    )  # fmt: skip
    assert ours == 1_458_542
    assert round((ours + besides) / 1e6, 2) == 1.46


def test_impossible_settings_are_listed():
    settings = {"name": "ctrgcn", "channels": [3, 8], "strides": [1]}
    problems = MODELS.get("ctrgcn").check(settings, 64)
    assert [problem.split(":")[0] for problem in problems] == ["strides", "channels"]


@pytest.mark.slow
def test_sixty_clips_are_learned_in_seconds():
    torch.manual_seed(0)
    model = CTRGCN(STAR, 3, {"action": 5}, channels=[12, 12, 24], strides=[1, 2, 1])
    assert training_accuracy(model) > 0.95
