"""HDF5 files, read with every failure of the library as an InputError, and never more than a video can hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import MOST_NUMBERS


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """A file. Raises InputError for a damaged one, and for every failure while it is read."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    # A damaged file can fail in all of these ways.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        problem = (
            f"cannot be read as HDF5 ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else '-'})"
        )
        raise InputError(problem, where=path, remedy="it may have been cut short, write or fetch it again") from error


def array(group: h5py.Group, name: str, path: Path) -> np.ndarray:
    """A data set of numbers or text. Raises InputError for anything else, and for one that is too large."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(map(str, [*group][:10])) or "nothing"
        raise InputError(where=f"{path}, {group.name}", found=there, expected=f"a data set {name}")
    if found.file.filename != group.file.filename or found.external or found.is_virtual:
        raise InputError(where=f"{path}, {name}", found="a link to another file", expected="numbers in the file itself")
    if found.size is None or found.size > MOST_NUMBERS:
        expected = f"at most {MOST_NUMBERS}"
        raise InputError(where=f"{path}, {name}", found=f"{found.size} numbers", expected=expected)
    return np.asarray(found[()])


def texts(group: h5py.Group, name: str, path: Path) -> tuple[str, ...]:
    """A list of names. Raises InputError as `array`."""
    values = array(group, name, path).ravel().tolist()
    return tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)
