"""The people of a scene, their places and times, and its camera."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from data_prep.cameras.viewpoints import AIM, DISTANCES, FOCAL, IMAGE_SIZES, ROLL, beside, look_at, pinhole
from data_prep.reading.motion import floor_shift
from data_prep.sources.scenes.body import surface_gap
from data_prep.sources.scenes.view import in_image, view_of
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import POSETRACK15

ROOM = 6.0  # metres: side of the square that paths lie in; a longer path lies across its middle
HIPS_APART, BODIES_APART = 0.5, 0.05  # metres between the hips, on the floor, and between the bodies of two people
NEAR = 2.0  # metres between the hips, beyond which bodies do not touch
PLACINGS = 30  # places that are tried for a person before another is tried
SPARE = 8  # people who may replace others
LAYOUTS = 20  # draws of a whole scene; in the second half of them all are there from the start
TOGETHER = 0.7  # of the frames of a scene, in which two or more people are there
LANDSCAPE = [size for size in IMAGE_SIZES if size[0] > size[1]]
CAMERA_HEIGHT = (0.8, 2.5)  # metres above the floor
IN_VIEW = 0.9  # of all joints in all frames, from the nearest distance of a camera
STEP_BACK = (1.0, 1.2)  # times that distance
CAMERAS = 3  # drawn; the one with most occlusion is used, since trackers fail there
NEAREST = 1.5  # metres from the camera to any joint
LOOKED_AT = 100  # frames of each person that a camera is placed by
SHAPES = 16  # poses that false detections of a scene take
HIPS = [POSETRACK15.index(name) for name in ("LHip", "RHip")]


@dataclass(frozen=True)
class Piece:
    """A stretch of a take at the scene's frame rate: PoseTrack's joints in metres, world, z up."""

    subject: str
    take: str
    body: Float[np.ndarray, "t j 3"]


@dataclass(frozen=True)
class Stay:
    """A person in a scene: subject and take of the motion, the first frame, and the body in the room."""

    subject: str
    take: str
    start: int
    body: Float[np.ndarray, "t j 3"]

    @property
    def end(self) -> int:
        """One frame behind the last."""
        return self.start + len(self.body)


@dataclass(frozen=True)
class Layout:
    """A scene before the camera: frames, people in order of their numbers, and how many could not be placed."""

    frames: int
    stays: list[Stay]
    refused: int

    def bodies(self) -> Float[np.ndarray, "p t j 3"]:
        """All people, metres, world; NaN where a person is not there."""
        bodies = np.full((len(self.stays), self.frames, *self.stays[0].body.shape[1:]), np.nan)
        for body, stay in zip(bodies, self.stays, strict=True):
            body[stay.start : stay.end] = stay.body
        return bodies


def lay_out(pieces: Sequence[Piece], people: tuple[int, int], frames: int, rng: np.random.Generator) -> Layout:
    """Draw a scene of `people` (from, to) of different takes, and of different subjects as far as there are enough.

    Subjects and pieces that fill much of the scene are drawn rather than others. Each person is turned about the
    vertical, placed in the room and starts at a random frame, so that no bodies touch; a person without a place is
    replaced by another. The scene ends with its last person, and two or more people are there most of the time.

    Raises:
        InputError: no draw has room for that many.
    """
    wanted, refused, most = int(rng.integers(people[0], people[1] + 1)), 0, 0
    for attempt in range(LAYOUTS):
        stays: list[Stay] = []
        for piece in _order(pieces, frames, rng)[: wanted + SPARE]:
            stay = _placed(_cropped(piece, frames, rng), frames, stays, attempt < LAYOUTS // 2, rng)
            if stay is None:
                refused += 1
            else:
                stays.append(stay)
            if len(stays) == wanted:
                break
        most = max(most, len(stays))
        if len(stays) == wanted:
            trimmed = _trimmed(stays, attempt >= LAYOUTS // 2)
            length = max(stay.end for stay in trimmed)
            if (presence(trimmed, length).sum(axis=0) >= 2).mean() >= TOGETHER:
                return Layout(length, trimmed, refused)
    problem = f"a room of {ROOM:g} x {ROOM:g} m had no place for {wanted} people in {LAYOUTS} draws, for {most} at most"
    raise InputError(problem, where="scenes", remedy=f"give fewer than --people {people[0]}x{people[1]}")


def presence(stays: Sequence[Stay], frames: int) -> np.ndarray:
    """(p t) whether each person is in the room."""
    time = np.arange(frames)
    return np.array([(stay.start <= time) & (time < stay.end) for stay in stays])


def _order(pieces: Sequence[Piece], frames: int, rng: np.random.Generator) -> list[Piece]:
    """Pieces in random order, each subject once before any twice.

    A subject is drawn by the frames that the longest piece can fill, a piece of the subject's by the square of its
    frames: otherwise most scenes would be of the sampled subjects with many long takes.
    """
    fills = np.array([min(len(piece.body), frames) for piece in pieces], dtype=float)
    longest: dict[str, float] = {}
    for piece, fill in zip(pieces, fills, strict=True):
        longest[piece.subject] = max(longest.get(piece.subject, 0), fill)
    # The order of exponential waiting times is that of drawing without putting back.
    turns = dict(zip(longest, rng.exponential(size=len(longest)) / list(longest.values()), strict=True))
    order = [pieces[i] for i in np.argsort(rng.exponential(size=len(pieces)) / fills**2)]
    first = {piece.subject: piece for piece in reversed(order)}
    again = [piece for piece in order if piece is not first[piece.subject]]
    return [first[subject] for subject in sorted(first, key=turns.__getitem__)] + again


def _cropped(piece: Piece, frames: int, rng: np.random.Generator) -> Piece:
    start = int(rng.integers(0, max(len(piece.body) - frames, 0) + 1))
    return replace(piece, body=piece.body[start : start + frames])


def _placed(piece: Piece, frames: int, others: Sequence[Stay], any_time: bool, rng: np.random.Generator) -> Stay | None:
    """The piece somewhere in the room where it touches no other person, or None."""
    body = piece.body + np.array([0, 0, floor_shift(piece.body)])
    for _ in range(PLACINGS):
        start = int(rng.integers(0, frames - len(body) + 1)) if any_time else 0
        turned = body @ turn(rng.uniform(0, 2 * np.pi)).T
        path = turned[:, HIPS, :2].mean(axis=1)
        low, high = path.min(axis=0), path.max(axis=0)
        free = np.maximum(ROOM - (high - low), 0) / 2
        turned[..., :2] += rng.uniform(-free, free) - (low + high) / 2
        stay = Stay(piece.subject, piece.take, start, turned)
        if all(apart(stay, other) for other in others):
            return stay
    return None


def turn(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about the vertical, by radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def apart(one: Stay, other: Stay) -> bool:
    """Whether two people keep their distance in all frames in which both are there."""
    start, end = max(one.start, other.start), min(one.end, other.end)
    if start >= end:
        return True
    a, b = (stay.body[start - stay.start : end - stay.start] for stay in (one, other))
    distance = np.linalg.norm((a[:, HIPS] - b[:, HIPS]).mean(axis=1)[:, :2], axis=-1)
    if distance.min() < HIPS_APART:
        return False
    near = distance < NEAR
    return not near.any() or surface_gap(a[near], b[near]) >= BODIES_APART


def _trimmed(stays: Sequence[Stay], short: bool) -> list[Stay]:
    """The scene from its first person on; a `short` one ends when fewer than two are left."""
    first = min(stay.start for stay in stays)
    end = sorted(stay.end for stay in stays)[-2 if short and len(stays) > 1 else -1]
    return [replace(stay, start=stay.start - first, body=stay.body[: end - stay.start]) for stay in stays]


def scene_camera(bodies: Float[np.ndarray, "p t j 3"], name: str, rng: np.random.Generator) -> Camera:
    """Of several random cameras the one with most occlusion."""
    sampled = bodies[:, :: bodies.shape[1] // LOOKED_AT + 1]
    cameras = [_random_camera(sampled, name, rng) for _ in range(CAMERAS)]
    return max(cameras, key=lambda camera: view_of(sampled, camera).hidden.sum())


def _random_camera(bodies: Float[np.ndarray, "p t j 3"], name: str, rng: np.random.Generator) -> Camera:
    """A camera without distortion somewhere around the people, which looks at the middle of their paths.

    Drawn: image size, focal length, height, direction, aim, roll, and a distance: from the nearest at which nine of ten
    joints are in the image, and none is within 1.5 m of the camera, to a fifth farther. The rest is outside the image.
    """
    width, height = LANDSCAPE[rng.integers(len(LANDSCAPE))]
    focal = rng.uniform(*FOCAL) * max(width, height)
    direction, above = rng.uniform(0, 2 * np.pi), rng.uniform(*CAMERA_HEIGHT)
    aim, roll, back = rng.normal(0, AIM, 3), rng.normal(0, ROLL), rng.uniform(*STEP_BACK)
    points = bodies[np.isfinite(bodies).all(axis=-1)]
    target = (points.min(axis=0) + points.max(axis=0)) / 2 + aim
    target[2] = points[:, 2].mean() + aim[2]

    def placed(distance: float) -> Camera:
        centre = beside(target, distance, direction, above)
        return pinhole(name, (width, height), focal, look_at(centre, target, roll), centre)

    for distance in DISTANCES:
        camera = placed(distance)
        if np.linalg.norm(points - camera.translation, axis=-1).min() < NEAREST:
            continue
        if in_image(points, camera)[2].mean() >= IN_VIEW:
            break
    return placed(back * distance)


def random_shapes(pieces: Sequence[Piece], rng: np.random.Generator) -> Float[np.ndarray, "n j 2"]:
    """Poses of random people from random sides, upright, y down, about the origin, as high as one."""
    poses = []
    for number in rng.integers(len(pieces), size=SHAPES):
        body = pieces[number].body[rng.integers(len(pieces[number].body))] @ turn(rng.uniform(0, 2 * np.pi)).T
        pose = np.stack([body[:, 0], -body[:, 2]], axis=-1)
        low, high = pose.min(axis=0), pose.max(axis=0)
        poses.append((pose - (low + high) / 2) / (high - low).max())
    return np.stack(poses)
