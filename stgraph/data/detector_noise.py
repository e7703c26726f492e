"""How far a 2D pose detector errs, joint by joint: the numbers of detector_noise.json."""

import json
from functools import cache
from pathlib import Path

import numpy as np

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
