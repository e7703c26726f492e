"""Recordings of several people as a tracker and its scores see them: what is true, and what a detector gave."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video
from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.forecasting import Course

HEAD = 0.6  # of the head box's diagonal is the head's size


def head_size(box: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """0.6 of the head box's diagonal, as PoseTrack's scores have it, pixels; NaN where there is no box."""
    size = HEAD * np.linalg.norm(box[:, 2:] - box[:, :2], axis=1)
    return np.where(size > 0, size, np.nan)


def courses(
    dataset: Dataset,
    kept: Bool[np.ndarray, " recording"],
    skeleton: Skeleton,
    detector: str | None,
    truth: str,
    noise: float = 0.0,
) -> list[Course]:
    """The tracks of some recordings, in 2D with errors in head sizes, or without a detector in 3D, in millimetres.

    Args:
        noise: standard deviation of what is added to the input, in its unit.

    Raises:
        InputError: 2D without head boxes, or recordings of different frame rates.
    """
    order, tracks, table = skeleton.select_from(dataset.skeleton), dataset.tracks, dataset.recordings
    rates = set(table["fps"][kept].tolist())
    if len(rates) > 1:
        rates = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise InputError(f"{dataset.path}: frames ahead are of no one length at {rates} fps; score each rate by itself")
    if detector and not dataset.has("head_box"):
        raise InputError(
            f"{dataset.path}: it has no head boxes, by whose size errors in pixels are told; prepare it with `python "
            "-m data_prep scenes` or `posetrack`, or score 3D poses"
        )
    found = []
    for track in np.flatnonzero(kept[tracks["recording"]]):
        rows = slice(tracks["first_row"][track], tracks["first_row"][track] + tracks["rows"][track])
        time = np.array(dataset.rows("frame")[rows]) / table["fps"][tracks["recording"][track]]
        valid = dataset.rows("valid")[rows][:, None]
        if detector:
            given, true = (
                np.array(dataset.rows(f"pose2d/{name}")[rows], float)[:, order] for name in (detector, truth)
            )
            size = head_size(np.array(dataset.rows("head_box")[rows], float))
            annotated = (true[..., 2] > 0) & valid & np.isfinite(size)[:, None]
            found.append(
                Course(given[..., :2], given[..., 2], time, true[..., :2], annotated, np.nan_to_num(size, nan=1))
            )
        else:
            true = np.array(dataset.rows("pose3d")[rows], float)[:, order]
            draws = np.random.default_rng([1, int(track)]).normal(0, 1, true.shape) * noise
            ones, annotated = np.ones(true.shape[:2]), np.broadcast_to(valid, true.shape[:2])
            found.append(Course(true + draws, ones, time, true, annotated, np.full(len(true), 1e-3)))
    return found


def true_video(dataset: Dataset, recording: int | np.integer, skeleton: Skeleton, truth: str) -> Video:
    """The people of a recording with their identities."""
    tracks = np.flatnonzero(dataset.tracks["recording"] == recording)
    firsts, counts = dataset.tracks["first_row"][tracks], dataset.tracks["rows"][tracks]
    rows = np.concatenate([np.arange(first, first + count) for first, count in zip(firsts, counts, strict=True)])
    person = np.repeat(dataset.tracks["person"][tracks], counts)
    frame = np.array(dataset.rows("frame")[rows])
    pose = np.array(dataset.rows(f"pose2d/{truth}")[rows])[:, skeleton.select_from(dataset.skeleton)]
    there = (pose[..., 2] > 0).any(axis=1)
    unlabelled = set(frame[~dataset.rows("valid")[rows]].tolist())
    boxes = [np.array(dataset.rows(name)[rows]) if dataset.has(name) else np.zeros((len(rows), 4)) for name in BOXES]
    return _video(dataset, recording, skeleton, frame, person, pose, there, boxes, there.astype(float), unlabelled)


def detected_video(dataset: Dataset, recording: int | np.integer, skeleton: Skeleton, detector: str) -> Video:
    """What a detector gave in a recording, without identity."""
    table = dataset.detections(detector)
    at = table["recording"] == recording
    pose = table["pose"][at][:, skeleton.select_from(dataset.skeleton)]
    there, person = (pose[..., 2] > 0).any(axis=1), np.full(at.sum(), -1)
    boxes = [table.get("box", np.zeros((len(at), 4)))[at], np.zeros((at.sum(), 4))]
    return _video(dataset, recording, skeleton, table["frame"][at], person, pose, there, boxes, table["score"][at])


BOXES = ("box", "head_box")


def _video(
    dataset: Dataset,
    recording: int | np.integer,
    skeleton: Skeleton,
    frame: np.ndarray,
    person: np.ndarray,
    pose: np.ndarray,
    there: np.ndarray,
    boxes: Sequence[np.ndarray],
    score: np.ndarray,
    unlabelled: set[int] = frozenset(),
) -> Video:
    """Rows in any order as a video of all frames of the recording."""
    table = dataset.recordings
    order = np.flatnonzero(there)[np.lexsort((person[there], frame[there]))]
    # A dataset says which frames have rows; who is in none of them adds no frame.
    tracks = dataset.tracks["recording"] == recording
    last = dataset.rows("frame")[dataset.tracks["first_row"][tracks] + dataset.tracks["rows"][tracks] - 1]
    count = 1 + int(max([*last, *frame], default=-1))
    labelled = ~np.isin(np.arange(count), sorted(unlabelled))
    box, head_box = (values[order].astype(float) for values in boxes)
    return Video(
        str(table["id"][recording]),
        np.arange(count),
        frame[order],
        person[order],
        pose[order].astype(float),
        box,
        head_box,
        score[order].astype(float),
        labelled,
        [[] for _ in range(count)],
        fps=float(table["fps"][recording]),
        size=(int(table["width"][recording]), int(table["height"][recording])),
        skeleton=skeleton,
    )
