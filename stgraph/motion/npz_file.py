"""A motion as an `.npz` file, which numpy reads without pickle and `Motion.load` reads back."""

from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.formats.numpy_files import load_npz
from stgraph.motion.motion import Motion
from stgraph.motion.rows import Rows
from stgraph.skeleton import Skeleton

FORMAT = "stgraph motion 1"
ARRAYS = ("frame", "person", "pose", "guessed", "keypoints")
JOINTS_OF = ("pose", "guessed", "keypoints", "uncertainty")
JOINTS = ("names", "parents", "left", "right")
CAMERA = ("intrinsics", "rotation", "translation")


def write(motion: Motion, path: Path) -> str:
    """Write all fields of a motion; those of the skeleton and the camera have names such as `skeleton_parents`.

    The arrays of joints have axes of frames and people. Where people are in fewer than half of these cells, they have
    an axis of rows instead, and `row_frame` and `row_person` hold the places of each row's frame and person.
    """
    skeleton, camera, rows = motion.skeleton, motion.camera, motion.rows
    sparse = 2 * len(rows) < len(motion.frame) * len(motion.person)
    joints = rows if sparse else motion
    arrays: dict[str, Any] = {"frame": motion.frame, "person": motion.person}
    arrays |= {name: getattr(joints, name) for name in JOINTS_OF}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    arrays |= {"row_frame": rows.frame, "row_person": rows.person} if sparse else {}
    arrays |= {"format": FORMAT, "fps": motion.fps, "size": motion.size, "notes": np.array(motion.notes, str)}
    arrays |= {"skeleton": skeleton.name, "skeleton_names": skeleton.names, "skeleton_centre": skeleton.centre}
    arrays |= {f"skeleton_{name}": np.array(getattr(skeleton, name), int) for name in JOINTS[1:]}
    if camera is not None:
        arrays |= {"camera": camera.name} | {f"camera_{name}": getattr(camera, name) for name in CAMERA}
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return ""


def read(path: Path) -> Motion:
    """Read what `write` wrote.

    Raises:
        InputError: no such file, a damaged one, one that is no motion, or fields that do not go together.
    """
    arrays = load_npz(path)
    wanted = ("format", "fps", "size", "notes", *ARRAYS, "skeleton", *(f"skeleton_{name}" for name in JOINTS))
    if missing := [name for name in wanted if name not in arrays]:
        problem = f"is no motion, as it lacks {', '.join(missing)}"
        raise InputError(problem, where=path, expected="a file that Motion.save wrote")
    if str(arrays["format"]) != FORMAT:
        raise InputError(where=path, found=f"format {arrays['format']}", expected=FORMAT)
    centre = arrays.get("skeleton_centre", -1)  # absent from older files: the root
    try:
        names, parents, left, right = (tuple(arrays[f"skeleton_{name}"].tolist()) for name in JOINTS)
        width, height = arrays["size"].tolist()
        skeleton = Skeleton(str(arrays["skeleton"]), names, parents, left=left, right=right, centre=int(centre))
        about = {"camera": _camera(arrays, width, height), "notes": tuple(arrays["notes"].tolist())}
        joints: dict[str, Any] = {name: arrays.get(name) for name in JOINTS_OF}
        fps, size = float(arrays["fps"]), (width, height)
        frame, person = arrays["frame"], arrays["person"]
        if "row_frame" in arrays:
            rows = Rows(arrays["row_frame"], arrays["row_person"], **joints)
            return Motion(skeleton, fps, frame, person=person, rows=rows, size=size, **about)
        return Motion.of(skeleton, fps, frame=frame, person=person, size=size, **joints, **about)
    # What is no array, but an object in one, fails in all of these ways.
    except (AttributeError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise InputError(str(error), where=path, remedy="save the motion again") from error


def _camera(arrays: dict[str, np.ndarray], width: int, height: int):
    """The camera of a file's arrays, if they hold one."""
    if "camera" not in arrays:
        return None
    from stgraph.geometry import Camera

    return Camera(str(arrays["camera"]), width, height, *(arrays[f"camera_{name}"] for name in CAMERA))
