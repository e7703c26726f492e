"""python -m data_prep clips FOLDER: one's own clips, in folders that are named by their class.

FOLDER/waving/any.npy, FOLDER/sitting/other.json, ...: a file is a clip, in any form that `reading.pose_files` knows,
and so is a folder below a class with a file for each frame, as OpenPose and Ultralytics write them.
FOLDER/train/waving/any.npy and FOLDER/test/... give the split as well. Clips that cannot be used are left out, and
listed with their problems when all are read.
"""

import re
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_prep.reading.conventions import Convention
from data_prep.reading.infer_convention import image_size, infer_convention, sample_poses
from data_prep.reading.labels import check_known, class_names
from data_prep.reading.left_out import Kind, UnreadClip, usable
from data_prep.reading.ntu import NAME, identity
from data_prep.reading.pose_files import SUFFIXES, read_poses, read_poses_like
from data_prep.reading.splitting import PART_NAMES, split_of, with_splits
from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.keypoints.read import is_frames
from stgraph.skeleton import SKELETONS


@dataclass(frozen=True)
class ClipFile:
    """A file of a class; `name` is its path below the folder, `part` of the split, "" if not stated."""

    path: Path
    name: str
    action: str
    part: str
    identity: tuple[str, str, str]


def read(args: Namespace) -> Source:
    """Every clip of a folder, a recording each.

    Raises:
        InputError: no folders of classes, folders that are not among the classes, clips whose convention cannot be
            inferred, and, with every problem, when none can be used or, with `--strict`, one cannot.
    """
    folder: Path = args.folder
    files, problems = find_clips(folder, args.subject)
    classes = class_names(args.classes)
    check_known({file.action for file in files}, classes, "folders", str(folder))
    size = image_size(args.size)
    samples = sample_poses([partial(read_poses, file.path, args.order, size) for file in files])
    convention = infer_convention(samples, args, str(folder)) if samples else None
    skeleton = convention.skeleton if convention else SKELETONS["coco17"]
    description, inputs = f"clips of {folder.resolve().name}", [one for file in files for one in files_of(file.path)]
    result = Source(skeleton, iter(()), len(files) + len(problems), description, args.terms, inputs=inputs)
    result.notes, result.classes = convention.notes() if convention else [], classes
    known = {poses.order for poses in samples} - {""}
    clips = [UnreadClip(file.name, partial(read_clip, file, convention, args, known), str(file.path)) for file in files]
    result.recordings = usable([*problems, *clips], result, args.strict)
    if not classes:
        result.recordings = naming_classes(result.recordings, classes)
    splits = split_of((file.part, "/".join(file.identity)) for file in files if file.part)
    return with_splits(result, args, splits)


def find_clips(folder: Path, subject: str) -> tuple[list[ClipFile], list[UnreadClip]]:
    """The files of every class, and the folder's faults, as clips that cannot be used.

    Raises:
        InputError: no such folder, one without folders, or `subject` that is no regular expression.
    """
    expected = "a folder for each class"
    if not folder.is_dir():
        raise InputError("no such folder", where=folder, expected=f"one with {expected}")
    folders = visible(folder, Path.is_dir)
    if not folders:
        example = folder / "waving" / "any.npy"
        raise InputError("no folders in it", where=folder, expected=f"{expected}, with its clips, as {example}")
    try:
        pattern = re.compile(subject)
    except re.error as error:
        expected = "a regular expression, such as '(?P<subject>p\\d+)_'"
        raise InputError(str(error), where=f"--subject {subject}", expected=expected) from error
    parts = {one: PART_NAMES[one.name.lower()] for one in folders if one.name.lower() in PART_NAMES}
    divided = len(parts) == len(folders) and "train" in parts.values()
    labels = [(label, parts[one]) for one in folders for label in visible(one, Path.is_dir)] if divided else []
    labels = labels or [(label, "") for label in folders]

    def name(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    problems = [
        unusable(Kind.PLACE, name(path), "in no class's folder; move it into one")
        for one in (folder, *(parts if divided else ()))
        for path in visible(one, Path.is_file)
        if path.suffix in SUFFIXES
    ]
    files = []
    for label, part in labels:
        paths = clips_of(label)
        if not paths:
            problems.append(unusable(Kind.NO_CLIPS, name(label), "no files in it"))
        loose = framewise(label)
        stems = Counter(path.with_suffix("") for path in paths)
        for path in paths:
            match = pattern.search(name(path))
            if match is None:
                problems.append(unusable(Kind.SUBJECT, name(path), f"--subject {subject} matches nothing in it"))
                continue
            if path.is_file() and path.parent == label and loose:
                text = f"a frame of a clip, whose files belong into a folder of their own, as {label.name}/clip/"
                problems.append(unusable(Kind.PLACE, name(path), text))
                continue
            take = name(path).removesuffix(path.suffix) if stems[path.with_suffix("")] == 1 else name(path)
            person, take, camera = identity(path.stem if NAME.fullmatch(path.stem) else take)
            person = match.groupdict().get("subject") or match[min(match.re.groups, 1)] or person
            files.append(ClipFile(path, name(path), label.name, part, (person, take, camera)))
    return files, problems


def clips_of(label: Path) -> list[Path]:
    """The files below a class's folder, and the folders that are a clip, in place of the files in them."""
    entries = [path for path in sorted(label.rglob("*")) if not hidden(path, label)]
    folders = {path for path in entries if path.is_dir() and framewise(path)}
    inside = {file for folder in folders for file in folder.rglob("*")}
    return [path for path in entries if (path in folders or path.is_file()) and path not in inside]


def files_of(path: Path) -> list[Path]:
    """A clip's file, or the files of its frames."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def framewise(folder: Path) -> bool:
    """Whether a folder has a file for each frame; one that cannot be read is reported as the clip that it is."""
    try:
        return is_frames(folder)
    except InputError:
        return False


def visible(folder: Path, kind: Callable[[Path], bool]) -> list[Path]:
    """The entries of a folder that are not hidden."""
    return [path for path in sorted(folder.iterdir()) if kind(path) and not path.name.startswith(".")]


def hidden(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is hidden."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def unusable(kind: Kind, name: str, problem: str) -> UnreadClip:
    """A fault of the folder, as a clip that cannot be used."""

    def refuse() -> Recording:
        raise InputError(problem, kind=kind)

    return UnreadClip(name, refuse)


def read_clip(file: ClipFile, convention: Convention | None, args: Namespace, known: Collection[str]) -> Recording:
    """The clip of a file; `known` are the orders of the others' axes. Raises InputError."""
    poses = read_poses_like(file.path, args.order, image_size(args.size), known)
    assert convention  # inferred whenever a file is readable
    return convention.recording(poses, file.identity, file.action, args.fps)


def naming_classes(recordings: Iterator[Recording], classes: list[str]) -> Iterator[Recording]:
    """The recordings; when all are read, their classes are entered, since some of a folder may have no clip."""
    names = set()
    for recording in recordings:
        names.add(recording.action)
        yield recording
    classes += sorted(names)
