"""SemGCN against the published implementation's numbers, and its graph convolution against the definition."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.semgcn import NonLocal, SemGCN, SemGraphConv, joint_pairs
from stgraph.skeleton import H36M16, H36M17, Skeleton
from tests.recipe import recipe_state

GOLDEN = Path(__file__).parents[1] / "golden"
STAR = Skeleton("star", ("C", "L", "R", "Up", "Top", "More"), (-1, 0, 0, 0, 3, 3), (1,), (2,))


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor], int]:
    """Arrays, weights under their published names and how many those are; large ones are rebuilt by their recipe."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    if (listed := GOLDEN / f"{name}.json").exists():
        about = json.loads(listed.read_text())
        return arrays, recipe_state(about["keys"], about["seed"]), about["params"]
    state = {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}
    return arrays, state, json.loads(str(arrays["config"]))["params"]


def assert_golden(model: torch.nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """The outputs are the published ones, in both precisions."""
    for dtype, name, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        x = rearrange(torch.from_numpy(arrays["input"]).to(dtype), "b j c -> b c 1 j")
        with torch.no_grad():
            output = model.to(dtype)(x)
        found = rearrange(output["pose"] if isinstance(output, dict) else output, "b c 1 j -> b j c").numpy()
        assert np.abs(found - arrays[name]).max() < limit * np.abs(arrays[name]).max()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("semgcn_h32_l2", {"channels": 32, "layers": 2, "non_local": False, "channelwise": False}),
        ("semgcn_h128_l4_full", {"channels": 128, "layers": 4, "non_local": False, "channelwise": False}),
        ("semgcn_nonlocal_h128_l4_full", {"channels": 128, "layers": 4, "non_local": True, "channelwise": False}),
    ],
)
def test_outputs_are_the_published_ones(name, expected):
    arrays, state, parameters = golden(name)
    settings, weights = SemGCN.from_published(state, len(H36M16))
    assert settings == expected
    model = SemGCN(H36M16, 2, {"pose": 3}, **settings)
    model.load_state_dict(weights)
    assert sum(weight.numel() for weight in model.parameters()) == parameters
    assert_golden(model.eval(), arrays)


def test_default_settings_have_the_published_sizes():
    def millions(**settings: object) -> float:
        return sum(weight.numel() for weight in SemGCN(H36M16, 2, {"pose": 3}, **settings).parameters()) / 1e6

    assert (round(millions(), 2), round(millions(non_local=True), 2)) == (0.27, 0.43)


def test_an_adjacency_for_every_channel_is_the_published_one():
    arrays, state, _ = golden("semchgraphconv_8_12")
    conv = SemGraphConv(8, 12, H36M16, channelwise=True)
    weight = rearrange(state["W"], "k c d -> d (k c) 1 1")
    conv.load_state_dict({"edges": state["e"], "conv.weight": weight, "conv.bias": state["bias"]})
    assert_golden(conv, arrays)


@pytest.mark.parametrize("channelwise", [True, False])
@pytest.mark.parametrize("channels", [(3, 5), (5, 3)])
def test_graph_convolution_is_its_equation(channels, channelwise):
    torch.manual_seed(0)
    before, after = channels
    conv = SemGraphConv(before, after, STAR, channelwise).double()
    torch.nn.init.normal_(conv.edges)
    torch.nn.init.normal_(conv.conv.bias)
    x = torch.randn(2, before, 3, len(STAR), dtype=torch.float64)
    joined = bone_matrix(STAR) | np.eye(len(STAR), dtype=bool)
    own, other = rearrange(conv.conv.weight, "d (k c) 1 1 -> k d c", k=2)
    expected = []
    for channel in range(after):
        entries = torch.full(joined.shape, -9e15, dtype=torch.float64)
        entries[torch.from_numpy(joined)] = conv.edges[channel if channelwise else 0]
        matrix, itself = entries.softmax(dim=1), torch.eye(len(STAR), dtype=torch.float64)
        terms = [
            torch.einsum("vw,c,bctw->btv", matrix * itself, own[channel], x),
            torch.einsum("vw,c,bctw->btv", matrix * (1 - itself), other[channel], x),
        ]
        expected.append(sum(terms) + conv.conv.bias[channel])
    torch.testing.assert_close(conv(x), torch.stack(expected, dim=1))


def test_pairs_are_the_published_ones():
    pairs = {frozenset(pair) for pair in joint_pairs(H36M16).tolist()}
    published = [(2, 3), (5, 6), (1, 4), (0, 7), (8, 9), (14, 15), (11, 12), (10, 13)]
    assert pairs == {frozenset(pair) for pair in published}


@pytest.mark.parametrize(
    ("skeleton", "expected"),
    [
        (STAR, {(1, 0), (3, 4), (2,), (5,)}),  # two leaves of one parent: the first has it
        (Skeleton("point", ("A",), (-1,)), {(0,)}),
        (Skeleton("chain", ("A", "B", "C", "D"), (-1, 0, 1, 2)), {(0, 1), (2, 3)}),
    ],
)
def test_every_joint_is_in_one_pair(skeleton, expected):
    assert {frozenset(pair) for pair in joint_pairs(skeleton).tolist()} == {frozenset(pair) for pair in expected}


def test_an_odd_joint_stays_alone():
    pairs = joint_pairs(H36M17)
    assert sorted(set(pairs.flatten())) == list(range(len(H36M17)))
    assert len(pairs) == len(H36M16) // 2 + 1 and sum(joint == other for joint, other in pairs) == 1


def test_non_local_block_is_its_equation():
    torch.manual_seed(0)
    pairs = joint_pairs(STAR)
    block = NonLocal(6, pairs).double().eval()
    for weight in block.parameters():
        torch.nn.init.normal_(weight)
    x = torch.randn(2, 6, 3, len(STAR), dtype=torch.float64)
    theta, phi, g = block.theta(x), block.phi(x), block.g(x)
    a, b = rearrange(block.project.weight, "1 (side c) 1 1 -> side c", side=2)
    expected = torch.zeros_like(theta)
    for v in range(len(STAR)):
        for first, second in pairs:
            largest_phi, largest_g = (torch.maximum(y[..., first], y[..., second]) for y in (phi, g))
            look = torch.einsum("c,bct->bt", a, theta[..., v]) + torch.einsum("c,bct->bt", b, largest_phi)
            expected[..., v] += look.relu()[:, None] * largest_g / len(pairs)
    torch.testing.assert_close(block(x), x + block.norm(block.out(expected)))


def test_training_starts_with_non_local_blocks_that_change_nothing():
    torch.manual_seed(0)
    model = SemGCN(H36M16, 2, {"pose": 3}, channels=8, layers=2, non_local=True).eval()
    x = torch.randn(2, 2, 1, 16)
    torch.testing.assert_close(model.non_local[0](x := model.first(x)), x)
    assert torch.equal(model.non_local[0].norm.weight, torch.zeros(8))
