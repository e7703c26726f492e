"""Recordings: what a source hands over and a dataset is written from, and what in them cannot be right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

# The median bone of any skeleton in use lies well inside, that of a hand (0.03) too. Outside lie people in centimetres
# (20) or millimetres (200) and hands in millimetres (30), or one divided by 1000.
BONE_METRES = (0.01, 5.0)
# Frames that the unit is told by: it holds for a whole track, and a hundred thousand tracks are to be written quickly.
MEASURED = 16


@dataclass
class Track:
    """One person's run of frames, without gaps (a gap makes two tracks of the same person).

    Attributes:
        pose2d: detector -> (t, j, 3): pixels x, y and confidence; confidence 0 = not seen.
        pose3d: (t, j, 3) metres, camera space, root not removed; or None.
        frame: number of the first frame within the recording.
        person: number of the person within the recording.
        apart: the frames have no order in time: each is written as a track of one frame.
        valid: (t) bool, False where the source says that its ground truth is not to be scored; None = all are valid.
    """

    # Shapes are checked when a recording is written, with a message that names it.
    pose2d: dict[str, np.ndarray]
    pose3d: np.ndarray | None = None
    frame: int = 0
    person: int = 0
    apart: bool = False
    valid: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.fields().values()), ()))

    def fields(self) -> dict[str, np.ndarray]:
        """Row arrays of poses by their place under /rows."""
        fields = {f"pose2d/{detector}": pose for detector, pose in self.pose2d.items()}
        return fields if self.pose3d is None else {"pose3d": self.pose3d, **fields}


@dataclass
class Recording:
    """One take as one camera saw it, with its tracks."""

    subject: str
    action: str
    take: str
    camera: Camera
    fps: float
    tracks: list[Track]
    label: str = ""

    @property
    def id(self) -> str:
        """Subject, take and camera: "S9/Walking 1/54138969"."""
        return f"{self.subject}/{self.take}/{self.camera.name}"


def unbroken(frame: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Indices of every stretch of consecutive frames, of a person's frames in ascending order.

    >>> unbroken(np.array([3, 4, 7]))
    [array([0, 1]), array([2])]
    """
    if not len(frame):
        return []
    return np.split(np.arange(len(frame)), np.flatnonzero(np.diff(frame) > 1) + 1)


def check_recording(recording: Recording, skeleton: Skeleton) -> None:
    """Refuse what cannot be right. Raises InputError that names the recording, the field, the frame and the joint."""
    if not recording.tracks or not all(map(len, recording.tracks)):
        raise InputError(f"{recording.id}: no frames; leave the recording out")
    check_tracks(recording)
    for track in recording.tracks:
        for detector in track.pose2d:
            # The name of an array in a file, in which "/" makes folders and "." is the folder itself.
            if not detector or "/" in detector or detector == ".":
                raise InputError(
                    f"{recording.id}: 2D poses called {detector!r}; expected a name without '/', such as 'cpn', "
                    "call the detector so"
                )
        for name, values in track.fields().items():
            where = f"{recording.id}, {name}"
            if values.shape != (len(track), len(skeleton), 3):
                raise InputError(
                    f"{where}: shape {values.shape}, expected ({len(track)} frames, {len(skeleton)} joints of skeleton "
                    f"{skeleton.name!r}, 3); map the joints by name first"
                )
            if not np.isfinite(values).all():
                t, j, _ = np.argwhere(~np.isfinite(values))[0]
                raise InputError(
                    f"{where}: {values[t, j]} at frame {track.frame + t}, joint {skeleton.names[j]}; "
                    "give finite numbers, and confidence 0 for what was not seen"
                )
        if track.valid is not None and (track.valid.shape != (len(track),) or track.valid.dtype != bool):
            raise InputError(
                f"{recording.id}, valid: {track.valid.dtype} of shape {track.valid.shape}; expected ({len(track)} "
                "frames) of bool"
            )
        if track.pose3d is not None:
            check_metres(track.pose3d, skeleton, recording.id)


def check_tracks(recording: Recording) -> None:
    """Raises InputError where tracks have different fields, or a person two poses in one frame."""
    fields = [set(track.fields()) for track in recording.tracks]
    if any(found != fields[0] for found in fields):
        raise InputError(
            f"{recording.id}: its tracks have different fields, {', '.join(sorted(set.union(*fields)))}; give every "
            "track all of them, unseen joints with confidence 0"
        )
    ends: dict[int, int] = {}
    for track in sorted(recording.tracks, key=lambda track: track.frame):
        if track.frame < ends.get(track.person, 0):
            what = "two poses" if track.person in ends else "a pose"
            raise InputError(
                f"{recording.id}: {what} of person {track.person} at frame {track.frame}; frames count from 0, and "
                "tracks of the same person follow one another"
            )
        ends[track.person] = track.frame + len(track)


def check_metres(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton, where: str) -> None:
    """Raises InputError where the median bone is no human's in metres, naming the unit that it looks like."""
    if not skeleton.bones:
        return
    pose = pose[:: 1 + len(pose) // MEASURED]
    joint, parent = np.array(skeleton.bones).T
    bone = float(np.median(np.linalg.norm(pose[:, joint] - pose[:, parent], axis=-1)))
    low, high = BONE_METRES
    if not low <= bone <= high:
        scale, unit = (1000, "millimetres") if bone > high else (0.001, "kilometres, or metres divided by 1000")
        hint = f"; these look like {unit}" if low <= bone / scale <= high else ""
        raise InputError(
            f"{where}: the median bone is {bone:.3g} long, expected {low} to {high} metres{hint}; convert to metres"
        )
