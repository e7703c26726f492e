"""Recordings with their tracks and detections, from which datasets are written, and checks that refuse wrong ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

# The median bone of any skeleton in use lies well inside, that of a hand (0.03) too. Outside lie people in centimetres
# (20) or millimetres (200) and hands in millimetres (30), or one divided by 1000.
BONE_METRES = (0.01, 5.0)
# Of a row; other fields have numbers for every joint.
NUMBERS = {"frame": (), "valid": (), "score": (), "metres_per_pixel": (), "box": (4,), "head_box": (4,)}
# Frames that the unit is inferred from: it holds for a whole track, and a hundred thousand tracks are written quickly.
MEASURED = 16


@dataclass
class Track:
    """One person's run of frames, without gaps (a gap makes two tracks of the same person).

    Attributes:
        pose2d: detector -> (t, j, 3): pixels x, y and confidence; confidence 0 = not seen.
        pose3d: (t, j, 3) metres, camera space, root not removed; or None. Anything where `valid` is False.
        frame: number of the first frame within the recording.
        person: number of the person within the recording.
        apart: the frames have no order in time: each is written as a track of one frame.
        valid: (t) bool, False where the source says that its ground truth is not to be scored; None = all are valid.
        box, head_box: (t 4) left, top, right, bottom in pixels, zeros where not known; or None.
        features: name -> (t j w) visual features of the joints, of any width.
        image3d: (t, j, 3) the pose in image space: pixels x, y and a depth of the same scale; or None.
        metres_per_pixel: (t) the scale of `image3d`, 0 where it is not known; or None.
    """

    # Shapes are checked when a recording is written, with a message that names it.
    pose2d: dict[str, np.ndarray]
    pose3d: np.ndarray | None = None
    frame: int = 0
    person: int = 0
    apart: bool = False
    valid: np.ndarray | None = None
    box: np.ndarray | None = None
    head_box: np.ndarray | None = None
    features: dict[str, np.ndarray] = field(default_factory=dict)
    image3d: np.ndarray | None = None
    metres_per_pixel: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.fields().values()), ()))

    def fields(self) -> dict[str, np.ndarray]:
        """Row arrays by their place under /rows."""
        poses = {"pose3d": self.pose3d} | {f"pose2d/{detector}": pose for detector, pose in self.pose2d.items()}
        others = {"image3d": self.image3d, "metres_per_pixel": self.metres_per_pixel}
        others |= {"box": self.box, "head_box": self.head_box}
        others |= {f"features/{name}": values for name, values in self.features.items()}
        return {name: values for name, values in (poses | others).items() if values is not None}


@dataclass
class Detections:
    """A detector's n poses of the frames of a recording, without identities, in order of their frames.

    Attributes:
        frame: (n) number of the frame within the recording, ascending.
        pose: (n j 3) pixels x, y and confidence; confidence 0 = not seen.
        score: (n) of the pose as a whole.
        box: (n 4) left, top, right, bottom in pixels, zeros where not known; or None.
        features: name -> (n j w) visual features of the joints.
    """

    frame: np.ndarray
    pose: np.ndarray
    score: np.ndarray
    box: np.ndarray | None = None
    features: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def fields(self) -> dict[str, np.ndarray]:
        """Arrays by their place under /detections/NAME."""
        fields = {"frame": self.frame, "pose": self.pose, "score": self.score, "box": self.box}
        fields |= {f"features/{name}": values for name, values in self.features.items()}
        return {name: values for name, values in fields.items() if values is not None}


@dataclass
class Recording:
    """One take as one camera saw it, with its tracks, and detector -> its detections without identity."""

    subject: str
    action: str
    take: str
    camera: Camera
    fps: float
    tracks: list[Track]
    label: str = ""
    detections: dict[str, Detections] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Subject, take and camera: "S9/Walking 1/54138969"."""
        return f"{self.subject}/{self.take}/{self.camera.name}"


def runs(mask: Bool[np.ndarray, " t"]) -> list[tuple[int, int]]:
    """(start, end) of every run of True.

    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def unbroken(frame: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Indices of every run of consecutive numbers in a person's frames, which ascend.

    >>> unbroken(np.array([3, 4, 7]))
    [array([0, 1]), array([2])]
    """
    return np.split(np.arange(len(frame)), np.flatnonzero(np.diff(frame) > 1) + 1) if len(frame) else []


def members(sizes: Int[np.ndarray, " group"]) -> tuple[Int[np.ndarray, " member"], Int[np.ndarray, " member"]]:
    """The group of every member of consecutive groups, and its number within the group.

    >>> members(np.array([2, 0, 1]))
    (array([0, 0, 2]), array([0, 1, 0]))
    """
    group = np.repeat(np.arange(len(sizes)), sizes)
    return group, np.arange(len(group)) - (np.cumsum(sizes) - sizes)[group]


def check_recording(recording: Recording, skeleton: Skeleton) -> None:
    """Raises InputError for a wrong recording, with the recording, the field, the frame and the joint."""
    if not recording.tracks or not all(map(len, recording.tracks)):
        raise InputError("no frames", where=recording.id, remedy="leave the recording out")
    check_tracks(recording)
    for track in recording.tracks:
        check_names(recording.id, track.pose2d, track.features)
        for name, values in track.fields().items():
            check_rows(f"{recording.id}, {name}", name, values, track.frame + np.arange(len(track)), skeleton)
        if track.valid is not None and (track.valid.shape != (len(track),) or track.valid.dtype != bool):
            problem = f"{track.valid.dtype} of shape {track.valid.shape}; expected ({len(track)} frames) of bool"
            raise InputError(problem, where=f"{recording.id}, valid")
        if track.pose3d is not None:
            check_metres(track.pose3d if track.valid is None else track.pose3d[track.valid], skeleton, recording.id)
    check_names(recording.id, recording.detections)
    for detector, detections in recording.detections.items():
        where, frame = f"{recording.id}, detections {detector}", np.asarray(detections.frame)
        check_names(where, detections.features)
        if frame.ndim != 1 or frame.dtype.kind != "i" or (np.diff(frame) < 0).any() or (frame < 0).any():
            problem = f"frames {frame[:10]}; expected whole numbers from 0 in ascending order"
            raise InputError(problem, where=where, remedy="sort them")
        for name, values in detections.fields().items():
            check_rows(f"{where}, {name}", name, values, frame, skeleton)


def check_names(where: str, *named: Iterable[str]) -> None:
    """Raises InputError for a name that cannot be that of an array in a file."""
    for name in chain(*named):
        # In a file "/" makes folders and "." is the folder itself.
        if not name or "/" in name or name == ".":
            raise InputError(f"an array called {name!r}; expected a name without '/', such as 'cpn'", where=where)


def check_rows(where: str, name: str, values: np.ndarray, frame: Int[np.ndarray, " n"], skeleton: Skeleton) -> None:
    """Raises InputError for a row array of the wrong shape, or numbers that are not finite."""
    if name in NUMBERS:
        shape = (len(frame), *NUMBERS[name])
        expected = f"({', '.join(map(str, shape))})"
    else:
        width = values.shape[-1] if name.startswith("features/") and values.ndim == 3 and values.shape[-1] else 3
        shape = (len(frame), len(skeleton), width)
        expected = f"({len(frame)} frames, {len(skeleton)} joints of skeleton {skeleton.name!r}, {width})"
    if values.shape != shape:
        problem = f"shape {values.shape}, expected {expected}"
        raise InputError(problem, where=where, remedy="map the joints by name first")
    if not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0]
        joint = f", joint {skeleton.names[place[1]]}" if values.ndim == 3 else ""
        problem = f"{values[tuple(place[:-1]) or place[0]]} at frame {frame[place[0]]}{joint}"
        raise InputError(problem, where=where, remedy="give finite numbers, and confidence 0 for what was not seen")


def check_tracks(recording: Recording) -> None:
    """Raises InputError where tracks have different fields, or a person two poses in one frame."""
    fields = [{name: values.shape[1:] for name, values in track.fields().items()} for track in recording.tracks]
    if any(each != fields[0] for each in fields):
        problem = f"its tracks have different fields, {', '.join(sorted(set().union(*fields)))}"
        remedy = "give every track all of them, unseen joints with confidence 0"
        raise InputError(problem, where=recording.id, remedy=remedy)
    ends: dict[int, int] = {}
    for track in sorted(recording.tracks, key=lambda track: track.frame):
        if track.frame < ends.get(track.person, 0):
            poses = "two poses" if track.person in ends else "a pose"
            problem = f"{poses} of person {track.person} at frame {track.frame}"
            remedy = "frames count from 0, and tracks of the same person follow one another"
            raise InputError(problem, where=recording.id, remedy=remedy)
        ends[track.person] = track.frame + len(track)


def check_metres(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton, where: str) -> None:
    """Raises InputError where the median bone is no human's in metres, naming the unit that it looks like."""
    if not skeleton.bones or not len(pose):
        return
    pose = pose[:: 1 + len(pose) // MEASURED]
    joint, parent = np.array(skeleton.bones).T
    bone = float(np.median(np.linalg.norm(pose[:, joint] - pose[:, parent], axis=-1)))
    low, high = BONE_METRES
    if not low <= bone <= high:
        scale, unit = (1000, "millimetres") if bone > high else (0.001, "kilometres, or metres divided by 1000")
        hint = f"; these look like {unit}" if low <= bone / scale <= high else ""
        problem = f"the median bone is {bone:.3g} long, expected {low} to {high} metres{hint}"
        raise InputError(problem, where=where, remedy="convert to metres")
