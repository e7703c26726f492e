"""How a 2D pose detector errs, joint by joint: the numbers of detector_noise.json, and errors drawn by them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stgraph.skeleton import H36M17

# The person's size to which the numbers belong, on the normalised screen: the median `stgraph.geometry.body_scale` of
# CMU's and HDM05's motion through Human3.6M's cameras.
PERSON = 0.2


@cache
def noise_model(names: tuple[str, ...] = H36M17.names) -> dict:
    """The numbers, with `about` and `source`; those of joints as arrays `mean` (j 2), `std` (j 2) and `weight` (j).

    A joint that the table lacks has the means of those that it has.
    """
    table = json.loads((Path(__file__).parent / "detector_noise.json").read_text())
    joints = table["joints"]
    for key in ("mean", "std", "weight"):
        usual = np.mean([joint[key] for joint in joints.values()], axis=0)
        table[key] = np.array([joints[name][key] if name in joints else usual for name in names])
    return table


@dataclass(frozen=True)
class Draws:
    """A source of random numbers: standard normal ones and uniform ones in [0, 1), in the shape given."""

    normal: Callable[..., Tensor]
    uniform: Callable[..., Tensor]

    @classmethod
    def like(cls, values: Tensor) -> "Draws":
        """By torch's generator, of the type and in the place of `values`."""
        return cls(lambda *shape: values.new_empty(shape).normal_(), lambda *shape: values.new_empty(shape).uniform_())

    @classmethod
    def by(cls, rng: np.random.Generator) -> "Draws":
        """By a generator of NumPy's."""
        return cls(
            lambda *shape: torch.from_numpy(rng.standard_normal(shape)),
            lambda *shape: torch.from_numpy(rng.random(shape)),
        )


def drawn_errors(model: dict, draws: Draws, windows: int, frames: int) -> Float[Tensor, "b t j 2"]:
    """Errors on the screen of a person of Human3.6M's size, correlated in time.

    Key frames are spread evenly from the first frame to the last, one for nine frames (27 for 243) and two at least.
    """
    joints, keys = len(model["weight"]), max(round(frames / model["key_frame_every"]), 2)
    usual = draws.normal(windows, keys, joints, 2)
    mean, std, weight = (torch.from_numpy(model[key]).to(usual) for key in ("mean", "std", "weight"))
    usual = mean + std * usual
    outlier = model["outlier"] * (2 * draws.uniform(windows, keys, joints, 2) - 1)
    at_keys = torch.where(draws.uniform(windows, keys, joints, 1) < weight[:, None], usual, outlier)
    return draws.normal(windows, frames, joints, 2) * model["white"] + along(at_keys, frames)


def drawn_confidence(
    model: dict, draws: Draws, error: Float[Tensor, "b t j 2"], noise: Float[Tensor, " b"] | None = None
) -> Float[Tensor, "b t j"]:
    """The detector's confidence in joints that it puts so far off, not clipped; `noise` is a factor on its noise."""
    distance = error.norm(dim=-1)
    a, slope, mean, std = (model["confidence"][key] for key in "abms")
    drawn = mean + std * draws.normal(*distance.shape)
    drawn = drawn if noise is None else drawn * noise[:, None, None]
    return a / (distance + a) + slope * distance + drawn


def along(keys: Float[Tensor, "b n j d"], t: int) -> Float[Tensor, "b t j d"]:
    """Key frames spread evenly over t frames, with straight lines between them."""
    place = torch.linspace(0, keys.shape[1] - 1, t, device=keys.device, dtype=keys.dtype)
    before = place.long().clamp_max(keys.shape[1] - 2)
    share = (place - before)[:, None, None]
    return (1 - share) * keys[:, before] + share * keys[:, before + 1]
