"""python -m data_prep pyskl FILE.pkl ...: annotations as pyskl and MMAction2 pickle them, 2D or 3D.

{"split": {name: [frame_dir, ...]}, "annotations": [{frame_dir, label, img_shape (height, width), keypoint (M, T, V, C),
keypoint_score (M, T, V)}, ...]}; or a list of annotations, one file a part. Every split is kept: `xsub_train` and
`xsub_val` become the parts train and test of `xsub`, plain `train` and `val` those of `standard`, and where there is a
test part as well, `val` is validation.
"""

import re
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.options import SPLIT
from data_prep.reading.files import listed
from data_prep.reading.labelled_clips import LabelledClip, labelled_source
from data_prep.reading.ntu import identity
from data_prep.reading.pyskl import poses_of
from data_prep.reading.splitting import PART_NAMES, split_stated, with_splits
from data_prep.source import Source
from stgraph.errors import InputError
from stgraph.formats.safe_pickle import load_pickle

# "xsub_train", "train1": the rest of the name is the split's.
PART = re.compile(r"(.*?)[_-]?(train|val|validation|test)[_-]?(\d*)", re.IGNORECASE)


def read(args: Namespace) -> Source:
    """Every annotation of some files, a recording each.

    Raises:
        InputError: no annotations, labels beyond the classes, a clip in two parts of a split, or ambiguous poses.
    """
    clips: list[LabelledClip] = []
    named: dict[str, list[str]] = {}
    for path in args.paths:
        annotations, split = read_annotations(path)
        new = [LabelledClip(name, name, label(one), partial(poses_of, one)) for name, one in annotations]
        if not split and PART.fullmatch(path.stem):
            split = {path.stem: [clip.name for clip in new]}
        clips += new
        for name, keys in split.items():
            named.setdefault(name, []).extend(keys)
    ids = {clip.name: "/".join(identity(clip.name)) for clip in clips}
    of_files = {} if split_stated(args) else splits(named, ids, listed(args.paths))
    description = f"{', '.join(path.name for path in args.paths)}, annotations in pyskl's form"
    result = with_splits(labelled_source(clips, args, description, args.paths), args, of_files)
    if result.splits and (missing := sum(key not in ids for keys in named.values() for key in keys)):
        result.notes.append(f"splits name {missing} clips that have no annotation")
    return result


def read_annotations(path: Path) -> tuple[list[tuple[str, dict]], dict[str, list[str]]]:
    """(frame_dir, annotation) and splits of a file. Raises InputError for anything else."""
    content = load_pickle(path)
    annotations, split = content, {}
    if isinstance(content, dict):
        annotations, split = content.get("annotations"), content.get("split", {})
        annotations = [content] if "keypoint" in content else annotations
    if not isinstance(annotations, list) or not annotations or not all(isinstance(one, dict) for one in annotations):
        keys = f"dict of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        expected = "annotations as pyskl pickles them, a list of dicts or a dict of split and annotations"
        remedy = "for arrays use `python -m data_prep arrays`"
        raise InputError(where=path, found=f"a {keys}", expected=expected, remedy=remedy)
    for number, one in enumerate(annotations):
        if missing := [key for key in ("frame_dir", "keypoint") if key not in one]:
            problem = f"annotation {number} has no {', '.join(missing)}, but {', '.join(map(str, one))}"
            expected = "frame_dir, label, keypoint, and keypoint_score and img_shape in 2D"
            raise InputError(problem, where=path, expected=expected)
    if not isinstance(split, dict) or not all(isinstance(keys, list | tuple) for keys in split.values()):
        raise InputError("split is no dict of lists", where=path, expected="{name: [frame_dir, ...]}")
    named = [(str(one["frame_dir"]), one) for one in annotations]
    return named, {str(name): [str(key) for key in keys] for name, keys in split.items()}


def label(annotation: Mapping[str, Any]) -> int | None:
    """The class's number; None where there is none, or several."""
    value = annotation.get("label")
    value = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
    return value if isinstance(value, int) else None


def splits(named: Mapping[str, Sequence[str]], ids: Mapping[str, str], where: str) -> dict[str, dict[str, list[str]]]:
    """Parts of every split by recording ids.

    Args:
        named: names of the split's parts in the file -> frame_dir of their clips.
        ids: frame_dir -> recording id, of the clips that have an annotation.

    Raises:
        InputError: a clip in two parts of a split.
    """
    by_part: dict[str, dict[str, list[str]]] = {}
    for name, keys in named.items():
        split, part = split_and_part(name)
        by_part.setdefault(split, {}).setdefault(part, []).extend(ids[key] for key in keys if key in ids)
    for split, parts in by_part.items():
        if "test" not in parts and "validation" in parts:
            parts["test"] = parts.pop("validation")
        counts = Counter(id for part in parts.values() for id in set(part))
        if both := [id for id, count in counts.items() if count > 1]:
            problem = f"split {split}: {len(both)} clips are in two parts, such as {both[0]}"
            raise InputError(problem, where=where, expected="each in one", remedy="or divide anew by --test-share")
    return by_part


def split_and_part(name: str) -> tuple[str, str]:
    """The split and part of a name in the file; a name without a part is a split to train on.

    >>> split_and_part("xsub_train"), split_and_part("val"), split_and_part("test2")
    (('xsub', 'train'), ('standard', 'validation'), ('2', 'test'))
    """
    match = PART.fullmatch(name)
    if match is None:
        return name, "train"
    return "_".join(filter(None, (match[1], match[3]))) or SPLIT, PART_NAMES[match[2].lower()]
