"""2D detections as a detector would give them, made from exact ones."""

import hashlib

import numpy as np
import torch
from jaxtyping import Float

from stgraph.data.detector_noise import noise_model
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

    The model and its numbers are in stgraph/data/detector_noise.json. Key frames are spread evenly from the first frame
    to the last, one for nine frames (27 for 243) and two at least, except for a single frame.

    Raises:
        InputError: another number of joints than H36M17 has, for which there are no numbers.
    """
    model = noise_model()
    frames, joints, _ = pose2d.shape
    if joints != len(H36M17):
        raise InputError(f"detector noise: {joints} joints; its numbers are for {', '.join(H36M17.names)}")
    keys = max(round(frames / model["key_frame_every"]), min(frames, 2))
    usual = rng.normal(model["mean"], model["std"], (keys, joints, 2))
    outlier = rng.uniform(-model["outlier"], model["outlier"], (keys, joints, 2))
    at_keys = np.where(rng.random((keys, joints, 1)) < model["weight"][:, None], usual, outlier)
    place = np.linspace(0, keys - 1, frames)
    before = np.minimum(place.astype(int), max(keys - 2, 0))
    share = (place - before)[:, None, None]
    error = (1 - share) * at_keys[before] + share * at_keys[np.minimum(before + 1, keys - 1)]
    error += rng.normal(0, model["white"], error.shape)
    screen = screen_normalise(torch.as_tensor(pose2d, dtype=torch.float64), width, height)
    pixels = screen_denormalise(screen + torch.from_numpy(error), width, height).numpy()
    a, b, m, s = (model["confidence"][key] for key in "abms")
    distance = np.linalg.norm(error, axis=-1, keepdims=True)
    confidence = a / (distance + a) + b * distance + rng.normal(m, s, distance.shape)
    return np.concatenate([pixels, confidence.clip(0, 1)], axis=-1)
