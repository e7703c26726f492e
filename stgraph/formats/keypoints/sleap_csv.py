"""SLEAP's analysis as CSV: a row for each instance.

The columns are `track`, the name of an identity, which may be empty, `frame_idx`, `instance.score`, and `NODE.x`,
`NODE.y`, `NODE.score` of each node.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import CUT, NO_CONFIDENCE, no_people
from stgraph.formats.keypoints.csv_rows import Columns, Table, rows_of, split_line
from stgraph.formats.keypoints.poses import MOST_FRAMES, Raw
from stgraph.formats.motion_text import whole_number
from stgraph.skeleton import MOST_JOINTS

KEYS = ("track", "frame_idx")
EXPECTED = "SLEAP's columns: track, frame_idx, instance.score, and NODE.x, NODE.y, NODE.score of every node"


def is_csv(start: str) -> bool:
    """Whether text begins as SLEAP's CSV."""
    return {*KEYS} <= {*split_line(start.partition("\n")[0].rstrip("\r"))}


def read_csv(path: Path) -> list[Raw]:
    """The video of a CSV file. Raises InputError for other columns, or cells that are no numbers."""
    try:
        header, *rows = [row for row in rows_of(path) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(error), where=path, expected=EXPECTED) from error
    columns = node_columns([cell.strip() for cell in header], path)
    table, tracks, scores, counts = Table(""), [], [], Counter[int]()
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        if len(row) < len(header):
            raise InputError(f"{len(row)} cells, fewer than the header", where=where, remedy=CUT)
        frame = whole_number(row[columns.keys["frame_idx"]].strip())
        if frame is None or frame >= MOST_FRAMES:
            found, expected = f"frame_idx {row[columns.keys['frame_idx']]!r}", f"whole numbers below {MOST_FRAMES}"
            raise InputError(where=where, found=found, expected=expected)
        table.rows[frame, counts[frame]] = [row[place] for place in columns.places]
        counts[frame] += 1
        tracks.append(row[columns.keys["track"]].strip())
        scores.append(row[columns.keys["instance.score"]] if "instance.score" in columns.keys else "")
    if not table.rows:
        raise no_people(path)
    values, notes = columns.numbers(table, str(path)), []
    if columns.channels == "xy":
        values = np.concatenate([values, np.full_like(values[..., :1], np.nan)], axis=-1)
        notes.append(NO_CONFIDENCE)
    # Points that a person placed have no score.
    values[..., 2] = np.where(np.isnan(values[..., 2]), 1, values[..., 2])
    names = [*dict.fromkeys(track for track in tracks if track)]
    if names:
        notes.append(f"people are numbered as {', '.join(names[:10])}")
    return [
        Raw(
            path.stem,
            "SLEAP",
            [frame for frame, _ in table.rows],
            values,
            [names.index(track) if track else -1 for track in tracks] if names else None,
            score=np.array([number_of(cell) for cell in scores]),
            joints=columns.joints,
            notes=notes,
        )
    ]


def node_columns(header: Sequence[str], path: Path) -> Columns:
    """The meaning of the columns. Raises InputError for nodes without x or y, or columns that are there twice."""
    keys = {name: header.index(name) for name in (*KEYS, "instance.score") if name in header}
    nodes: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(header):
        name, _, channel = cell.rpartition(".")
        if name and channel in ("x", "y", "score") and place not in keys.values():
            nodes.setdefault(name, {})[channel] = place
    channels = {frozenset(places) for places in nodes.values()}
    if len(channels) != 1 or not {"x", "y"} <= {*next(iter(channels))} or not 0 < len(nodes) <= MOST_JOINTS:
        found = f"the header {','.join(header)[:200]}"
        raise InputError(where=path, found=found, expected=EXPECTED, kind="header")
    kept = [channel for channel in ("x", "y", "score") if channel in next(iter(channels))]
    places = tuple(places[channel] for places in nodes.values() for channel in kept)
    return Columns(keys, tuple(nodes), "xyc"[: len(kept)], places)


def number_of(cell: str) -> float:
    """The number in a cell, NaN where there is none."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")
