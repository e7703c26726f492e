"""A person who walks past a camera, with the joints of any layout."""

import numpy as np

from stgraph.formats.keypoints.body import POSITIONS
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.names import canonical

SIZE = (1280, 720)


def walker(layout: str, frames: int = 6, turn: float = 0.5, seed: int = 0) -> np.ndarray:
    """(t j 3) pixels and confidence of 0.5 to 1: a standing body, turned and moving, with swinging limbs."""
    rng = np.random.default_rng(seed)
    names = [canonical(joint) for joint in LAYOUTS[layout]]
    places = []
    for joint in names:
        if joint in POSITIONS:
            places.append(POSITIONS[joint])
        else:  # a face, or a hand's fingers
            base = (
                POSITIONS["nose"]
                if joint.startswith("face")
                else POSITIONS[f"{joint[0] if joint[0] in 'lr' else 'l'}wrist"]
            )
            places.append(base + rng.normal(0, 0.02, 3))
    body = np.array(places)
    limb = np.array([any(part in joint for part in ("elbow", "wrist", "knee", "ankle", "foot")) for joint in names])
    time = np.arange(frames)[:, None]
    swing = 0.05 * np.sin(time + rng.uniform(0, 6, len(names))) * limb
    c, s = np.cos(turn), np.sin(turn)
    x = c * body[:, 0] + s * body[:, 2] + swing + 0.02 * time
    xy = np.stack([600 + 300 * x, 650 - 300 * (body[:, 1] + swing)], axis=-1)
    return np.concatenate([xy.round(3), rng.uniform(0.5, 1, (frames, len(names), 1)).round(3)], axis=-1)
