"""What may be chosen of cameras. Imports nothing heavy."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StudioOptions:
    """Settings of `data_prep.cameras.studio.Studio`.

    Attributes:
        subject: whose Human3.6M cameras; empty for random ones, drawn for every take.
        random: how many random ones.
        seed: of random cameras and of the simulated detector.
        fps: frames per second of the dataset.
        margin: how far outside the image a joint may be, of its longer side.
        nearest: metres of a joint from the camera.
        shortest: frames of a track.
    """

    subject: str = "S1"
    random: int = 4
    seed: int = 0
    fps: float = 50.0
    margin: float = 0.05
    nearest: float = 1.0
    shortest: int = 20


@cache
def read_calibration() -> dict[str, Any]:
    """The numbers of h36m_cameras.json."""
    return json.loads(Path(__file__).with_name("h36m_cameras.json").read_text())


def h36m_subjects() -> tuple[str, ...]:
    """Subjects whose cameras are known: those with published poses."""
    return tuple(read_calibration()["extrinsics"])
