"""python -m data_prep pyskl FILE.pkl ...: annotations as pyskl and MMAction2 pickle them, 2D or 3D.

{"split": {name: [frame_dir, ...]}, "annotations": [{frame_dir, label, img_shape (height, width), keypoint (M, T, V, C),
keypoint_score (M, T, V)}, ...]}; or a list of annotations, one file a part. Every split is kept: `xsub_train` and
`xsub_val` become the parts train and test of `xsub`, plain `train` and `val` those of `standard`, and where there is a
test part as well, `val` is validation.
"""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.reading.clip_poses import Poses, Reading, Unusable, identity, kept
from data_prep.reading.clip_reading import SAMPLED, reading_arguments, told
from data_prep.reading.labels import actions, class_names, classes_argument
from data_prep.reading.splitting import asked, division, split_arguments, with_split
from data_prep.source import Source, source
from data_prep.sources.ntu.source import NAME, action_names, action_of
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.safe_pickle import load_pickle

# "xsub_train", "train1": what is left of the name is the split's.
PART = re.compile(r"(.*?)[_-]?(train|val|validation|test)[_-]?(\d*)", re.IGNORECASE)


def add_arguments(parser: ArgumentParser) -> None:
    text = "pickles of annotations; of several, each is a part of the split (..._train.pkl, ..._val.pkl)"
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help=text)
    classes_argument(parser)
    reading_arguments(parser)
    split_arguments(parser)


@source("pyskl", help="annotations as pyskl and MMAction2 pickle them", arguments=add_arguments)
def read(args: Namespace) -> Source:
    return read_pyskl(args.paths, args)


def read_pyskl(paths: Sequence[Path], args: Namespace) -> Source:
    """Every annotation of some files, a recording each.

    Args:
        paths: of the pickles.
        args: the command's options.

    Raises:
        InputError: no annotations, labels beyond the classes, a clip in two parts of a split, or poses that can be
            several things.
    """
    annotations: list[dict] = []
    named: dict[str, list[str]] = {}
    for path in paths:
        found, split = opened(path)
        split = split or ({path.stem: [str(one["frame_dir"]) for one in found]} if PART.fullmatch(path.stem) else {})
        annotations += found
        for name, keys in split.items():
            named.setdefault(name, []).extend(keys)
    where = ", ".join(map(str, paths))
    labels = [label(one) for one in annotations]
    names = [str(one["frame_dir"]) for one in annotations]
    classes = class_names(args.classes) or ntu_classes(names, labels)
    known, classes = actions([one for one in labels if one is not None], classes, where)
    of_clip = iter(known)
    by_name = [None if one is None else next(of_clip) for one in labels]
    reading = told(sampled(annotations), args, where)
    result = Source(
        reading.skeleton,
        iter(()),
        len(annotations),
        f"{', '.join(path.name for path in paths)}, annotations in pyskl's form",
        args.terms,
        list(paths),
        notes=reading.notes(),
        classes=classes,
    )
    result.recordings = kept(clips(annotations, by_name, reading, args.fps), result)
    if asked(args) or not named:
        return with_split(result, division(args))
    result.splits = splits(named, result, names, where)
    return result


def opened(path: Path) -> tuple[list[dict], dict[str, list[str]]]:
    """Annotations and splits of a file. Raises InputError for anything else."""
    value = load_pickle(path)
    annotations, split = (value.get("annotations"), value.get("split", {})) if isinstance(value, dict) else (value, {})
    if isinstance(value, dict) and "keypoint" in value:
        annotations = [value]
    if not isinstance(annotations, list) or not annotations or not all(isinstance(one, dict) for one in annotations):
        found = f"a dict of {', '.join(map(str, value))}" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise InputError(
            f"{path}: found {found}; expected annotations as pyskl pickles them, a list of dicts or a dict of split "
            "and annotations; for arrays use `python -m data_prep arrays`"
        )
    for number, one in enumerate(annotations):
        if missing := [key for key in ("frame_dir", "keypoint") if key not in one]:
            raise InputError(
                f"{path}: annotation {number} has no {', '.join(missing)}, but {', '.join(map(str, one))}; expected "
                "frame_dir, label, keypoint, and keypoint_score and img_shape in 2D"
            )
    if not isinstance(split, dict) or not all(isinstance(keys, list | tuple) for keys in split.values()):
        raise InputError(f"{path}: split is no dict of lists; expected {{name: [frame_dir, ...]}}")
    return annotations, {str(name): [str(key) for key in keys] for name, keys in split.items()}


def label(annotation: Mapping[str, Any]) -> int | None:
    """The class's number; None where there is none, or several."""
    value = annotation.get("label")
    value = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
    return value if isinstance(value, int) else None


def ntu_classes(names: Sequence[str], labels: Sequence[int | str | None]) -> list[str]:
    """NTU's actions, where the clips have NTU's names and each the label that its name tells; else nothing.

    >>> len(ntu_classes(["S001C002P003R001A004"], [3])), ntu_classes(["S001C002P003R001A004"], [0])
    (60, [])
    """
    if not all(map(NAME.fullmatch, names)) or [action_of(name) - 1 for name in names] != [*labels]:
        return []
    return action_names(max(map(action_of, names)), None)


def sampled(annotations: Sequence[Mapping[str, Any]]) -> list[Poses]:
    """Poses of some annotations from all over the list, as far as they have any."""
    found = []
    for one in annotations[:: max(len(annotations) // SAMPLED, 1)]:
        try:
            found.append(poses_of(one, ""))
        except Unusable:
            continue
    return found


def poses_of(annotation: Mapping[str, Any], where: str) -> Poses:
    """The poses of an annotation. Raises Unusable for keypoints, scores or an image size that are none."""
    keypoint, score = annotation["keypoint"], annotation.get("keypoint_score")
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind not in "iuf" or keypoint.ndim not in (3, 4):
        found = (
            f"{keypoint.dtype} of shape {keypoint.shape}"
            if isinstance(keypoint, np.ndarray)
            else type(keypoint).__name__
        )
        raise Unusable("shape", f"{where}: keypoint is {found}; expected numbers (M, T, V, C)")
    keypoint = keypoint[None] if keypoint.ndim == 3 else keypoint
    shape, axes = annotation.get("img_shape", annotation.get("original_shape")), keypoint.shape[3]
    if axes == 3 and score is None:
        return Poses(keypoint, "" if shape is not None else "xyz", image_size(shape, where))
    if axes == 2 and score is not None:
        score = np.asarray(score)
        score = score[None] if score.ndim == 2 else score
        if score.shape != keypoint.shape[:3]:
            raise Unusable(
                "shape", f"{where}: keypoint {keypoint.shape} and keypoint_score {score.shape}; expected one a joint"
            )
        keypoint = np.concatenate([keypoint, score[..., None]], axis=-1, dtype=np.float32)
    channels = {2: "xy" if score is None else "xyc", 3: "xyz"}.get(axes, "")
    return Poses(keypoint, channels, image_size(shape, where) if axes == 2 else None)


def image_size(shape: Any, where: str) -> tuple[int, int] | None:
    """Width and height, of a shape (height, width). Raises Unusable."""
    if shape is None:
        return None
    try:
        height, width = (int(length) for length in list(shape)[:2])
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) <= 0:
        raise Unusable("image size", f"{where}: img_shape {shape!r}; expected height and width in pixels")
    return width, height


def clips(
    annotations: list[dict], by_name: list[str | None], reading: Reading, fps: float
) -> Iterator[tuple[str, Callable[[], Recording]]]:
    """Annotation after annotation, each let go of when it is read, as they are large."""
    for number, action in enumerate(by_name):
        annotation, annotations[number] = annotations[number], {}
        name = str(annotation["frame_dir"])
        yield name, partial(recording, annotation, name, action, reading, fps)


def recording(annotation: Mapping[str, Any], name: str, action: str | None, reading: Reading, fps: float) -> Recording:
    """The clip of an annotation. Raises Unusable."""
    if action is None:
        raise Unusable("label", f"{name}: label {annotation.get('label')!r}; expected one whole number")
    poses = poses_of(annotation, name)
    subject, take, camera = identity(name)
    return Recording(subject, action, take, reading.camera(poses, camera), fps, reading.tracks(poses, name))


def splits(
    named: Mapping[str, Sequence[str]], result: Source, names: Sequence[str], where: str
) -> dict[str, dict[str, list[str]]]:
    """Parts of every split by recording ids; notes what no annotation has.

    Raises:
        InputError: a clip in two parts of a split.
    """
    there = {name: "/".join(identity(name)) for name in names}
    found: dict[str, dict[str, list[str]]] = {}
    missing = 0
    for name, keys in named.items():
        split, part = split_and_part(name)
        ids = [there[key] for key in keys if key in there]
        missing += len(keys) - len(ids)
        found.setdefault(split, {}).setdefault(part, []).extend(ids)
    for split, parts in found.items():
        if "test" not in parts and "validation" in parts:
            parts["test"] = parts.pop("validation")
        counts = Counter(id for ids in parts.values() for id in set(ids))
        if both := [id for id, count in counts.items() if count > 1]:
            raise InputError(
                f"{where}: split {split}: {len(both)} clips are in two parts, such as {both[0]}; expected each in one, "
                "or divide anew by --test-share"
            )
    if missing:
        result.notes.append(f"splits name {missing} clips that have no annotation")
    return found


def split_and_part(name: str) -> tuple[str, str]:
    """Of a split's name in the file; what names no part is a part for itself.

    >>> split_and_part("xsub_train"), split_and_part("val"), split_and_part("test2")
    (('xsub', 'train'), ('standard', 'validation'), ('2', 'test'))
    """
    found = PART.fullmatch(name)
    if found is None:
        return name, "train"
    part = found[2].lower()
    return "_".join(filter(None, (found[1], found[3]))) or "standard", "validation" if part.startswith("val") else part
