"""python -m data_prep kinetics FOLDER ...: Kinetics-skeleton, one JSON file for every clip beside a file of labels.

Folders are those of the clips, `kinetics_train` and `kinetics_val`, or the one that holds both; their labels are in
`FOLDER_label.json` unless `--labels` names other files. Folders called after validation or test are the part `test` of
the split `standard`, others its part `train`.
"""

import re
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import NonNegativeInt, RootModel

from data_prep.reading import kinetics
from data_prep.reading.files import listed
from data_prep.reading.kinetics import FPS, PERSONS, READ, SIZE
from data_prep.reading.labels import class_names
from data_prep.reading.layouts import level_camera
from data_prep.reading.left_out import Kind, UnreadClip, none_left, usable
from data_prep.reading.splitting import split_of
from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.json_files import read_json, validated
from stgraph.skeleton import OPENPOSE18

SOURCE = "Kinetics-skeleton (Yan et al. 2018; videos: Kay et al. 2017, poses: OpenPose)"
TERMS = "UNKNOWN for the poses; the labels of Kinetics are CC BY 4.0, the videos belong to those who uploaded them"
LABELS = '{"CLIP": {"has_skeleton": true, "label": "abseiling", "label_index": 0}, ...}'


class Label(kinetics.Strict):
    """The entry of a clip in a file of labels."""

    label: str
    label_index: NonNegativeInt
    has_skeleton: bool = True


@dataclass(frozen=True)
class KineticsClip:
    """A clip before it is read."""

    path: Path
    part: str
    label: Label

    @property
    def name(self) -> str:
        """The clip's name in messages."""
        return f"{self.path.parent.name}/{self.path.stem}"


def read(args: Namespace) -> Source:
    """Every clip in the given folders that has a label and can be used; the others are listed with the reason.

    Raises:
        InputError: a folder or file of labels is missing, labels that cannot be used, or no clip.
    """
    if args.frames < 1:
        raise InputError(where=f"--frames {args.frames}", expected="1 or more")
    folders = [inner for folder in args.folders for inner in clip_folders(folder)]
    labels = args.labels or [folder.with_name(f"{folder.name}_label.json") for folder in folders]
    if len(labels) not in (1, len(folders)):
        problem = f"{len(labels)} files for {len(folders)} folders ({listed(folders)})"
        raise InputError(problem, where="--labels", remedy="give one for each in the same order, or one for all")
    labels = labels * (len(folders) // len(labels))
    by_file = {path: read_labels(path) for path in labels}
    left_out: list[tuple[str, str]] = []
    unique: dict[tuple[str, str], KineticsClip] = {}
    for path, labelled in by_file.items():
        its_folders = [folder for folder, file in zip(folders, labels, strict=True) if file == path]
        for clip in labelled_clips(its_folders, path, labelled, left_out):
            if (other := unique.setdefault((clip.part, clip.path.stem), clip)) is not clip:
                left_out.append((str(clip.path), f"has the name of {other.path}"))
    clips = list(unique.values())
    if not clips:
        raise none_left("no clip with a label", listed(folders), left_out)
    names, notes = classes_of(by_file, class_names(args.classes))
    notes += [
        f"pixels of images of {SIZE[0]} x {SIZE[1]}; the files have fractions of the image",
        f"persons: of the first {READ} people of a frame the {PERSONS} with the highest scores, highest first; "
        "person 0 may be another from frame to frame",
        "frames are numbered as in the files, which mostly begin with 1",
    ]
    inputs = [*by_file, *(clip.path for clip in clips)]
    splits = split_of((part, part) for part in {clip.part for clip in clips})
    result = Source(OPENPOSE18, iter(()), len(clips), SOURCE, TERMS, inputs=inputs, classes=names)
    result.left_out, result.notes, result.splits = left_out, notes, splits
    unread = (UnreadClip(clip.name, partial(read_clip, clip, args.frames), str(clip.path)) for clip in clips)
    result.recordings = usable(unread, result)
    return result


def clip_folders(folder: Path) -> list[Path]:
    """The folder itself, or those in it, where they hold the clips. Raises InputError where there is none."""
    if not folder.is_dir():
        raise InputError("no such folder; give the one with the clips, such as kinetics_train", where=folder)
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and any(path.glob("*.json"))]
    return inner or [folder]


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by the clip's name. Raises InputError for another form."""
    labels = validated(RootModel[dict[str, Label]], read_json(path, f"{LABELS}, named by --labels"), path).root
    if not labels:
        raise InputError("no labels", where=path, expected=LABELS)
    return labels


def labelled_clips(
    folders: list[Path], path: Path, labels: dict[str, Label], left_out: list[tuple[str, str]]
) -> Iterator[KineticsClip]:
    """Clips of some folders that have a label; the others, and labels without a clip, are left out."""
    clips: set[str] = set()
    for folder in folders:
        part = "test" if re.search("val|test", folder.name) else "train"
        for file in sorted(folder.glob("*.json")):
            if file.resolve() == path.resolve() or file.stem.endswith("_label"):
                continue
            clips.add(file.stem)
            label = labels.get(file.stem)
            if label is None:
                left_out.append((f"{folder.name}/{file.stem}", f"no label in {path.name}"))
            elif not label.has_skeleton:
                left_out.append((f"{folder.name}/{file.stem}", f"has no skeleton, says {path.name}"))
            else:
                yield KineticsClip(file, part, label)
    left_out += [(name, f"in {path.name}, but there is no such clip") for name in labels if name not in clips]


def classes_of(labels: dict[Path, dict[str, Label]], classes: list[str]) -> tuple[list[str], list[str]]:
    """Classes in the order of `label_index`, and notes on it.

    Raises:
        InputError: an index with two names or a name with two, or names other than `classes`.
    """
    names: dict[int, str] = {}
    indices: dict[str, int] = {}
    pairs = {
        (label.label, label.label_index): f"{path}, {clip!r}"
        for path, labelled in labels.items()
        for clip, label in labelled.items()
    }
    for (name, index), where in pairs.items():
        if (names.setdefault(index, name), indices.setdefault(name, index)) != (name, index):
            problem = f"elsewhere {names[index]!r} is number {index} and {name!r} number {indices[name]}"
            remedy = "give every class one number"
        elif classes and classes[index : index + 1] != [name]:
            other = repr(classes[index]) if index < len(classes) else f"beyond the {len(classes)} names"
            problem, remedy = f"it is {other} by --classes", "give the names in the order of the numbers, from 0"
        else:
            continue
        raise InputError(f"label {name!r} is number {index}, but {problem}", where=where, remedy=remedy)
    occurring = [names[index] for index in sorted(names)]
    if classes or len(occurring) > max(names):
        return classes or occurring, []
    note = f"labels have numbers up to {max(names)}, but only {len(occurring)} classes occur: classes are numbered anew"
    return occurring, [f"{note}, in that order; --classes keeps the numbers"]


def read_clip(clip: KineticsClip, frames: int) -> Recording:
    """The recording of a clip. Raises InputError."""
    content, index = kinetics.read_clip(clip.path), clip.label.label_index
    tracks = kinetics.tracks_of(content, str(clip.path), frames)
    if content.label_index not in (None, index):
        problem = f"label_index {content.label_index}, but {index} in the file of labels"
        raise InputError(problem, where=clip.path, kind=Kind.LABEL)
    camera = level_camera("unknown", *SIZE)
    return Recording(clip.part, clip.label.label, clip.path.stem, camera, FPS, tracks=tracks)
