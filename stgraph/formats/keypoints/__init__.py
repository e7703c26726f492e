"""Anyone's 2D keypoints, by one reader: a file for each family of formats."""

from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.read import read_all_keypoints, read_keypoints

__all__ = ["Keypoints", "read_all_keypoints", "read_keypoints"]
