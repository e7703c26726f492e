"""One file, or one folder with a file for each frame, one clip: known by content.

Arrays, CSV, Kinetics' JSON, NTU's `.skeleton` and pyskl's annotations, which may be 3D, are read here; 2D keypoints of
any other form by `stgraph.formats.keypoints`.
"""

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.options import CLIP_FORMS
from data_prep.reading.csv_poses import csv_poses
from data_prep.reading.kinetics import SIZE as KINETICS_SIZE
from data_prep.reading.kinetics import read_kinetics
from data_prep.reading.left_out import Kind
from data_prep.reading.ntu import read_ntu
from data_prep.reading.poses import Poses, no_poses, order_of, persons_first
from data_prep.reading.pyskl import poses_of
from stgraph.data.recording import Track
from stgraph.errors import InputError
from stgraph.formats.keypoints.csv_rows import csv_tables
from stgraph.formats.keypoints.fit import UNCLEAR
from stgraph.formats.keypoints.poses import MOST_FRAMES
from stgraph.formats.keypoints.read import first_bytes, kind_of_bytes, read_keypoints
from stgraph.formats.numpy_files import load_npy, load_npz, npz_names
from stgraph.formats.safe_pickle import load_pickle
from stgraph.formats.video import is_video
from stgraph.skeleton import NTU25, OPENPOSE18, Skeleton

KINETICS = re.compile(rb'\{\s*"(data|label|label_index)"')
# What settles here what the reader of keypoints leaves open, by the kind of its error.
CONVERT = "convert it to CSV in pixels, whose columns name the joints"
REMEDIES: dict[Hashable, str] = {
    **dict.fromkeys((UNCLEAR, "scale", Kind.JOINT_COUNT), CONVERT),
    Kind.IMAGE_SIZE: "give it by --size WIDTHxHEIGHT",
    Kind.SEVERAL: "give each a folder or a file of its own",
}
SUFFIXES = (".npy", ".npz", ".csv", ".json", ".skeleton", ".pkl", ".pickle", ".h5", ".slp")


def read_poses(path: Path, order: str = "", size: tuple[int, int] | None = None) -> Poses:
    """The clip of a file, or of a folder with a file for each frame.

    Args:
        path: of the file or folder.
        order: axes of arrays, one of `poses.ORDERS`; inferred from their lengths if empty.
        size: of the images in pixels, for files with fractions of it.

    Raises:
        InputError: a file that is unreadable, empty, or of no known form, and all that its reader refuses.
    """
    if path.is_dir():
        return of_keypoints(path, size)
    if reader := READERS.get(form(path)):
        return reader(path, order)
    return of_keypoints(path, size)


def read_poses_like(path: Path, order: str, size: tuple[int, int] | None, known: Collection[str]) -> Poses:
    """As `read_poses`; an array whose axes are not clear, such as one of 3 frames, has those of the clips beside it.

    Args:
        known: orders of the clips beside it.
    """
    try:
        return read_poses(path, order, size)
    except InputError as error:
        if error.kind != Kind.SHAPE or order:
            raise
        fitting = []
        for one in known:
            with suppress(InputError):
                fitting.append(read_poses(path, one, size))
        if len(fitting) != 1:
            raise
        return fitting[0]


def form(path: Path) -> str:
    """Which of READERS a file is for, by its content, or another form of keypoints. Raises InputError for no form."""
    start = first_bytes(path)
    kind, text = kind_of_bytes(start), start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if kind == "empty":
        raise InputError("an empty file", where=path, expected=CLIP_FORMS, kind=Kind.EMPTY)
    if KINETICS.match(text):
        return "kinetics"
    if text.split(b"\n", 1)[0].strip().isdigit():
        return "skeleton"
    if is_video(path):
        remedy = "`python -m stgraph.track --in VIDEO --out KEYPOINTS.json` finds the people in it"
        raise InputError("is a video", where=path, expected=CLIP_FORMS, remedy=remedy)
    if kind in ("", "numbers"):
        raise InputError(f"begins with {start[:12]!r}", where=path, expected=CLIP_FORMS)
    return "keypoints" if kind == "npz" and is_keypoints(npz_names(path)) else kind


def is_keypoints(names: tuple[str, ...]) -> bool:
    """Whether the arrays of an `.npz` file are named as those of 2D keypoints, by VideoPose3D or rtmlib."""
    return "positions_2d" in names or ("keypoints" in names and len(names) > 1)


def of_keypoints(path: Path, size: tuple[int, int] | None = None) -> Poses:
    """The poses of keypoints: people by their identities, or where there are none by their order in every frame.

    Raises:
        InputError: as `read_keypoints`, with remedies that exist here.
    """
    try:
        keypoints = read_keypoints(path, size=size)
    except InputError as error:
        given = {name: getattr(error, name) for name in ("problem", "where", "found", "expected", "kind")}
        raise InputError(**given, remedy=REMEDIES.get(error.kind, error.remedy)) from error
    first, stop = keypoints.frames
    frame, person = keypoints.frame - first, keypoints.person
    if (person < 0).any():
        person = np.arange(len(frame)) - np.searchsorted(frame, frame)
    place = np.unique(person, return_inverse=True)[1]
    joints, channels = keypoints.pose.shape[1:]
    values = no_poses((int(place.max(initial=0)) + 1, stop - first, joints, channels), np.float32)
    values[place, frame] = keypoints.pose
    return Poses(values, "xyc", keypoints.size, joints=keypoints.joints)


def read_npz(path: Path, order: str) -> Poses:
    arrays = load_npz(path)
    return of_content(arrays if "keypoint" in arrays or len(arrays) != 1 else next(iter(arrays.values())), order, path)


def of_content(content: Any, order: str, path: Path) -> Poses:
    """Poses of an array or an annotation. Raises InputError for anything else."""
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    if isinstance(content, np.ndarray):
        order = order_of(content, order)
        return Poses(persons_first(np.array(content), order), order=order)
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
    values = no_poses((1 + max(track.person for track in tracks), frames, len(skeleton), 3), np.float32)
    for track in tracks:
        pose = track.pose3d if track.pose3d is not None else next(iter(track.pose2d.values()))
        values[track.person, track.frame : track.frame + len(track)] = pose
    return Poses(values, "xyz" if tracks[0].pose3d is not None else "xyc", size, axes, skeleton.names)


READERS: dict[str, Callable[[Path, str], Poses]] = {
    "npy": lambda path, order: of_content(load_npy(path), order, path),
    "npz": read_npz,
    "csv": read_csv,
    "pickle": lambda path, order: of_content(load_pickle(path), order, path),
    "kinetics": lambda path, order: of_tracks(read_kinetics(path, MOST_FRAMES), OPENPOSE18, size=KINETICS_SIZE),
    "skeleton": lambda path, order: of_tracks(read_ntu(path), NTU25, axes="camera"),
}
