"""Poses from CSV files: a row for every frame and person, columns for the channels of every joint."""

import numpy as np

from data_prep.reading.left_out import Kind
from data_prep.reading.poses import Poses
from stgraph.errors import InputError
from stgraph.formats.keypoints.csv_rows import Columns, Table


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
    channels = columns.channels[:3]
    shape = len(cells), len(columns.joints), len(columns.channels)
    numbers = numbers.reshape(shape)[..., : len(channels)]
    empty = empty.reshape(shape)[..., : len(channels)].any(axis=2)
    partly = empty & ~empty.all(axis=1, keepdims=True)
    if channels == "xyz" and partly.any():
        row, joint = np.argwhere(partly)[0]
        problem = f"joint {columns.joints[joint]} is empty at frame {frames[row]}"
        raise InputError(problem, expected="all joints of a person in 3D, or none", kind=Kind.NAN)
    numbers[empty] = 0
    order = np.unique(persons, return_inverse=True)[1]
    values = np.zeros((order.max() + 1, frames.max() + 1, *numbers.shape[1:]))
    values[order, frames] = numbers
    named = not all(joint.isdecimal() for joint in columns.joints)
    return Poses(values, channels, joints=columns.joints if named else ())
