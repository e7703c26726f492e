"""The orders in which pose estimators write joints, by their official names.

Trees, mirrors and mappings to other layouts are derived from the names.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stgraph.errors import InputError
from stgraph.formats.json_files import read_json
from stgraph.formats.keypoints.body import PARENTS
from stgraph.formats.keypoints.names import canonical, sides
from stgraph.skeleton import (
    COCO17,
    H36M16,
    H36M17,
    H36M32,
    HAND21,
    NTU25,
    OPENPOSE18,
    POSETRACK15,
    POSETRACK17,
    SKELETONS,
    Skeleton,
    skeleton_from,
)

_SIDES = "LR"
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_COCO = " ".join(COCO17.names)
_FEET = " ".join(f"{side}{part}" for side in _SIDES for part in ("BigToe", "SmallToe", "Heel"))
_HALPE = f"{_COCO} Head Neck Hip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel"
_FACE = " ".join(f"Face{number}" for number in range(68))
_HANDS = " ".join(
    f"{side}HandRoot " + " ".join(f"{side}{finger}{joint}" for finger in _FINGERS for joint in range(1, 5))
    for side in _SIDES
)
# OpenPose's BODY_25 and MPI models; Halpe as AlphaPose has it; COCO with feet and as a whole body; BlazePose; others of
# MMPose's data sets.
_ORDERS = {
    "body25": "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
    "mpi15": "Head Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle Chest",
    "halpe26": _HALPE,
    "halpe136": f"{_HALPE} {_FACE} {_HANDS}",
    "coco23": f"{_COCO} {_FEET}",
    "wholebody133": f"{_COCO} {_FEET} {_FACE} {_HANDS}",
    "mediapipe33": "Nose LEyeInner LEye LEyeOuter REyeInner REye REyeOuter LEar REar MouthLeft MouthRight LShoulder "
    "RShoulder LElbow RElbow LWrist RWrist LPinky RPinky LIndex RIndex LThumb RThumb LHip RHip LKnee RKnee LAnkle "
    "RAnkle LHeel RHeel LFootIndex RFootIndex",
    "mpii16": "RAnkle RKnee RHip LHip LKnee LAnkle Pelvis Thorax UpperNeck HeadTop RWrist RElbow RShoulder LShoulder "
    "LElbow LWrist",
    "crowdpose14": "LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle HeadTop Neck",
    "aic14": "RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle HeadTop Neck",
}
_SKELETONS = (COCO17, H36M17, POSETRACK17, OPENPOSE18, NTU25, H36M16, H36M32, POSETRACK15, HAND21)
LAYOUTS: Mapping[str, tuple[str, ...]] = {
    **{skeleton.name: skeleton.names for skeleton in _SKELETONS},
    **{name: tuple(order.split()) for name, order in _ORDERS.items()},
}


def layouts_of(joints: int, among: Iterable[str] = LAYOUTS) -> list[str]:
    """Names of the layouts with so many joints, of all that are known or of some.

    >>> layouts_of(17), layouts_of(17, ("coco17", "halpe26"))
    (['coco17', 'h36m17', 'posetrack17'], ['coco17'])
    """
    return [name for name in among if len(LAYOUTS[name]) == joints]


def find_layout(layout: str | Skeleton | Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Name and joints of a layout: known by its name, in a JSON file, a skeleton, or the names of the joints.

    Raises:
        InputError: no such layout or file, or names that are there twice.
    """
    if isinstance(layout, Skeleton):
        return layout.name, layout.names
    if not isinstance(layout, str):
        names = tuple(map(str, layout))
        if not names or len({*names}) < len(names):
            raise InputError(where="layout", found=f"{len(names)} names", expected="a different name for each joint")
        return "", names
    if layout in LAYOUTS:
        return layout, LAYOUTS[layout]
    skeleton = skeleton_file("--layout", layout, LAYOUTS)
    return skeleton.name, skeleton.names


def skeleton_file(option: str, name: str, known: Iterable[str]) -> Skeleton:
    """The skeleton of a JSON file that an option names. Raises InputError, with the names that are known, for none."""
    example = 'a JSON file such as {"name": "arm", "names": ["Elbow", "Wrist"], "parents": [null, "Elbow"]}'
    if not Path(name).is_file():
        expected = f"one of {', '.join(known)}, or {example}"
        raise InputError("no such file and no known layout", where=f"{option} {name}", expected=expected)
    return skeleton_from(read_json(Path(name), example), name)


def known_skeleton(joints: Sequence[str], name: str = "") -> Skeleton | None:
    """The tree of joints whose names are a body's; None where one has another name.

    A joint hangs on the first of those that it may hang on (`body.PARENTS`) and that is there.
    """
    for skeleton in (*SKELETONS.values(), POSETRACK17):
        if skeleton.names == tuple(joints):
            return skeleton
    spelled = [canonical(joint) for joint in joints]
    if not {*spelled} <= {*PARENTS}:
        return None
    places = {joint: spelled.index(joint) for joint in spelled}
    parents = [
        # The wrist of a hand's own model hangs on the body's.
        places[joint]
        if places[joint] != place
        else next((places[parent] for parent in PARENTS[joint] if parent in places), -1)
        for place, joint in enumerate(spelled)
    ]
    left, right = sides(joints)
    try:
        return Skeleton(name or "keypoints", tuple(joints), tuple(parents), left, right)
    except InputError:  # several roots, of a part of a body
        return None
