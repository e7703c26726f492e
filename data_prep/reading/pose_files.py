"""One file, one clip: arrays, CSV, Kinetics' JSON, NTU's `.skeleton`, pyskl's annotations, known by content."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.reading.csv_poses import csv_poses
from data_prep.reading.kinetics import SIZE as KINETICS_SIZE
from data_prep.reading.kinetics import read_kinetics
from data_prep.reading.left_out import Kind
from data_prep.reading.ntu import read_ntu
from data_prep.reading.poses import Poses, persons_first
from data_prep.reading.pyskl import poses_of
from stgraph.data.recording import Track
from stgraph.errors import InputError
from stgraph.formats.keypoints.csv_rows import csv_tables
from stgraph.formats.keypoints.poses import MOST_FRAMES
from stgraph.formats.numpy_files import load_npy, load_npz
from stgraph.formats.safe_pickle import load_pickle
from stgraph.skeleton import NTU25, OPENPOSE18, Skeleton

FORMS = ".npy or .npz of one array, .csv, Kinetics' .json, NTU's .skeleton, or a .pkl of one annotation"
SUFFIXES = (".npy", ".npz", ".csv", ".json", ".skeleton", ".pkl", ".pickle")


def read_poses(path: Path, order: str = "") -> Poses:
    """The clip of a file.

    Args:
        order: axes of arrays, one of `poses.ORDERS`; inferred from their lengths if empty.

    Raises:
        InputError: a file that is unreadable, empty, or in no form that is known, and whatever else is wrong with it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(error.strerror or str(error), where=path) from error
    if not start.strip():
        raise InputError("an empty file", where=path, expected=FORMS, kind=Kind.EMPTY)
    return READERS[form(start, path)](path, order)


def form(start: bytes, path: Path) -> str:
    """Which of READERS a file is for, by its first bytes. Raises InputError where it is for none."""
    for name, mark in (("npy", b"\x93NUMPY"), ("npz", b"PK\x03\x04"), ("pickle", b"\x80")):
        if start.startswith(mark):
            return name
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    first = text.split(b"\n", 1)[0].strip()
    if text[:1] == b"{":
        return "json"
    if first.isdigit():
        return "skeleton"
    if b"\0" not in start and first.count(b",") > 1:
        return "csv"
    raise InputError(f"begins with {start[:12]!r}", where=path, expected=FORMS)


def read_npz(path: Path, order: str) -> Poses:
    arrays = load_npz(path)
    return of_content(arrays if "keypoint" in arrays or len(arrays) != 1 else next(iter(arrays.values())), order, path)


def of_content(content: Any, order: str, path: Path) -> Poses:
    """Poses of an array or an annotation. Raises InputError for anything else."""
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    if isinstance(content, np.ndarray):
        return Poses(persons_first(np.array(content), order))
    if isinstance(content, Mapping) and "keypoint" in content:
        return poses_of(content)
    actual = f"{', '.join(map(str, content))}" if isinstance(content, Mapping) else f"a {type(content).__name__}"
    raise InputError(where=path, found=actual, expected="one array, or an annotation with keypoint")


def read_csv(path: Path, order: str) -> Poses:
    columns, tables = csv_tables(path)
    if len(tables) != 1:
        problem = f"clips {', '.join(list(tables)[:5])}"
        raise InputError(problem, where=path, expected="one, or use `arrays`", kind=Kind.SEVERAL)
    return csv_poses(next(iter(tables.values())), columns)


def of_tracks(
    tracks: Sequence[Track], skeleton: Skeleton, size: tuple[int, int] | None = None, axes: str = ""
) -> Poses:
    """Poses of tracks, the 3D where there is any; zero where a person is not there."""
    frames = max(track.frame + len(track) for track in tracks)
    values = np.zeros((1 + max(track.person for track in tracks), frames, len(skeleton), 3), np.float32)
    for track in tracks:
        pose = track.pose3d if track.pose3d is not None else next(iter(track.pose2d.values()))
        values[track.person, track.frame : track.frame + len(track)] = pose
    return Poses(values, "xyz" if tracks[0].pose3d is not None else "xyc", size, axes, skeleton.names)


READERS: dict[str, Callable[[Path, str], Poses]] = {
    "npy": lambda path, order: of_content(load_npy(path), order, path),
    "npz": read_npz,
    "csv": read_csv,
    "pickle": lambda path, order: of_content(load_pickle(path), order, path),
    "json": lambda path, order: of_tracks(read_kinetics(path, MOST_FRAMES), OPENPOSE18, size=KINETICS_SIZE),
    "skeleton": lambda path, order: of_tracks(read_ntu(path), NTU25, axes="camera"),
}
