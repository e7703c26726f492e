"""MixSTE against the published implementation's numbers."""

import pytest
import torch

from stgraph.models.mixste import MixSTE
from stgraph.skeleton import H36M17, Skeleton
from tests.models.published_golden import assert_golden, build, golden, parameters, published_state

LEG = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))


def small(**settings: object) -> MixSTE:
    torch.manual_seed(0)
    settings = {"channels": 8, "layers": 2, "attention_heads": 2, "frames": 9} | settings
    model = MixSTE(LEG, 2, {"pose": 3}, **settings)
    torch.nn.init.normal_(model.joint_embedding)
    torch.nn.init.normal_(model.frame_embedding)
    return model.double()


def test_outputs_are_the_published_ones():
    arrays, state = golden("mixste_d32_l3_f27")
    assert_golden(build("mixste", state, attention_heads=8), arrays)


def test_settings_and_parameters_of_the_published_checkpoint_are_inferred():
    state, count = published_state("mixste_243")
    settings, weights = MixSTE.from_published(state, len(H36M17))
    assert settings == {
        **{"channels": 512, "layers": 8, "mlp_ratio": 2, "frames": 243, "data.frames": 243, "data.confidence": False}
    }
    assert sum(weight.numel() for weight in weights.values()) == count == parameters("mixste", 2) == 33_783_811


def test_shorter_windows_have_the_first_frames_embeddings():
    model = small().eval()
    x = torch.randn(2, 2, 5, 3, dtype=torch.float64)
    shorter = small(frames=5).eval()
    state = model.state_dict() | {"frame_embedding": model.frame_embedding[:, :5]}
    shorter.load_state_dict(state)
    torch.testing.assert_close(model(x)["pose"], shorter(x)["pose"])


def test_frames_and_joints_differ_by_their_embeddings_alone():
    model = small().eval()
    torch.nn.init.zeros_(model.frame_embedding)
    torch.nn.init.zeros_(model.joint_embedding)
    x, frames, joints = torch.randn(1, 2, 9, 3, dtype=torch.float64), torch.randperm(9), torch.randperm(3)
    expected = model(x)["pose"][:, :, frames][..., joints]
    torch.testing.assert_close(model(x[:, :, frames][..., joints])["pose"], expected)


def test_impossible_settings_are_listed():
    settings = {"channels": 10, "attention_heads": 4, "frames": 27}
    assert MixSTE.check(settings, 81) == [
        "attention_heads: 4 of them cannot share 10 channels; give a divisor of channels",
        "frames: 27 have an embedding, and data.frames is 81; give at least as many",
    ]
    assert MixSTE.check(settings | {"channels": 12}, 9) == []


def test_stochastic_depth_grows_with_the_layers_and_rests_in_evaluation():
    model = small(layers=3, drop_path=0.2)
    assert [block[1].drop_path for block in model.temporal] == pytest.approx([0, 0.1, 0.2])
    x = torch.randn(2, 2, 9, 3, dtype=torch.float64)
    assert not torch.equal(model.train()(x)["pose"], model(x)["pose"])
    assert torch.equal(model.eval()(x)["pose"], model(x)["pose"])
