"""What holds for every model of single frames, on any skeleton."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from stgraph.models.layers.frames import FlatHead
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, Skeleton

pytestmark = pytest.mark.slow

LEG = Skeleton("leg", ("Knee", "Hip", "Foot", "Toe"), (1, -1, 0, 2))
SETTINGS = {
    "linear": ("linear", {"channels": 12}),
    "simple_pose": ("simple_pose", {"channels": 12}),
    "simple_gnn": ("simple_gnn", {"channels": 12}),
    "semgcn": ("semgcn", {"channels": 12, "layers": 2}),
    "semgcn, non-local": ("semgcn", {"channels": 12, "layers": 2, "non_local": True}),
    "semgcn, channel-wise": ("semgcn", {"channels": 12, "layers": 2, "channelwise": True}),
}


def build(case: str, skeleton: Skeleton = LEG, dropout: float = 0.0, in_channels: int = 2) -> torch.nn.Module:
    """A model in double precision whose norms differ from one another, and none of which is zero."""
    torch.manual_seed(0)
    name, settings = SETTINGS[case]
    model = MODELS.get(name)(skeleton, in_channels, {"pose": 3, "action": 5}, **settings, dropout=dropout).double()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("skeleton", [LEG, H36M16], ids=lambda skeleton: skeleton.name)
def test_any_skeleton_and_any_heads(case, skeleton):
    model = build(case, skeleton, dropout=0.2, in_channels=3).train()
    x = torch.randn(4, 3, 6, len(skeleton), dtype=torch.float64)
    outputs = model(x)
    nodes = 1 if case in ("linear", "simple_pose") else len(skeleton)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "pose": (4, 3, 6, len(skeleton)),
        "action": (4, 5, 6, nodes),
    }
    assert model.features(x).shape == (4, 12, 6, nodes)
    sum(output.square().mean() for output in outputs.values()).backward()
    for name, weight in model.named_parameters():
        before_norm = name.endswith(("conv.bias", "out.bias")) and "heads" not in name  # which takes it away again
        assert before_norm or weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("case", SETTINGS)
def test_a_frame_is_predicted_by_itself(case):
    model = build(case).eval()
    x = torch.randn(2, 2, 7, len(LEG), dtype=torch.float64)
    whole = model(x)
    for name in ("pose", "action"):
        alone = torch.cat([model(x[:, :, frame : frame + 1])[name] for frame in range(7)], dim=2)
        torch.testing.assert_close(whole[name], alone)
    assert model.sliding and model.before == model.after == 0


@pytest.mark.parametrize("case", SETTINGS)
def test_memory_order_of_the_input_changes_nothing(case):
    model = build(case).eval()
    x = torch.randn(3, 2, 5, len(LEG), dtype=torch.float64)
    rows = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    torch.testing.assert_close(model(rows)["pose"], model(x)["pose"])


@pytest.mark.parametrize("case", SETTINGS)
def test_dropout_is_for_training_alone(case):
    model, x = build(case, dropout=0.5), torch.randn(3, 2, 5, len(LEG), dtype=torch.float64)
    assert not torch.equal(model.train()(x)["pose"], model(x)["pose"])
    assert torch.equal(model.eval()(x)["pose"], model(x)["pose"])


@pytest.mark.parametrize("case", ["semgcn", "semgcn, channel-wise"])  # all others are in the contract
def test_exports_with_any_batch_and_frames(case):
    model, example = build(case).eval().float(), torch.randn(3, 2, 2, len(LEG))
    dynamic = {0: torch.export.Dim("batch"), 2: torch.export.Dim("frames")}
    exported = torch.export.export(model, (example,), dynamic_shapes=(dynamic,), strict=False)
    x = torch.randn(5, 2, 7, len(LEG))
    for name, output in model(x).items():
        torch.testing.assert_close(exported.module()(x)[name], output)


@pytest.mark.parametrize("case", SETTINGS)
def test_autocast_is_close_to_full_precision(case):
    model, x = build(case, H36M16).float().eval(), torch.randn(64, 2, 1, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(x)["pose"]
    assert low.dtype == torch.float32
    assert (model(x)["pose"] - low).std() < 0.05 * low.std()


def test_a_flat_head_leaves_its_zero_node_where_it_stands():
    features = torch.randn(2, 6, 3, 1)
    for zero in range(4):
        head = FlatHead(6, 2, nodes=4, zero=zero)
        output = head(features)
        assert torch.equal(output[..., zero], torch.zeros(2, 2, 3))
        rest = torch.cat([output[..., :zero], output[..., zero + 1 :]], dim=-1)
        for node in range(3):  # ordered (joint, channel)
            weight, bias = (part[2 * node : 2 * node + 2] for part in (head.conv.weight[..., 0, 0], head.conv.bias))
            expected = torch.einsum("dc,bct->bdt", weight, features[..., 0]) + bias[:, None]
            torch.testing.assert_close(rest[..., node], expected)
