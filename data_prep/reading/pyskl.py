"""Poses of one annotation as pyskl and MMAction2 have them: a dict with keypoint (M, T, V, C) and others."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.reading.left_out import Kind
from data_prep.reading.poses import Poses
from stgraph.errors import InputError


def poses_of(annotation: Mapping[str, Any]) -> Poses:
    """The poses of an annotation in its first `total_frames`, where it says how many.

    Raises:
        InputError: malformed keypoints, scores, image size or number of frames.
    """
    keypoint, score = annotation["keypoint"], annotation.get("keypoint_score")
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind not in "iuf" or keypoint.ndim not in (3, 4):
        array = isinstance(keypoint, np.ndarray)
        problem = f"keypoint is {f'{keypoint.dtype} of shape {keypoint.shape}' if array else type(keypoint).__name__}"
        remedy = "" if array else "save numpy.array(keypoint)"
        raise InputError(problem, expected="an array of numbers (M, T, V, C)", remedy=remedy, kind=Kind.SHAPE)
    keypoint = keypoint[None] if keypoint.ndim == 3 else keypoint
    size, channels = image_size(annotation.get("img_shape", annotation.get("original_shape"))), keypoint.shape[3]
    if channels not in (2, 3):
        problem = f"keypoint has {channels} channels"
        raise InputError(problem, expected="x, y or x, y, z in the last axis", kind=Kind.CHANNELS)
    frames = slice(frame_count(annotation.get("total_frames"), keypoint.shape[1]))
    if channels == 3 and score is None:
        return Poses(keypoint[:, frames], "" if size else "xyz", size)
    if channels == 2 and score is not None:
        score = np.asarray(score)
        score = score[None] if score.ndim == 2 else score
        if score.shape != keypoint.shape[:3]:
            problem = f"keypoint {keypoint.shape} and keypoint_score {score.shape}"
            raise InputError(problem, expected="one score for a joint", kind=Kind.SHAPE)
        keypoint = np.concatenate([keypoint, score[..., None]], axis=-1, dtype=np.float32)
    names = "xyz" if channels == 3 else "xy" if score is None else "xyc"
    return Poses(keypoint[:, frames], names, size if channels == 2 else None)


def frame_count(total: Any, frames: int) -> int:
    """How many frames of an array count: those beyond `total_frames` pad it. Raises InputError for no number."""
    if total is None:
        return frames
    if isinstance(total, bool) or not isinstance(total, int | np.integer) or not 0 < total <= frames:
        raise InputError(f"total_frames {total!r}", expected=f"1 to {frames}, those of keypoint", kind=Kind.SHAPE)
    return int(total)


def image_size(shape: Any) -> tuple[int, int] | None:
    """Width and height, of a shape (height, width) or None. Raises InputError for anything else."""
    if shape is None:
        return None
    try:
        height, width = (int(length) for length in list(shape)[:2])
    except (TypeError, ValueError, OverflowError):
        height = width = 0
    if min(height, width) <= 0:
        raise InputError(f"img_shape {shape!r}", expected="height and width in pixels", kind=Kind.IMAGE_SIZE)
    return width, height
