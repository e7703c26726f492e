"""Labels of clips and names of classes, as files give them."""

import csv
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy
from stgraph.formats.safe_pickle import load_pickle

NAMED = Path(__file__).parents[1] / "mappings" / "classes"
FORMS = (
    ".npy (labels), .pkl as ST-GCN's (sample names, labels), .json (labels; sample names and labels; or {sample name: "
    "label}), .csv and .txt (a label a line, or sample name and label)"
)


@dataclass(frozen=True)
class Labels:
    """A label for every clip: all numbers, counted from 0, or all names. `samples` are the clips' names, if known."""

    values: list[int] | list[str]
    samples: list[str] | None = None


def classes_argument(parser: ArgumentParser) -> None:
    """The option that `class_names` reads."""
    known = ", ".join(sorted(path.stem for path in NAMED.glob("*.json")))
    text = f"names of the classes in their order: text, one a line; a JSON list; or one of {known}"
    parser.add_argument("--classes", metavar="FILE|NAME", help=text)


def class_names(given: str | None) -> list[str]:
    """Names of the classes in their order; none where none are given.

    Raises:
        InputError: no such file, no list of names, or a name twice.
    """
    if given is None:
        return []
    path = NAMED / f"{given}.json" if (NAMED / f"{given}.json").is_file() else Path(given)
    text = _text(path, "--classes: names of the classes, one a line or as a JSON list")
    if path.suffix == ".json":
        names = _json(text, path)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: expected a JSON list of names, in the order of the labels")
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: {', '.join(doubled)} twice; give every class a name of its own")
    return names


def actions(labels: Sequence[int] | Sequence[str], classes: list[str], where: str) -> tuple[list[str], list[str]]:
    """The class of every clip by name, and all classes in their order.

    Numbers are places in `classes`, or are names themselves where there are none.

    Raises:
        InputError: a label beyond the classes, or that is none of them.

    >>> actions([2, 0], [], "labels.npy")
    (['2', '0'], ['0', '1', '2'])
    """
    if all(isinstance(label, int) for label in labels):
        last = max(labels, default=0)
        names = classes or [str(number) for number in range(last + 1)]
        if min(labels, default=0) < 0 or last >= len(names):
            raise InputError(
                f"{where}: labels {min(labels)} to {last}, and {len(names)} classes; expected 0 to {len(names) - 1}: "
                "labels count from 0, give a name for each by --classes"
            )
        return [names[label] for label in labels], names
    if classes and (unknown := sorted({*labels} - {*classes})):
        raise InputError(f"{where}: labels {', '.join(unknown[:5])} are none of the classes; name them in --classes")
    return list(labels), classes or sorted({*labels})


def read_labels(path: Path) -> Labels:
    """Labels of clips. Raises InputError for another form, which names those that are read."""
    if path.suffix == ".npy":
        return labels_of(load_npy(path), str(path))
    if path.suffix in (".pkl", ".pickle"):
        return labels_of(load_pickle(path), str(path))
    text = _text(path, f"labels: {FORMS}")
    if path.suffix == ".json":
        return labels_of(_json(text, path), str(path))
    if path.suffix not in (".csv", ".txt", ".tsv"):
        raise InputError(f"{path}: labels in a file ending with {path.suffix!r}; expected {FORMS}")
    rows = [row for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ",") if row]
    rows = [[cell.strip() for cell in row] for row in rows]
    widths = {len(row) for row in rows}
    if widths - {1, 2} or len(widths) != 1:
        raise InputError(
            f"{path}: lines of {', '.join(map(str, sorted(widths)))} cells; expected a label, or a sample's name and a "
            "label, in every line"
        )
    if rows[0][-1].lower() in ("label", "action", "class"):
        rows = rows[1:]
    return labels_of(list(zip(*rows, strict=True)) if widths == {2} else [row[0] for row in rows], str(path))


def labels_of(value: Any, where: str) -> Labels:
    """Labels; or sample names and labels: two lists, pairs, or a dict. Raises InputError for anything else."""
    if isinstance(value, dict):
        value = [list(value), list(value.values())]
    value = [one.tolist() if isinstance(one, np.ndarray) else one for one in value] if _listed(value) else value
    samples = None
    if _listed(value) and len(value) == 2 and all(map(_listed, value)) and len(value[0]) == len(value[1]):
        # Of two clips, these may be pairs as well.
        pairs = len(value[0]) == 2 and not all(isinstance(name, str) for name in value[0])
        samples, value = zip(*value, strict=True) if pairs else value
    elif _listed(value) and value and all(_listed(pair) and len(pair) == 2 for pair in value):
        samples, value = zip(*value, strict=True)
    values = [_label(label) for label in value] if _listed(value) else []
    if not values or None in values or len({type(label) for label in values}) > 1:
        raise InputError(f"{where}: found {_short(value)}; expected labels, all numbers or all names: {FORMS}")
    if samples is not None and not all(isinstance(name, str) for name in samples):
        raise InputError(f"{where}: found {_short(samples)} as names of samples; expected text")
    return Labels(values, None if samples is None else list(samples))


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _label(value: Any) -> int | str | None:
    """A whole number, or a name; numbers may be written as text, and bytes are text."""
    value = value.item() if isinstance(value, np.generic) else value
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value or None
    return int(value) if isinstance(value, int | float) and value == int(value) else None


def _short(value: Any) -> str:
    text = f"{type(value).__name__} {value!r}"
    return text if len(text) < 100 else text[:97] + "..."


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file of {what}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}; expected text in UTF-8, as the file of {what}") from error


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}; expected whole JSON") from error
