"""python -m data_prep 3dpw PATH ...: 3D Poses in the Wild, official or as TGraphNet's `pw3d_test.pkl`.

The camera moves, so the poses are stored as it sees them and the world is not kept. `gt` is the projection of the 3D;
the 2D of the files is a detector of its own. Frames whose camera was not aligned (`campose_valid`) are kept and marked:
they are not scored.
"""

from argparse import Namespace
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from data_prep.cameras.projection import image
from data_prep.checks.anatomy import check_bones, check_image, check_person
from data_prep.reading.layouts import last_valid
from data_prep.reading.splitting import split_of
from data_prep.source import Source
from data_prep.sources.pw3d.files import Person, Sequence, find
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

SOURCE = "3D Poses in the Wild (von Marcard et al. 2018)"
TERMS = "3DPW licence: non-commercial scientific research only; neither the data nor this file may be passed on"
FPS = 30.0
NEAREST = 0.1  # metres: nearer joints, or those behind the camera, are not in the image
# Joints that detectors predict; those computed from others do not show whether 2D and 3D belong together.
SEEN = [name for name in H36M17.names if name not in ("Hip", "Spine", "Thorax", "Neck/Nose", "Head")]


def read(args: Namespace) -> Source:
    """Every sequence in the given files and folders, with all its people.

    Raises:
        InputError: nothing usable was found, or both layouts; and, while recordings are read, for damaged files and for
            implausible values.
    """
    sequences, inputs, notes = find(args.paths)
    splits = split_of((sequence.part, sequence.name) for sequence in sequences)
    left_out: list[tuple[str, str]] = []
    recordings = iterate(sequences, notes, left_out)
    return Source(
        H36M17, recordings, len(sequences), SOURCE, TERMS, inputs=inputs, left_out=left_out, notes=notes, splits=splits
    )


def iterate(sequences: list[Sequence], notes: list[str], left_out: list[tuple[str, str]]) -> Iterator[Recording]:
    """A recording of every sequence, read one after another, with a track for each person.

    2D that does not fit is taken for another person's and left out; where most does not fit, the files are wrong.
    """
    unscored = unseen = count = 0
    misfits: list[str] = []
    for sequence in sequences:
        tracks = []
        camera, people = sequence.load()
        for person in people:
            name = f"{sequence.name}, person {person.number}"
            if not person.valid.any():
                left_out.append((name, "no frame has a valid camera"))
                continue
            check(person)
            pose2d = {"gt": projected(person.pose3d, camera), person.detector: person.pose2d}
            count += 1
            if why := misfit(person, camera):
                misfits.append(why)
                left_out.append((f"{name}, {person.detector}", f"marked unseen: {why.removeprefix(person.where)[2:]}"))
                pose2d[person.detector] = np.zeros_like(person.pose2d)
            unscored += int((~person.valid).sum())
            unseen += int((pose2d["gt"][..., 2] == 0).sum())
            pose2d = {name: pose.astype(np.float32) for name, pose in pose2d.items()}
            tracks.append(Track(pose2d, person.pose3d.astype(np.float32), person=person.number, valid=person.valid))
        if tracks:
            yield Recording(sequence.name, sequence.action, sequence.name, camera, FPS, tracks=tracks)
    if 2 * len(misfits) > count:
        remedy = "give files whose 2D and 3D are of the same frames, as they are published"
        raise InputError(f"{misfits[0]} (the 2D of {len(misfits)} of {count} people does not fit)", remedy=remedy)
    if unscored:
        notes.append(f"{unscored} frames have no valid camera: marked as not valid, their 3D is out of place")
    if unseen:
        notes.append(f"gt: {unseen} joints lie beside or behind the camera: marked unseen (confidence 0)")


def projected(pose3d: Float[np.ndarray, "t j 3"], camera: Camera) -> Float[np.ndarray, "t j 3"]:
    """Exact 2D with confidence: 0 for joints that are not in front of the camera."""
    seen = pose3d[..., 2:] > NEAREST
    return np.where(seen, np.concatenate([image(pose3d, camera), np.ones(seen.shape)], axis=-1), 0)


def check(person: Person) -> None:
    """Raises InputError where the 3D of a person's valid frames is implausible."""
    pose3d = person.pose3d[last_valid(person.valid)]
    check_person(pose3d, person.where, "m", order=person.order)
    check_bones(pose3d, person.where)
    if (pose3d[:, H36M17.root, 2] <= NEAREST).mean() > 0.5:
        problem, remedy = "the person is behind the camera in most frames", "are its camera poses from world to camera?"
        raise InputError(
            problem, where=person.where, expected="poses that the camera sees, with the path of the root", remedy=remedy
        )


def misfit(person: Person, camera: Camera) -> str:
    """Why the detections of a person's valid frames cannot be images of the 3D; empty where they can."""
    stand_in = last_valid(person.valid)
    pose3d, pose2d = person.pose3d[stand_in], person.pose2d[stand_in].copy()
    pose2d[..., 2] *= np.isin(H36M17.names, SEEN) & (pose3d[..., 2] > NEAREST)
    try:
        if ((pose2d[..., 2] > 0).sum(1) > 1).any():
            check_image(pose2d, pose3d, camera, [camera], person.where)
    except InputError as error:
        return str(error)
    return ""
