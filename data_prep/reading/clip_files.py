"""One file, one clip: arrays, CSV, Kinetics' JSON, NTU's `.skeleton` and pyskl's annotations, told by their content."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.reading.clip_poses import Poses, Unusable, persons_first, spelling
from data_prep.reading.kinetics_files import SIZE as KINETICS_SIZE
from data_prep.reading.kinetics_files import read_kinetics
from data_prep.reading.ntu_files import read_ntu
from data_prep.sources.pyskl.source import poses_of
from stgraph.data.recording import Track
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy, load_npz
from stgraph.formats.safe_pickle import load_pickle
from stgraph.skeleton import NTU25, OPENPOSE18, Skeleton

COLUMN = re.compile(
    r"(?P<joint>.+?)[ _.:-](?P<channel>x|y|z|c|conf|confidence|score|likelihood|visibility)", re.IGNORECASE
)
CSV_FORM = (
    "a header, and a row for every frame and person: clip, label, frame, person (left out: one person), and columns "
    "JOINT_x, JOINT_y and perhaps JOINT_z or JOINT_confidence for every joint; empty cells are unseen"
)
FORMS = ".npy or .npz of one array, .csv, Kinetics' .json, NTU's .skeleton, or a .pkl of one annotation"
# What the readers of whole datasets say of a clip, to be counted.
KINDS = {"no person": ("no person", "nobody"), "joint count": (" joints",), "empty": (": empty",)}
SUFFIXES = (".npy", ".npz", ".csv", ".json", ".skeleton", ".pkl", ".pickle")
MOST_FRAMES = 1_000_000  # of a clip: what is beyond is no number of a frame


@dataclass
class Table:
    """The rows of one clip in a CSV file: its label, and (frame, person) -> the joints' numbers."""

    label: str
    rows: dict[tuple[int, int], list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """Where a CSV file has what, by the places of the columns.

    Attributes:
        keys: "clip", "label", "frame", "person" -> its place, for those that are there.
        joints: names in their order.
        channels: "xy", "xyc" or "xyz".
        places: of every joint's channels, joint by joint.
    """

    keys: dict[str, int]
    joints: tuple[str, ...]
    channels: str
    places: tuple[int, ...]


def read_clip(path: Path, order: str = "") -> Poses:
    """The clip of a file.

    Args:
        order: axes of arrays, one of `clip_poses.ORDERS`; told by their lengths if empty.

    Raises:
        Unusable: a file that is unreadable, empty, or in no form that is known, and whatever else is wrong with it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise Unusable("unreadable", f"{path}: {error.strerror}") from error
    if not start.strip():
        raise Unusable("empty", f"{path}: an empty file; expected {FORMS}")
    try:
        return FORMATS[form(start, path)](path, order)
    except Unusable:
        raise
    except InputError as error:
        kind = next((kind for kind, words in KINDS.items() if any(word in str(error) for word in words)), "unreadable")
        raise Unusable(kind, str(error)) from error


def form(start: bytes, path: Path) -> str:
    """Which form a file is in, by its first bytes. Raises Unusable."""
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
    raise Unusable("unreadable", f"{path}: begins with {start[:12]!r}; expected {FORMS}")


def read_npy(path: Path, order: str) -> Poses:
    return Poses(persons_first(np.array(load_npy(path)), order, str(path)))


def read_npz(path: Path, order: str) -> Poses:
    arrays = load_npz(path)
    if "keypoint" in arrays:
        return poses_of(arrays, str(path))
    if len(arrays) != 1:
        raise Unusable("unreadable", f"{path}: arrays {', '.join(arrays)}; expected one, or an annotation's")
    (values,) = arrays.values()
    return Poses(persons_first(np.asarray(values), order, str(path)))


def read_annotation(path: Path, order: str) -> Poses:
    value = load_pickle(path)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, np.ndarray):
        return Poses(persons_first(value, order, str(path)))
    if not isinstance(value, dict) or "keypoint" not in value:
        raise Unusable("unreadable", f"{path}: a {type(value).__name__} without keypoint; expected one annotation")
    return poses_of(value, str(path))


def read_json(path: Path, order: str) -> Poses:
    return of_tracks(read_kinetics(path, MOST_FRAMES), OPENPOSE18, size=KINETICS_SIZE)


def read_skeleton(path: Path, order: str) -> Poses:
    return of_tracks(read_ntu(path), NTU25, axes="camera")


def of_tracks(tracks: Sequence[Track], skeleton: Skeleton, **about: Any) -> Poses:
    """Poses of tracks, the 3D where there is any; zero where a person is not there."""
    frames = max(track.frame + len(track) for track in tracks)
    values = np.zeros((1 + max(track.person for track in tracks), frames, len(skeleton), 3), np.float32)
    for track in tracks:
        pose = track.pose3d if track.pose3d is not None else next(iter(track.pose2d.values()))
        values[track.person, track.frame : track.frame + len(track)] = pose
    return Poses(values, "xyz" if tracks[0].pose3d is not None else "xyc", joints=skeleton.names, **about)


# CSV ------------------------------------------------------------------------------------------------------------------


def read_csv(path: Path, order: str) -> Poses:
    columns, tables = csv_tables(path)
    if len(tables) != 1:
        raise Unusable("several clips", f"{path}: clips {', '.join(list(tables)[:5])}; expected one, or use `arrays`")
    return csv_poses(next(iter(tables.values())), columns, str(path))


def csv_tables(path: Path) -> tuple[Columns, dict[str, Table]]:
    """The rows of every clip in a CSV file, by the clip's name; "" where no column names it.

    Raises:
        Unusable: no header, a row without a frame, several labels for a clip, or two rows for one person and frame.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            columns = csv_columns(next(rows, []), path)
            tables: dict[str, Table] = {}
            for line, row in enumerate(rows, start=2):
                if row:
                    add_row(tables, row, columns, f"{path}, line {line}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unusable("unreadable", f"{path}: {error}; expected {CSV_FORM}") from error
    if not tables:
        raise Unusable("empty", f"{path}: no rows under the header; expected {CSV_FORM}")
    return columns, tables


def csv_columns(header: Sequence[str], path: Path) -> Columns:
    """What the columns are. Raises Unusable."""
    header = [cell.strip() for cell in header]
    keys = {
        cell.lower(): place for place, cell in enumerate(header) if cell.lower() in ("clip", "label", "frame", "person")
    }
    names: dict[str, str] = {}
    joints: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(header):
        if place not in keys.values() and (found := COLUMN.fullmatch(cell)):
            joint, channel = spelling(found["joint"]), found["channel"].lower()
            names.setdefault(joint, found["joint"])
            earlier = joints.setdefault(joint, {}).setdefault("c" if channel not in "xyz" else channel, place)
            if earlier != place:
                raise Unusable("header", f"{path}: columns {header[earlier]} and {cell} are one joint's; leave one out")
    channels = {"".join(sorted(places, key="xyzc".index)) for places in joints.values()}
    if "frame" not in keys or len(channels) != 1 or not channels <= {"xy", "xyc", "xyz", "xyzc"}:
        what = f"joints have {', '.join(sorted(channels)) or 'no columns'}" if "frame" in keys else "no column `frame`"
        raise Unusable("header", f"{path}: {what}, in the header {','.join(header)[:200]}; expected {CSV_FORM}")
    kept = channels.pop()[:3]
    return Columns(
        keys, tuple(names.values()), kept, tuple(places[axis] for places in joints.values() for axis in kept)
    )


def add_row(tables: dict[str, Table], row: list[str], columns: Columns, where: str) -> None:
    """Put a row where it belongs. Raises Unusable."""
    if len(row) <= max(*columns.keys.values(), *columns.places):
        raise Unusable(
            "unreadable", f"{where}: {len(row)} cells, fewer than the header; the file may have been cut short"
        )
    clip, label = (row[columns.keys[key]].strip() if key in columns.keys else "" for key in ("clip", "label"))
    table = tables.setdefault(clip, Table(label))
    if table.label != label:
        raise Unusable("label", f"{where}: label {label!r} after {table.label!r} in clip {clip!r}; expected one a clip")
    frame, person = (row[columns.keys[key]].strip() if key in columns.keys else "0" for key in ("frame", "person"))
    if not frame.isdecimal() or not person.isdecimal() or int(frame) > MOST_FRAMES:
        raise Unusable("unreadable", f"{where}: frame {frame!r}, person {person!r}; expected whole numbers from 0")
    if (int(frame), int(person)) in table.rows:
        raise Unusable(
            "doubled", f"{where}: person {person} has frame {frame} of clip {clip!r} twice; expected one row"
        )
    table.rows[int(frame), int(person)] = [row[place] for place in columns.places]


def csv_poses(table: Table, columns: Columns, where: str) -> Poses:
    """The poses of a clip's rows; frames count from the first, and by the step that all of them are apart.

    Raises:
        Unusable: cells that are no numbers, or a joint in 3D without them.
    """
    frames, persons = (np.array(numbers) for numbers in zip(*table.rows, strict=True))
    frames = (frames - frames.min()) // max(np.gcd.reduce(frames - frames.min()), 1)
    cells = np.array(list(table.rows.values()))
    empty = np.char.strip(cells) == ""
    try:
        numbers = np.where(empty, "0", cells).astype(np.float64)
    except ValueError as error:
        raise Unusable(
            "unreadable", f"{where}: {error}; expected numbers, or empty cells for what was not seen"
        ) from error
    numbers = numbers.reshape(len(cells), len(columns.joints), -1)
    empty = empty.reshape(numbers.shape).any(axis=2)
    if columns.channels == "xyz" and (empty.any(axis=1) & ~empty.all(axis=1)).any():
        row, joint = np.argwhere(empty & ~empty.all(axis=1, keepdims=True))[0]
        raise Unusable(
            "NaN",
            f"{where}: joint {columns.joints[joint]} is empty at frame {frames[row]}; expected all joints of a person "
            "in 3D, or none",
        )
    numbers[empty] = 0
    order = np.unique(persons, return_inverse=True)[1]
    values = np.zeros((order.max() + 1, frames.max() + 1, *numbers.shape[1:]))
    values[order, frames] = numbers
    named = not all(joint.isdecimal() for joint in columns.joints)
    return Poses(values, columns.channels, joints=columns.joints if named else ())


FORMATS: dict[str, Callable[[Path, str], Poses]] = {
    "npy": read_npy,
    "npz": read_npz,
    "csv": read_csv,
    "pickle": read_annotation,
    "json": read_json,
    "skeleton": read_skeleton,
}
