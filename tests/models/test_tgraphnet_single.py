"""TGraphNet's one-frame variant against the published implementation's numbers, and what must hold for any skeleton."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph.models.tgraphnet_single import TGraphNetSingle
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, H36M17, Skeleton

GOLDEN = Path(__file__).parents[1] / "golden" / "tgraphnet_single_small27.npz"
LEG = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))
UNUSED = 48 * 48  # theirs counts an adjacency of edges


def test_outputs_are_the_published_ones_in_metres():
    with np.load(GOLDEN) as file:
        golden = dict(file)
    state = {key[6:]: torch.from_numpy(value) for key, value in golden.items() if key.startswith("state/")}
    settings, weights = TGraphNetSingle.from_published(state, len(H36M17))
    assert settings.pop("data.frames") == 27
    model = TGraphNetSingle(H36M17, 2, {"pose": 3}, **settings).eval()
    model.load_state_dict(weights)
    assert sum(weight.numel() for weight in model.parameters()) == json.loads(str(golden["config"]))["params"] - UNUSED
    for dtype, output, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        with torch.no_grad():
            x = rearrange(torch.from_numpy(golden["input"]).to(dtype), "b t j c -> b c t j")
            found = rearrange(1000 * model.to(dtype)(x)["pose"], "b c t j -> b t j c").numpy()
        assert found.shape == golden[output].shape
        assert np.abs(found - golden[output]).max() < limit * np.abs(golden[output]).max()


def test_full_size_has_the_published_number_of_parameters():
    model = TGraphNetSingle(H36M17, 2, {"pose": 3}, channels=[128, 128, 256, 256], stages=[1, 2, 2, 2])
    assert sum(weight.numel() for weight in model.parameters()) == 2_632_509 - UNUSED


@pytest.mark.parametrize(("stride", "margins"), [(3, (4, 4)), (2, (1, 2))])
@pytest.mark.parametrize("skeleton", [H36M16, LEG])
def test_one_frame_for_any_skeleton_and_a_gradient_for_every_weight(skeleton, stride, margins):
    torch.manual_seed(0)
    settings = {"channels": [8, 12], "stages": [1, 2], "dropout": 0.2}
    settings |= {"frames_per_graph": stride, "temporal_stride": stride}
    model = TGraphNetSingle(skeleton, 3, {"pose": 3, "action": 5}, **settings).double().train()
    assert (model.before, model.after) == margins and not model.sliding
    x = torch.randn(16, 3, stride**2, len(skeleton), dtype=torch.float64)
    outputs = model(x)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "pose": (16, 3, 1, len(skeleton)),
        "action": (16, 5, 1, len(skeleton)),
    }
    sum(output.square().mean() for output in outputs.values()).backward()
    # A bias before a norm changes nothing.
    weights = {name: weight for name, weight in model.named_parameters() if not name.endswith("conv.bias")}
    assert all(weight.grad.abs().sum() > 0 for weight in weights.values())


def test_every_frame_of_the_window_counts():
    torch.manual_seed(0)
    model = TGraphNetSingle(LEG, 2, {"pose": 3}, channels=[16, 16, 16], stages=[1, 1, 1]).double().eval()
    x = torch.randn(4, 2, 27, 3, dtype=torch.float64, requires_grad=True)
    model(x)["pose"][0].sum().backward()
    reached = x.grad.abs().sum(dim=(1, 3)) > 0
    assert reached[0].all() and not reached[1:].any()


@pytest.mark.parametrize(
    ("settings", "frames", "expected"),
    [
        ({}, 9, []),
        ({}, 27, ["2 levels shorten a window by 3 each to one frame, so data.frames must be 9 and is 27"]),
        ({"stages": [1]}, 9, ["stages: 1 of them for 2 channels"]),
        ({"temporal_stride": 2}, 4, ["temporal_stride: the last level has 2 frames"]),
        ({"temporal_stride": 6}, 36, []),
    ],
)
def test_impossible_settings_are_named(settings, frames, expected):
    settings = {"channels": [8, 8], "stages": [1, 1], "frames_per_graph": 3, "temporal_stride": 3} | settings
    problems = MODELS.get("tgraphnet_single").check(settings, frames)
    assert len(problems) == len(expected)
    assert all(text in problem for text, problem in zip(expected, problems, strict=True))
