"""Reference tensors of published networks, and the comparison of lifters of sequences with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from stgraph.models.base import Model
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, torch.Tensor]]:
    """Arrays, and weights under their published names."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = dict(file)
    return arrays, {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}


def published_state(name: str) -> tuple[dict[str, torch.Tensor], int]:
    """Names and shapes of a full-size checkpoint, with one number in memory for each entry; and its parameters."""
    listed = json.loads((GOLDEN / f"{name}.json").read_text())
    entries = {key: torch.zeros((), dtype=getattr(torch, dtype)).expand(shape) for key, shape, dtype in listed["keys"]}
    return entries, listed["params"]


def build(kind: str, state: dict[str, torch.Tensor], **others: Any) -> Model:
    """A model with a checkpoint's weights; settings that shapes do not determine are `others`."""
    settings, weights = MODELS.get(kind).from_published(state, len(H36M17))
    settings = {key: value for key, value in settings.items() if "." not in key}
    channels = weights["first.weight"].shape[1]
    model = MODELS.get(kind)(H36M17, channels, {"pose": 3}, **settings, **others)
    model.load_state_dict(weights)
    return model.eval()


def assert_golden(model: Model, arrays: dict[str, np.ndarray]) -> None:
    """The outputs are the published ones, in both precisions."""
    for dtype, name, limit in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        x = rearrange(torch.from_numpy(arrays["input"]).to(dtype), "b t j c -> b c t j")
        with torch.no_grad():
            found = rearrange(model.to(dtype)(x)["pose"], "b c t j -> b t j c").numpy()
        assert found.shape == arrays[name].shape
        assert np.abs(found - arrays[name]).max() < limit * np.abs(arrays[name]).max()


def parameters(kind: str, in_channels: int = 3, **settings: Any) -> int:
    """Learned numbers of a network, which is not allocated."""
    with torch.device("meta"):
        model = MODELS.get(kind)(H36M17, in_channels, {"pose": 3}, **settings)
    return sum(weight.numel() for weight in model.parameters())
