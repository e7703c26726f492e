"""python -m data_prep arrays DATA --labels LABELS: many clips in one array or CSV file.

DATA is an `.npy` of ST-GCN's form (N, C, T, V, M), which is memory-mapped, however large; of any order of a clip's axes
behind N (--order); or an object array of clips of unlike length. Or it is a `.csv` with a row for every frame and
person, which carries its labels. Several parts are given as `--part train DATA LABELS --part test DATA LABELS`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.reading.clip_files import CSV_FORM, csv_poses, csv_tables
from data_prep.reading.clip_poses import ORDERS, Poses, Reading, Unusable, identity, kept, persons_first
from data_prep.reading.clip_reading import SAMPLED, reading_arguments, told
from data_prep.reading.labels import FORMS, Labels, actions, class_names, classes_argument, labels_of, read_labels
from data_prep.reading.splitting import PARTS, SPLIT, asked, division, split_arguments, with_split
from data_prep.source import Source, source
from data_prep.sources.pyskl.source import ntu_classes
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy


def add_arguments(parser: ArgumentParser) -> None:
    text = f".npy (N, C, T, V, M) or as --order says, or .csv: {CSV_FORM}"
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA", help=text)
    parser.add_argument("--labels", type=Path, help=f"of DATA: {FORMS}")
    text = "a part of the split with its labels (none for .csv); once for train, test and maybe validation"
    parser.add_argument("--part", nargs="+", action="append", default=[], metavar="PART DATA LABELS", help=text)
    text = "of a clip's axes: m persons, t frames, j joints, c channels (told by the lengths; ctjm is ST-GCN's)"
    parser.add_argument("--order", choices=ORDERS, default="", help=text)
    classes_argument(parser)
    reading_arguments(parser)
    split_arguments(parser)


@source("arrays", help="many clips in one .npy (N, C, T, V, M) with labels, or in one .csv", arguments=add_arguments)
def read(args: Namespace) -> Source:
    return read_arrays(parts_of(args), args)


@dataclass(frozen=True)
class Part:
    """The clips of one file.

    Attributes:
        name: of the part of the split; "" if there is only one.
        paths: of data and labels.
        labels: of the clips. samples: their names.
        poses: clip's number -> its poses; raises Unusable.
    """

    name: str
    paths: list[Path]
    labels: list[int] | list[str]
    samples: list[str]
    poses: Callable[[int], Poses]


def parts_of(args: Namespace) -> list[Part]:
    """The files that the options name. Raises InputError for files that are missing or do not belong together."""
    given = [("", args.data, args.labels)] if args.data else []
    for words in args.part:
        if len(words) not in (2, 3) or words[0] not in PARTS:
            raise InputError(
                f"--part {' '.join(words)}: expected PART DATA LABELS (no LABELS for .csv), PART being "
                f"{', '.join(PARTS[:2])} or {PARTS[2]}"
            )
        given.append((words[0], *(Path(word) for word in words[1:]), *[None] * (3 - len(words))))
    names = [name for name, _, _ in given]
    doubled = len(set(names)) < len(names)
    if not given or doubled or ("" in names and len(names) > 1) or (args.labels and not args.data):
        raise InputError(
            "arrays: give DATA with --labels LABELS, or each part once by --part PART DATA LABELS, such as `--part "
            "train train_data.npy train_label.pkl --part test val_data.npy val_label.pkl`"
        )
    if names != [""] and "train" not in names:
        raise InputError(f"--part: {', '.join(names)}; one part has to be train")
    return [opened(name, data, labels, args.order) for name, data, labels in given]


def opened(name: str, data: Path, labels: Path | None, order: str) -> Part:
    """A part's file with its labels. Raises InputError."""
    if data.suffix == ".csv":
        if labels:
            raise InputError(f"{labels}: {data} is CSV, whose column `label` has the labels; leave the file out")
        return opened_csv(name, data)
    if labels is None:
        raise InputError(f"{data}: no labels; give them by --labels, or after the data of --part: {FORMS}")
    clips, found = load_npy(data), read_labels(labels)
    if clips.dtype != object and clips.ndim not in (4, 5):
        raise InputError(
            f"{data}: shape {clips.shape}; expected (N, C, T, V, M), or another order of a clip's axes behind N"
        )
    if len(clips) != len(found.values):
        raise InputError(f"{data}: {len(clips)} clips, and {len(found.values)} labels in {labels}; expected as many")

    def poses(number: int) -> Poses:
        where = f"{data}, clip {number}"
        clip = clips[number]
        if not isinstance(clip, np.ndarray):
            raise Unusable("no numbers", f"{where}: a {type(clip).__name__}; expected an array")
        return Poses(persons_first(np.array(clip), order, where))

    width = len(str(len(clips) - 1))
    stem = f"{name} " if name else ""
    samples = [Path(sample).stem if sample.endswith(".skeleton") else sample for sample in found.samples or []]
    samples = samples or [f"{stem}{number:0{width}d}" for number in range(len(clips))]
    return Part(name, [data, labels], found.values, samples, poses)


def opened_csv(name: str, data: Path) -> Part:
    """A CSV file of many clips. Raises InputError."""
    columns, tables = csv_tables(data)
    if missing := [key for key in ("clip", "label") if key not in columns.keys]:
        raise InputError(f"{data}: no column {', '.join(missing)}; expected {CSV_FORM}")
    samples = list(tables)

    def poses(number: int) -> Poses:
        return csv_poses(tables[samples[number]], columns, f"{data}, clip {samples[number]}")

    labels: Labels = labels_of([table.label for table in tables.values()], str(data))
    return Part(name, [data], labels.values, samples, poses)


def read_arrays(parts: Sequence[Part], args: Namespace) -> Source:
    """Every clip of some parts, a recording each.

    Raises:
        InputError: labels beyond the classes, or clips that can be several things.
    """
    inputs = [path for part in parts for path in part.paths]
    where = ", ".join(str(part.paths[0]) for part in parts)
    labels = [label for part in parts for label in part.labels]
    if len({type(label) for label in labels}) > 1:
        raise InputError(f"{where}: labels are numbers in one part and names in another; expected the same in all")
    classes = class_names(args.classes) or ntu_classes([sample for part in parts for sample in part.samples], labels)
    by_name, classes = actions(labels, classes, ", ".join(str(part.paths[-1]) for part in parts))
    reading = told([poses for part in parts for poses in sampled(part)], args, where)
    result = Source(
        reading.skeleton,
        iter(()),
        len(labels),
        f"arrays {', '.join(path.name for path in inputs)}",
        args.terms,
        inputs,
        notes=reading.notes(),
        classes=classes,
    )
    result.recordings = kept(clips(parts, by_name, reading, args.fps), result)
    if asked(args) or len(parts) == 1:
        return with_split(result, division(args))
    result.splits[SPLIT] = {part.name: ["/".join(identity(sample)) for sample in part.samples] for part in parts}
    return result


def sampled(part: Part) -> Iterator[Poses]:
    """Poses of some clips from all over a part, of those that can be read."""
    for number in range(0, len(part.labels), max(len(part.labels) // SAMPLED, 1)):
        try:
            yield part.poses(number)
        except Unusable:
            continue


def clips(
    parts: Sequence[Part], by_name: Sequence[str], reading: Reading, fps: float
) -> Iterator[tuple[str, Callable[[], Recording]]]:
    """Clip after clip, of part after part."""
    names = iter(by_name)
    for part in parts:
        for number, sample in enumerate(part.samples):
            yield f"{part.paths[0]}, clip {number}", partial(recording, part, number, sample, next(names), reading, fps)


def recording(part: Part, number: int, sample: str, action: str, reading: Reading, fps: float) -> Recording:
    """A clip. Raises Unusable."""
    poses = part.poses(number)
    subject, take, camera = identity(sample)
    tracks = reading.tracks(poses, f"{part.paths[0]}, clip {number}")
    return Recording(subject, action, take, reading.camera(poses, camera), fps, tracks)
