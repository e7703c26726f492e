"""Temporal branches: against their equations written as loops, their widths, and sequences of every length."""

import pytest
import torch

from stgraph.models.layers.branches import Block, BranchedModel, Branches, branch_widths, residual
from stgraph.models.layers.convolution import ConvNorm
from stgraph.models.stgcnpp import STGCNpp
from stgraph.settings.registry import MODELS
from stgraph.skeleton import SKELETONS, Skeleton
from tests.models.clip_oracles import literal_branches, normed, with_random_norms

ARM = Skeleton("arm", ("Shoulder", "Neck", "Elbow", "Wrist", "Head"), (1, -1, 0, 2, 1))


def build(channels: int = 14, kernel: int = 3, dilations: tuple = (1, 2, 3, 4), stride: int = 1) -> Branches:
    """Branches in double precision whose norms are those of no fresh ones."""
    torch.manual_seed(0)
    return with_random_norms(Branches(channels, kernel, dilations, stride).double())


@pytest.mark.parametrize(("kernel", "dilations"), [(3, (1, 2, 3, 4)), (5, (1, 2))])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 4, 9])
def test_branches_are_their_equations(kernel, dilations, stride, frames):
    module = build(kernel=kernel, dilations=dilations, stride=stride).eval()
    x = torch.randn(2, 14, frames, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), literal_branches(module, x, dilations, kernel))


def test_the_first_branch_takes_the_remainder():
    assert branch_widths(64, 6) == [14, 10, 10, 10, 10, 10]
    assert branch_widths(6, 6) == [1] * 6
    module = build(channels=64)
    assert [conv.in_channels for conv in module.convs] == [14, 10, 10, 10]
    assert module.plain.out_channels == 10


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 4, 7, 8])
def test_a_stride_keeps_its_share_of_the_frames_rounded_up(stride, frames):
    x = torch.randn(2, 14, frames, 3, dtype=torch.float64)
    shape = (2, 14, -(-frames // stride), 3)
    assert build(stride=stride)(x).shape == shape
    assert residual(14, 14, stride)(x.float()).shape == shape


def test_joints_do_not_hear_of_one_another():
    module, x = build().eval(), torch.randn(2, 14, 6, 5, dtype=torch.float64)
    order = torch.randperm(5)
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_what_goes_around_is_the_input_where_nothing_changes():
    x = torch.randn(2, 6, 5, 3)
    assert residual(6, 6)(x) is x
    assert isinstance(residual(6, 7), ConvNorm) and isinstance(residual(6, 6, 2), ConvNorm)
    match = with_random_norms(residual(6, 7, 2)).eval()
    expected = normed(torch.einsum("dc,bctj->bdtj", match.conv.weight[..., 0, 0], x[:, :, ::2]), match.norm)
    torch.testing.assert_close(match(x), expected)


def test_the_first_block_has_neither_residual_nor_dropout():
    first, second, third = STGCNpp(ARM, 3, {"action": 2}, channels=[6, 6, 8], strides=[1, 1, 2], dropout=0.3).blocks
    assert first.residual is None and first.dropout == 0
    assert isinstance(second.residual, torch.nn.Identity) and second.dropout == 0.3
    assert isinstance(third.residual, ConvNorm) and third.residual.conv.stride == (2, 1)


def test_a_block_adds_what_goes_around_before_it_cuts_off():
    x = torch.randn(2, 6, 5, 3)
    double = torch.nn.ReLU(), torch.nn.Hardtanh(0, 0.5)
    inner = x.relu().clamp(0, 0.5)
    torch.testing.assert_close(Block(*double, None, 0.0)(x), inner)
    torch.testing.assert_close(Block(*double, torch.nn.Identity(), 0.0)(x), (inner + x).relu())
    torch.testing.assert_close(Block(*double, torch.nn.Identity(), 0.9).eval()(x), (inner + x).relu())
    dropped = Block(*double, torch.nn.Identity(), 0.9).train()(x.abs())
    assert 0.8 < (dropped == x.abs()).float().mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 4, 5, 30])
@pytest.mark.parametrize("layout", ["ntu25", "coco17", "hand21"])
@pytest.mark.parametrize("name", [name for name in MODELS.names() if issubclass(MODELS.get(name), BranchedModel)])
def test_any_skeleton_and_any_number_of_frames(name, layout, frames):
    skeleton = SKELETONS[layout]
    model = MODELS.get(name)(skeleton, 3, {"action": 4}, channels=[6, 8], strides=[1, 2])
    x, half = torch.randn(2, 3, frames, len(skeleton)), -(-frames // 2)
    assert model.eval().features(x).shape == (2, 8, half, len(skeleton))
    assert model.train()(x)["action"].shape == (2, 4, half, len(skeleton))


def test_impossible_widths_and_strides_are_listed():
    check = MODELS.get("stgcnpp").check  # of six branches
    assert check({"channels": [6, 12], "strides": [1, 2]}, 9) == []
    assert check({"channels": [5, 12], "strides": [1]}, 9) == [
        "strides: 1 of them for 2 channels; give one for each block",
        "channels: 5 are too few for 6 temporal branches; give each at least 1",
    ]
