"""Other people's `.npy` and `.npz` files, object arrays included, read without running any of the code in them."""

import math
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.lib import format as npy

from stgraph.errors import InputError
from stgraph.formats.files import check_inflated
from stgraph.formats.safe_pickle import text_checked, unpickle

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def npz_names(path: Path | str) -> tuple[str, ...]:
    """Names of the arrays in an `.npz` file, none of which is read. Raises InputError as `load_npz` does."""
    with _opened(Path(path)) as (_, members):
        return tuple(members)


def load_npz(path: Path | str, names: Collection[str] | None = None) -> dict[str, Any]:
    """The arrays of an `.npz` file by name; an object array without axes gives the object itself.

    So `load_npz("data_3d_h36m.npz")["positions_3d"]` is the dictionary that was saved under that name.

    Args:
        names: those to read, by default all.

    Raises:
        InputError: no such file or array, a damaged one, or one that pickles anything but arrays and plain containers.
    """
    path = Path(path)
    with _opened(path) as (archive, members):
        if names is not None and (missing := [name for name in names if name not in members]):
            problem = f"no array {', '.join(missing)}; it holds {', '.join(members) or 'nothing'}"
            raise InputError(problem, where=path)
        chosen = members if names is None else {name: members[name] for name in names}
        check_inflated(sum(archive.getinfo(member).file_size for member in chosen.values()), path)
        return {name: _load_member(archive, member, path) for name, member in chosen.items()}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, str]]]:
    """An `.npz` file and its members by the name of the array."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(str(error.strerror or error), where=path, remedy="give the path of an .npz file") from error
    # A damaged directory of a zip file fails in several ways, too.
    except Exception as error:
        remedy = "it may have been cut short or be of another kind, get it again or save it with numpy.savez"
        raise InputError(f"not a whole .npz file ({error})", where=path, remedy=remedy) from error
    with archive:
        if foreign := [name for name in archive.namelist() if not name.endswith(".npy")]:
            problem = f"member {foreign[0]!r} is no .npy array"
            raise InputError(problem, where=path, expected="an archive as numpy.savez writes it")
        yield archive, {name.removesuffix(".npy"): name for name in archive.namelist()}


def load_npy(path: Path | str) -> np.ndarray:
    """The array of an `.npy` file: memory-mapped read-only where it is of numbers, else read.

    Raises:
        InputError: no such file, a damaged one, or objects that are anything but arrays and plain containers.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream, _damage_at(str(path)):
            size = path.stat().st_size
            dtype = _HEADERS[npy.read_magic(stream)](stream)[2]
            if dtype.kind not in "USO":
                return np.load(path, mmap_mode="r", allow_pickle=False)
            stream.seek(0)
            return _read_array(stream, size, str(path))
    except OSError as error:
        raise InputError(str(error.strerror or error), where=path, remedy="give the path of an .npy file") from error


def _load_member(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    where = f"{path}, array {name.removesuffix('.npy')!r}"
    with _damage_at(where), archive.open(name) as stream:
        array = _read_array(cast(BufferedIOBase, stream), archive.getinfo(name).file_size, where)
        return array[()] if array.dtype == object and not array.shape else array


@contextmanager
def _damage_at(where: str) -> Iterator[None]:
    """Whatever a damaged header or zip member raises, which is nowhere listed, is an InputError with the place."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        problem = f"cannot be read ({type(error).__name__}: {error}); expected a plain array or an object array"
        raise InputError(problem, where=where, remedy="the file may be damaged, get or save it again") from error


def _read_array(stream: BufferedIOBase, size: int, where: str) -> np.ndarray:
    """The array of a `.npy` stream of `size` bytes."""
    shape, fortran, dtype = _HEADERS[npy.read_magic(stream)](stream)
    if dtype.kind == "O":
        array = unpickle(stream, where)
        if not isinstance(array, np.ndarray) or array.dtype != object or array.shape != shape:
            raise ValueError(f"{type(array).__name__} instead of an array of objects of shape {shape}")
        return array
    # Compared before anything is allocated.
    expected, left = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if expected != left:
        raise ValueError(f"{left} bytes for shape {shape} of {dtype}, which takes {expected}")
    array = np.frombuffer(bytearray(stream.read()), dtype)
    return text_checked(array.reshape(shape, order="F" if fortran else "C"))
