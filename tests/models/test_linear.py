"""Martinez' net against the published implementation's numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph.models.linear import Linear
from stgraph.skeleton import H36M16, Skeleton
from tests.recipe import recipe_state

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    with np.load(GOLDEN / f"martinez_{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    if (listed := GOLDEN / f"martinez_{name}.json").exists():
        about = json.loads(listed.read_text())
        return arrays, recipe_state(about["keys"], about["seed"])
    return arrays, {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}


@pytest.mark.parametrize(("name", "channels", "parameters"), [("small64", 64, 22_317), ("full1024", 1024, 4_288_557)])
def test_outputs_are_the_published_ones(name, channels, parameters):
    arrays, state = golden(name)
    settings, weights = Linear.from_published(state, len(H36M16))
    assert settings == {"channels": channels, "layers": 2}
    model = Linear(H36M16, 2, {"pose": 3}, **settings)
    model.load_state_dict(weights)
    assert sum(weight.numel() for weight in model.parameters()) == parameters
    for dtype, output, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        x = rearrange(torch.from_numpy(arrays["input"]).to(dtype), "b (j c) -> b c 1 j", c=2)
        with torch.no_grad():
            pose = rearrange(model.eval().to(dtype)(x)["pose"], "b c 1 j -> b j c").numpy()
        assert not pose[:, 0].any()
        found = rearrange(pose[:, 1:], "b j c -> b (j c)")
        assert np.abs(found - arrays[output]).max() < limit * np.abs(arrays[output]).max()


def test_checkpoints_that_do_not_see_the_root_predict_the_same_wherever_it_is():
    _, state = golden("small64")
    blind = state | {"w1.weight": state["w1.weight"][:, 2:]}
    settings, weights = Linear.from_published(blind, len(H36M16))
    model = Linear(H36M16, 2, {"pose": 3}, **settings).eval()
    model.load_state_dict(weights)
    _, sighted = Linear.from_published(state, len(H36M16))
    reference = Linear(H36M16, 2, {"pose": 3}, **settings).eval()
    reference.load_state_dict(sighted)
    x = torch.randn(5, 2, 1, 16)
    at_zero = torch.cat([torch.zeros(5, 2, 1, 1), x[..., 1:]], dim=-1)
    torch.testing.assert_close(model(x)["pose"], reference(at_zero)["pose"])


def test_the_root_is_zero_wherever_it_stands():
    skeleton = Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0))
    pose = Linear(skeleton, 2, {"pose": 3}, channels=8).eval()(torch.randn(4, 2, 3, 3))["pose"]
    assert not pose[..., 1].any() and pose[..., 0].all() and pose[..., 2].all()
