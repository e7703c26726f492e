"""2D detections as a detector would give them, made from exact ones."""

import hashlib

import numpy as np
import torch
from jaxtyping import Float

from stgraph.data.detector_noise import Draws, drawn_confidence, drawn_errors, noise_model
from stgraph.errors import InputError
from stgraph.geometry import screen_denormalise, screen_normalise
from stgraph.skeleton import H36M17


def seeded(seed: int, name: str) -> np.random.Generator:
    """A random generator that depends on a seed and a name alone, not on the order of draws."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])


def simulate_detections(
    pose2d: Float[np.ndarray, "t j 2"], width: int, height: int, rng: np.random.Generator
) -> Float[np.ndarray, "t j 3"]:
    """Exact pixels to what a detector reports: pixels x, y and confidence.

    The model and its numbers are in stgraph/data/detector_noise.json.

    Raises:
        InputError: another number of joints than H36M17 has, for which there are no numbers.
    """
    frames, joints, _ = pose2d.shape
    if joints != len(H36M17):
        raise InputError(where="detector noise", found=f"{joints} joints", expected=", ".join(H36M17.names))
    model, draws = noise_model(), Draws.by(rng)
    error = drawn_errors(model, draws, 1, frames)
    screen = screen_normalise(torch.as_tensor(pose2d, dtype=torch.float64), width, height)
    pixels = screen_denormalise(screen + error[0], width, height)
    confidence = drawn_confidence(model, draws, error)[0].clamp(0, 1)
    return torch.cat([pixels, confidence[..., None]], dim=-1).numpy()
