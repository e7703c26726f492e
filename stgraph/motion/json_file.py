"""A motion as JSON, one frame on each line."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.formats.files import replaced
from stgraph.motion.csv_file import rounded
from stgraph.motion.motion import Motion

AXES = "x right, y away from the camera, z up, floor at z = 0"


def write(motion: Motion, path: Path) -> str:
    """Write an object of what holds for the whole motion, and `frames`, a list of frames with the people in them.

    A person has `pose` (metres), `guessed`, `uncertainty` (metres, if it is known) and `keypoints` (pixels x and y,
    and a confidence, 0 where nothing was seen), all in the order of `skeleton.names`. Absent people are not listed.
    """
    skeleton, camera = motion.skeleton, motion.camera
    head: dict[str, Any] = {"fps": motion.fps, "size": motion.size, "unit": "metre", "axes": AXES}
    head["notes"] = motion.notes
    head["skeleton"] = {name: getattr(skeleton, name) for name in ("name", "names", "parents", "left", "right")}
    if camera is not None:
        arrays = {name: getattr(camera, name).tolist() for name in ("intrinsics", "rotation", "translation")}
        head["camera"] = {"name": camera.name, **arrays}
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, allow_nan=False)[:-1] + ', "frames": [')
        for t in range(len(motion)):
            file.write((",\n" if t else "\n") + json.dumps(frame_of(motion, t), allow_nan=False))
        file.write("\n]}\n")
    return ""


def frame_of(motion: Motion, t: int) -> dict[str, Any]:
    """A frame as JSON: its number, its time in seconds, and the people who are there."""
    people = []
    for m in np.flatnonzero(motion.present[t]):
        person = {"person": motion.person[m].item(), "pose": rounded(motion.pose[t, m], 5)}
        person["guessed"] = motion.guessed[t, m].tolist()
        if motion.uncertainty is not None:
            person["uncertainty"] = rounded(motion.uncertainty[t, m], 5)
        people.append(person | {"keypoints": rounded(motion.clean_keypoints[t, m], 3)})
    return {"frame": int(motion.frame[t]), "time": round(float(motion.time[t]), 6), "people": people}
