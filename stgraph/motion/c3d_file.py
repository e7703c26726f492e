"""A person's motion as C3D, through ezc3d."""

from pathlib import Path

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.motion.motion import Motion

MOST_FRAMES = 65535  # the header counts them in 16 bits
LEAST = 1.0  # mm: the residual of a joint that was seen, where its uncertainty is less or not known


def write(motion: Motion, path: Path) -> str:
    """Write a point for each joint: millimetres, z up, as in most laboratories.

    Residuals are as C3D defines them: -1 for a point that is missing (the person is absent), 0 for one that is the
    result of modelling (a guessed joint), and above 0 the uncertainty in mm of any other.

    Raises:
        InputError: more frames than the format counts.
    """
    import ezc3d  # pyright: ignore[reportMissingImports]

    if len(motion) > MOST_FRAMES:
        remedy = f"save a part with motion.part(slice({MOST_FRAMES})).save(...), or write .trc"
        raise InputError(
            where=path, found=f"{len(motion):,} frames", expected=f"at most {MOST_FRAMES:,}", remedy=remedy
        )
    pose = 1000 * motion.pose[:, 0].transpose(2, 1, 0).astype(np.float64)
    spread = np.full(motion.guessed.shape, LEAST) if motion.uncertainty is None else 1000 * motion.uncertainty
    residual = np.where(motion.guessed, 0, np.maximum(spread, LEAST))
    residual = np.where(motion.present[..., None], residual, -1)[:, 0].T
    content = ezc3d.c3d()
    points = content["parameters"]["POINT"]
    points["RATE"]["value"] = [motion.rate]
    points["LABELS"]["value"] = motion.joint_labels
    points["UNITS"]["value"] = ["mm"]
    content.add_parameter("POINT", "X_SCREEN", "+X")
    content.add_parameter("POINT", "Y_SCREEN", "+Z")
    content["data"]["points"] = np.concatenate([pose, np.ones_like(pose[:1])])
    content["data"]["meta_points"]["residuals"] = residual[None]
    with replaced(path) as temporary:
        content.write(str(temporary))
    return ""
