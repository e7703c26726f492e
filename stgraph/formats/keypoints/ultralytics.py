"""Ultralytics' text files: one for each frame (`NAME_12.txt`), a line for each person, normalised by the image.

A line is a class, a box (centre x, centre y, width, height), K times (x, y) or (x, y, confidence), and perhaps the
person's confidence and identity. Its length does not tell how many keypoints there are: of all that are possible, the
number is taken with which the keypoints lie in their boxes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.body import misfit
from stgraph.formats.keypoints.content import CUT, NO_CONFIDENCE, no_people
from stgraph.formats.keypoints.fit import FITS
from stgraph.formats.keypoints.frames import videos_of
from stgraph.formats.keypoints.layouts import LAYOUTS, layouts_of
from stgraph.formats.keypoints.poses import Options, Raw
from stgraph.skeleton import MOST_JOINTS

BOX = 5  # numbers before the keypoints: the class and the box
MARGIN, INSIDE = 0.15, 0.95  # of the box's size; share of the keypoints that lie in a box with such margins


def is_lines(start: bytes) -> bool:
    """Whether a file's first bytes are a line of Ultralytics."""
    values = first_numbers(start)
    return len(values) > BOX + 1 and values[0].is_integer() and -1 <= values[0] <= 1e9 and max(values[1:BOX]) <= 1.5


def is_cut(start: bytes) -> bool:
    """Whether a file's first bytes may be the beginning of a line of Ultralytics."""
    return 0 < len(first_numbers(start)) <= BOX + 1


def first_numbers(start: bytes) -> list[float]:
    """The numbers of the first line, none where there are other words."""
    try:
        return [float(word) for word in start.split(b"\n", 1)[0].split()]
    except ValueError:
        return []


def read_lines(paths: list[Path], folder: str, options: Options) -> list[Raw]:
    """The videos of some files. Raises InputError for malformed lines, or an unclear number of keypoints."""
    return [video(name, frames, notes, options) for name, frames, notes in videos_of(paths, folder)]


def video(name: str, frames: Mapping[Path, int], notes: list[str], options: Options) -> Raw:
    """The video of some files. Raises InputError."""
    rows, frame, first = [], [], next(iter(frames))
    for path, number in frames.items():
        for line, row in lines(path):
            if rows and len(row) != len(rows[0]):
                expected = f"{len(rows[0])}, as in {first}"
                found, remedy = f"{len(row)} numbers", f"{CUT}, or leave it out"
                raise InputError(where=f"{path}, line {line}", found=found, expected=expected, remedy=remedy)
            rows.append(row)
            frame.append(number)
    if not rows:
        raise no_people(first.parent)
    values = np.array(rows)
    joints, channels = reading(values, options, str(first))
    keypoints = values[:, BOX : BOX + joints * channels].reshape(len(values), joints, channels)
    rest = values[:, BOX + joints * channels :]
    if channels == 2:
        keypoints = np.concatenate([keypoints, np.ones((len(values), joints, 1))], axis=-1)
        notes = [*notes, NO_CONFIDENCE]
    score, person = None, None
    if rest.shape[1]:
        last: Float[np.ndarray, " n"] = rest[:, -1]
        if (last == np.round(last)).all() and (rest.shape[1] == 2 or last.max() >= 1):
            person = last.astype(int)
        if rest.shape[1] == 2 or person is None:
            score = rest[:, 0]
    centre, half = values[:, 1:3], values[:, 3:BOX] / 2
    return Raw(
        name,
        "Ultralytics",
        frame,
        pose=keypoints,
        person=person,
        score=score,
        box=np.concatenate([centre - half, centre + half], axis=1),
        layouts=("coco17",),
        scale="fractions",
        notes=notes,
    )


def lines(path: Path) -> Iterator[tuple[int, list[float]]]:
    """Number and values of each line. Raises InputError for other things than numbers."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=path, remedy="leave the file out") from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise InputError(where=f"{path}, line {number}", found=line[:40], expected="numbers alone") from error
        if not np.isfinite(values).all() or np.abs(values).max() > 2**31:
            raise InputError(where=f"{path}, line {number}", found=line[:40], expected="finite numbers")
        yield number, values


def reading(values: Float[np.ndarray, "n w"], options: Options, where: str) -> tuple[int, int]:
    """How many keypoints there are and how many numbers each has. Raises InputError where it is not clear."""
    width = values.shape[1]
    possible = {
        (joints, channels): rest
        for channels in (2, 3)
        for rest in (0, 1, 2)
        if (joints := (width - BOX - rest) // channels) > 0
        and BOX + joints * channels + rest == width
        and joints <= MOST_JOINTS
        and options.joints in (None, joints)
    }
    fitting = [one for one in possible if len(possible) == 1 or fits(values, *one)]
    # Several boxes are wide enough: a person in a known order of joints is no coincidence.
    if len(fitting) != 1 and (bodies := [one for one in fitting if is_body(values, *one)]):
        fitting = bodies
    if len(fitting) == 1:
        return fitting[0]
    counts = sorted({joints for joints, _ in fitting or possible})
    found = f"{width} numbers in a line, for {' or '.join(map(str, counts)) or 'no possible number of'} keypoints"
    remedy = "say how many keypoints by --joints"
    raise InputError(where=where, found=found, expected="one reading", remedy=remedy, kind="joint count")


def fits(values: Float[np.ndarray, "n w"], joints: int, channels: int) -> bool:
    """Whether the keypoints lie in their boxes, and confidences are from 0 to 1 (or visibilities 0, 1, 2)."""
    points = values[:, BOX : BOX + joints * channels].reshape(len(values), joints, channels)
    rest = values[:, BOX + joints * channels :]
    if rest.shape[1] == 2 and (rest[:, 1] != np.round(rest[:, 1])).any():
        return False
    confidence = points[..., 2:]
    if ((confidence < 0) | (confidence > 1) & (confidence != 2)).any():
        return False
    seen = points[..., :2].any(axis=-1) & (confidence > 0).all(axis=-1)
    away = np.abs(points[..., :2] - values[:, None, 1:3]) / np.maximum(values[:, None, 3:BOX], 1e-9)
    inside = away[seen].max(axis=-1) <= 0.5 + MARGIN
    return len(inside) > 0 and float(inside.mean()) >= INSIDE


def is_body(values: Float[np.ndarray, "n w"], joints: int, channels: int) -> bool:
    """Whether the keypoints are a body in the order of a known layout."""
    points = values[:, BOX : BOX + joints * channels].reshape(len(values), joints, channels)
    seen = points[..., :2].any(axis=-1) & (points[..., 2:] > 0).all(axis=-1)
    return any(misfit(points[..., :2], np.asarray(seen), LAYOUTS[name]) < FITS for name in layouts_of(joints))
