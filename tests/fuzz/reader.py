"""What the fuzz tests try: a way to read a file, with good files of its form."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutation import ODD

Write = Callable[[Path, bytes], object]
AS_IS = "as it is"


@dataclass(frozen=True)
class Reader:
    """One way to read a file.

    Attributes:
        seeds: contents of good files.
        read: what is tried; returns, or raises InputError.
        suffix: of the file.
        write: makes the file of a content, where that is not its bytes.
        rare: tried once where others are tried sixteen times, as it takes so much longer.
    """

    seeds: tuple[bytes, ...] = field(repr=False)
    read: Callable[[Path], object]
    suffix: str = ".json"
    write: Write = Path.write_bytes
    rare: bool = False


def tree(content: bytes) -> Any:
    """What JSON holds; None for what is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in objects, lists and arrays, of lists and arrays their first entry alone."""
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif (isinstance(value, list | tuple) and value) or (isinstance(value, np.ndarray) and value.size):
        yield from places(value[0] if isinstance(value, list | tuple) or value.ndim else None, (*path, 0))


def patches(value: Any) -> bytes:
    """A good content for `patched`: every place of a value with what leaves it as it is."""
    return json.dumps([[*path, AS_IS] for path in places(value) if path]).encode()


def patched(value: Any, write: Callable[[Path, Any], object]) -> Write:
    """Writes a value with other parts: a JSON list of [key, ..., new value].

    Of a content that is no such list, one part that its bytes draw.
    """
    parts = [path for path in places(value) if path]

    def write_patched(path: Path, content: bytes) -> None:
        changed = copy.deepcopy(value)
        changes = tree(content)
        if not isinstance(changes, list):
            drawn = random.Random(content)
            changes = [[*drawn.choice(parts), drawn.choice(ODD)]]
        for change in changes:
            # What cannot be changed is left as it is.
            try:
                *keys, last, new = change
                parent = changed
                for key in keys:
                    parent = parent[key]
                if new != AS_IS:
                    parent[last] = np.array(new) if isinstance(new, list) else new
            except Exception:
                continue
        try:
            write(path, changed)
        except Exception:
            write(path, value)

    return write_patched
