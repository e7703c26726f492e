"""A standing body by the names of joints: which joint hangs on which, and where they are.

From it come the trees of layouts that are known by names alone, and how well joints without names fit a layout.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from stgraph.formats.keypoints.names import canonical

# Joint of the left side or the middle -> x to the left, y up and z to the front in metres, of an adult of 1.75 m who
# holds the arms out, and the joints that it may hang on, the best first.
_BODY: dict[str, tuple[tuple[float, float, float], tuple[str, ...]]] = {
    "hip": ((0, 0.95, 0), ()),
    "spine": ((0, 1.18, 0), ("hip",)),
    "chest": ((0, 1.20, 0), ("hip", "neck")),
    "thorax": ((0, 1.42, 0), ("spine", "hip")),
    "neck": ((0, 1.42, 0), ("thorax", "spine", "hip")),
    "headbottom": ((0, 1.50, 0.02), ("neck", "thorax")),
    "necknose": ((0, 1.57, 0.07), ("headbottom", "neck", "thorax")),
    "nose": ((0, 1.58, 0.10), ("headbottom", "neck", "thorax")),
    "head": ((0, 1.73, 0.0), ("necknose", "nose", "headbottom", "neck", "thorax")),
    "headtop": ((0, 1.75, 0.0), ("headbottom", "nose", "neck", "thorax")),
    "leye": ((0.032, 1.62, 0.08), ("nose",)),
    "leyeinner": ((0.018, 1.62, 0.09), ("nose",)),
    "leyeouter": ((0.045, 1.62, 0.07), ("leye",)),
    "lmouth": ((0.025, 1.53, 0.08), ("nose",)),
    "lear": ((0.075, 1.60, 0.0), ("leye", "nose")),
    "lshoulder": ((0.18, 1.40, 0), ("neck", "thorax", "headbottom", "nose")),
    "lelbow": ((0.46, 1.40, 0), ("lshoulder",)),
    "lwrist": ((0.71, 1.40, 0), ("lelbow",)),
    "lpinky": ((0.79, 1.40, -0.04), ("lwrist",)),
    "lindex": ((0.80, 1.40, 0.03), ("lwrist",)),
    "lthumb": ((0.75, 1.40, 0.05), ("lwrist",)),
    "lhip": ((0.10, 0.93, 0), ("hip", "lshoulder", "neck")),
    "lknee": ((0.10, 0.50, 0), ("lhip",)),
    "lankle": ((0.10, 0.08, 0), ("lknee",)),
    "lfoot": ((0.10, 0.08, 0), ("lankle", "lknee")),
    "lheel": ((0.10, 0.03, -0.05), ("lankle",)),
    "lbigtoe": ((0.12, 0.02, 0.17), ("lankle",)),
    "lsmalltoe": ((0.16, 0.02, 0.14), ("lbigtoe", "lankle")),
    "lfootindex": ((0.12, 0.02, 0.15), ("lankle",)),
}
_PAIRED = {"l" + joint[1:] for joint in _BODY if joint[0] == "l"}


def _right(joint: str) -> str:
    return "r" + joint[1:] if joint in _PAIRED else joint


POSITIONS: dict[str, Float[np.ndarray, "3"]] = {}
PARENTS: dict[str, tuple[str, ...]] = {}
for _joint, (_place, _parents) in _BODY.items():
    POSITIONS[_joint], PARENTS[_joint] = np.array(_place, float), _parents
    if _joint in _PAIRED:
        POSITIONS[_right(_joint)] = np.array(_place, float) * (-1, 1, 1)
        PARENTS[_right(_joint)] = tuple(map(_right, _parents))
for _side in "lr":
    for _finger in ("thumb", "index", "middle", "ring", "pinky"):
        PARENTS |= {f"{_side}{_finger}{n}": (f"{_side}{_finger}{n - 1}", f"{_side}wrist") for n in range(1, 5)}
PARENTS |= {f"face{number}": ("nose",) for number in range(68)}
# The trunk and the head, which hardly bend.
RIGID = {joint for joint in POSITIONS if joint in _BODY and joint[1:] in ("eye", "ear", "shoulder", "hip")}
RIGID |= {_right(joint) for joint in RIGID}
RIGID |= {"hip", "spine", "thorax", "neck", "headbottom", "necknose", "nose", "head", "headtop"}

LEAST_JOINTS = 6  # of the trunk and the head that a pose must show: four fit any body
MEASURED = 100  # poses


def rigid_places(joints: Sequence[str]) -> list[int]:
    """Places of the joints of the trunk and the head, each of them once."""
    spelled = [canonical(joint) for joint in joints]
    return [place for place, joint in enumerate(spelled) if joint in RIGID and joint not in spelled[:place]]


def misfit(pose: Float[np.ndarray, "n j d"], seen: Bool[np.ndarray, "n j"], joints: Sequence[str]) -> float:
    """How far poses are from a body whose joints have these names; infinite where no pose shows enough of its joints.

    A camera far away sees a rigid body by an affine map. The trunk and the head are nearly rigid: the map of their
    joints in a standing body that comes nearest to those of a pose leaves a residual, which is measured by the spread
    of these joints. The median over the poses is 0.1 to 0.3 for the right names, and 0.2 to 1 for others.

    Args:
        pose: two or three coordinates in any unit.
        seen: which of the joints count.
        joints: a name for each.
    """
    places = rigid_places(joints)
    pose, seen = pose[:, places], seen[:, places]
    enough = np.flatnonzero(seen.sum(axis=1) >= LEAST_JOINTS)
    if not len(enough):
        return np.inf
    body, residuals = np.array([POSITIONS[canonical(joints[place])] for place in places]), []
    for row in enough[:: max(len(enough) // MEASURED, 1)]:
        one, other = (points[seen[row]] - points[seen[row]].mean(axis=0) for points in (body, pose[row]))
        spread = np.linalg.norm(other)
        if spread > 0:
            affine = np.linalg.lstsq(one, other, rcond=1e-6)[0]
            residuals.append(np.linalg.norm(one @ affine - other) / spread)
    return float(np.median(residuals)) if residuals else np.inf
