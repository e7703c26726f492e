"""Other people's pickles and `.npz` files, read without running any of their code.

A pickle names the functions that rebuild its contents. Here each name is looked up in a table of stand-ins for NumPy's
constructors, and any other name is refused. The stand-ins remember what they are given, and the arrays are built from
that afterwards. NumPy's own constructors will not do: a dtype takes its flags from the pickle, and an object dtype
that claims to hold plain bytes makes NumPy follow those bytes as pointers.
"""

import pickle
import zipfile
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from stgraph.errors import InputError

ADMITTED = "NumPy arrays, dicts, lists, tuples, strings and numbers"


class Refused(pickle.UnpicklingError):
    """The pickle is whole, and holds something that is not read."""


class _DType:
    """Stands in for `numpy.dtype`: kind and size from the code, byte order from the state, nothing else."""

    def __init__(self, code: str, *flags: Any) -> None:
        self.value = np.dtype(code)
        if self.value.kind not in "biufcSUO":
            raise Refused(f"an array of type {self.value!r}")

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.value = self.value.newbyteorder(order)


class _Array:
    """Stands in for `numpy.core.multiarray._reconstruct`: an array whose state is still to come."""

    def __init__(self, *subtype_shape_code: Any) -> None:
        self.state: tuple | None = None
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, content = state
        self.state = (content, dtype, shape, "F" if fortran else "C")

    def build(self) -> np.ndarray:
        """The array. It is built once, and its part of the pickle is let go, as these are large."""
        if self.state is not None:
            (content, dtype, shape, order), self.state = self.state, None
            if dtype.value.kind == "O":
                flat = np.empty(len(content), dtype=object)
                # One by one: assigned as a list, arrays of one shape would be stacked.
                for place, item in enumerate(content):
                    flat[place] = _build(item)
                self.value = flat.reshape(shape)  # objects are listed row by row, whatever the order
            else:
                self.value = np.ndarray(shape, dtype.value, bytearray(_bytes(content)), order=order)
        return self.value


def _bytes(content: bytes | bytearray | str) -> bytes | bytearray:
    """Raw numbers; Python 2 pickles them as text."""
    return content.encode("latin1") if isinstance(content, str) else content


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, by which protocol 2 writes bytes; other encodings can do other things."""
    if encoding != "latin1":
        raise Refused(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands in for `bytes`, by which protocol 2 writes empty ones."""
    return b""


def _scalar(dtype: _DType, content: bytes | str) -> np.generic:
    """Stands in for `numpy.core.multiarray.scalar`."""
    if dtype.value.kind == "O":
        raise Refused("a scalar of type object")
    return np.ndarray((), dtype.value, _bytes(content))[()]


def _from_buffer(content: bytes | bytearray, dtype: _DType, shape: tuple, order: str) -> _Array:
    """Stands in for `numpy.core.numeric._frombuffer`, by which protocol 5 writes arrays."""
    array = _Array()
    if dtype.value.kind == "O":
        raise Refused("objects in a buffer")
    array.state = (content, dtype, shape, order)
    return array


_STAND_INS = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    **{(builtins, "bytes"): _no_bytes for builtins in ("builtins", "__builtin__")},
    **{(builtins, "complex"): complex for builtins in ("builtins", "__builtin__")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise Refused(f"{module}.{name}")
        return _STAND_INS[module, name]


def _build(value: Any) -> Any:
    """Arrays in place of the stand-ins, at any depth."""
    if isinstance(value, _Array):
        return value.build()
    if isinstance(value, _DType):
        return value.value
    if isinstance(value, dict):
        return {_build(key): _build(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_build, value))
    if isinstance(value, type) or callable(value):
        raise Refused(f"a function or a class ({value!r})")
    return value


def _unpickle(stream: BufferedIOBase, where: str) -> Any:
    try:
        return _build(_Unpickler(stream, encoding="latin1").load())
    except Refused as error:
        raise InputError(
            f"{where}: its pickle holds {error}; only {ADMITTED} are read, because anything else can run code. "
            "Save its arrays alone with numpy.savez"
        ) from error
    # A damaged pickle can fail in any way at all, as the documentation of `pickle` says.
    except Exception as error:
        raise InputError(
            f"{where}: not a whole pickle of {ADMITTED} ({type(error).__name__}: {error}); "
            "the file may have been cut short, get it again"
        ) from error


def load_pickle(path: Path | str) -> Any:
    """What a pickle of NumPy arrays, scalars and plain containers holds; Python 2 pickles are read as latin1.

    Raises:
        InputError: no such file, a damaged one, or one that holds anything else, which is named and never run.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _unpickle(stream, str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a pickle file") from error


def load_npz(path: Path | str) -> dict[str, Any]:
    """The arrays of an `.npz` file by name; an object array without axes gives the object itself.

    So `load_npz("data_3d_h36m.npz")["positions_3d"]` is the dictionary that was saved under that name.

    Raises:
        InputError: no such file, a damaged one, or one that pickles anything but arrays and plain containers.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _load_member(archive, name, path) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:
        raise InputError(
            f"{path}: not a whole .npz file ({error}); it may have been cut short, get or save it again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give the path of an .npz file") from error


def _load_member(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    where = f"{path}, array {name.removesuffix('.npy')!r}"
    try:
        with archive.open(name) as stream:
            shape, _, dtype = _HEADERS[npy.read_magic(stream)](stream)
            if dtype.kind == "O":
                array = _unpickle(stream, where)
                return array if shape else array[()]
        with archive.open(name) as stream:
            return npy.read_array(stream, allow_pickle=False)
    except (ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: {error}; expected a plain array or an object array, save it again") from error


_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
