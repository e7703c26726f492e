"""MotionBERT's network against the published implementation's numbers."""

import pytest
import torch

from stgraph.models.motionbert import MotionBERT
from stgraph.skeleton import H36M17, Skeleton
from tests.models.published_golden import assert_golden, build, golden, parameters, published_state

LEG = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))


def test_outputs_are_the_published_ones():
    arrays, state = golden("motionbert_d32_l2_f27")
    assert_golden(build("motionbert", state, attention_heads=4), arrays)


@pytest.mark.parametrize(
    ("name", "channels", "mlp_ratio", "like", "expected"),
    [
        ("motionbert_full", 512, 2, "motionbert", 42_466_317),
        ("motionbert_lite", 256, 4, "motionbert_lite", 16_001_549),
    ],
)
def test_settings_and_parameters_of_the_published_checkpoints_are_inferred(name, channels, mlp_ratio, like, expected):
    state, count = published_state(name)
    settings, weights = MotionBERT.from_published(state, len(H36M17))
    model = {"channels": channels, "representation": 512, "layers": 5, "mlp_ratio": mlp_ratio, "frames": 243}
    assert settings == model | {"data.frames": 243, "data.confidence": True}
    assert MotionBERT.published_for(state).like == like
    assert sum(weight.numel() for weight in weights.values()) == count == parameters("motionbert", **model) == expected


def test_each_stream_has_an_order_of_its_own_and_a_weight():
    torch.manual_seed(0)
    model = MotionBERT(LEG, 3, {"pose": 3}, channels=8, representation=8, layers=1, attention_heads=2, frames=9)
    (layer,), x = model.layers, 3 * torch.randn(2, 9, 3, 8)
    for stream in (layer.st, layer.ts):
        for weight in stream.parameters():
            torch.nn.init.normal_(weight)
    torch.testing.assert_close(layer(x), (layer.st(x) + layer.ts(x)) / 2)  # equal weights where training starts
    with torch.no_grad():
        layer.fusion.linear.bias.copy_(torch.tensor([50.0, 0.0]))
    torch.testing.assert_close(layer(x), layer.st(x))
    layer.ts.load_state_dict(layer.st.state_dict())
    assert not torch.allclose(layer.st(x), layer.ts(x), atol=1e-4)


def test_impossible_settings_are_listed():
    settings = {"channels": 10, "attention_heads": 4, "frames": 27}
    assert [problem.split(":")[0] for problem in MotionBERT.check(settings, 81)] == ["attention_heads", "frames"]
