"""A person whose every joint is known, for tests of readers."""

import numpy as np

from stgraph.skeleton import H36M17

RATE = 50


def squats(seconds: float = 2, rate: float = RATE, walk: float = 0.1) -> np.ndarray:
    """(t j 3) metres, z up: a person of 1.6 m who faces north (y), east (x) on the right, and bends the knees."""
    time = np.arange(int(seconds * rate)) / rate
    height = 0.89 - 0.15 * (1 - np.cos(2 * np.pi * time))
    pose = np.zeros((len(time), len(H36M17), 3))
    at = {name: pose[:, joint] for joint, name in enumerate(H36M17.names)}
    for name, above in {"Hip": 0, "Spine": 0.2, "Thorax": 0.45, "Neck/Nose": 0.6, "Head": 0.75}.items():
        at[name][:, 2] = height + above
    for side, sign in (("R", 1), ("L", -1)):
        for name, out, above in (
            ("Hip", 0.1, 0),
            ("Shoulder", 0.18, 0.42),
            ("Elbow", 0.25, 0.15),
            ("Wrist", 0.25, -0.1),
        ):
            at[side + name][:] = np.stack([0 * time + sign * out, 0 * time, height + above], axis=-1)
        at[side + "Foot"][:] = [sign * 0.1, 0, 0.05]
        at[side + "Knee"][:] = (at[side + "Hip"] + at[side + "Foot"]) / 2
        at[side + "Knee"][:, 1] += np.sqrt(0.43**2 - (height - 0.05) ** 2 / 4)
    pose[..., 1] += walk * time[:, None]
    return pose
