"""Labels of clips and names of classes, as files give them."""

import csv
import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.options import LABEL_FORMS, NAMED
from stgraph.errors import InputError
from stgraph.formats.json_files import read_json
from stgraph.formats.keypoints.content import is_sequence
from stgraph.formats.motion_text import MOST_DIGITS, whole_number
from stgraph.formats.numpy_files import load_npy
from stgraph.formats.safe_pickle import load_pickle

MOST_CLASSES = 10_000  # that numbers alone may name; the largest sets have some hundreds


@dataclass(frozen=True)
class Labels:
    """A label for every clip: all numbers, counted from 0, or all names. `samples` are the clips' names, if known."""

    values: list[int | str]
    samples: list[str] | None = None


def class_names(name: str | None) -> list[str]:
    """Names of the classes in their order, from a file or by a packaged list's name; empty for None.

    Raises:
        InputError: no such file, no list of names, or a name twice.
    """
    if name is None:
        return []
    path = NAMED / f"{name}.json" if (NAMED / f"{name}.json").is_file() else Path(name)
    expected = "names of the classes in the order of the labels, one a line or as a JSON list"
    if path.suffix == ".json":
        names = read_json(path, expected)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(where=path, expected=expected)
    else:
        names = [line.strip() for line in _text(path, expected).splitlines() if line.strip()]
    if doubled := sorted(name for name, count in Counter(names).items() if count > 1):
        raise InputError(f"{', '.join(doubled)} twice", where=path, remedy="give every class a name of its own")
    return names


def actions(labels: Sequence[int | str | None], classes: list[str], where: str) -> tuple[list[str | None], list[str]]:
    """The class of every clip by name, None where it has no label, and all classes in their order.

    Numbers are places in `classes`, or are names themselves where there are none.

    Raises:
        InputError: numbers beside names, or a label that is beyond the classes, too large, or not one of their names.

    >>> actions([2, None, 0], [], "labels.npy")
    (['2', None, '0'], ['0', '1', '2'])
    """
    numbers = [label for label in labels if isinstance(label, int)]
    names = [label for label in labels if isinstance(label, str)]
    if numbers and names:
        problem = "labels are numbers in one part and names in another"
        raise InputError(problem, where=where, expected="the same in all")
    if names:
        check_known(names, classes, "labels", where)
        classes = classes or sorted({*names})
    else:
        last = max(numbers, default=0)
        if not classes and last >= MOST_CLASSES:
            remedy = "count them from 0 without gaps, or name the classes by --classes"
            found, expected = f"a label {last}, so many classes and one", f"at most {MOST_CLASSES}"
            raise InputError(where=where, found=found, expected=expected, remedy=remedy)
        classes = classes or [str(number) for number in range(last + 1)]
        if min(numbers, default=0) < 0 or last >= len(classes):
            problem = f"labels {min(numbers)} to {last}, and {len(classes)} classes"
            remedy = "labels count from 0, give a name for each by --classes"
            raise InputError(problem, where=where, expected=f"0 to {len(classes) - 1}", remedy=remedy)
    return [classes[label] if isinstance(label, int) else label for label in labels], classes


def check_known(names: Iterable[str], classes: Sequence[str], kind: str, where: str) -> None:
    """Raises InputError for names that are not among the classes, where these are given."""
    if classes and (unknown := sorted({*names} - {*classes})):
        problem = f"{kind} {', '.join(unknown[:5])} are none of the classes"
        raise InputError(problem, where=where, remedy="name them in --classes")


def read_labels(path: Path) -> Labels:
    """Labels of clips. Raises InputError for another form, which names those that are read."""
    if path.suffix == ".npy":
        return labels_of(load_npy(path), str(path))
    if path.suffix in (".pkl", ".pickle"):
        return labels_of(load_pickle(path), str(path))
    if path.suffix == ".json":
        return labels_of(read_json(path, LABEL_FORMS), str(path))
    text = _text(path, LABEL_FORMS)
    if path.suffix not in (".csv", ".txt", ".tsv"):
        raise InputError(f"labels in a file ending with {path.suffix!r}", where=path, expected=LABEL_FORMS)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ",") if row]
    except csv.Error as error:
        raise InputError(str(error), where=path, expected=LABEL_FORMS) from error
    rows = [[cell.strip() for cell in row] for row in rows]
    widths = {len(row) for row in rows}
    if widths - {1, 2} or len(widths) != 1:
        problem = f"lines of {', '.join(map(str, sorted(widths)))} cells" if rows else "no lines"
        raise InputError(problem, where=path, expected="a label, or a sample's name and a label, in every line")
    if rows[0][-1].lower() in ("label", "action", "class"):
        rows = rows[1:]
    return labels_of(list(zip(*rows, strict=True)) if widths == {2} else [row[0] for row in rows], str(path))


def labels_of(value: Any, where: str) -> Labels:
    """Labels; or sample names and labels: two lists, pairs, or a dict. Raises InputError for anything else."""
    if isinstance(value, dict):
        value = [list(value), list(value.values())]
    value = [item.tolist() if isinstance(item, np.ndarray) else item for item in value] if is_sequence(value) else value
    samples = None
    if is_sequence(value) and len(value) == 2 and all(map(is_sequence, value)) and len(value[0]) == len(value[1]):
        # Of two clips, these may be pairs as well.
        pairs = len(value[0]) == 2 and not all(isinstance(name, str) for name in value[0])
        samples, value = zip(*value, strict=True) if pairs else value
    elif is_sequence(value) and value and all(is_sequence(pair) and len(pair) == 2 for pair in value):
        samples, value = zip(*value, strict=True)
    labels = [_label(label) for label in value] if is_sequence(value) else []
    values = [label for label in labels if label is not None]
    if not values or len(values) < len(labels) or len({type(label) for label in values}) > 1:
        expected = f"labels, all numbers or all names: {LABEL_FORMS}"
        raise InputError(where=where, found=reprlib.repr(value), expected=expected)
    if samples is not None and not all(isinstance(name, str) for name in samples):
        raise InputError(where=where, found=f"{reprlib.repr(samples)} as names of samples", expected="text")
    return Labels(values, None if samples is None else list(samples))


def _label(value: Any) -> int | str | None:
    """A whole number, or a name; numbers may be written as text, and bytes are text."""
    value = value.item() if isinstance(value, np.generic) else value
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(value, str):
        number = whole_number(value)
        return (value or None) if number is None else number
    finite = isinstance(value, int | float) and abs(value) < 10**MOST_DIGITS  # which NaN is not
    return int(value) if finite and value == int(value) else None


def _text(path: Path, expected: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{error.strerror}", where=path, expected=expected) from error
    except UnicodeDecodeError as error:
        raise InputError(f"no text in UTF-8 ({error})", where=path, expected=expected) from error
