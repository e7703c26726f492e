"""One clip of Kinetics-skeleton: a JSON file with the people that OpenPose found in every frame.

    {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, x, y, ...], "score": [...]}, ...]}, ...],
     "label": "abseiling", "label_index": 0}

x and y are fractions of the image's width and height, 0 to 1. People have no identity: their order in every frame is
OpenPose's.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data_prep.reading.left_out import Kind
from stgraph.data.recording import Track, unbroken
from stgraph.errors import InputError
from stgraph.formats.json_values import load
from stgraph.skeleton import OPENPOSE18

SIZE = (340, 256)  # of the videos when the people were found, pixels
FPS = 30.0
FRAMES = 300
READ, PERSONS = 5, 2  # people of a frame that are read, and those kept
EXPECTED = '{"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, ...], "score": [...]}]}]}'


def read_kinetics(path: Path, frames: int = FRAMES) -> list[Track]:
    """The two persons of every frame with the largest sums of scores, in that order; a gap makes two tracks.

    They are chosen among the first five people of a frame, as for ST-GCN, and their order may change from frame to
    frame. 2D `openpose`: pixels of an image of 340 x 256, with the score as confidence; all zero where
    that is 0. Frames are numbered as in the file, which mostly begins with 1.

    Args:
        frames: those with this number or a greater one are left out.

    Raises:
        InputError: unreadable, not of this form, another number of joints, a frame twice, values that are not finite,
            or no person in it.
    """
    return tracks_of(load(path, EXPECTED), str(path), frames)


def tracks_of(clip: Any, where: str, frames: int = FRAMES) -> list[Track]:
    """The tracks of a clip that is loaded; see `read_kinetics`."""
    frame, poses, scores = people(clip, where)
    total = scores.sum(1)
    kept = np.flatnonzero((total > 0) & (frame < frames))
    if not len(kept):
        raise InputError("no person in any frame; leave the clip out", where=where, kind=Kind.NO_PERSON)
    order = kept[np.lexsort((-total[kept], frame[kept]))]  # which keeps the file's order where sums are equal
    frame = frame[order]
    rank = np.arange(len(frame)) - np.searchsorted(frame, frame)
    values = np.concatenate([poses * SIZE, scores[..., None]], axis=-1)[order]
    values = np.where(values[..., 2:] > 0, values, 0).astype(np.float32)
    tracks = []
    for person in range(PERSONS):
        own, pose = frame[rank == person], values[rank == person]
        for run in unbroken(own):
            tracks.append(Track({"openpose": pose[run]}, frame=int(own[run[0]]), person=person))
    return tracks


def people(clip: Any, where: str) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n j 2"], Float[np.ndarray, "n j"]]:
    """Frame, x and y, and scores of all people who are read, in the file's order. Raises InputError."""
    joints = len(OPENPOSE18)
    try:
        frames = [entry["frame_index"] for entry in clip["data"]]
        entries = [
            (entry["frame_index"], person["pose"], person["score"])
            for entry in clip["data"]
            for person in entry["skeleton"][:READ]
        ]
        lengths = {(len(pose), len(score)) for _, pose, score in entries} or {(2 * joints, joints)}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{type(error).__name__} {error}", where=where, expected=EXPECTED) from error
    if wrong := lengths - {(2 * joints, joints)}:
        pose, score = min(wrong)
        problem = f"{score} joints" if pose == 2 * score else f"a pose of {pose} numbers with {score} scores"
        expected = f"the {joints} of {OPENPOSE18.name} ({', '.join(OPENPOSE18.names)})"
        raise InputError(problem, where=where, expected=expected, kind=Kind.JOINT_COUNT)
    read: set[int] = set()
    for frame in frames:
        if type(frame) is not int or frame < 0 or frame in read:
            raise InputError(f"frame_index {frame!r}", where=where, expected="whole numbers from 0 on, each once")
        read.add(frame)
    try:
        poses = np.array([pose for _, pose, _ in entries], np.float64).reshape(-1, joints, 2)
        scores = np.array([score for *_, score in entries], np.float64).reshape(-1, joints)
    except (ValueError, TypeError) as error:
        raise InputError(str(error), where=where, expected="numbers in pose and score") from error
    finite = np.isfinite(poses).all((1, 2)) & np.isfinite(scores).all(1)
    if not finite.all():
        problem = f"numbers that are not finite in frame {entries[int(finite.argmin())][0]}"
        raise InputError(problem, where=where, remedy="give 0, with score 0, for the unseen", kind=Kind.NAN)
    return np.array([frame for frame, *_ in entries], np.int64), poses, scores
