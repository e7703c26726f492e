"""CSV files: a row for every frame and person, columns for the channels of every joint."""

import csv
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import CSV_FORM
from stgraph.formats.keypoints.content import CUT
from stgraph.formats.keypoints.names import spelling
from stgraph.formats.keypoints.poses import MOST_FRAMES
from stgraph.formats.motion_text import whole_number

COLUMN = re.compile(
    r"(?P<joint>.+?)[ _.:-](?P<channel>x|y|z|c|v|conf|confidence|score|likelihood|visibility)", re.IGNORECASE
)
# As x1, y1, z1, v1, which is how MediaPipe's landmarks are mostly written.
NUMBERED = re.compile(r"(?P<channel>[xyzvc])[ _.:-]?(?P<joint>\d{1,4})", re.IGNORECASE)
MISSING = ("", "na", "n/a", "null", "none")  # what programs write for a number that is not there
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")


def delimiter_of(line: str) -> str:
    """What separates the cells of a line: a comma, or the semicolons or tabs that spreadsheets write.

    >>> delimiter_of("frame,nose_x,nose_y"), delimiter_of("0;640,5;200,25")
    (',', ';')
    """
    # Between semicolons, every number may have a decimal comma.
    separating = (mark for mark in ";\t" if line.count(mark) > 1 and line.count(mark) + 1 >= line.count(","))
    return next(separating, ",")


def split_line(line: str) -> list[str]:
    """The cells of a line, as `rows_of` gives them."""
    return next(iter(_rows([line], delimiter_of(line))), [])


def rows_of(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file, cell by cell; numbers have a decimal point.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: a file that cannot be read, or other things than text.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        delimiter = delimiter_of(file.readline())
        file.seek(0)
        yield from _rows(file, delimiter)


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    rows = csv.reader(lines, delimiter=delimiter)
    if delimiter == ",":
        return rows
    return ([cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell.strip()) else cell for cell in row] for row in rows)


def is_column(name: str) -> bool:
    """Whether a column's name is that of a joint's channel."""
    return bool(COLUMN.fullmatch(name.strip()) or NUMBERED.fullmatch(name.strip()))


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
        channels: "xy", "xyc", "xyz" or "xyzc".
        places: columns of every joint's channels, joint by joint.
    """

    keys: dict[str, int]
    joints: tuple[str, ...]
    channels: str
    places: tuple[int, ...]

    def numbers(self, table: Table, where: str = "") -> Float[np.ndarray, "n j c"]:
        """The numbers of a clip's rows, NaN where there is none. Raises InputError as `number`."""
        try:
            cells = [[float(cell.strip() or "nan") for cell in row] for row in table.rows.values()]
        except ValueError:  # words among them, which take longer
            cells = [
                [self.number(cell, place, key, where) for place, cell in enumerate(row)]
                for key, row in table.rows.items()
            ]
        return np.array(cells).reshape(len(cells), len(self.joints), len(self.channels))

    def number(self, cell: str, place: int, key: tuple[int, int], where: str) -> float:
        """The number in a row's cell. Raises InputError that names the cell where it holds something else.

        Args:
            place: the cell's among `places`.
            key: the row's frame and person.
            where: the file.
        """
        if cell.strip().lower() in MISSING:
            return np.nan
        try:
            return float(cell)
        except ValueError as error:
            joint, channel = divmod(place, len(self.channels))
            at = f"frame {key[0]}, person {key[1]}, {self.channels[channel]} of {self.joints[joint]}"
            at, expected = f"{where}, {at}" if where else at, "a number, or an empty cell for an unseen joint"
            raise InputError(where=at, found=reprlib.repr(cell), expected=expected) from error


def csv_tables(path: Path, *, numbered: bool = True) -> tuple[Columns, dict[str, Table]]:
    """The rows of every clip in a CSV file, by the clip's name; "" where no column names it.

    Args:
        path: of the file.
        numbered: whether a column must number the frames; else rows without one are the frames, in order.

    Raises:
        InputError: no header, a row without a frame, several labels for a clip, or two rows for one person and frame.
    """
    try:
        rows = rows_of(path)
        columns = csv_columns(next(rows, []), path, numbered)
        tables: dict[str, Table] = {}
        for line, row in enumerate(rows, start=2):
            if row:
                add_row(tables, row, columns, f"{path}, line {line}", line - 2)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(error), where=path, expected=CSV_FORM) from error
    if not tables:
        raise InputError("no rows under the header", where=path, expected=CSV_FORM, kind="empty")
    return columns, tables


def csv_columns(header: Sequence[str], path: Path, numbered: bool) -> Columns:
    """The meaning of the columns. Raises InputError for two columns of one channel, or joints with unlike channels."""
    header = [cell.strip() for cell in header]
    keys = {
        cell.lower(): place for place, cell in enumerate(header) if cell.lower() in ("clip", "label", "frame", "person")
    }
    names: dict[str, str] = {}
    joints: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(header):
        if place not in keys.values() and (match := COLUMN.fullmatch(cell) or NUMBERED.fullmatch(cell)):
            joint, channel = spelling(match["joint"]), match["channel"].lower()
            names.setdefault(joint, match["joint"])
            first = joints.setdefault(joint, {}).setdefault(channel if channel in "xyz" else "c", place)
            if first != place:
                problem = f"columns {header[first]} and {cell} are of one joint"
                raise InputError(problem, where=path, remedy="leave one out", kind="header")
    channels = {"".join(sorted(places, key="xyzc".index)) for places in joints.values()}
    lacking = "frame" not in keys and (numbered or "person" in keys)
    if lacking or len(channels) != 1 or not channels <= {"xy", "xyc", "xyz", "xyzc"}:
        joints_have = f"joints have {', '.join(sorted(channels)) or 'no columns'}"
        problem = "no column `frame`" if lacking else joints_have
        problem += f", in the header {','.join(header)[:200]}"
        raise InputError(problem, where=path, expected=CSV_FORM, kind="header")
    kept = channels.pop()
    places = tuple(places[channel] for places in joints.values() for channel in kept)
    return Columns(keys, tuple(names.values()), kept, places)


def add_row(tables: dict[str, Table], row: list[str], columns: Columns, where: str, place: int) -> None:
    """Put a row into the table of its clip. Raises InputError for a row that is short, doubled or has no frame.

    Args:
        place: the row's among all, its frame where no column has that.
    """
    if len(row) <= max(*columns.keys.values(), *columns.places):
        raise InputError(f"{len(row)} cells, fewer than the header", where=where, remedy=CUT)

    def cell(key: str, default: str = "") -> str:
        return row[columns.keys[key]].strip() if key in columns.keys else default

    clip, label, frame, person = cell("clip"), cell("label"), cell("frame", str(place)), cell("person", "0")
    table = tables.setdefault(clip, Table(label))
    if table.label != label:
        problem = f"label {label!r} after {table.label!r} in clip {clip!r}"
        raise InputError(problem, where=where, expected="one for a clip", kind="label")
    pair = whole_number(frame), whole_number(person)
    if pair[0] is None or pair[1] is None or pair[0] >= MOST_FRAMES:
        problem = f"frame {reprlib.repr(frame)}, person {reprlib.repr(person)}"
        expected = f"whole numbers from 0, and frames below {MOST_FRAMES}"
        raise InputError(problem, where=where, expected=expected)
    if pair in table.rows:
        problem = f"person {person} has frame {frame}{f' of clip {clip!r}' if clip else ''} twice"
        remedy = "leave one out, or give each another identity"
        raise InputError(problem, where=where, expected="one row", remedy=remedy, kind="doubled")
    table.rows[pair[0], pair[1]] = [row[place] for place in columns.places]
