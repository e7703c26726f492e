"""Variables of MATLAB files, version 5 or 7.3."""

from collections.abc import Set
from pathlib import Path
from typing import cast

import h5py
import numpy as np

from stgraph.errors import InputError

MOST_INFLATED = 1100  # bytes of a variable for each of its file: the compression of HDF5 makes at most 1,032 of one


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
            present = [name for name, *_ in scipy.io.whosmat(path)]
            content = scipy.io.loadmat(path, variable_names=list({*present} & {*names, *optional}))
            content = {name: value for name, value in content.items() if name in present}
    # What readers of damaged binary files raise is listed nowhere.
    except Exception as error:
        problem = f"cannot be read ({type(error).__name__}: {error})"
        remedy = "it may have been cut short, get or convert it again"
        raise InputError(problem, where=path, expected="a whole MATLAB file", remedy=remedy) from error
    if missing := sorted(names - content.keys()):
        problem = f"no {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}"
        raise InputError(problem, where=path, remedy="get or convert it again")
    return content


def _variable(file: h5py.File, key: str | h5py.Reference) -> np.ndarray:
    """A variable of a version 7.3 file, which is HDF5: axes in reverse, cells as references."""
    data = cast(h5py.Dataset, file[key])
    if data.file.filename != file.filename or data.external or data.is_virtual:
        raise ValueError("a variable is a link to another file")
    if data.nbytes > MOST_INFLATED * file.id.get_filesize():
        raise ValueError(f"a variable of {data.nbytes} bytes, more than the file can hold")
    if data.dtype != h5py.ref_dtype:
        return data[()].T
    cells = np.empty(data.shape, object)
    for place in np.ndindex(data.shape):
        cells[place] = _variable(file, data[place])
    return cells.T
