"""PoseGCN: its graph convolution against the equation, where its graphs start, and its size."""

import pytest
import torch
from torch.nn import functional as F

from stgraph.models.posegcn import PoseGCN, relations
from stgraph.models.semgcn import SemGCN
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, H36M17, Skeleton

LEG = Skeleton("leg", ("Knee", "Hip", "Foot", "Toe"), (1, -1, 0, 2))
STAR = Skeleton("star", ("C", "L", "R", "Up", "Top"), (-1, 0, 0, 0, 3), (1,), (2,))
SMALL = {"channels": 12, "hidden": 24, "groups": 6, "layers": 2}


def build(skeleton: Skeleton = LEG, in_channels: int = 2, **settings: object) -> PoseGCN:
    """A small model in double precision whose norms are those of no fresh one."""
    torch.manual_seed(0)
    model = PoseGCN(skeleton, in_channels, {"pose": 3, "action": 5}, **(SMALL | settings)).double()
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -1, 1)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return model


def count(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_graph_convolution_is_its_equation():
    layer, x = build().eval().layers[1], torch.randn(3, 12, 2, 4, dtype=torch.float64)
    norm, up, down = layer.lift.norm, layer.lift.conv, layer.project
    received = torch.zeros_like(x)
    for channel in range(12):  # 6 groups of 2 channels each
        received[:, channel] = x[:, channel] @ layer.adjacency[channel // 2].T
    normed = (received - norm.running_mean[:, None, None]) / (norm.running_var + norm.eps).sqrt()[:, None, None]
    normed = normed * norm.weight[:, None, None] + norm.bias[:, None, None]
    hidden = torch.einsum("ec,bctv->betv", up.weight[..., 0, 0], normed) + up.bias[:, None, None]
    change = torch.einsum("ce,betv->bctv", down.weight[..., 0, 0], F.relu(hidden)) + down.bias[:, None, None]
    expected = x + change
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("skeleton", [STAR, H36M17], ids=lambda skeleton: skeleton.name)
def test_graphs_start_from_distances_along_bones_and_from_mirror_twins(skeleton):
    def path(joint: int) -> list[int]:
        return [joint, *(path(skeleton.parents[joint]) if skeleton.parents[joint] >= 0 else [])]

    matrices = relations(skeleton)
    for v in range(len(skeleton)):
        for w in range(len(skeleton)):
            bones = len(set(path(v)) ^ set(path(w)))
            assert [row[v, w] > 0 for row in matrices[:4]] == [bones == hops for hops in range(4)]
            assert (matrices[4][v, w] > 0) == (v != w and skeleton.mirror[v] == w)
    sums = matrices.sum(axis=-1)
    assert (((sums - 1) ** 2 < 1e-12) | (sums == 0)).all()
    assert (matrices[4] > 0).sum() == 2 * len(skeleton.left)


def test_relations_that_a_skeleton_lacks_are_left_out():
    assert len(relations(Skeleton("point", ("A",), (-1,)))) == 1
    assert len(relations(LEG)) == 4  # no pairs
    assert build(Skeleton("point", ("A",), (-1,)))(torch.randn(2, 2, 1, 1).double())["pose"].shape == (2, 3, 1, 1)


@pytest.mark.parametrize("skeleton", [H36M16, H36M17], ids=lambda skeleton: skeleton.name)
def test_no_larger_than_semgcn_with_non_local_blocks(skeleton):
    default = PoseGCN(skeleton, 2, {"pose": 3})
    assert 0.8 < count(default) / count(SemGCN(skeleton, 2, {"pose": 3}, non_local=True)) <= 1


@pytest.mark.parametrize("skeleton", [LEG, H36M16], ids=lambda skeleton: skeleton.name)
def test_every_weight_learns_on_any_skeleton_and_with_any_heads(skeleton):
    model = build(skeleton, in_channels=3, dropout=0.2).train()
    outputs = model(torch.randn(4, 3, 5, len(skeleton), dtype=torch.float64))
    shapes = {name: tuple(output.shape) for name, output in outputs.items()}
    assert shapes == {"pose": (4, 3, 5, len(skeleton)), "action": (4, 5, 5, len(skeleton))}
    sum(output.square().mean() for output in outputs.values()).backward()
    assert all(weight.grad.abs().max() > 0 for weight in model.parameters())


def test_every_joint_hears_of_every_joint_in_one_layer():
    layer = build(H36M17).eval().layers[0]
    x = torch.randn(1, 12, 1, 17, dtype=torch.float64, requires_grad=True)
    for joint in range(17):
        (grad,) = torch.autograd.grad(layer(x)[..., joint].sum(), x)
        assert (grad.abs().sum(dim=1) > 0).all()


def test_joints_are_seen_from_the_root_which_is_an_input_of_its_own():
    model, x = build(in_channels=3).eval(), torch.randn(2, 3, 1, 4, dtype=torch.float64)
    moved, surer = x.clone(), x.clone()
    moved[:, :2] += 0.3
    surer[:, 2] += 0.3
    assert (model(moved)["pose"] - model(x)["pose"]).abs().max() > 1e-3
    with torch.no_grad():
        model.first.weight[:, 3:] = 0  # of the root's place
    torch.testing.assert_close(model(moved)["pose"], model(x)["pose"])
    assert (model(surer)["pose"] - model(x)["pose"]).abs().max() > 1e-3
    x[..., 1] += 0.3  # the root of a leg alone, and its confidence
    assert (model(x)["pose"] - model(moved)["pose"]).abs().max() > 1e-3


def test_autocast_is_close_to_full_precision():
    model, x = build(H36M16).float().eval(), torch.randn(64, 2, 1, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(x)["pose"]
    assert low.dtype == torch.float32
    assert (model(x)["pose"] - low).std() < 0.05 * low.std()


@pytest.mark.parametrize(("groups", "problems"), [(6, 0), (4, 0), (8, 1)])
def test_groups_divide_the_channels(groups, problems):
    found = MODELS.get("posegcn").check(SMALL | {"groups": groups}, 1)
    assert len(found) == problems
    assert all("groups: 8 of them" in problem and "12" in problem for problem in found)


def test_a_joint_that_was_not_seen_stays_zero():
    model = PoseGCN(H36M17, 3, {"pose": 3}, channels=16, hidden=32, groups=4, layers=1).eval()
    x = torch.randn(4, 3, 2, len(H36M17))
    x[:, :, :, 5] = 0
    found = []
    model.first.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    model(x)
    relative = found[0][:, :2]
    assert not relative[..., 5].any() and not relative[..., H36M17.root].any() and relative[..., 6].all()
