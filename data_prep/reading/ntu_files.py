"""One clip of NTU RGB+D: a `.skeleton` file as Kinect's recorder writes it.

The number of frames; for every frame the number of bodies; for every body a line of ten fields, the first of them the
body's id, then the number of joints, and a line for every joint: x y z (metres; x left, y up, z away), its place in the
depth and in the colour image (pixels), a quaternion and the tracking state (0 not tracked, 1 inferred, 2 tracked).
"""

import re
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stgraph.data.recording import Track, unbroken
from stgraph.errors import InputError
from stgraph.skeleton import NTU25

SIZE = (1920, 1080)  # of the colour image, pixels
FPS = 30.0
PERSONS = 2
TURN = np.array([-1, -1, 1], np.float32)  # half a turn about z: x right, y down
# Of a joint's line: x y z, x and y in the colour image, tracking state.
COLUMNS = (0, 1, 2, 5, 6, 11)
EXPECTED = "expected counts of frames, bodies and joints, and twelve numbers for a joint"
# As C++ on Windows spells what is no number.
SPELLED = {"1.#INF": "inf", "1.#IND": "nan", "1.#QNAN": "nan", "1.#SNAN": "nan"}


def read_ntu(path: Path) -> list[Track]:
    """The two most active persons of a clip, the more active first; a gap makes two tracks of one person.

    A person is one body id. 3D: metres, camera space. 2D `kinect`: pixels of the colour image (1920 x 1080, mirrored,
    as Kinect's are) with confidence 1 for a tracked joint and 0.5 for an inferred one, 0 where the place is not finite.
    A body all of whose joints are at zero, or one of them not finite in 3D, is not there in that frame.

    Raises:
        InputError: unreadable, empty, cut short or malformed, another number of joints, or nobody in it.
    """
    frames, bodies, values = parse(path)
    pose = values[..., :3]
    there = np.isfinite(pose).all((1, 2)) & pose.any((1, 2))
    if not there.any():
        raise InputError(f"{path}: no person in any frame; leave the clip out")
    frames, bodies, pose, values = frames[there], bodies[there], TURN * pose[there], values[there, :, 3:]
    pose2d = detections(values)
    numbers = np.unique(bodies)  # in the order of appearance
    ranked = sorted(numbers, key=lambda body: -activity(pose[bodies == body]))
    tracks = []
    for person, body in enumerate(ranked[:PERSONS]):
        rows = np.flatnonzero(bodies == body)
        own = frames[rows]
        if (twice := np.diff(own) == 0).any():
            raise InputError(f"{path}: a body is twice in frame {own[twice.argmax()]}; get the file again")
        for run in unbroken(own):
            track = rows[run]
            tracks.append(Track({"kinect": pose2d[track]}, pose[track], frame=int(own[run[0]]), person=person))
    return tracks


def activity(pose: Float[np.ndarray, "t j 3"]) -> float:
    """Standard deviation of all coordinates along each axis, summed: large for bodies that move and are whole.

    The measure by which 2s-AGCN and those after it choose bodies (Shi et al., CVPR 2019).
    """
    return float(pose.std((0, 1), dtype=np.float64).sum())


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
        raise InputError(f"{path}: {error.strerror}; give a .skeleton file of NTU RGB+D") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error.reason} at byte {error.start}, no text; get the file again") from error
    if not any(map(str.strip, lines)):
        raise InputError(f"{path}: empty; get the file again, or leave the clip out")
    frames, bodies, joints, ids = [], [], [], {}
    frame = total = 0
    rest = iter(lines)
    try:
        total = int(next(rest))
        for frame in range(total):
            for _ in range(int(next(rest))):
                bodies.append(ids.setdefault(next(rest).split()[0], len(ids)))
                frames.append(frame)
                if (found := int(next(rest))) != len(NTU25):
                    raise InputError(
                        f"{path}: {found} joints in frame {frame}; expected the {len(NTU25)} of {NTU25.name} "
                        f"({', '.join(NTU25.names)}); leave the clip out"
                    )
                joints += islice(rest, found)
                if len(joints) < len(bodies) * found:
                    raise StopIteration
    except InputError:
        raise
    except StopIteration:
        raise InputError(f"{path}: ends in frame {frame} of {total}; get the file again") from None
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: frame {frame} of {total}: {error}; {EXPECTED}, get the file again") from error
    if any(map(str.strip, rest)):
        raise InputError(f"{path}: goes on after the last of its {total} frames; {EXPECTED}, get the file again")
    return np.array(frames, int), np.array(bodies, int), numbers(joints, path)


def numbers(joints: list[str], path: Path) -> Float[np.ndarray, "n j 6"]:
    """COLUMNS of lines of joints. Raises InputError for what is no number."""
    values = np.zeros((0, len(COLUMNS)), np.float32)
    spelled = re.compile("|".join(map(re.escape, SPELLED)))
    for lines in (joints, (spelled.sub(lambda found: SPELLED[found[0]], line) for line in joints)):
        try:
            if joints:
                values = np.loadtxt(lines, np.float32, usecols=COLUMNS, ndmin=2, comments=None)
            return values.reshape(-1, len(NTU25), len(COLUMNS))
        except ValueError as error:
            reason = error
    raise InputError(f"{path}: a joint's line: {reason}; {EXPECTED}, get the file again") from reason
