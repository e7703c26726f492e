"""NTU RGB+D: the names of clips and actions, and `.skeleton` files as Kinect's recorder writes them.

The number of frames; for every frame the number of bodies; for every body a line of ten fields, the first of them the
body's id, then the number of joints, and a line for every joint: x y z (metres; x left, y up, z away), its place in the
depth and in the colour image (pixels), a quaternion and the tracking state (0 not tracked, 1 inferred, 2 tracked).
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.reading.arrays import AGAIN
from data_prep.reading.labels import class_names
from data_prep.reading.left_out import Kind
from stgraph.data.recording import Track, unbroken
from stgraph.errors import InputError
from stgraph.skeleton import NTU25

SIZE = (1920, 1080)  # of the colour image, pixels
FPS = 30.0
PERSONS = 2
TURN = np.array([-1, -1, 1], np.float32)  # half a turn about z: x right, y down
# Of a joint's line: x y z, x and y in the colour image, tracking state.
COLUMNS = (0, 1, 2, 5, 6, 11)
EXPECTED = "counts of frames, bodies and joints, and twelve numbers for a joint"
# How C++ on Windows writes infinity and NaN.
SPELLED = {"1.#INF": "inf", "1.#IND": "nan", "1.#QNAN": "nan", "1.#SNAN": "nan"}
NAME = re.compile(r"S\d{3}(?P<camera>C\d{3})(?P<subject>P\d{3})R\d{3}A(?P<action>(?!000)\d{3})")
ACTIONS = 60  # of NTU RGB+D; the further ones are those of its extension, NTU RGB+D 120
UNKNOWN_SUBJECT, UNKNOWN_CAMERA = "clips", "unknown"


def identity(name: str) -> tuple[str, str, str]:
    """Subject, take and camera of a clip's name, which NTU's names state.

    >>> identity("S001C002P003R001A004")
    ('P003', 'S001C002P003R001A004', 'C002')
    """
    match = NAME.fullmatch(name)
    return (match["subject"], name, match["camera"]) if match else (UNKNOWN_SUBJECT, name, UNKNOWN_CAMERA)


def action_of(name: str) -> int:
    """The number of a clip's action, from 1; 0 where the name is none of NTU's."""
    match = NAME.fullmatch(name)
    return int(match["action"]) if match else 0


def action_names(last: int, stated: list[str] | None = None) -> list[str]:
    """Classes in the order of the actions. Raises InputError where fewer are stated than occur."""
    if stated and len(stated) < last:
        problem = f"{len(stated)} names, but clips of action A{last:03d}"
        raise InputError(problem, where="--classes", remedy="name every action in order")
    known = class_names("ntu60")
    # Both sets whole, so that a class has its place whichever clips there are.
    further = range(len(known) + 1, 1 + (len(known) if last <= ACTIONS else max(last, 2 * ACTIONS)))
    return stated or known + [f"A{number:03d}" for number in further]


def ntu_classes(names: Sequence[str], labels: Sequence[int | str | None]) -> list[str]:
    """NTU's actions, where the clips have NTU's names and each the label that its name states; else nothing.

    >>> len(ntu_classes(["S001C002P003R001A004"], [3])), ntu_classes(["S001C002P003R001A004"], [0])
    (60, [])
    """
    actions = [action_of(name) for name in names]
    agree = actions and 0 not in actions and [action - 1 for action in actions] == [*labels]
    return action_names(max(actions)) if agree else []


def read_ntu(path: Path) -> list[Track]:
    """The two most active persons of a clip, the more active first; a gap makes two tracks of one person.

    A person is one body id. 3D: metres, camera space. 2D `kinect`: pixels of the colour image (1920 x 1080, mirrored,
    as Kinect's are) with confidence 1 for a tracked joint and 0.5 for an inferred one, 0 where the place is not finite.
    A body whose joints are all at zero or not finite in 3D is not there in that frame. A single joint that is not
    finite is unseen: zero, in a frame that is not `valid` for scoring.

    Raises:
        InputError: unreadable, empty, cut short or malformed, another number of joints, or no person in it.
    """
    frames, bodies, values = parse(path)
    pose = values[..., :3]
    known = np.asarray(np.isfinite(pose).all(2))
    pose = np.where(known[..., None], pose, 0)
    present = pose.any((1, 2))
    if not present.any():
        raise InputError("no person in any frame; leave the clip out", where=path, kind=Kind.NO_PERSON)
    frames, bodies, pose, values = frames[present], bodies[present], TURN * pose[present], values[present, :, 3:]
    known = known[present]
    pose2d = detections(values)
    numbers = np.unique(bodies)  # in the order of appearance
    ranked = sorted(numbers, key=lambda body: -activity(pose[bodies == body], known[bodies == body]))
    tracks = []
    for person, body in enumerate(ranked[:PERSONS]):
        rows = np.flatnonzero(bodies == body)
        own_frames = frames[rows]
        if (twice := np.diff(own_frames) == 0).any():
            problem = f"a body is twice in frame {own_frames[twice.argmax()]}"
            raise InputError(problem, where=path, remedy=AGAIN, kind=Kind.DOUBLED)
        for run in unbroken(own_frames):
            track = rows[run]
            whole, first = np.asarray(known[track].all(1)), int(own_frames[run[0]])
            valid = None if whole.all() else whole
            tracks.append(Track({"kinect": pose2d[track]}, pose[track], frame=first, person=person, valid=valid))
    return tracks


def activity(pose: Float[np.ndarray, "t j 3"], known: Bool[np.ndarray, "t j"]) -> float:
    """Standard deviation of the known coordinates along each axis, summed: large for bodies that move and are whole.

    The measure by which 2s-AGCN and those after it choose bodies (Shi et al., CVPR 2019).
    """
    return float(pose[known].std(0, dtype=np.float64).sum())


def detections(values: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "n j 3"]:
    """Pixels and confidence, of pixels and tracking state."""
    seen = np.isfinite(values).all(-1, keepdims=True) & (values[..., 2:] > 0)
    return np.where(seen, values * np.array([1, 1, 0.5], np.float32), 0).astype(np.float32)


def parse(path: Path) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, "n j 6"]]:
    """Frame, number of the body (in the order of appearance) and COLUMNS of every body of every frame.

    Raises:
        InputError: unreadable, empty, cut short, malformed, or with another number of joints.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise InputError(f"{error.strerror}; give a .skeleton file of NTU RGB+D", where=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{error.reason} at byte {error.start}, no text", where=path, remedy=AGAIN) from error
    if not any(map(str.strip, lines)):
        raise InputError("an empty file", where=path, remedy=f"{AGAIN}, or leave the clip out", kind=Kind.EMPTY)
    frames, bodies, joints, ids = [], [], [], {}
    frame = total = 0
    rest = iter(lines)
    try:
        total = int(next(rest))
        for frame in range(total):
            for _ in range(int(next(rest))):
                bodies.append(ids.setdefault(next(rest).split()[0], len(ids)))
                frames.append(frame)
                if (count := int(next(rest))) != len(NTU25):
                    expected = f"the {len(NTU25)} of {NTU25.name} ({', '.join(NTU25.names)})"
                    problem = f"{count} joints in frame {frame}"
                    raise InputError(problem, where=path, expected=expected, kind=Kind.JOINT_COUNT)
                joints += islice(rest, count)
                if len(joints) < len(bodies) * count:
                    raise StopIteration
    except InputError:
        raise
    except StopIteration:
        raise InputError(f"ends in frame {frame} of {total}", where=path, remedy=AGAIN) from None
    except (ValueError, IndexError) as error:
        problem = f"frame {frame} of {total}: {error}"
        raise InputError(problem, where=path, expected=EXPECTED, remedy=AGAIN) from error
    if any(map(str.strip, rest)):
        problem = f"goes on after the last of its {total} frames"
        raise InputError(problem, where=path, expected=EXPECTED, remedy=AGAIN)
    return np.array(frames, int), np.array(bodies, int), numbers(joints, path)


def numbers(joints: list[str], path: Path) -> Float[np.ndarray, "n j 6"]:
    """COLUMNS of lines of joints. Raises InputError for text that is no number."""

    def parsed(lines: Iterable[str]) -> np.ndarray:
        return np.loadtxt(lines, np.float32, usecols=COLUMNS, ndmin=2, comments=None)

    values, spelled = np.zeros((0, len(COLUMNS)), np.float32), re.compile("|".join(map(re.escape, SPELLED)))
    try:
        if joints:
            with suppress(ValueError):
                return parsed(joints).reshape(-1, len(NTU25), len(COLUMNS))
            values = parsed(spelled.sub(lambda match: SPELLED[match[0]], line) for line in joints)
        return values.reshape(-1, len(NTU25), len(COLUMNS))
    except ValueError as error:
        raise InputError(f"a joint's line: {error}", where=path, expected=EXPECTED, remedy=AGAIN) from error
