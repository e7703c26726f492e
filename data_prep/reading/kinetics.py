"""One clip of Kinetics-skeleton: a JSON file with the people that OpenPose found in every frame.

    {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, x, y, ...], "score": [...]}, ...]}, ...],
     "label": "abseiling", "label_index": 0}

x and y are fractions of the image's width and height, 0 to 1. People have no identity: their order in every frame is
OpenPose's.
"""

from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field

from data_prep.options import KINETICS_FRAMES
from data_prep.reading.left_out import Kind
from stgraph.data.recording import Track, unbroken
from stgraph.errors import InputError
from stgraph.formats.json_files import read_json, validated
from stgraph.formats.keypoints.poses import MOST_FRAMES
from stgraph.skeleton import OPENPOSE18

SIZE = (340, 256)  # of the videos when the people were found, pixels
FPS = 30.0
MOST_FRACTION = 1e6  # of the image; larger numbers are no places in it
READ, PERSONS = 5, 2  # people of a frame that are read, and those kept
EXPECTED = '{"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, ...], "score": [...]}]}]}'


class Strict(BaseModel):
    """A schema whose numbers are not written as text."""

    model_config = ConfigDict(strict=True)


class Person(Strict):
    pose: list[float]
    score: list[float]


class Frame(Strict):
    frame_index: int = Field(ge=0, lt=MOST_FRAMES)
    skeleton: list[Person]


class Clip(Strict):
    """The content of a file, less what is not used."""

    data: list[Frame]
    label_index: int | None = None


def read_clip(path: Path) -> Clip:
    """The content of a file. Raises InputError where it is not of this form."""
    return validated(Clip, read_json(path, EXPECTED), path)


def read_kinetics(path: Path, frames: int = KINETICS_FRAMES) -> list[Track]:
    """The two persons of every frame with the largest sums of scores, in that order; a gap makes two tracks.

    They are chosen among the first five people of a frame, as for ST-GCN, and their order may change from frame to
    frame. 2D `openpose`: pixels of an image of 340 x 256, with the score as confidence; all zero where
    that is 0. Frames are numbered as in the file, which mostly begins with 1.

    Args:
        frames: those with this number or a greater one are left out.

    Raises:
        InputError: unreadable, not of this form, another number of joints, a frame twice, or no person in it.
    """
    return tracks_of(read_clip(path), str(path), frames)


def tracks_of(clip: Clip, where: str, frames: int = KINETICS_FRAMES) -> list[Track]:
    """The tracks of a clip; see `read_kinetics`."""
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
        own_frames, pose = frame[rank == person], values[rank == person]
        for run in unbroken(own_frames):
            tracks.append(Track({"openpose": pose[run]}, frame=int(own_frames[run[0]]), person=person))
    return tracks


def people(
    clip: Clip, where: str
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n j 2"], Float[np.ndarray, "n j"]]:
    """Frame, x and y, and scores of the first people of every frame, in the file's order; zeros for the unseen.

    A joint with a number that is not finite is unseen. Raises InputError.
    """
    joints, numbers = len(OPENPOSE18), Counter(frame.frame_index for frame in clip.data)
    if twice := [number for number, count in numbers.items() if count > 1]:
        raise InputError(f"frame_index {twice[0]}", where=where, expected="each number once")
    persons = [(frame.frame_index, person) for frame in clip.data for person in frame.skeleton[:READ]]
    for _, person in persons:
        pose, score = len(person.pose), len(person.score)
        if (pose, score) != (2 * joints, joints):
            problem = f"{score} joints" if pose == 2 * score else f"a pose of {pose} numbers with {score} scores"
            expected = f"the {joints} of {OPENPOSE18.name} ({', '.join(OPENPOSE18.names)})"
            raise InputError(problem, where=where, expected=expected, kind=Kind.JOINT_COUNT)
    poses = np.array([person.pose for _, person in persons], np.float64).reshape(-1, joints, 2)
    scores = np.array([person.score for _, person in persons], np.float64).reshape(-1, joints)
    seen = (np.abs(poses) < MOST_FRACTION).all(2) & (np.abs(scores) < MOST_FRACTION)  # which NaN is not
    poses, scores = np.where(seen[..., None], poses, 0), np.where(seen, scores, 0)
    return np.array([frame for frame, _ in persons], np.int64), poses, scores
