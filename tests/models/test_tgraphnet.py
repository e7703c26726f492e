"""TGraphNet against the published implementation's numbers, and what must hold for any skeleton."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph.models.layers.partitions import partitions
from stgraph.models.tgraphnet import TGraphNet
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, H36M17, Skeleton
from stgraph.tasks.lifting.task import Lifting
from tests.recipe import recipe_state

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL = {"channels": [16, 32, 32], "stages": [1, 2, 2]}


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"tgraphnet_{name}.npz") as file:
        return {key: file[key] for key in file.files}


def golden_state(arrays: dict[str, np.ndarray], group: str = "state/") -> dict[str, torch.Tensor]:
    """Tensors under a group; unused weights have a text in place of a gradient."""
    named = {key[len(group) :]: value for key, value in arrays.items() if key.startswith(group)}
    return {key: torch.from_numpy(value) for key, value in named.items() if value.dtype.kind in "fi"}


def published_model(state: dict[str, torch.Tensor], **options: object) -> TGraphNet:
    settings, weights = TGraphNet.from_published(state, len(H36M17))
    model = TGraphNet(H36M17, 2, {"pose": 3}, **(settings | options))
    model.load_state_dict(weights)
    return model.eval()


def millimetres(model: TGraphNet, pose2d: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    x = rearrange(torch.from_numpy(pose2d).to(dtype), "b t j c -> b c t j")
    with torch.no_grad():
        return rearrange(1000 * model.to(dtype)(x)["pose"], "b c t j -> b t j c").numpy()


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", ["seq_small27", "seq_small27_nores"])
def test_outputs_are_the_published_ones(name):
    arrays = golden(name)
    model = published_model(golden_state(arrays))
    assert relative_error(millimetres(model, arrays["input"], torch.float32), arrays["output"]) < 1e-5
    assert relative_error(millimetres(model, arrays["input"], torch.float64), arrays["output_f64"]) < 1e-7


@pytest.mark.slow
def test_full_size_outputs_are_the_published_ones():
    about = json.loads((GOLDEN / "tgraphnet_seq_root_rel_full.json").read_text())
    entries = [entry for entry in about["keys"] if "adj_" not in entry[0] or entry[0] == "adj_v"]
    initial = {"adj_v": partitions(H36M17, "symmetric", frames=3).astype(np.float32)}
    state = recipe_state(entries, about["seed"], initial)
    model = published_model(state)
    # Theirs counts the edges' adjacency, which nothing uses.
    assert sum(weight.numel() for weight in model.parameters()) == about["params"] - 48 * 48
    arrays = golden("seq_root_rel_full")
    assert relative_error(millimetres(model, arrays["input"], torch.float32), arrays["output"]) < 1e-5
    assert relative_error(millimetres(model, arrays["input"], torch.float64), arrays["output_f64"]) < 1e-7


OBJECTIVES = {
    "root_rel": Lifting(H36M17, losses={"position": 1.0, "motion": 1.0}),
    "traj": Lifting(
        H36M17,
        output="global",
        losses={"position": 1.0, "motion": 1.0, "trajectory": 1.0, "reprojection": 1.0, "root_motion": 0.001},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_training_step_has_the_published_loss_gradients_and_statistics(objective):
    arrays, task = golden("trainstep_small27"), OBJECTIVES[objective]
    model = published_model(golden_state(golden("seq_small27")), dropout=0.0).double().train()
    pose2d, target = (torch.from_numpy(arrays[name]).double() for name in ("input", "target"))
    outputs = model(rearrange(pose2d, "b t j c -> b c t j"))
    target = target / 1000
    outputs["pose"] = 20 * outputs["pose"] + rearrange(target, "b t j c -> b c t j")
    batch = {
        "pose2d": pose2d,
        "pose3d": target,
        "intrinsics": torch.from_numpy(arrays["cameras"]).double(),
        "size": torch.full((len(pose2d), 2), 1000.0, dtype=torch.float64),
        "seen": torch.ones(pose2d.shape[:3], dtype=torch.float64),
    }
    terms = task.terms(batch, outputs)
    loss = task.loss(terms)
    assert loss.item() == pytest.approx(arrays[f"{objective}/loss"].item(), rel=1e-5)
    loss.backward()
    # Renamed as weights are, which divides a head's by 1000; its gradient to weights in metres is 1000 times as large.
    _, gradients = TGraphNet.from_published(golden_state(arrays, f"{objective}/grad/"), len(H36M17))
    largest = max(gradient.abs().max() for name, gradient in gradients.items() if "heads" not in name)
    found = dict(model.named_parameters())
    assert gradients.keys() == found.keys()
    for name, gradient in gradients.items():
        unit = 1e6 if name.startswith("heads.") else 1
        torch.testing.assert_close(found[name].grad / unit, gradient.double(), rtol=2e-4, atol=1e-6 * largest)
    _, statistics = TGraphNet.from_published(golden_state(arrays, "bn_after/"), len(H36M17))
    assert len(statistics) == 2 * sum(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    for name, value in statistics.items():
        torch.testing.assert_close(model.state_dict()[name], value.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("skeleton", [H36M16, Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))])
def test_any_skeleton_and_any_heads(skeleton):
    torch.manual_seed(0)
    settings = {"channels": [8, 12], "stages": [1, 2], "dropout": 0.2, "frames_per_graph": 2}
    model = TGraphNet(skeleton, 3, {"pose": 3, "action": 5}, **settings).double()
    x = torch.randn(4, 3, 12, len(skeleton), dtype=torch.float64)
    outputs = model.train()(x)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "pose": (4, 3, 12, len(skeleton)),
        "action": (4, 5, 12, len(skeleton)),
    }
    sum(output.square().mean() for output in outputs.values()).backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in model.named_parameters() if "conv.bias" not in name)


def test_root_has_its_own_head_wherever_it_stands():
    skeleton = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))
    head = TGraphNet(skeleton, 2, {"pose": 3}, channels=[4], stages=[1]).heads["pose"]
    x = torch.randn(2, 4, 9, 3)
    for joint in range(3):
        conv = head.root_conv if joint == skeleton.root else head.joints_conv
        torch.testing.assert_close(head(x)[..., joint], conv(x)[..., joint])


def test_frozen_statistics_still_train_the_weights():
    model = TGraphNet(H36M17, 2, {"pose": 3}, **SMALL, dropout=0.0).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    before = model.merge_norm.running_mean.clone()
    model(torch.randn(2, 2, 27, 17))["pose"].square().mean().backward()
    assert torch.equal(model.merge_norm.running_mean, before)
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.slow
def test_training_is_a_function_of_the_seed():
    def gradient() -> torch.Tensor:
        torch.manual_seed(5)
        model = TGraphNet(H36M17, 2, {"pose": 3}, **SMALL)
        model.train()(torch.randn(4, 2, 27, 17))["pose"].square().mean().backward()
        return model.down[0][0].graph_conv.conv.weight.grad

    assert torch.equal(gradient(), gradient())


def test_windows_do_not_see_one_another_and_graphs_do_not_see_other_blocks():
    torch.manual_seed(0)
    model = TGraphNet(H36M17, 2, {"pose": 3}, channels=[8], stages=[1], residual=False).eval()
    x = torch.randn(2, 2, 9, 17, requires_grad=True)
    model.features(x)[0, :, 4].sum().backward()
    reached = x.grad.abs().sum(dim=(1, 3)) > 0
    assert not reached[1].any()
    assert not reached[0, :3].any() and not reached[0, 6:].any() and reached[0, 4]


@pytest.mark.slow
def test_autocast_is_close_to_full_precision():
    torch.manual_seed(0)
    model = TGraphNet(H36M17, 2, {"pose": 3}, **SMALL, dropout=0.0)
    x, target = torch.randn(8, 2, 27, 17), torch.randn(8, 3, 27, 17)

    def step(enabled: bool) -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            pose = model.train()(x)["pose"]
        assert pose.dtype == torch.float32  # a head's metres are not rounded to sixteen bits
        (pose - target).square().mean().backward()
        assert all(weight.grad.dtype == torch.float32 for weight in model.parameters())
        return pose, torch.cat([weight.grad.flatten() for weight in model.parameters()])

    (pose, grad), (low_pose, low_grad) = step(False), step(True)
    assert (pose - low_pose).std() < 0.05 * pose.std()
    assert torch.cosine_similarity(grad, low_grad, dim=0) > 0.98


@pytest.mark.parametrize(
    ("settings", "frames", "expected"),
    [
        (SMALL, 27, []),
        ({"channels": [8] * 4, "stages": [1] * 4}, 243, []),
        ({"channels": [8] * 4, "stages": [1] * 4}, 80, ["data.frames must be a multiple of 81 and is 80"]),
        ({"channels": [8, 8], "stages": [1]}, 10, ["stages: 1 of them for 2", "multiple of 9 and is 10"]),
        ({"channels": [8, 8], "stages": [1, 1], "frames_per_graph": 5, "temporal_stride": 2}, 30, []),
    ],
)
def test_impossible_settings_are_named(settings, frames, expected):
    problems = MODELS.get("tgraphnet").check({"frames_per_graph": 3, "temporal_stride": 3} | settings, frames)
    assert len(problems) == len(expected)
    assert all(text in problem for text, problem in zip(expected, problems, strict=True))
