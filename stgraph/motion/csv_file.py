"""A motion as CSV: one row for each frame, person and joint, as pandas and R like it."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stgraph.formats.files import replaced
from stgraph.motion.motion import Motion

COLUMNS = ["frame", "time", "person", "joint", "x", "y", "z", "guessed", "uncertainty", "u", "v", "confidence"]


def write(motion: Motion, path: Path) -> str:
    """Write `COLUMNS`: seconds, metres (z up), guessed as True or False, and pixels u and v of the keypoint.

    A person has rows from its first frame to its last. Cells are empty where there is nothing to say: x, y and
    z in frames without the person, u and v of joints that were not seen, the uncertainty where it is not known.
    """
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in np.flatnonzero(motion.rows.spanned).tolist():
            writer.writerows(lines(motion, row))
    return ""


def lines(motion: Motion, row: int) -> Iterator[tuple]:
    """The lines of a person in a frame."""
    names, empty, rows = motion.skeleton.names, ("",) * len(motion.skeleton), motion.rows
    t = rows.frame[row]
    about = (int(motion.frame[t]), round(float(motion.time[t]), 6), motion.person[rows.person[row]])
    guessed, seen = rows.guessed[row].tolist(), rows.seen[row]
    *pixels, confidence = np.where(seen[:, None], rows.keypoints[row], 0).T
    u, v = (
        [value if there else "" for value, there in zip(rounded(values, 2), seen, strict=True)] for values in pixels
    )
    place, spread = (empty, empty, empty), empty
    if rows.there[row]:
        place = rounded(rows.pose[row].T, 5)
        spread = empty if rows.uncertainty is None else rounded(rows.uncertainty[row], 5)
    for name, *values in zip(names, *place, guessed, spread, u, v, rounded(confidence, 4), strict=True):
        yield (*about, name, *values)


def rounded(values: Float[np.ndarray, "..."], digits: int) -> list:
    """Numbers that are written with so many digits."""
    return np.round(values.astype(np.float64), digits).tolist()
