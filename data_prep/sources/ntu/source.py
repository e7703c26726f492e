"""python -m data_prep ntu PATH ...: NTU RGB+D, the `.skeleton` files of its clips.

Every clip has at most two persons, those who move most, in 3D as Kinect's depth camera sees them and in 2D as its
colour camera does (detections `kinect`). The class is the action that the file's name states. Both splits of the paper
are written: `xsub` by subjects and `xview` by cameras.
"""

from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from data_prep.reading.files import find_files, listed
from data_prep.reading.labels import class_names
from data_prep.reading.layouts import level_camera
from data_prep.reading.left_out import UnreadClip, none_left, usable
from data_prep.reading.ntu import ACTIONS, FPS, NAME, SIZE, action_names, action_of, identity, read_ntu
from data_prep.reading.splitting import split_of
from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.skeleton import NTU25

SOURCE = "NTU RGB+D (Shahroudy et al. 2016)"
SOURCE_120 = "NTU RGB+D 120 (Liu et al. 2019)"
TERMS = "NTU RGB+D: academic research only, no commercial use; cite its papers; not to be passed on"
# Of the 60 actions' splits. The others are those of the set's extension, whose protocols are its own.
XSUB = {f"P{number:03d}" for number in (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)}
XVIEW = {"C002", "C003"}
NOTES = (
    "3D: camera space of the depth camera, turned by 180 degrees about z from Kinect's own axes (x left, y up)",
    "2D kinect: pixels of the colour images, which are mirrored (x grows to the camera's left); confidence 1 for "
    "tracked joints and 0.5 for inferred ones; intrinsics are not known and written as 0",
    "a joint with a number that is not finite is unseen: in 3D it is zero, and the frame is not valid for scoring",
    "persons: the two bodies whose coordinates vary most (standard deviations along x, y and z, summed), most first",
)


def read(args: Namespace) -> Source:
    """Every clip in the given files and folders that can be used; the others are listed with the reason.

    Classes that are not named are the 60 known ones, further ones being called "A061".

    Raises:
        InputError: a path is missing, no clips or fewer classes than actions.
    """
    leave_out, classes = args.leave_out, class_names(args.classes)
    files = find_files(args.paths, r".*\.skeleton", "the folder with .skeleton files")
    if not files:
        raise InputError("no .skeleton files; give the folder with those of NTU RGB+D", where=listed(args.paths))
    named = names_in(leave_out) if leave_out else set()
    clips: dict[str, Path] = {}
    left_out = []
    for path in files:
        if not NAME.fullmatch(path.stem):
            left_out.append((path.name, "expected a name such as S001C001P001R001A001, which states the class"))
        elif leave_out and path.stem in named:
            left_out.append((path.stem, f"named in {leave_out.name}"))
        elif clips.setdefault(path.stem, path) is not path:
            left_out.append((str(path), f"the same clip as {clips[path.stem]}"))
    if not clips:
        raise none_left("no clips of NTU RGB+D to read", listed(args.paths), left_out)
    names = action_names(max(map(action_of, clips)), classes)
    notes = [*NOTES, *(["bodies that follow one another at the same place are one"] if args.join else [])]
    if leave_out:
        count = sum(path.stem in named for path in files)
        notes.append(f"{leave_out.name} names {len(named)} clips, of which {count} are here and were not read")
    if len(names) > ACTIONS:
        notes.append(f"splits xsub and xview are of actions A001 to A{ACTIONS:03d}; the others are in no part of them")
    result = Source(
        skeleton=NTU25,
        recordings=iter(()),
        total=len(clips),
        source=SOURCE if len(names) <= ACTIONS else f"{SOURCE}, {SOURCE_120}",
        terms=TERMS,
        inputs=list(clips.values()),
        left_out=left_out,
        notes=notes,
        splits=splits(clips),
        classes=names,
    )
    unread = (UnreadClip(stem, partial(read_clip, path, names, args.join), str(path)) for stem, path in clips.items())
    result.recordings = usable(unread, result)
    return result


def names_in(path: Path) -> set[str]:
    """Clips that a text names. Raises InputError where it names none."""
    try:
        names = {match[0] for match in NAME.finditer(path.read_text(encoding="utf-8", errors="replace"))}
    except OSError as error:
        raise InputError(f"{error.strerror}; give the file with names of clips to leave out", where=path) from error
    if not names:
        raise InputError("no names of clips", where=path, expected="some such as S001C001P001R001A001, one a line")
    return names


def splits(clips: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """The parts of the 60 actions' clips, by recording."""
    ids = [identity(name) for name in clips if action_of(name) <= ACTIONS]
    xsub = (("train" if id[0] in XSUB else "test", "/".join(id)) for id in ids)
    xview = (("train" if id[2] in XVIEW else "test", "/".join(id)) for id in ids)
    return split_of(xsub, "xsub") | split_of(xview, "xview")


def read_clip(path: Path, actions: list[str], join: bool) -> Recording:
    """The clip of a file. Raises InputError."""
    subject, take, camera = identity(path.stem)
    action = actions[action_of(take) - 1]
    return Recording(subject, action, take, level_camera(camera, *SIZE), FPS, tracks=read_ntu(path, join))
