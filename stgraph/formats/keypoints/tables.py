"""CSV files with a column for each channel of each joint, such as `left_knee_x` or MediaPipe's `x26`."""

import csv
from pathlib import Path

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.arrays import read_content
from stgraph.formats.keypoints.content import CUT, MOST_NUMBERS, NO_CONFIDENCE
from stgraph.formats.keypoints.csv_rows import Columns, Table, csv_tables, delimiter_of, is_column, rows_of, split_line
from stgraph.formats.keypoints.mediapipe import NAME as MEDIAPIPE
from stgraph.formats.keypoints.mediapipe import POSE
from stgraph.formats.keypoints.poses import Options, Raw


def is_numbers(start: str) -> bool:
    """Whether text begins with a line of numbers."""
    try:
        return len([float(cell) for cell in split_line(start.splitlines()[0])]) > 3
    except (ValueError, IndexError):
        return False


def is_table(start: str) -> bool:
    """Whether text begins with a line of names: several between commas, or a joint's between other marks."""
    line = start.split("\n", 1)[0]
    return line.count(",") > 1 or (delimiter_of(line) != "," and any(map(is_column, split_line(line))))


def read_numbers(path: Path, options: Options) -> list[Raw]:
    """The video of a CSV file without a header: a row for each frame, all numbers of a joint side by side.

    Raises:
        InputError: other things than numbers, rows of unlike length, or an unclear number of joints.
    """
    try:
        rows = [[float(cell or "nan") for cell in row] for row in rows_of(path) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(str(error), where=path, expected="a row of numbers for each frame") from error
    if unlike := [line for line, row in enumerate(rows) if len(row) != len(rows[0])]:
        found, expected = f"{len(rows[unlike[0]])} numbers", f"{len(rows[0])}, as in the first row"
        raise InputError(where=f"{path}, row {unlike[0] + 1}", found=found, expected=expected, remedy=CUT)
    return read_content(rows, path, options)


def read_table(path: Path) -> list[Raw]:
    """The videos of a CSV file: one for each name in its column `clip`, or one. Raises InputError for other columns."""
    columns, tables = csv_tables(path, numbered=False)
    return [video(table, columns, name or path.stem, path) for name, table in tables.items()]


def video(table: Table, columns: Columns, name: str, path: Path) -> Raw:
    """The video of the rows of a clip. Raises InputError for cells that are no numbers, or 3D."""
    if len(table.rows) * len(columns.places) > MOST_NUMBERS:
        raise InputError(where=path, found=f"{len(table.rows)} rows", expected=f"at most {MOST_NUMBERS} cells")
    values = columns.numbers(table, str(path))
    numbered = all(joint.isdecimal() for joint in columns.joints)
    landmarks = numbered and len(columns.joints) == POSE
    notes = []
    if columns.channels in ("xyc", "xyzc"):
        confidence = values[..., -1]
    elif columns.channels == "xy" or landmarks:
        confidence = np.ones(values.shape[:2])
        notes.append(NO_CONFIDENCE)
    else:
        raise InputError(where=path, found="x, y and z", expected="2D: x, y and perhaps a confidence", remedy="drop z")
    frame, person = zip(*table.rows, strict=True)
    return Raw(
        name,
        "CSV",
        frame,
        np.concatenate([values[..., :2], confidence[..., None]], axis=-1),
        person,
        joints=() if numbered else columns.joints,
        layouts=(MEDIAPIPE,),
        scale="",
        notes=notes,
    )
