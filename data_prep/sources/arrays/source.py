"""python -m data_prep arrays DATA --labels LABELS: many clips in one array or CSV file.

DATA is an `.npy` of ST-GCN's form (N, C, T, V, M), which is memory-mapped, however large; of any order of a clip's axes
behind N (--order); or an object array of clips of unlike length. Or it is a `.csv` with a row for every frame and
person, which carries its labels. Several parts are given as `--part train DATA LABELS --part test DATA LABELS`.
"""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.options import LABEL_FORMS, PARTS
from data_prep.reading.csv_poses import csv_poses
from data_prep.reading.labelled_clips import LabelledClip, labelled_source
from data_prep.reading.labels import labels_of, read_labels
from data_prep.reading.left_out import Kind
from data_prep.reading.ntu import identity
from data_prep.reading.poses import Poses, order_of, persons_first
from data_prep.reading.splitting import split_of, with_splits
from data_prep.source import Source
from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import CSV_FORM
from stgraph.formats.keypoints.csv_rows import csv_tables
from stgraph.formats.numpy_files import load_npy


def read(args: Namespace) -> Source:
    """A recording for every clip of the files that the options name.

    Raises:
        InputError: files that are missing or do not belong together, labels beyond the classes, or clips whose
            convention cannot be inferred.
    """
    files = files_of(args)
    parts = {
        part: csv_clips(data, labels) if data.suffix == ".csv" else array_clips(part, data, labels, args.order)
        for part, data, labels in files
    }
    inputs = [path for _, data, labels in files for path in (data, labels) if path]
    splits = split_of((part, "/".join(identity(clip.name))) for part, clips in parts.items() if part for clip in clips)
    clips = [clip for clips in parts.values() for clip in clips]
    description = f"arrays {', '.join(path.name for path in inputs)}"
    return with_splits(labelled_source(clips, args, description, inputs), args, splits)


def files_of(args: Namespace) -> list[tuple[str, Path, Path | None]]:
    """Part ("" if it is the only one), data and labels. Raises InputError for options that do not go together."""
    files = [("", args.data, args.labels)] if args.data else []
    for words in args.part:
        if len(words) not in (2, 3) or words[0] not in PARTS:
            expected = f"PART DATA LABELS (no LABELS for .csv), PART being {', '.join(PARTS[:2])} or {PARTS[2]}"
            raise InputError(where=f"--part {' '.join(words)}", expected=expected)
        files.append((words[0], Path(words[1]), Path(words[2]) if len(words) > 2 else None))
    names = [name for name, *_ in files]
    if not files or len({*names}) < len(names) or ("" in names and len(names) > 1) or (args.labels and not args.data):
        raise InputError(
            "give DATA with --labels LABELS, or each part once by --part PART DATA LABELS, such as `--part train "
            "train_data.npy train_label.pkl --part test val_data.npy val_label.pkl`",
            where="arrays",
        )
    if names != [""] and "train" not in names:
        raise InputError(f"{', '.join(names)}; one part has to be train", where="--part")
    return files


def array_clips(part: str, data: Path, labels: Path | None, order: str) -> list[LabelledClip]:
    """The clips of an array. Raises InputError for one of another form, or with another number of labels."""
    if labels is None:
        remedy = f"give them by --labels, or after the data of --part: {LABEL_FORMS}"
        raise InputError("no labels", where=data, remedy=remedy)
    array, labelled = load_npy(data), read_labels(labels)
    if not array.ndim or (array.dtype != object and array.ndim not in (4, 5)):
        expected = "(N, C, T, V, M), or another order of a clip's axes behind N"
        raise InputError(f"shape {array.shape}", where=data, expected=expected)
    if len(array) != len(labelled.values):
        problem = f"{len(array)} clips, and {len(labelled.values)} labels in {labels}"
        raise InputError(problem, where=data, expected="as many")
    stem, width = f"{part} " if part else "", len(str(len(array) - 1))
    names = [Path(name).stem if name.endswith(".skeleton") else name for name in labelled.samples or []]
    names = names or [f"{stem}{number:0{width}d}" for number in range(len(array))]
    return [
        LabelledClip(f"{data}, clip {number}", name, label, partial(poses_at, array, number, order))
        for number, (name, label) in enumerate(zip(names, labelled.values, strict=True))
    ]


def poses_at(array: np.ndarray, number: int, order: str) -> Poses:
    """A clip of an array of clips. Raises InputError where it is no array."""
    clip = array[number]
    if not isinstance(clip, np.ndarray):
        raise InputError(f"a {type(clip).__name__}", expected="an array", kind=Kind.NO_NUMBERS)
    return Poses(persons_first(clip, order_of(clip, order)))


def csv_clips(data: Path, labels: Path | None) -> list[LabelledClip]:
    """The clips of a CSV file. Raises InputError where it has no names or labels, or labels are given apart."""
    if labels:
        problem = f"{data} is CSV, whose column `label` has the labels"
        raise InputError(problem, where=labels, remedy="leave the file out")
    columns, tables = csv_tables(data)
    if missing := [key for key in ("clip", "label") if key not in columns.keys]:
        raise InputError(f"no column {', '.join(missing)}", where=data, expected=CSV_FORM)
    values = labels_of([table.label for table in tables.values()], str(data)).values
    return [
        LabelledClip(f"{data}, clip {name}", name, label, partial(csv_poses, table, columns))
        for (name, table), label in zip(tables.items(), values, strict=True)
    ]
