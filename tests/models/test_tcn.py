"""The temporal convolution against the published implementation's numbers, in both of its forms."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.utils.flop_counter import FlopCounterMode

from stgraph.models.tcn import TemporalConvolution
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, H36M17, Skeleton
from tests.recipe import recipe_state

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
LEG = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"vp3d_{name}.npz") as file:
        return {key: file[key] for key in file.files}


def published_model(
    state: dict[str, torch.Tensor], *, output: str = "pose", **options: object
) -> tuple[TemporalConvolution, int]:
    """A model with a checkpoint's weights, and the frames of the window that its shapes tell."""
    settings, weights = TemporalConvolution.from_published(state, len(H36M17))
    frames = settings.pop("data.frames")
    model = TemporalConvolution(H36M17, 2, {output: 3}, **(settings | options))
    model.load_state_dict(weights)
    return model.eval(), frames


def predict(model: TemporalConvolution, pose2d: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    x = rearrange(torch.from_numpy(pose2d).to(dtype), "b t j c -> b c t j")
    with torch.no_grad():
        (output,) = model.to(dtype)(x).values()
    return rearrange(output, "b c t j -> b t j c").numpy()


def compare(model: TemporalConvolution, golden: dict[str, np.ndarray], number: str = "") -> None:
    """The outputs are the published ones, in both precisions."""
    for dtype, output, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        found, expected = predict(model, golden[f"input{number}"], dtype), golden[f"{output}{number}"]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < limit * np.abs(expected).max()
    model.float()


def state_of(golden: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key[6:]: torch.from_numpy(value) for key, value in golden.items() if key.startswith("state/")}


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("opt1f_c32_333", [""]),
        ("opt1f_c32_333_causal", [""]),
        ("temporal_c32_33", ["", "2"]),
        ("temporal_c32_333_causal", ["", "2"]),
        ("temporal_c32_33_dense", ["", "2"]),
    ],
)
def test_outputs_are_the_published_ones(name, inputs):
    golden = arrays(name)
    config = json.loads(str(golden["config"]))
    model, frames = published_model(state_of(golden), causal=config["causal"])
    assert frames == model.receptive_field == config["receptive_field"]
    assert sum(weight.numel() for weight in model.parameters()) == config["params"]
    for number in inputs:
        compare(model, golden, number)


def test_the_trajectory_model_is_the_same_network_with_one_joint_out():
    golden = arrays("traj_c32_333")
    state = state_of(golden)
    settings, weights = TemporalConvolution.from_published(state, len(H36M17))
    settings.pop("data.frames")
    model = TemporalConvolution(H36M17, 2, {"root": 3}, **settings).eval()
    model.load_state_dict({name.replace("pose", "root"): value for name, value in weights.items()})
    compare(model, golden)


def test_full_size_outputs_are_the_published_ones():
    about = json.loads((GOLDEN / "vp3d_temporal_243_full.json").read_text())
    model, frames = published_model(recipe_state(about["keys"], about["seed"]))
    assert sum(weight.numel() for weight in model.parameters()) == about["params"] == 16_952_371
    assert (frames, model.before, model.after) == (243, 121, 121)
    golden = arrays("temporal_243_full")
    compare(model, golden)
    # The strided form, on each of the windows that the five outputs come from, in double precision.
    windows = np.concatenate([golden["input"][:, start : start + frames] for start in (0, 2)])
    expected = golden["output_f64"][0, [0, 2]]
    assert np.abs(predict(model, windows, torch.float64)[:, 0] - expected).max() < 1e-7 * np.abs(expected).max()


def small(skeleton: Skeleton = LEG, heads: dict[str, int] | None = None, **settings: object) -> TemporalConvolution:
    """A small network in double precision, with statistics as after training."""
    torch.manual_seed(0)
    settings = {"channels": 16, "filter_widths": [3, 5, 3], "dropout": 0.0} | settings
    model = TemporalConvolution(skeleton, 2, heads or {"pose": 3, "action": 4}, **settings).double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"dense": True}, {"dense": True, "causal": True}])
def test_a_window_and_a_long_recording_give_the_same_frames(options):
    model = small(**options)
    x = torch.randn(2, 2, 52, 3, dtype=torch.float64)
    whole = model(x)
    assert whole["pose"].shape == (2, 3, 52 - model.before - model.after, 3)
    assert whole["action"].shape == (2, 4, 52 - model.before - model.after, 1)
    for start in range(52 - model.receptive_field + 1):
        window = model(x[:, :, start : start + model.receptive_field])
        for name, output in window.items():
            torch.testing.assert_close(output, whole[name][:, :, start : start + 1])


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"dense": True}, {"dense": True, "causal": True}])
def test_a_frame_depends_on_the_frames_before_and_after_it_alone(options):
    model = small(**options)
    assert model.sliding and (model.before, model.after) == ((44, 0) if "causal" in options else (22, 22))
    x = torch.randn(2, 2, 60, 3, dtype=torch.float64, requires_grad=True)
    frame = 50 if "causal" in options else 30
    model(x)["pose"][0, :, frame - model.before].sum().backward()
    reached = x.grad.abs().sum(dim=(1, 3)) > 0
    expected = torch.zeros(2, 60, dtype=torch.bool)
    expected[0, frame - model.before : frame + model.after + 1] = True
    assert torch.equal(reached, expected)


def test_the_strided_form_computes_less():
    model = TemporalConvolution(H36M17, 2, {"pose": 3}, channels=64, filter_widths=[3] * 4).eval()

    def operations(frames: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.randn(1, 2, frames, 17))
        return counter.get_total_flops()

    assert 4 * operations(81) < operations(82)


@pytest.mark.parametrize("frames", [9, 11])
@pytest.mark.parametrize("skeleton", [H36M16, LEG])
def test_any_skeleton_and_a_gradient_for_every_weight(skeleton, frames):
    torch.manual_seed(0)
    heads = {"pose": 3, "action": 5}
    model = TemporalConvolution(skeleton, 3, heads, channels=8, filter_widths=[3, 3], dropout=0.2).double()
    outputs = model.train()(torch.randn(16, 3, frames, len(skeleton), dtype=torch.float64))
    assert outputs["pose"].shape == (16, 3, frames - 8, len(skeleton))
    assert outputs["action"].shape == (16, 5, frames - 8, 1)
    sum(output.square().mean() for output in outputs.values()).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_both_forms_have_the_same_gradients():
    model = small()
    x = torch.randn(3, 2, 45, 3, dtype=torch.float64)
    gradients = []
    for frames in (x, torch.cat([x, torch.zeros_like(x[:, :, :1])], dim=2)):
        model.zero_grad()
        model(frames)["pose"][:, :, 0].square().sum().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters() if "action" not in name})
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("settings", "frames", "expected"),
    [
        ([3, 3, 3], 27, []),
        ([3, 3, 3], 30, []),
        ([3, 3, 3], 26, ["[3, 3, 3] see 27 frames for each that they predict, so data.frames must be at least 27"]),
        ([3, 2], 27, ["[3, 2] has an even one"]),
    ],
)
def test_impossible_settings_are_named(settings, frames, expected):
    problems = MODELS.get("tcn").check({"filter_widths": settings}, frames)
    assert len(problems) == len(expected)
    assert all(text in problem for text, problem in zip(expected, problems, strict=True))


@pytest.mark.parametrize("frames", [9, 12])
def test_exports_with_any_batch_and_beyond_one_window_with_any_length(frames):
    model = small(filter_widths=[3, 3]).float()
    dynamic = {0: torch.export.Dim("batch")} | ({2: torch.export.Dim("frames", min=10)} if frames > 9 else {})
    example, x = torch.randn(3, 2, frames, 3), torch.randn(5, 2, 20 if frames > 9 else 9, 3)
    exported = torch.export.export(model, (example,), dynamic_shapes=(dynamic,), strict=False)
    for name, output in model(x).items():
        torch.testing.assert_close(exported.module()(x)[name], output)


def test_training_is_a_function_of_the_seed():
    def gradient() -> torch.Tensor:
        torch.manual_seed(5)
        model = TemporalConvolution(H36M17, 2, {"pose": 3}, channels=16, filter_widths=[3, 3])
        model.train()(torch.randn(4, 2, 9, 17))["pose"].square().mean().backward()
        return model.first.linear.weight.grad

    assert torch.equal(gradient(), gradient())
