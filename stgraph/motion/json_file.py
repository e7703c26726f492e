"""A motion as JSON, one frame on each line."""

import json
from itertools import pairwise
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
        bounds = np.searchsorted(motion.rows.frame, np.arange(len(motion) + 1))
        for t, (first, last) in enumerate(pairwise(bounds.tolist())):
            frame = frame_of(motion, t, range(first, last))
            file.write((",\n" if t else "\n") + json.dumps(frame, allow_nan=False))
        file.write("\n]}\n")
    return ""


def frame_of(motion: Motion, t: int, of_frame: range) -> dict[str, Any]:
    """A frame as JSON: its number, its time in seconds, and the people who are there, of these rows."""
    people, rows = [], motion.rows
    for row in of_frame:
        if not rows.there[row]:
            continue
        person = {"person": motion.person[rows.person[row]].item(), "pose": rounded(rows.pose[row], 5)}
        person["guessed"] = rows.guessed[row].tolist()
        if rows.uncertainty is not None:
            person["uncertainty"] = rounded(rows.uncertainty[row], 5)
        keypoints = np.where(rows.seen[row, :, None], rows.keypoints[row], 0)
        people.append(person | {"keypoints": rounded(keypoints, 3)})
    return {"frame": int(motion.frame[t]), "time": round(float(motion.time[t]), 6), "people": people}
