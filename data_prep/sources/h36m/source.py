"""python -m data_prep h36m PATH ...: Human3.6M from a registered user's files, in any layout.

Every recording takes its 3D from the best layout that has it: camera space (D3_Positions_mono) as it is, else world
space through the subject's calibration, from the official files before VideoPose3D's float32 copy. The exact 2D `gt`
is read if there (D2_Positions, data_2d_h36m_gt.npz) and is the projection of the 3D, lens distortion included,
where it is not. Each file of detections becomes a detector of its own.
"""

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.options import h36m_subjects
from data_prep.cameras.projection import check_in_front, image, to_camera
from data_prep.checks.anatomy import check_bones, check_image, check_person, in_frames
from data_prep.options import UNITS
from data_prep.reading.files import listed
from data_prep.reading.h36m import FPS, SOURCE, TERMS
from data_prep.reading.layouts import detections
from data_prep.source import Source
from data_prep.sources.h36m.files import Archive, Key, Poses, Unfit, find
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M16, H36M17, Skeleton

ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether"),
)
SPLITS = {"standard": {"train": ["S1", "S5", "S6", "S7", "S8"], "test": ["S9", "S11"]}}
CORRUPT = {("S11", "Directions"): "corrupt in Human3.6M, left out by every protocol"}
MISPLACED = "check that the file is in its place: these should be the subject's poses in the space of its layout"
# Best first.
LAYOUTS_3D = ("D3_Positions_mono", "D3_Positions", "positions_3d")
# Exact 2D, best first; it can be made of the 3D where a recording has none.
EXACT = ("D2_Positions", "gt")
# Videos run on after the motion capture stops: detectors' training files have 2.7 frames too many on average, in takes
# of 992 to 6,343. A take's partner, another take or another frame rate differs by far more than a twentieth.
EXTRA_FRAMES, EXTRA_SHARE = 10, 0.05


@dataclass(frozen=True)
class Plan:
    """The files of one recording: its 3D, and its 2D by detector."""

    key: Key
    camera: Camera
    poses3d: Poses
    poses2d: dict[str, Poses]


def read(args: Namespace) -> Source:
    """The recordings in some files and folders, with all detectors.

    Raises:
        InputError: nothing usable was found, or a detector whose file was named lacks a recording; and, while
            recordings are read, for damaged files and for implausible values.
    """
    archive = find(args.paths)
    left_out, notes = archive.left_out, []
    keys = wanted(archive, left_out)
    drop_partial(archive, keys)
    plans = planned(archive, keys)
    if not plans:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        raise InputError(f"every recording found was left out: {reasons}", where=listed(args.paths))
    report_missing(archive, keys, left_out)
    report_origin(plans, archive, notes)
    return Source(
        skeleton=H36M17,
        recordings=iterate(plans, notes),
        total=len(plans),
        source=SOURCE,
        terms=TERMS,
        inputs=archive.inputs,
        left_out=left_out,
        notes=notes,
        splits=SPLITS,
    )


def wanted(archive: Archive, left_out: list[tuple[str, str]]) -> list[Key]:
    """The recordings, one per camera, that have 3D and are used; in the order of subjects."""
    keys, dropped = {}, {}
    for key in dict.fromkeys(key for table in archive.poses3d.values() for key in table):
        take = f"{key.subject}/{key.take}"
        if key.subject not in h36m_subjects():
            dropped[key.subject] = f"no calibration; its poses were never published with {', '.join(h36m_subjects())}"
        elif (key.subject, key.take) in CORRUPT:
            dropped[take] = CORRUPT[key.subject, key.take]
        elif key.action not in ACTIONS:
            dropped[take] = f"{key.action!r} is not one of the {len(ACTIONS)} actions"
        else:
            names = [camera.name for camera in h36m_cameras(key.subject)]
            if key.camera and key.camera not in names:
                dropped[f"{take}/{key.camera}"] = f"no calibration; the cameras are {', '.join(names)}"
                continue
            keys |= dict.fromkeys(Key(key.subject, key.take, name) for name in names if key.camera in ("", name))
    left_out.extend(dropped.items())
    subjects = {subject: number for number, subject in enumerate(h36m_subjects())}
    return sorted(keys, key=lambda key: (subjects[key.subject], key.take, key.camera))


def drop_partial(archive: Archive, keys: list[Key]) -> None:
    """Leave out detectors without every recording. Raises InputError for one whose file was named."""
    for name in [name for name in archive.poses2d if name not in EXACT]:
        table = archive.poses2d[name]
        missing = next((key for key in keys if key not in table), None)
        if missing:
            path = next(iter(table.values())).path
            recording = "/".join((missing.subject, missing.take, missing.camera))
            problem = f"no detections of {recording}, whose 3D is there; a detector must cover every recording"
            archive.refuse(path, Unfit(problem, where=path, remedy="get the whole file or leave it out"))
            del archive.poses2d[name]
            archive.inputs.remove(path)


def planned(archive: Archive, keys: list[Key]) -> list[Plan]:
    """The files of each recording."""
    plans, tables = [], archive.poses3d
    detectors = [name for name in archive.poses2d if name not in EXACT]
    for key in keys:
        camera = next(camera for camera in h36m_cameras(key.subject) if camera.name == key.camera)
        places = [(layout, place) for layout in LAYOUTS_3D for place in (key, Key(key.subject, key.take))]
        poses3d = next(tables[layout][place] for layout, place in places if place in tables.get(layout, {}))
        exact = [archive.poses2d[name][key] for name in EXACT if key in archive.poses2d.get(name, {})]
        poses2d = {"gt": exact[0]} if exact else {}
        plans.append(Plan(key, camera, poses3d, poses2d | {name: archive.poses2d[name][key] for name in detectors}))
    return plans


def report_missing(archive: Archive, keys: list[Key], left_out: list[tuple[str, str]]) -> None:
    """List what these files lack of a complete archive: takes, cameras, and the 3D of 2D poses."""
    for subject in dict.fromkeys(key.subject for key in keys):
        takes = {key.take: key.action for key in keys if key.subject == subject}
        takes |= {take: Key(owner, take).action for owner, take in CORRUPT if owner == subject}
        counts = Counter(takes.values())
        lacking = [f"{action} ({counts[action]} of 2)" for action in ACTIONS if counts[action] < 2]
        if lacking:
            left_out.append((f"{subject}: {', '.join(lacking)}", "no files"))
        for take in takes:
            present = [key.camera for key in keys if (key.subject, key.take) == (subject, take)]
            lacking = [camera.name for camera in h36m_cameras(subject) if camera.name not in present]
            if present and lacking:
                left_out.append((f"{subject}/{take}, cameras {', '.join(lacking)}", "no 3D poses"))
    with_3d = set(keys)
    for detector, table in archive.poses2d.items():
        alone = [key for key in table if key not in with_3d and (key.subject, key.take) not in CORRUPT]
        if alone:
            first = f"{alone[0].subject}/{alone[0].take}/{alone[0].camera}"
            left_out.append((f"{detector}: {len(alone)} recordings, the first {first}", "2D without 3D"))


def report_origin(plans: list[Plan], archive: Archive, notes: list[str]) -> None:
    """Note which layouts the poses come from, and which were not needed."""
    spaces = ((plan.poses3d, "camera" if plan.poses3d.key.camera else "world") for plan in plans)
    layouts = Counter(f"{origin(poses)} ({space} space)" for poses, space in spaces)
    notes += [f"3D of {count} recordings from {layout}" for layout, count in layouts.items()]
    exact = Counter(origin(plan.poses2d["gt"]) for plan in plans if "gt" in plan.poses2d)
    notes += [f"gt: exact 2D of {count} recordings from {layout}" for layout, count in exact.items()]
    if projected := len(plans) - exact.total():
        notes.append(
            f"gt: exact 2D of {projected} recordings is the projection of the 3D with the embedded "
            "calibration, lens distortion included"
        )
    used = {plan.poses3d for plan in plans}.union(*(plan.poses2d.values() for plan in plans))
    for table in (*archive.poses3d.values(), *archive.poses2d.values()):
        if used.isdisjoint(table.values()):
            notes.append(f"{origin(next(iter(table.values())))} was not needed: a better layout has its recordings")
    for detector, poses in plans[0].poses2d.items():
        unseen = [name for name in H36M17.names if name not in poses.skeleton.names]
        if unseen:
            notes.append(
                f"{detector}: {len(poses.skeleton)} joints in the order of {poses.skeleton.name}; "
                f"{', '.join(unseen)} is marked unseen (confidence 0); an experiment with `data.skeleton` "
                f'"{H36M16.name}" takes the rest'
            )


def origin(poses: Poses) -> str:
    """A layout's name in the summary: the official folder or the file."""
    return poses.path.name if poses.path.suffix == ".npz" else poses.path.parent.name


def iterate(plans: list[Plan], notes: list[str]) -> Iterator[Recording]:
    """Read recording after recording; a world-space file is read once for its four cameras."""
    stored, pose = plans[0].poses3d, np.empty(0)
    extra: dict[str, list[int]] = {}
    for number, plan in enumerate(plans):
        if number == 0 or plan.poses3d is not stored:
            stored = plan.poses3d
            pose = arranged(stored.read().astype(np.float64), stored.skeleton) * UNITS[stored.unit]
            check_person(pose, stored.where, stored.unit, order=stored.skeleton.names)
            check_bones(pose, stored.where)
        pose3d = pose if stored.key.camera else to_camera(pose, plan.camera)
        check_in_front(pose3d, H36M17.names, f"{stored.where}, camera {plan.camera.name}", MISPLACED)
        exact = image(pose3d, plan.camera)
        pose2d = {"gt": np.concatenate([exact, np.ones_like(exact[..., :1])], axis=-1).astype(np.float32)}
        for detector, poses in plan.poses2d.items():
            values = with_confidence(poses)
            extra.setdefault(detector, []).append(len(values) - len(pose3d))
            check_length(len(values), len(pose3d), poses.where, stored.where)
            pose2d[detector] = values[: len(pose3d)]
            check_image(pose2d[detector], pose3d, plan.camera, h36m_cameras(plan.key.subject), poses.where)
        track = Track(pose2d, pose3d.astype(np.float32))
        yield Recording(plan.key.subject, plan.key.action, plan.key.take, camera=plan.camera, fps=FPS, tracks=[track])
    for detector, counts in extra.items():
        if any(counts):
            notes.append(
                f"{detector}: {sum(map(bool, counts))} recordings ran on after the motion capture; "
                f"cut to its length ({sum(counts)} frames in all, {max(counts)} at most)"
            )


def arranged(values: Float[np.ndarray, "t j c"], skeleton: Skeleton) -> Float[np.ndarray, "t v c"]:
    """Poses in H36M17's order, by the joints' names; joints that the layout lacks are all zero."""
    shared = [name for name in H36M17.names if name in skeleton.names]
    result = np.zeros((len(values), len(H36M17), values.shape[-1]), values.dtype)
    result[:, [H36M17.index(name) for name in shared]] = values[:, [skeleton.index(name) for name in shared]]
    return result


def with_confidence(poses: Poses) -> Float[np.ndarray, "t j 3"]:
    """2D poses in pixels with their confidence, 1 where the file has none and 0 for joints it lacks.

    Raises InputError for a confidence outside 0 to 1.
    """
    values = poses.read().astype(np.float32)
    if values.shape[-1] == 2:
        values = detections(values)
    wrong = (values[..., 2] < 0) | (values[..., 2] > 1)
    if wrong.any():
        t, j = np.argwhere(wrong)[0]
        raise InputError(
            f"confidence {values[t, j, 2]:g} at frame {t}, joint {poses.skeleton.names[j]} "
            f"(outside 0 to 1 in {in_frames(wrong)})",
            where=poses.where,
            expected="x, y and a confidence from 0 (not seen) to 1",
            remedy="rescale the third channel or leave it out",
        )
    return arranged(values, poses.skeleton)


def check_length(frames2d: int, frames3d: int, where2d: str, where3d: str) -> None:
    """Raises InputError where 2D is shorter than 3D, or longer by more than a video runs on."""
    allowed = max(EXTRA_FRAMES, int(EXTRA_SHARE * frames3d))
    if not frames3d <= frames2d <= frames3d + allowed:
        problem = f"{frames2d} frames of 2D for {frames3d} frames of 3D in {where3d}"
        remedy = f"check that both are of one take and at {FPS:g} frames a second"
        raise InputError(problem, where=where2d, expected=f"as many, or up to {allowed} more at the end", remedy=remedy)
