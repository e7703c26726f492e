"""Human3.6M's calibration: the four cameras of its studio, as placed for each subject."""

from functools import cache

import numpy as np

from data_prep.cameras.options import h36m_subjects, read_calibration
from stgraph.errors import InputError
from stgraph.geometry import Camera

# In the order of a camera's intrinsics.
_LENS = ("focal_px", "center_px", "radial_distortion", "tangential_distortion")


@cache
def h36m_cameras(subject: str) -> tuple[Camera, ...]:
    """The cameras of a subject, in the order of the detection files: 54138969, 55011271, 58860488, 60457274.

    Metres and pixels. Raises InputError for a subject without calibration.
    """
    calibration = read_calibration()
    if subject not in calibration["extrinsics"]:
        raise InputError(
            where="Human3.6M's cameras", found=f"no subject {subject!r}", expected=", ".join(h36m_subjects())
        )
    return tuple(
        Camera(
            name=lens["id"],
            width=lens["width"],
            height=lens["height"],
            intrinsics=np.concatenate([lens[name] for name in _LENS]),
            rotation=np.array(place["orientation_wxyz"]),
            translation=np.array(place["translation_mm"]) / 1000,
        )
        for lens, place in zip(calibration["intrinsics"], calibration["extrinsics"][subject], strict=True)
    )
