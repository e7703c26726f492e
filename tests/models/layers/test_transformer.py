"""Attention and residuals of sequences against their equations."""

import pytest
import torch

from stgraph.models.layers.transformer import Fusion, Residual, SelfAttention, over_frames, over_joints


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_its_equation(heads):
    torch.manual_seed(0)
    attention, x, width = SelfAttention(8, heads).double(), torch.randn(3, 5, 8, dtype=torch.float64), 8 // heads
    q, k, v = attention.qkv(x).chunk(3, dim=-1)
    side_by_side = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        weights = (q[..., part] @ k[..., part].mT / width**0.5).softmax(dim=-1)
        side_by_side.append(weights @ v[..., part])
    torch.testing.assert_close(attention(x), attention.out(torch.cat(side_by_side, dim=-1)))


def test_sequences_are_the_joints_of_a_frame_or_the_frames_of_a_joint():
    x = torch.randn(2, 4, 3, 5)
    shifted = [over(lambda rows: rows.roll(1, dims=1), x) for over in (over_joints, over_frames)]
    assert torch.equal(shifted[0], x.roll(1, dims=2)) and torch.equal(shifted[1], x.roll(1, dims=1))


def test_a_residual_is_scaled_by_channel():
    torch.manual_seed(0)
    x, layer = torch.randn(3, 5, 8), torch.nn.Linear(8, 8)
    scaled = Residual(8, layer, scale=0.1)
    torch.nn.init.normal_(scaled.scale)
    torch.testing.assert_close(scaled(x), x + scaled.scale * layer(torch.nn.functional.layer_norm(x, (8,))))


def test_stochastic_depth_leaves_whole_sequences_out_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = Residual(2, torch.nn.Linear(2, 2), drop_path=0.25).train()
    torch.nn.init.zeros_(layer.layer.weight)
    torch.nn.init.ones_(layer.layer.bias)
    change = layer(torch.zeros(4000, 3, 2))
    assert torch.equal(change, change[:, :1, :1].expand_as(change))
    assert change.unique().tolist() == pytest.approx([0, 4 / 3])
    assert change.mean().item() == pytest.approx(1, abs=0.05)


def test_fusion_weighs_both_streams_by_a_softmax():
    torch.manual_seed(0)
    fusion, a, b = Fusion(4), torch.randn(2, 3, 5, 4), torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(fusion(a, b), (a + b) / 2)
    torch.nn.init.normal_(fusion.linear.weight)
    weight = fusion.linear(torch.cat([a, b], dim=-1)).softmax(dim=-1)
    torch.testing.assert_close(fusion(a, b), weight[..., :1] * a + weight[..., 1:] * b)
