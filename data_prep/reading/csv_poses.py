"""Poses from CSV files: a row for every frame and person, columns for the channels of every joint."""

import numpy as np

from data_prep.reading.poses import Poses, no_poses
from stgraph.formats.keypoints.csv_rows import Columns, Table


def csv_poses(table: Table, columns: Columns) -> Poses:
    """The poses of a clip's rows; frames count from the first, and by the step that all of them are apart.

    A joint in 3D whose confidence is not above 0 is NaN.

    Raises InputError for cells that are no numbers, or more frames than memory is for.
    """
    frames, persons = (np.array(column) for column in zip(*table.rows, strict=True))
    frames = (frames - frames.min()) // max(np.gcd.reduce(frames - frames.min()), 1)
    order = np.unique(persons, return_inverse=True)[1]
    channels, joints = columns.channels[:3], len(columns.joints)
    values = no_poses((int(order.max()) + 1, int(frames.max()) + 1, joints, len(channels)), np.float64)
    numbers = columns.numbers(table)
    if columns.channels == "xyzc":  # in 2D the confidence stays
        numbers[~(numbers[..., 3] > 0)] = np.nan
    values[order, frames] = numbers[..., : len(channels)]
    named = not all(joint.isdecimal() for joint in columns.joints)
    return Poses(values, channels, joints=columns.joints if named else ())
