"""Recordings of several people as true and detected trajectories, and as videos for a tracker and its scores."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.posetrack import HEAD_SIZE, Video
from stgraph.skeleton import Skeleton


@dataclass(frozen=True)
class Trajectory:
    """One person's track of t consecutive frames: the detected poses and the true ones.

    Attributes:
        pose: (t j d). confidence: (t j), 0 = not detected. time: (t) seconds.
        truth: (t j d). annotated: (t j) whether the joint is scored.
        unit: (t) of errors: head size in pixels, or a millimetre in metres.
    """

    pose: Float[np.ndarray, "t j d"]
    confidence: Float[np.ndarray, "t j"]
    time: Float[np.ndarray, " t"]
    truth: Float[np.ndarray, "t j d"]
    annotated: Bool[np.ndarray, "t j"]
    unit: Float[np.ndarray, " t"]

    def __len__(self) -> int:
        return len(self.time)

    def trimmed(self) -> "Trajectory":
        """From the first detected frame on."""
        first = int((self.confidence > 0).any(axis=1).argmax())
        return Trajectory(*(values[first:] for values in vars(self).values()))


def head_size(box: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """PoseTrack's head sizes of head boxes, pixels; NaN without a box."""
    size = HEAD_SIZE * np.linalg.norm(box[:, 2:] - box[:, :2], axis=1)
    return np.where(size > 0, size, np.nan)


def trajectories(
    dataset: Dataset,
    kept: Bool[np.ndarray, " recording"],
    skeleton: Skeleton,
    *,
    detector: str | None,
    truth: str,
    noise: float = 0.0,
) -> list[Trajectory]:
    """The tracks of some recordings: in 2D with errors in head sizes, without a detector in 3D, in millimetres.

    Args:
        noise: standard deviation of noise added to 3D input, metres.

    Raises:
        InputError: 2D without head boxes, or recordings of different frame rates.
    """
    order, tracks, table = skeleton.select_from(dataset.skeleton), dataset.tracks, dataset.recordings
    rates = sorted(set(table["fps"][kept].tolist()))
    if len(rates) > 1:
        problem = f"frames ahead differ in length at {', '.join(f'{rate:g}' for rate in rates)} fps"
        raise InputError(problem, where=dataset.path, remedy="score subjects of one rate with `evaluate --subjects`")
    if detector and not dataset.has("head_box"):
        problem = "it has no head boxes, by whose size errors in pixels are divided"
        remedy = "prepare it with `python -m data_prep scenes` or `posetrack`, or score 3D poses"
        raise InputError(problem, where=dataset.path, remedy=remedy)
    people = []
    for track in np.flatnonzero(kept[tracks["recording"]]):
        rows = slice(tracks["first_row"][track], tracks["first_row"][track] + tracks["rows"][track])
        time = np.array(dataset.rows("frame")[rows]) / table["fps"][tracks["recording"][track]]
        valid = dataset.rows("valid")[rows][:, None]
        if detector:
            pose, true = (np.array(dataset.rows(f"pose2d/{name}")[rows], float)[:, order] for name in (detector, truth))
            unit = head_size(np.array(dataset.rows("head_box")[rows], float))
            confidence, annotated = pose[..., 2], (true[..., 2] > 0) & valid & np.isfinite(unit)[:, None]
            pose, true, unit = pose[..., :2], true[..., :2], np.nan_to_num(unit, nan=1)
        else:
            true = np.array(dataset.rows("pose3d")[rows], float)[:, order]
            pose = true + np.random.default_rng([1, int(track)]).normal(0, 1, true.shape) * noise
            confidence, unit = np.ones(true.shape[:2]), np.full(len(true), 1e-3)
            annotated = np.broadcast_to(valid, true.shape[:2])
        people.append(
            Trajectory(pose=pose, confidence=confidence, time=time, truth=true, annotated=annotated, unit=unit)
        )
    return people


def true_video(dataset: Dataset, recording: int | np.integer, skeleton: Skeleton, truth: str) -> Video:
    """The people of a recording with their identities."""
    tracks = np.flatnonzero(dataset.tracks["recording"] == recording)
    firsts, counts = dataset.tracks["first_row"][tracks], dataset.tracks["rows"][tracks]
    rows = np.concatenate([np.arange(first, first + count) for first, count in zip(firsts, counts, strict=True)])
    frame, pose = (np.array(dataset.rows(name)[rows]) for name in ("frame", f"pose2d/{truth}"))
    columns = {name: np.array(dataset.rows(name)[rows]) for name in ("box", "head_box") if dataset.has(name)}
    columns |= {"frame": frame, "pose": pose, "person": np.repeat(dataset.tracks["person"][tracks], counts)}
    unlabelled = set(frame[~dataset.rows("valid")[rows]].tolist())
    return _video(dataset, recording, skeleton, columns, unlabelled)


def detected_video(dataset: Dataset, recording: int | np.integer, skeleton: Skeleton, detector: str) -> Video:
    """The detections in a recording, without identity."""
    table = dataset.detections(detector)
    here = table["recording"] == recording
    columns = {name: table[name][here] for name in ("frame", "pose", "box", "score") if name in table}
    return _video(dataset, recording, skeleton, columns)


def _video(
    dataset: Dataset,
    recording: int | np.integer,
    skeleton: Skeleton,
    columns: dict[str, np.ndarray],
    unlabelled: Collection[int] = (),
) -> Video:
    """Poses in any order as a video of all frames of the recording; poses without a joint are left out.

    Args:
        columns: frame and pose, and optionally person, box, head_box and score.
        unlabelled: frames without labels.
    """
    table, tracks, frame = dataset.recordings, dataset.tracks["recording"] == recording, columns["frame"]
    pose = columns["pose"][:, skeleton.select_from(dataset.skeleton)]
    present = (pose[..., 2] > 0).any(axis=1)
    person = columns.get("person", np.full(len(frame), -1))
    order = np.flatnonzero(present)[np.lexsort((person[present], frame[present]))]
    # A recording ends with its last row, or a later detection.
    last = dataset.rows("frame")[dataset.tracks["first_row"][tracks] + dataset.tracks["rows"][tracks] - 1]
    count = 1 + int(max([*last, *frame], default=-1))
    box, head_box = (columns.get(name, np.zeros((len(frame), 4)))[order].astype(float) for name in ("box", "head_box"))
    return Video(
        name=str(table["id"][recording]),
        frame_ids=np.arange(count),
        frame=frame[order],
        person=person[order],
        pose=pose[order].astype(float),
        box=box,
        head_box=head_box,
        score=columns.get("score", np.ones(len(frame)))[order].astype(float),
        labelled=~np.isin(np.arange(count), sorted(unlabelled)),
        ignore=[[] for _ in range(count)],
        fps=float(table["fps"][recording]),
        size=(int(table["width"][recording]), int(table["height"][recording])),
        skeleton=skeleton,
    )
