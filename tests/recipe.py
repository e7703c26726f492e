"""Weights of full-size reference networks: every entry is a function of its own published name."""

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch

UNIT_GAIN = ("downsample_layers", "upsample_layers", "merging_layers", "post_merge", "post_node", "post_traj", "pre.")


def recipe_state(
    entries: Iterable[tuple[str, list[int], str]], seed: int, initial: Mapping[str, np.ndarray] | None = None
) -> dict[str, torch.Tensor]:
    """A `state_dict` of these names, shapes and types; `initial` gives what entries that are added to start from."""
    initial = initial or {}
    return {
        key: torch.from_numpy(np.asarray(initial.get(key, 0) + recipe_value(key, shape, seed))).to(
            getattr(torch, dtype)
        )
        for key, shape, dtype in entries
    }


def recipe_value(key: str, shape: list[int], seed: int) -> np.ndarray:
    """One entry; for an adjacency what is added to where training starts."""
    random = np.random.RandomState((zlib.crc32(key.encode()) + seed) & 0xFFFFFFFF)
    if key.endswith("num_batches_tracked") or key == "A":
        return np.zeros(shape)
    if key.startswith("edge_importance"):
        return 0.5 + random.rand(*shape)
    if key.endswith("running_mean"):
        return 0.3 * random.randn(*shape)
    if key.endswith("running_var"):
        return 0.5 + 1.5 * random.rand(*shape)
    if key == "adj_v":
        return 0.03 * random.randn(*shape)
    if key.endswith(".e"):
        return random.randn(*shape)
    if len(shape) == 1:
        return 0.5 + random.rand(*shape) if key.endswith("weight") else 0.1 * random.randn(*shape)
    gain = 0.1 if "nonlocal" in key else 1 if any(part in key for part in UNIT_GAIN) else 2
    return random.randn(*shape) * np.sqrt(gain / fan_in(key, shape))


def fan_in(key: str, shape: list[int]) -> int:
    """Width before a map, in each publisher's layout of the weights."""
    if key.endswith(".W") and len(shape) == 3:
        return shape[1]
    if len(shape) == 2 and (".gcn." in key or "residual_gc" in key):
        return shape[0]
    return int(np.prod(shape[1:]))
