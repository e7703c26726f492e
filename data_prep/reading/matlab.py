"""Variables of MATLAB files, version 5 or 7.3."""

import os
import struct
import zlib
from collections.abc import Set
from pathlib import Path
from typing import cast

import h5py
import numpy as np

from stgraph.errors import InputError
from stgraph.formats.files import check_inflated

HEADER, TAG, COMPRESSED = 128, 8, 15  # of version 5: bytes of the header and of an element's, and an element's type
PIECE = 1 << 14  # bytes that are inflated at once


def read_matlab(path: Path, names: Set[str], optional: Set[str] = frozenset()) -> dict[str, np.ndarray]:
    """Variables of a MATLAB file in MATLAB's order of axes; a cell is an array of objects.

    Raises InputError for a damaged file or a missing variable.
    """
    import scipy.io

    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                present = [str(name) for name in file if not str(name).startswith("#")]
                content = {name: _variable(file, name) for name in {*present} & {*names, *optional}}
        else:
            check_inflated(inflated(path), path)
            present = [name for name, *_ in scipy.io.whosmat(path)]
            content = scipy.io.loadmat(path, variable_names=list({*present} & {*names, *optional}))
            content = {name: value for name, value in content.items() if name in present}
    except InputError:
        raise
    # What readers of damaged binary files raise is listed nowhere.
    except Exception as error:
        problem = f"cannot be read ({type(error).__name__}: {error})"
        remedy = "it may have been cut short, get or convert it again"
        raise InputError(problem, where=path, expected="a whole MATLAB file", remedy=remedy) from error
    if missing := sorted(names - content.keys()):
        problem = f"no {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}"
        raise InputError(problem, where=path, remedy="get or convert it again")
    return content


def inflated(path: Path) -> int:
    """Bytes that the compressed variables of a version 5 file hold."""
    total = 0
    with path.open("rb") as file:
        header = file.read(HEADER)
        order = "<" if header[-2:] == b"IM" else ">"
        while len(tag := file.read(TAG)) == TAG:
            kind, left = struct.unpack(f"{order}2I", tag)
            if kind != COMPRESSED:
                file.seek(left + -left % TAG, os.SEEK_CUR)
                continue
            stream = zlib.decompressobj()
            while left > 0 and (piece := file.read(min(left, PIECE))):
                left -= len(piece)
                total += len(stream.decompress(piece))
    return total


def _variable(file: h5py.File, key: str) -> np.ndarray:
    """A variable of a version 7.3 file, which is HDF5: axes in reverse, cells as references."""
    data = cast(h5py.Dataset, file[key])
    if data.dtype != h5py.ref_dtype:
        return _matrix(file, data)
    references, taken = _matrix(file, data), 0
    cells = np.empty(references.shape, object)
    for place in np.ndindex(cells.shape):
        cells[place] = _matrix(file, cast(h5py.Dataset, file[references[place]]))
        taken += cells[place].nbytes  # many cells may be one matrix
        check_inflated(taken, Path(file.filename))
    return cells


def _matrix(file: h5py.File, data: h5py.Dataset) -> np.ndarray:
    """The values of a data set. Raises ValueError for a link, and InputError for one that the file cannot hold."""
    if data.file.filename != file.filename or data.external or data.is_virtual:
        raise ValueError("a variable is a link to another file")
    check_inflated(data.nbytes, Path(file.filename))
    return data[()].T
