"""python -m data_prep ntu PATH ...: NTU RGB+D, the `.skeleton` files of its clips.

Every clip has at most two persons, those who move most, in 3D as Kinect's depth camera sees them and in 2D as its
colour camera does (detections `kinect`). The class is the action that the file's name tells. Both splits of the paper
are written: `xsub` by subjects and `xview` by cameras.
"""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from data_prep.reading.labels import class_names, classes_argument
from data_prep.reading.layouts import level_camera
from data_prep.reading.ntu_files import FPS, SIZE, read_ntu
from data_prep.source import Source, source
from stgraph.data.recording import Recording, check_recording
from stgraph.errors import InputError
from stgraph.skeleton import NTU25

SOURCE = "NTU RGB+D (Shahroudy et al. 2016)"
SOURCE_120 = "NTU RGB+D 120 (Liu et al. 2019)"
TERMS = "NTU RGB+D: academic research only, no commercial use; cite its papers; not to be passed on"
NAME = re.compile(r"S\d{3}(?P<camera>C\d{3})(?P<subject>P\d{3})R\d{3}A(?P<action>(?!000)\d{3})")
# Of the 60 actions' splits. The others are those of the set's extension, whose protocols are its own.
ACTIONS = 60
XSUB = {f"P{number:03d}" for number in (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)}
XVIEW = {"C002", "C003"}
NOTES = (
    "3D: camera space of the depth camera, turned by 180 degrees about z from Kinect's own axes (x left, y up)",
    "2D kinect: pixels of the colour images, which are mirrored (x grows to the camera's left); confidence 1 for "
    "tracked joints and 0.5 for inferred ones; intrinsics are not known and written as 0",
    "persons: the two bodies whose coordinates vary most (standard deviations along x, y and z, summed), most first",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=".skeleton files, or folders with them")
    text = "text with names of clips not to read, such as the official list of those with missing skeletons"
    parser.add_argument("--leave-out", type=Path, metavar="FILE", help=text)
    classes_argument(parser)


@source("ntu", help="NTU RGB+D and NTU RGB+D 120, .skeleton files", arguments=add_arguments)
def read(args: Namespace) -> Source:
    return read_clips(args.paths, args.leave_out, class_names(args.classes))


def read_clips(paths: Iterable[Path], leave_out: Path | None = None, classes: list[str] | None = None) -> Source:
    """Every clip in the given files and folders that can be used; the others are listed with the reason.

    Args:
        leave_out: text that names clips, with or without ending.
        classes: names of the actions A001, A002, ...; by default the 60 known ones, further ones being called "A061".

    Raises:
        InputError: a path is missing, no clips or fewer classes than actions.
    """
    paths = list(paths)
    listed = names_in(leave_out) if leave_out else set()
    clips: dict[str, Path] = {}
    left_out = []
    for path in files(paths):
        if not NAME.fullmatch(path.stem):
            left_out.append((path.name, "expected a name such as S001C001P001R001A001, which tells the class"))
        elif path.stem in listed:
            left_out.append((path.stem, f"named in {leave_out.name}"))
        elif clips.setdefault(path.stem, path) is not path:
            left_out.append((str(path), f"the same clip as {clips[path.stem]}"))
    if not clips:
        reasons = "".join(f"\n  {what}: {why}" for what, why in left_out[:10])
        raise InputError(f"{', '.join(map(str, paths))}: no clips of NTU RGB+D to read; left out:{reasons or ' -'}")
    names = action_names(max(action_of(stem) for stem in clips), classes)
    notes = list(NOTES)
    if leave_out:
        there = sum(why.startswith("named in") for _, why in left_out)
        notes.append(f"{leave_out.name} names {len(listed)} clips, of which {there} are here and were not read")
    if len(names) > ACTIONS:
        notes.append(f"splits xsub and xview are of actions A001 to A{ACTIONS:03d}; the others are in no part of them")
    about = SOURCE if len(names) <= ACTIONS else f"{SOURCE}, {SOURCE_120}"
    recordings = iterate(clips, names, left_out)
    inputs = list(clips.values())
    return Source(NTU25, recordings, len(clips), about, TERMS, inputs, left_out, notes, splits(clips), names)


def files(paths: list[Path]) -> list[Path]:
    """Files that are named, and in folders all `.skeleton` files. Raises InputError where a path or all are missing."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; give the folder with .skeleton files")
        found |= dict.fromkeys(sorted(path.rglob("*.skeleton")) if path.is_dir() else [path])
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no .skeleton files; give the folder with those of NTU RGB+D")
    return list(found)


def names_in(path: Path) -> set[str]:
    """Clips that a text names. Raises InputError where it names none."""
    try:
        names = {found[0] for found in NAME.finditer(path.read_text(encoding="utf-8", errors="replace"))}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file with names of clips to leave out") from error
    if not names:
        raise InputError(f"{path}: no names of clips; expected some such as S001C001P001R001A001, one a line")
    return names


def action_of(stem: str) -> int:
    """The number of a clip's action, from 1."""
    return int(NAME.fullmatch(stem)["action"])


def action_names(last: int, given: list[str] | None) -> list[str]:
    """Classes in the order of the actions. Raises InputError where fewer are given than there are."""
    if given and len(given) < last:
        raise InputError(f"--classes: {len(given)} names, but clips of action A{last:03d}; name every action in order")
    known = class_names("ntu60")
    # Both sets whole, so that a class has its place whichever clips there are.
    further = range(len(known) + 1, 1 + (len(known) if last <= ACTIONS else max(last, 2 * ACTIONS)))
    return given or known + [f"A{number:03d}" for number in further]


def splits(clips: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """The parts of the 60 actions' clips, by recording."""
    parts = {name: {"train": [], "test": []} for name in ("xsub", "xview")}
    for stem in clips:
        subject, camera, action = (NAME.fullmatch(stem)[group] for group in ("subject", "camera", "action"))
        if int(action) <= ACTIONS:
            for name, trains in (("xsub", subject in XSUB), ("xview", camera in XVIEW)):
                parts[name]["train" if trains else "test"].append(f"{subject}/{stem}/{camera}")
    return {name: of for name, of in parts.items() if any(of.values())}


def iterate(clips: dict[str, Path], names: list[str], left_out: list[tuple[str, str]]) -> Iterator[Recording]:
    """Read clip after clip, but those that cannot be used."""
    for stem, path in clips.items():
        found = NAME.fullmatch(stem)
        camera = level_camera(found["camera"], *SIZE, np.zeros(9))
        try:
            action = names[action_of(stem) - 1]
            recording = Recording(found["subject"], action, stem, camera, FPS, read_ntu(path))
            check_recording(recording, NTU25)
        except InputError as error:
            left_out.append((stem, str(error).removeprefix(f"{path}: ")))
        else:
            yield recording
