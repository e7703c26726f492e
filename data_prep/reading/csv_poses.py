"""Poses from CSV files: a row for every frame and person, columns for the channels of every joint."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_prep.reading.left_out import Kind
from data_prep.reading.poses import Poses, spelling
from stgraph.errors import InputError

COLUMN = re.compile(
    r"(?P<joint>.+?)[ _.:-](?P<channel>x|y|z|c|conf|confidence|score|likelihood|visibility)", re.IGNORECASE
)
CSV_FORM = (
    "a header, and a row for every frame and person: clip, label, frame, person (left out: one person), and columns "
    "JOINT_x, JOINT_y and perhaps JOINT_z or JOINT_confidence for every joint; empty cells are unseen"
)
MOST_FRAMES = 1_000_000  # of a clip; larger numbers are no frame numbers


@dataclass
class Table:
    """The rows of one clip in a CSV file: its label, and (frame, person) -> the joints' numbers."""

    label: str
    rows: dict[tuple[int, int], list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV file.

    Attributes:
        keys: "clip", "label", "frame", "person" -> its column, if present.
        joints: names in their order.
        channels: "xy", "xyc" or "xyz".
        places: columns of every joint's channels, joint by joint.
    """

    keys: dict[str, int]
    joints: tuple[str, ...]
    channels: str
    places: tuple[int, ...]


def csv_tables(path: Path) -> tuple[Columns, dict[str, Table]]:
    """The rows of every clip in a CSV file, by the clip's name; "" where no column names it.

    Raises:
        InputError: no header, a row without a frame, several labels for a clip, or two rows for one person and frame.
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
        raise InputError(str(error), where=path, expected=CSV_FORM) from error
    if not tables:
        raise InputError("no rows under the header", where=path, expected=CSV_FORM, kind=Kind.EMPTY)
    return columns, tables


def csv_columns(header: Sequence[str], path: Path) -> Columns:
    """The meaning of the columns. Raises InputError for two columns of one channel, or joints with unlike channels."""
    header = [cell.strip() for cell in header]
    keys = {
        cell.lower(): place for place, cell in enumerate(header) if cell.lower() in ("clip", "label", "frame", "person")
    }
    names: dict[str, str] = {}
    joints: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(header):
        if place not in keys.values() and (match := COLUMN.fullmatch(cell)):
            joint, channel = spelling(match["joint"]), match["channel"].lower()
            names.setdefault(joint, match["joint"])
            first = joints.setdefault(joint, {}).setdefault(channel if channel in "xyz" else "c", place)
            if first != place:
                problem = f"columns {header[first]} and {cell} are of one joint"
                raise InputError(problem, where=path, remedy="leave one out", kind=Kind.HEADER)
    channels = {"".join(sorted(places, key="xyzc".index)) for places in joints.values()}
    if "frame" not in keys or len(channels) != 1 or not channels <= {"xy", "xyc", "xyz", "xyzc"}:
        joints_have = f"joints have {', '.join(sorted(channels)) or 'no columns'}"
        problem = joints_have if "frame" in keys else "no column `frame`"
        problem += f", in the header {','.join(header)[:200]}"
        raise InputError(problem, where=path, expected=CSV_FORM, kind=Kind.HEADER)
    kept = channels.pop()[:3]
    places = tuple(places[channel] for places in joints.values() for channel in kept)
    return Columns(keys, tuple(names.values()), kept, places)


def add_row(tables: dict[str, Table], row: list[str], columns: Columns, where: str) -> None:
    """Put a row into the table of its clip. Raises InputError for a row that is short, doubled or has no frame."""
    if len(row) <= max(*columns.keys.values(), *columns.places):
        raise InputError(f"{len(row)} cells, fewer than the header; the file may have been cut short", where=where)

    def cell(key: str, default: str = "") -> str:
        return row[columns.keys[key]].strip() if key in columns.keys else default

    clip, label, frame, person = cell("clip"), cell("label"), cell("frame"), cell("person", "0")
    table = tables.setdefault(clip, Table(label))
    if table.label != label:
        problem = f"label {label!r} after {table.label!r} in clip {clip!r}"
        raise InputError(problem, where=where, expected="one for a clip", kind=Kind.LABEL)
    if not frame.isdecimal() or not person.isdecimal() or int(frame) > MOST_FRAMES:
        raise InputError(f"frame {frame!r}, person {person!r}", where=where, expected="whole numbers from 0")
    if (int(frame), int(person)) in table.rows:
        problem = f"person {person} has frame {frame} of clip {clip!r} twice"
        raise InputError(problem, where=where, expected="one row", kind=Kind.DOUBLED)
    table.rows[int(frame), int(person)] = [row[place] for place in columns.places]


def csv_poses(table: Table, columns: Columns) -> Poses:
    """The poses of a clip's rows; frames count from the first, and by the step that all of them are apart.

    Raises:
        InputError: cells that are no numbers, or empty cells of a joint in 3D.
    """
    frames, persons = (np.array(column) for column in zip(*table.rows, strict=True))
    frames = (frames - frames.min()) // max(np.gcd.reduce(frames - frames.min()), 1)
    cells = np.array(list(table.rows.values()))
    empty = np.char.strip(cells) == ""
    try:
        numbers = np.where(empty, "0", cells).astype(np.float64)
    except ValueError as error:
        raise InputError(str(error), expected="numbers, or empty cells for unseen joints") from error
    numbers = numbers.reshape(len(cells), len(columns.joints), -1)
    empty = empty.reshape(numbers.shape).any(axis=2)
    partly = empty & ~empty.all(axis=1, keepdims=True)
    if columns.channels == "xyz" and partly.any():
        row, joint = np.argwhere(partly)[0]
        problem = f"joint {columns.joints[joint]} is empty at frame {frames[row]}"
        raise InputError(problem, expected="all joints of a person in 3D, or none", kind=Kind.NAN)
    numbers[empty] = 0
    order = np.unique(persons, return_inverse=True)[1]
    values = np.zeros((order.max() + 1, frames.max() + 1, *numbers.shape[1:]))
    values[order, frames] = numbers
    named = not all(joint.isdecimal() for joint in columns.joints)
    return Poses(values, columns.channels, joints=columns.joints if named else ())
