"""Values of JSON files, and errors that say which of them cannot be used."""

import gc
import json
import reprlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError

KINDS = {list: "a list", dict: "an object", str: "text", list | dict: "an object, perhaps in a list of one"}


def load(path: Path, expected: str) -> Any:
    """What a JSON file holds. Raises InputError, which says what is expected, for one that is missing or no JSON."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected {expected}; check the path") from error
    if not content.strip():
        raise InputError(f"{path}: is empty; expected {expected}; write or fetch the file again")
    try:
        return json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f"{path}: no JSON ({error}); expected {expected}; leave the file out, or write or fetch it again"
        ) from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection, which walks a large tree again and again while it grows, and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def refused(path: Path, place: str, found: str, expected: str, remedy: str) -> InputError:
    """The error about one value: "ann.json: images[3].id: found ..., expected ...; what to do"."""
    return InputError(f"{path}: {place}: found {found}; expected {expected}; {remedy}")


def short(value: Any) -> str:
    """A value as text, cut where it is long."""
    return reprlib.repr(value)


def entry(tree: Any, key: str, kind: Any, path: Path, place: str = "") -> Any:
    """The value under a key, of one of `KINDS`. Raises InputError where it is missing or of another kind."""
    where = f"{place}.{key}" if place else key
    if not isinstance(tree, dict):
        raise refused(path, place, short(tree), f"an object with the key {key!r}", "mend the file")
    if key not in tree:
        raise refused(
            path, where, "nothing", KINDS[kind], f"add the key {key!r}; there are {', '.join(tree) or 'none'}"
        )
    if not isinstance(tree[key], kind):
        raise refused(path, where, short(tree[key]), KINDS[kind], "mend the file")
    return tree[key]


def finite(value: Any) -> bool:
    """Whether a value is a number, and neither NaN nor infinite."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def whole(value: Any, path: Path, place: str) -> int:
    """A whole number, also one written as 3.0. Raises InputError for anything else."""
    if finite(value) and int(value) == value and abs(value) < 2**63:
        return int(value)
    raise refused(path, place, short(value), "a whole number", "mend the value")


def table(
    rows: Sequence[Any], width: int, path: Path, place: Callable[[int], str], meaning: str
) -> Float[np.ndarray, "n {width}"]:
    """Lists of numbers as an array.

    Args:
        rows: lists of `width` numbers.
        path: of the file, for messages.
        place: names where in the file a row stands.
        meaning: what the numbers of a row are, for messages.

    Raises:
        InputError: a row that is no list of as many finite numbers.
    """
    for number, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            found = f"{len(row)} numbers" if type(row) is list else short(row)
            raise refused(path, place(number), found, f"{width} numbers, {meaning}", "mend the list")
    try:
        values = np.array(rows).reshape(len(rows), width)
    except ValueError:  # lists in some of the lists
        values = np.array([None])
    if values.dtype.kind in "iuf" and np.isfinite(values).all():
        return values.astype(float)
    for number, row in enumerate(rows):
        for index, value in enumerate(row):
            if not finite(value):
                raise refused(
                    path,
                    f"{place(number)}[{index}]",
                    short(value),
                    f"a finite number, one of {meaning}",
                    "give 0 for what is not known",
                )
    return values.astype(float)  # whole numbers beyond 64 bits
