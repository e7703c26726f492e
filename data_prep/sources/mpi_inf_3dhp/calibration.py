"""Cameras of a `camera.calibration`."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from stgraph.errors import InputError
from stgraph.geometry import Camera


def read_calibration(path: Path) -> dict[str, Camera]:
    """Cameras by name of a `camera.calibration`: text, millimetres, world y up. The world is turned to z up.

    Raises InputError for another format or a lens with distortion.
    """
    words = [line.split() for line in path.read_text(errors="replace").splitlines() if line.split()]
    entries: list[dict[str, list[str]]] = []
    try:
        if words[0][0] != "Skeletool":
            raise ValueError(f"it begins with {' '.join(words[0])!r}")
        for key, *values in words[1:]:
            if key == "name":
                entries.append({})
            entries[-1][key] = values
        return {entry["name"][0]: _calibrated(entry["name"][0], entry) for entry in entries}
    except (ValueError, KeyError, IndexError) as error:
        expected = "a 'Skeletool Camera Calibration File' with name, size, intrinsic, extrinsic and radial 0 of cameras"
        remedy = "get it again, or remove it to have the intrinsics estimated"
        raise InputError(f"cannot be read ({error})", where=path, expected=expected, remedy=remedy) from error


def _calibrated(name: str, entry: dict[str, list[str]]) -> Camera:
    if any(float(value) for value in entry["radial"]):
        raise ValueError(f"camera {name} has distortion {' '.join(entry['radial'])}")
    width, height = map(int, entry["size"])
    lens, place = (np.array(entry[key], dtype=np.float64).reshape(4, 4) for key in ("intrinsic", "extrinsic"))
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up
    rotation = upright @ place[:3, :3].T
    centre = -rotation @ place[:3, 3] / 1000
    quaternion = Rotation.from_matrix(rotation).as_quat(canonical=True, scalar_first=True)
    intrinsics = np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2], *np.zeros(5)])
    return Camera(name, width, height, intrinsics, rotation=quaternion, translation=centre)
