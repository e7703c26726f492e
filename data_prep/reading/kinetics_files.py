"""One clip of Kinetics-skeleton: a JSON file with the people that OpenPose found in every frame.

    {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, x, y, ...], "score": [...]}, ...]}, ...],
     "label": "abseiling", "label_index": 0}

x and y are fractions of the image's width and height, 0 to 1. People have no identity: their order in every frame is
OpenPose's.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stgraph.data.recording import Track, unbroken
from stgraph.errors import InputError
from stgraph.skeleton import OPENPOSE18

SIZE = (340, 256)  # of the videos when the people were found, pixels
FPS = 30.0
FRAMES = 300
READ, PERSONS = 5, 2  # people of a frame that are read, and those kept
EXPECTED = 'expected {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, ...], "score": [...]}]}]}'


def read_kinetics(path: Path, frames: int = FRAMES) -> list[Track]:
    """The two persons of every frame whose joints are surest, the surer one first; a gap makes two tracks.

    As ST-GCN feeds them: of the first five people of a frame the two with the largest sum of scores, whoever they were
    in the frame before. 2D `openpose`: pixels of an image of 340 x 256, with the score as confidence; all zero where
    that is 0. Frames are numbered as in the file, which mostly begins with 1.

    Args:
        frames: those with this number or a greater one are left out.

    Raises:
        InputError: unreadable, not of this form, another number of joints, a frame twice, values that are not finite,
            or nobody in it.
    """
    return tracks_of(load(path), str(path), frames)


def load(path: Path) -> Any:
    """What a JSON file holds. Raises InputError where it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a JSON file") from error
    except (ValueError, RecursionError) as error:
        found = "empty" if not path.stat().st_size else f"no whole JSON ({error})"
        raise InputError(f"{path}: {found}; get the file again") from error


def tracks_of(clip: Any, where: str, frames: int = FRAMES) -> list[Track]:
    """The tracks of a clip that is loaded; see `read_kinetics`."""
    frame, poses, scores = people(clip, where)
    sureness = scores.sum(1)
    kept = np.flatnonzero((sureness > 0) & (frame < frames))
    if not len(kept):
        raise InputError(f"{where}: no person in any frame; leave the clip out")
    order = kept[np.lexsort((-sureness[kept], frame[kept]))]  # which keeps the file's order where sums are equal
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
        given = [
            (entry["frame_index"], person["pose"], person["score"])
            for entry in clip["data"]
            for person in entry["skeleton"][:READ]
        ]
        lengths = {(len(pose), len(score)) for _, pose, score in given} or {(2 * joints, joints)}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: {type(error).__name__} {error}; {EXPECTED}") from error
    if wrong := lengths - {(2 * joints, joints)}:
        pose, score = min(wrong)
        found = f"{score} joints" if pose == 2 * score else f"a pose of {pose} numbers with {score} scores"
        raise InputError(
            f"{where}: {found}; expected the {joints} of {OPENPOSE18.name} ({', '.join(OPENPOSE18.names)}); leave the "
            "clip out"
        )
    if not all(type(frame) is int and frame >= 0 for frame in frames) or len(set(frames)) < len(frames):
        raise InputError(f"{where}: frame_index {_odd(frames)!r}; expected whole numbers from 0 on, each once")
    try:
        poses = np.array([pose for _, pose, _ in given], np.float64).reshape(-1, joints, 2)
        scores = np.array([score for *_, score in given], np.float64).reshape(-1, joints)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}; expected numbers in pose and score") from error
    finite = np.isfinite(poses).all((1, 2)) & np.isfinite(scores).all(1)
    if not finite.all():
        frame = given[int(finite.argmin())][0]
        raise InputError(f"{where}: numbers that are not finite in frame {frame}; give 0, with score 0, for the unseen")
    return np.array([frame for frame, *_ in given], np.int64), poses, scores


def _odd(frames: list[Any]) -> Any:
    """The first that is no frame's number, or is there before."""
    return next(
        frame for place, frame in enumerate(frames) if type(frame) is not int or frame < 0 or frame in frames[:place]
    )
