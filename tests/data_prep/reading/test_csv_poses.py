"""Poses of CSV files: what is not seen is NaN, and what is no number has a place."""

import numpy as np
import pytest

from data_prep.reading.csv_poses import csv_poses
from stgraph.errors import InputError
from stgraph.formats.keypoints.csv_rows import csv_tables


def poses_of(path, *rows):
    """The poses of rows of two joints in 3D with confidence."""
    header = ",".join(["frame", *(f"{joint}_{channel}" for joint in ("hip", "head") for channel in "xyzc")])
    path.write_text("\n".join([header, *rows]))
    columns, tables = csv_tables(path)
    return csv_poses(tables[""], columns)


@pytest.mark.parametrize("confidence", ["0", "-1", "nan", "", "NA"])
def test_a_joint_in_3d_without_confidence_is_not_seen(tmp_path, confidence):
    poses = poses_of(tmp_path / "a.csv", "0,1,2,3,1,4,5,6,0.5", f"1,1,2,3,1,4,5,6,{confidence}")
    assert poses.channels == "xyz" and poses.values.shape == (1, 2, 2, 3)
    np.testing.assert_array_equal(poses.values[0, 0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(poses.values[0, 1], [[1, 2, 3], [np.nan] * 3])


def test_a_cell_that_is_no_number_is_named(tmp_path):
    with pytest.raises(InputError, match=r"frame 1, person 0, z of head: found 'far'; expected a number"):
        poses_of(tmp_path / "a.csv", "0,1,2,3,1,4,5,6,1", "1,1,2,3,1,4,5,far,1")
