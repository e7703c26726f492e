"""DeepLabCut's `.csv` and `.h5`: a row for each frame, columns by scorer, (individual,) body part, x / y / likelihood.

The `.h5` are pandas' HDF5 in either of its forms, read without pandas. Annotations have no likelihood, and name images
in place of frames.
"""

import csv
import io
import re
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import CUT, NO_CONFIDENCE, no_people
from stgraph.formats.keypoints.csv_rows import delimiter_of, rows_of
from stgraph.formats.keypoints.frames import last_numbers
from stgraph.formats.keypoints.hdf5 import array, texts
from stgraph.formats.keypoints.poses import MOST_FRAMES, Raw
from stgraph.formats.safe_pickle import unpickle
from stgraph.skeleton import MOST_JOINTS

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
CHANNELS = ("x", "y", "likelihood")
EXPECTED = "DeepLabCut's columns: scorer, (individuals,) bodyparts, coords (x, y, likelihood)"


def is_csv(start: str) -> bool:
    """Whether text begins as DeepLabCut's CSV."""
    lines = start.splitlines()[:2]
    cells = [line.split(delimiter_of(line))[0].strip() for line in lines]
    return len(lines) == 2 and cells[0] == "scorer" and cells[1] in LEVELS[1:3]


def read_csv(path: Path) -> list[Raw]:
    """The video of a CSV file. Raises InputError for other columns, or cells that are no numbers."""
    try:
        rows = [row for row in rows_of(path) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(error), where=path, expected=EXPECTED) from error
    levels = next((place for place, row in enumerate(rows[:5]) if row[0].strip() == "coords"), -1) + 1
    if not levels:
        raise InputError(where=path, found="no row `coords` in the header", expected=EXPECTED)
    # Annotations of later versions have the image's path in three columns.
    first = next((place for place, cell in enumerate(rows[0][1:], 1) if cell.strip()), len(rows[0]))
    columns = [
        tuple(cell.strip() for cell in cells) for cells in zip(*(row[first:] for row in rows[:levels]), strict=False)
    ]
    body = rows[levels:]
    for line, row in enumerate(body, start=levels + 1):
        if len(row) != first + len(columns):
            found, expected = f"{len(row)} cells", f"{first + len(columns)}"
            raise InputError(where=f"{path}, line {line}", found=found, expected=expected, remedy=CUT)
    if not body:
        raise no_people(path)
    try:
        values = np.array([[float(cell or "nan") for cell in row[first:]] for row in body], float)
    except ValueError as error:
        raise InputError(str(error), where=path, expected="numbers, or empty cells") from error
    return [of_table(columns, [row[:first][-1] for row in body], values, path)]


def of_table(
    columns: Sequence[tuple[str, ...]], index: Sequence[Any], values: Float[np.ndarray, "t w"], path: Path
) -> Raw:
    """The video of a table with names of several levels. Raises InputError for other columns."""
    if not len(index):
        raise no_people(path)
    width = {len(column) for column in columns}
    if not columns or len(width) != 1 or not width <= {3, 4} or values.shape != (len(index), len(columns)):
        raise InputError(where=path, found=f"columns of {width or 'no'} levels", expected=EXPECTED)
    individuals = [*dict.fromkeys(column[1] if len(column) == 4 else "" for column in columns)]
    joints = tuple(dict.fromkeys(column[-2] for column in columns))
    channels = {column[-1] for column in columns}
    if not {"x", "y"} <= channels <= {*CHANNELS} or len({*columns}) < len(columns) or len(joints) > MOST_JOINTS:
        found = f"coords {', '.join(sorted(channels)[:5])} of {len(joints)} bodyparts"
        raise InputError(where=path, found=found, expected=EXPECTED)
    pose = np.full((len(index), len(individuals), len(joints), 3), np.nan)
    if pose.size > 10 * values.size + 1000:
        raise InputError(where=path, found=f"{len(individuals)} individuals of unlike joints", expected=EXPECTED)
    if "likelihood" not in channels:
        pose[..., 2] = 1
    for place, column in enumerate(columns):
        person = individuals.index(column[1]) if len(column) == 4 else 0
        pose[:, person, joints.index(column[-2]), CHANNELS.index(column[-1])] = values[:, place]
    numbers, notes = frames_of(index)
    if "likelihood" not in channels:
        notes.append(NO_CONFIDENCE)
    if individuals != [""]:
        notes.append(f"people are numbered as {', '.join(individuals[:10])}")
    row, person = np.nonzero(np.isfinite(pose).all(axis=-1).any(axis=-1))
    if not len(row):
        raise no_people(path)
    return Raw(
        path.stem,
        "DeepLabCut",
        np.array(numbers)[row],
        pose[row, person],
        person,
        joints=joints,
        frames=(min(numbers), max(numbers) + 1),
        notes=notes,
    )


def frames_of(index: Sequence[Any]) -> tuple[list[int], list[str]]:
    """Frame numbers of rows: as they are, or the last number in the names of images."""
    words = [str(one[-1] if isinstance(one, tuple) else one).replace("\\", "/").rpartition("/")[2] for one in index]
    words = [re.sub(r"\.[A-Za-z]+$|\.0$", "", word) for word in words]
    if all(word.isdecimal() and len(word) < 10 and int(word) < MOST_FRAMES for word in words):
        return [*map(int, words)], []
    return last_numbers(words)


def table_of(file: h5py.File) -> h5py.Group | None:
    """The group of an HDF5 file that pandas wrote, if there is one."""
    groups = [group for group in file.values() if isinstance(group, h5py.Group) and "pandas_type" in group.attrs]
    return groups[0] if len(groups) == 1 else None


def read_hdf5(group: h5py.Group, path: Path) -> list[Raw]:
    """The video of pandas' HDF5, in its form `table` or `fixed`. Raises InputError for other tables."""
    if "table" in group:
        table = array(group, "table", path)
        names = table.dtype.names or ()
        if "values_block_0" not in names or "index" not in names or "values_block_1" in names:
            raise InputError(where=path, found=f"a table of {', '.join(names[:5]) or '-'}", expected=EXPECTED)
        values = table["values_block_0"].reshape(len(table), -1)
        kind = group["table"].attrs.get("values_block_0_kind")
        columns = unpickle(cast(BufferedIOBase, io.BytesIO(bytes(kind))), f"{path}, {group.name}") if kind else None
        if not isinstance(columns, list) or not all(isinstance(one, tuple) for one in columns):
            raise InputError(where=path, found="columns without names", expected=EXPECTED)
        columns, index = [tuple(map(str, one)) for one in columns], table["index"].tolist()
    else:
        values = array(group, "block0_values", path)
        columns, index = labels(group, "block0_items", path), labels(group, "axis1", path)
    if values.dtype.kind not in "fiu" or values.ndim != 2:
        raise InputError(where=path, found=f"a table of {values.dtype}", expected=EXPECTED)
    index = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in index]
    return [of_table(columns, index, values.astype(float), path)]


def labels(group: h5py.Group, name: str, path: Path) -> list[tuple[str, ...]]:
    """The names along an axis, each a tuple of the levels'. Raises InputError where codes are beyond the names."""
    if name in group:
        return [(one,) for one in texts(group, name, path)]
    levels = []
    while f"{name}_level{len(levels)}" in group and len(levels) < len(LEVELS):
        names = np.array(texts(group, f"{name}_level{len(levels)}", path), object)
        codes = array(group, f"{name}_label{len(levels)}", path)
        if codes.dtype.kind not in "iu" or codes.ndim != 1 or not ((codes >= 0) & (codes < len(names))).all():
            raise InputError(where=f"{path}, {name}", found="labels beyond its names", expected=EXPECTED)
        levels.append(names[codes].tolist())
    if len({*map(len, levels)}) != 1:
        raise InputError(where=f"{path}, {name}", found="levels of unlike lengths", expected=EXPECTED)
    return [*zip(*levels, strict=True)]
