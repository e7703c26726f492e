"""python -m data_prep clips FOLDER: one's own clips, in folders that are named by their class.

FOLDER/waving/any.npy, FOLDER/sitting/other.json, ...: a file is a clip, in any form that `reading.clip_files` knows.
FOLDER/train/waving/any.npy and FOLDER/test/... give the split as well. What cannot be used is left out, and listed with
its problem when all is read.
"""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from data_prep.reading.clip_files import FORMS, SUFFIXES, read_clip
from data_prep.reading.clip_poses import ORDERS, Poses, Reading, Unusable, identity, kept
from data_prep.reading.clip_reading import SAMPLED, reading_arguments, told
from data_prep.reading.labels import class_names, classes_argument
from data_prep.reading.splitting import SPLIT, asked, division, split_arguments, with_split
from data_prep.source import Source, source
from data_prep.sources.ntu.source import NAME as NTU_NAME
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.skeleton import SKELETONS

PART_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=f"with a folder for each class; clips: {FORMS}")
    text = "regular expression for the files' paths below FOLDER; its first group, or all that it finds, is who moves"
    parser.add_argument("--subject", default="", metavar="REGEX", help=text)
    text = "of an array's axes: m persons, t frames, j joints, c channels (told by the lengths)"
    parser.add_argument("--order", choices=ORDERS, default="", help=text)
    parser.add_argument("--strict", action="store_true", help="write nothing if any clip cannot be used")
    classes_argument(parser)
    reading_arguments(parser)
    split_arguments(parser)


@source("clips", help="one's own clips, in folders named by their class", arguments=add_arguments)
def read(args: Namespace) -> Source:
    return read_clips(args.folder, args)


@dataclass(frozen=True)
class ClipFile:
    """A file of a class, by its names in the dataset; `part` of the split is "" where the folders do not say."""

    path: Path
    action: str
    part: str
    identity: tuple[str, str, str]


# What is called, and what makes its recording or says what is wrong with it.
Clips = list[tuple[str, Callable[[], Recording]]]


def read_clips(folder: Path, args: Namespace) -> Source:
    """Every clip of a folder, a recording each.

    Raises:
        InputError: no folders of classes, folders that are none of the classes, clips that can be several things, and,
            with every problem, when none can be used or, with `--strict`, one cannot.
    """
    files, problems = find(folder, args.subject)
    classes = class_names(args.classes)
    if classes and (unknown := sorted({file.action for file in files} - {*classes})):
        raise InputError(f"{folder}: folders {', '.join(unknown)} are none of the classes; name them in --classes")
    samples = readable(files[:: max(len(files) // SAMPLED, 1)], args.order) or readable(files, args.order)
    reading = told(samples, args, str(folder)) if samples else None
    result = Source(
        reading.skeleton if reading else SKELETONS["coco17"],
        iter(()),
        len(files) + len(problems),
        f"clips of {folder.resolve().name}",
        args.terms,
        [file.path for file in files],
        notes=reading.notes() if reading else [],
        classes=classes,
    )
    clips = [(name(file.path, folder), partial(recording, file, folder, reading, args)) for file in files]
    result.recordings = kept([*problems, *clips], result, args.strict)
    if not classes:
        result.recordings = naming_classes(result.recordings, classes)
    if asked(args) or not any(file.part for file in files):
        return with_split(result, division(args))
    parts = {part: ["/".join(file.identity) for file in files if file.part == part] for part in PART_FOLDERS.values()}
    result.splits[SPLIT] = {part: ids for part, ids in parts.items() if ids}
    return result


def find(folder: Path, subject: str) -> tuple[list[ClipFile], Clips]:
    """The files of every class, and what is wrong with the folder. Raises InputError where it has no folders."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with a folder for each class")
    folders = visible(folder, Path.is_dir)
    if not folders:
        raise InputError(
            f"{folder}: no folders in it; expected one for each class, with its clips, as "
            f"{folder / 'waving' / 'any.npy'}"
        )
    try:
        pattern = re.compile(subject)
    except re.error as error:
        raise InputError(
            f"--subject {subject}: {error}; expected a regular expression, such as '(?P<subject>p\\d+)_'"
        ) from error
    parts = {one: PART_FOLDERS[one.name.lower()] for one in folders if one.name.lower() in PART_FOLDERS}
    divided = len(parts) == len(folders) and "train" in parts.values()
    labels = [(label, parts[one]) for one in folders for label in visible(one, Path.is_dir)] if divided else []
    labels = labels or [(label, "") for label in folders]
    problems = [
        problem("place", name(path, folder), "in no class's folder; move it into one")
        for one in (folder, *(parts if divided else ()))
        for path in visible(one, Path.is_file)
        if path.suffix in SUFFIXES
    ]
    files = []
    for label, part in labels:
        paths = [path for path in sorted(label.rglob("*")) if path.is_file() and not hidden(path, label)]
        if not paths:
            problems.append(problem("class without clips", name(label, folder), "no files in it"))
        stems = Counter(path.with_suffix("") for path in paths)
        for path in paths:
            called = name(path, folder)
            found = pattern.search(called)
            if found is None:
                problems.append(problem("subject", called, f"--subject {subject} finds nothing in it"))
                continue
            take = called.removesuffix(path.suffix) if stems[path.with_suffix("")] == 1 else called
            who, take, camera = identity(path.stem if NTU_NAME.fullmatch(path.stem) else take)
            who = found.groupdict().get("subject") or found[min(found.re.groups, 1)] or who
            files.append(ClipFile(path, label.name, part, (who, take, camera)))
    return files, problems


def visible(folder: Path, kind: Callable[[Path], bool]) -> list[Path]:
    """What is directly in a folder and not hidden."""
    return [path for path in sorted(folder.iterdir()) if kind(path) and not path.name.startswith(".")]


def hidden(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is hidden."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def name(path: Path, folder: Path) -> str:
    """What a file is called in messages and in the dataset: its path below the folder."""
    return path.relative_to(folder).as_posix()


def problem(kind: str, called: str, what: str) -> tuple[str, Callable[[], Recording]]:
    """What is no clip, as a clip that cannot be used."""

    def refuse() -> Recording:
        raise Unusable(kind, f"{called}: {what}")

    return called, refuse


def readable(files: Sequence[ClipFile], order: str) -> list[Poses]:
    """Poses of those files that can be read, the first of them if they are many."""

    def read() -> Iterator[Poses]:
        for file in files:
            with suppress(Unusable):
                yield read_clip(file.path, order)

    return list(islice(read(), SAMPLED))


def recording(file: ClipFile, folder: Path, reading: Reading | None, args: Namespace) -> Recording:
    """The clip of a file. Raises Unusable."""
    try:
        poses = read_clip(file.path, args.order)
        assert reading  # of which there is one where a file can be read
        tracks = reading.tracks(poses, str(file.path))
    except Unusable as error:
        message = str(error).removeprefix(str(file.path)).lstrip(":, ")
        raise Unusable(error.kind, f"{name(file.path, folder)}: {message}") from error
    subject, take, camera = file.identity
    return Recording(subject, file.action, take, reading.camera(poses, camera), args.fps, tracks)


def naming_classes(recordings: Iterator[Recording], classes: list[str]) -> Iterator[Recording]:
    """The recordings; when all are read, their classes are entered, since some of a folder may have no clip."""
    found = set()
    for one in recordings:
        found.add(one.action)
        yield one
    classes += sorted(found)
