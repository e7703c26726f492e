"""Finds 3DPW's files, and reads them.

Layouts: the official `sequenceFiles/{train,validation,test}/<sequence>.pkl` (SMPL's 24 joints, metres, world, with the
camera of every frame), and TGraphNet's `pw3d_test.pkl`, {"<sequence>_<person>": {pos2d, pos3d, cam}}, 17 joints in
Human3.6M's order as the camera sees them. Both are read without running the code in their pickles.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from data_prep.checks.anatomy import BONE_FACTOR, adult_bones, bone_lengths, check_finite
from data_prep.options import PARTS, UNITS
from data_prep.reading.arrays import AGAIN, flags, numbers, same_length
from data_prep.reading.files import find_files, listed
from data_prep.reading.layouts import detections, layout, level_camera, mapped_image
from data_prep.sources.pw3d.options import LAYOUTS
from stgraph.errors import InputError
from stgraph.formats.keypoints.content import is_sequence
from stgraph.formats.safe_pickle import load_pickle
from stgraph.geometry import Camera, denormalise_intrinsics, screen_denormalise
from stgraph.skeleton import H36M17, OPENPOSE18

# A phone's video, upright or on its side; the focal length of its lens in pixels.
SIZES = ((1920, 1080), (1080, 1920))
FOCAL = 1962.0
OFFICIAL = ("jointPositions", "cam_intrinsics", "cam_poses", "poses2d", "campose_valid")
VIDEO = ("cam", "pos2d", "pos3d")


@dataclass(frozen=True)
class Person:
    """One person of a sequence, in Human3.6M's order.

    Attributes:
        number: of the person within the sequence.
        pose3d: (t j 3) metres, camera space.
        pose2d: (t j 3) pixels and confidence. detector: the name of this 2D.
        valid: frames whose camera is valid.
        where: file and place in it. order: names of the joints in the file's order, for messages.
    """

    number: int
    pose3d: Float[np.ndarray, "t j 3"]
    pose2d: Float[np.ndarray, "t j 3"]
    detector: str
    valid: Bool[np.ndarray, " t"]
    where: str
    order: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """A sequence by its name, "downtown_walkBridge_01", and the part of the split it belongs to."""

    name: str
    part: str
    load: Callable[[], tuple[Camera, list[Person]]]

    @property
    def action(self) -> str:
        """The action: the name without place and number."""
        return self.name.split("_")[1] if "_" in self.name else self.name


def find(paths: Collection[Path]) -> tuple[list[Sequence], list[Path], list[str]]:
    """Every sequence in the stored files and folders, the files, and notes on them.

    Raises:
        InputError: a path is missing, a file is damaged or neither layout, both layouts, a sequence twice, or none.
    """
    files = find_files(paths, r".*\.pkl", LAYOUTS)
    sequences: dict[str, Sequence] = {}
    notes: dict[str, None] = {}
    layouts = set()
    for path in files:
        content = load_pickle(path)
        read = layout_of(content, path)
        layouts.add(read)
        of_file, of_layout = read(path, content)
        notes |= dict.fromkeys(of_layout)
        for sequence in of_file:
            if sequences.setdefault(sequence.name, sequence) is not sequence:
                problem = f"sequence {sequence.name} is in another file, too"
                raise InputError(problem, where=path, remedy="give one of them")
    if not sequences:
        raise InputError("no 3DPW in it", where=listed(paths), remedy=f"give {LAYOUTS}")
    if len(layouts) > 1:
        problem = "official files and TGraphNet's, whose joints are not the same points of the body"
        raise InputError(problem, where=listed(paths), remedy="make a dataset of each")
    return [sequences[name] for name in sorted(sequences)], files, list(notes)


def layout_of(content: Any, path: Path) -> Callable[[Path, dict], tuple[list[Sequence], list[str]]]:
    """The reader of a file, by its keys. Raises InputError for those of neither layout."""
    keys = content.keys() if isinstance(content, dict) else ()
    if any(name in keys for name in OFFICIAL):
        return official
    if keys and all(isinstance(entry, dict) and entry.keys() & {*VIDEO} for entry in content.values()):
        return of_tgraphnet
    some = f" of {', '.join(map(repr, list(keys)[:5])) or 'nothing'}" if isinstance(content, dict) else ""
    expected = (
        f"an official sequence with {', '.join(OFFICIAL)}, or TGraphNet's {{video: {{{', '.join(sorted(VIDEO))}}}}}"
    )
    raise InputError(where=path, found=f"a {type(content).__name__}{some}", expected=expected, remedy=AGAIN)


# Official files -------------------------------------------------------------------------------------------------------


def official(path: Path, content: dict) -> tuple[list[Sequence], list[str]]:
    """The sequence of an official file, which is read again when its turn comes: all do not fit in memory."""
    part = path.absolute().parent.name
    if part not in PARTS:
        problem, remedy = f"an official file in the folder {part!r}", "keep the official folders' names"
        raise InputError(problem, where=path, expected=f"it in one called {', '.join(PARTS)}", remedy=remedy)
    if missing := [name for name in OFFICIAL if name not in content]:
        raise InputError(f"no {', '.join(missing)}", where=path, expected=", ".join(OFFICIAL), remedy=AGAIN)
    notes = [
        "joints of SMPL: Thorax is the neck, Spine spine2, Neck/Nose the base of the skull; Head is extrapolated, as "
        "SMPL has no joint there: score with `evaluate --protocol 3dpw14`",
        "poses2d: joints of COCO: Hip, Spine and Head are means of hips, of hips and neck, of the eyes; Neck/Nose is "
        "the nose",
        "the camera moves: poses are as it sees them, its place in the world is not kept",
        "images are 1920 x 1080, upright where the centre of the lens says so",
    ]
    return [Sequence(path.stem, part, partial(read_official, path))], notes


def read_official(path: Path) -> tuple[Camera, list[Person]]:
    """The camera and the people of an official file."""
    content = load_pickle(path)
    matrix = numbers(content["cam_intrinsics"], f"{path}, cam_intrinsics", (3, 3))
    poses = numbers(content["cam_poses"], f"{path}, cam_poses", (-1, 4, 4))
    check_finite(poses, ("row 0", "row 1", "row 2", "row 3"), f"{path}, cam_poses")
    intrinsics = np.concatenate([matrix[[0, 1], [0, 1]], matrix[:2, 2], np.zeros(5)])
    check_lens(intrinsics, f"{path}, cam_intrinsics")
    camera = level_camera("0", *SIZES[int(intrinsics[2] < intrinsics[3])], intrinsics)
    detector, body = OPENPOSE18.names, layout("smpl")
    people = {name: content[name] for name in ("jointPositions", "poses2d", "campose_valid")}
    for name, value in people.items():
        if not is_sequence(value):
            expected = "a list, one entry a person"
            raise InputError(where=f"{path}, {name}", found=f"a {type(value).__name__}", expected=expected)
    same_length(f"{path}, people", people)
    persons = []
    for number in range(len(people["poses2d"])):
        where = f"{path}, person {number}"
        world = numbers(content["jointPositions"][number], f"{where}, jointPositions", (-1, 3 * len(body.order)))
        detected = numbers(content["poses2d"][number], f"{where}, poses2d", (-1, 3, len(detector)))
        valid = flags(content["campose_valid"][number], f"{where}, campose_valid")
        same_length(where, {"jointPositions": world, "poses2d": detected, "campose_valid": valid, "cam_poses": poses})
        world = world.reshape(len(world), -1, 3)
        check_finite(world, body.order, f"{where}, jointPositions")
        check_finite(detected.transpose(0, 2, 1), detector, f"{where}, poses2d")
        seen = np.einsum("tik,tjk->tji", poses[:, :3, :3], world) + poses[:, None, :3, 3]
        pose3d = body.apply(seen, body.order, where)
        detected[:, 2] = detected[:, 2].clip(0, 1)  # OpenPose's scores can be a little above 1
        pose2d = mapped_image(detected.transpose(0, 2, 1), detector)
        persons.append(Person(number, pose3d, pose2d, detector="poses2d", valid=valid, where=where, order=body.order))
    return camera, persons


# TGraphNet ------------------------------------------------------------------------------------------------------------


def of_tgraphnet(path: Path, content: dict) -> tuple[list[Sequence], list[str]]:
    """The test sequences of TGraphNet's file."""
    videos: dict[str, list[tuple[int, str]]] = {}
    for video, entry in content.items():
        if not isinstance(video, str) or {*VIDEO} - entry.keys():
            expected = f"a video's name, and {', '.join(VIDEO)} of it"
            where = f"{path}, {video!r}"
            raise InputError(where=where, found=", ".join(map(str, entry)), expected=expected, remedy=AGAIN)
        # "downtown_walkBridge_01_0" is the first person of downtown_walkBridge_01.
        match = re.fullmatch(r"(.+_\d+)_(\d+)", video)
        name, number = (match[1], int(match[2])) if match else (video, 0)
        videos.setdefault(name, []).append((number, video))
    notes = [
        "pos2d: the 2D of pw3d_test.pkl, which does not say how it was made",
        "the camera moves: poses are as it sees them, its place in the world is not kept",
        "images are 1920 x 1080, or upright, whichever fits the focal length of the lens",
    ]
    sequences = [Sequence(name, "test", partial(read_videos, path, content, people)) for name, people in videos.items()]
    return sequences, notes


def read_videos(path: Path, content: dict, people: list[tuple[int, str]]) -> tuple[Camera, list[Person]]:
    """The camera and the people of one sequence."""
    persons, cameras, people = [], [], sorted(people)
    for number, video in people:
        where, entry = f"{path}, {video}", content[video]
        pose3d = in_camera(numbers(entry["pos3d"], f"{where}, pos3d", (-1, len(H36M17), 3)), f"{where}, pos3d")
        camera = lens(entry["cam"], f"{where}, cam")
        shapes = [(-1, len(H36M17), channels) for channels in (2, 3)]
        stored = pixels = numbers(entry["pos2d"], f"{where}, pos2d", *shapes)[..., :2]
        check_finite(stored, H36M17.names, f"{where}, pos2d")
        same_length(where, {"pos2d": stored, "pos3d": pose3d})
        if np.abs(stored).max() < 20:  # no person is so small in pixels
            pixels = screen_denormalise(torch.from_numpy(stored), camera.width, camera.height).numpy()
        pose2d, valid = detections(pixels, stored), np.ones(len(pose3d), bool)
        persons.append(Person(number, pose3d, pose2d, detector="pos2d", valid=valid, where=where, order=H36M17.names))
        cameras.append(camera)
    for (_, video), camera in zip(people, cameras, strict=True):
        if not np.allclose(camera.intrinsics, cameras[0].intrinsics):
            problem, where = f"another than that of {people[0][1]}", f"{path}, {video}, cam"
            raise InputError(problem, where=where, expected="one camera for a sequence")
    return cameras[0], persons


def in_camera(pose: Float[np.ndarray, "t j 3"], where: str) -> Float[np.ndarray, "t j 3"]:
    """Poses in metres, root not removed, from poses in metres or millimetres whose joints may be relative to the root.

    Raises InputError where no reading gives bones of a person.
    """
    check_finite(pose, H36M17.names, where)
    relative = pose + pose[:, [H36M17.root]]
    relative[:, H36M17.root] = pose[:, H36M17.root]
    adult = adult_bones(H36M17)
    for joints in (pose, relative):
        for unit in ("mm", "m"):
            ratio = np.median(bone_lengths(joints), axis=0) * UNITS[unit] / adult
            if (ratio > 1 / BONE_FACTOR).all() and (ratio < BONE_FACTOR).all():
                return joints * UNITS[unit]
    problem = "bones are no person's, in metres or millimetres, joints in place or relative to the root"
    expected = f"Human3.6M's order ({', '.join(H36M17.names)}) and the root's path in the root's place"
    raise InputError(problem, where=where, expected=expected)


def check_lens(intrinsics: Float[np.ndarray, "9"], where: str) -> None:
    """Raises InputError for intrinsics that no lens has."""
    if not np.isfinite(intrinsics).all() or (intrinsics[:2] <= 0).any():
        problem = "focal lengths {:g}, {:g} and centre {:g}, {:g}".format(*intrinsics[:4])
        raise InputError(problem, where=where, expected="finite numbers, focal lengths above 0", remedy=AGAIN)


def lens(cam: Any, where: str) -> Camera:
    """The camera of a video by its intrinsics (9), or as many rows of them: pixels or screen-normalised."""
    rows = numbers(cam, where, (9,), (-1, 9)).reshape(-1, 9)
    for row in rows:
        check_lens(row, where)
    if np.ptp(rows, axis=0).max() > 1e-3 * np.abs(rows).max():
        raise InputError("intrinsics that change along the video", where=where, expected="one lens")
    intrinsics = rows[0]
    if intrinsics[0] > 20:  # pixels
        return level_camera("0", *SIZES[int(intrinsics[2] < intrinsics[3])], intrinsics)
    size = min(SIZES, key=lambda size: abs(np.log(intrinsics[0] * size[0] / 2 / FOCAL)))
    return level_camera("0", *size, denormalise_intrinsics(torch.from_numpy(intrinsics), *size).numpy())
