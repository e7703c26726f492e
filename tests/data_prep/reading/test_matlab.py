"""MATLAB files that would take far more memory than they have bytes."""

import h5py
import numpy as np
import pytest
import scipy.io

from data_prep.reading.matlab import inflated, read_matlab
from stgraph.errors import InputError
from stgraph.formats import files

ZEROS = np.zeros((1000, 100))


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr(files, "ROOM", 1000)


def cell(values):
    found = np.empty((1, 1), object)
    found[0, 0] = values
    return found


@pytest.mark.parametrize("values", [ZEROS, cell(ZEROS)], ids=["matrix", "cell"])
def test_version_5(tmp_path, little_room, values):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"data": values, "other": np.arange(3)}, do_compression=True)
    assert ZEROS.nbytes < inflated(path) < ZEROS.nbytes + 1000
    with pytest.raises(InputError, match=r"a.mat: found 80.,... bytes compressed into"):
        read_matlab(path, {"data"})
    scipy.io.savemat(path, {"data": values})
    assert inflated(path) == 0
    read_matlab(path, {"data"})


def test_version_7_3(tmp_path, little_room):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("data", data=ZEROS, compression="gzip", compression_opts=9)
    with pytest.raises(InputError, match=r"a.mat: found 800,000 bytes compressed into"):
        read_matlab(path, {"data"})
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("data", data=ZEROS)
    assert read_matlab(path, {"data"})["data"].shape == (100, 1000)


@pytest.mark.slow
def test_many_cells_of_one_matrix(tmp_path, little_room):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        matrix = file.create_dataset("#refs#/a", data=np.ones((100, 10)))
        file.create_dataset("data", data=np.full((1, 3000), matrix.ref, h5py.ref_dtype))
    with pytest.raises(InputError, match=r"a.mat: found .* bytes compressed into"):
        read_matlab(path, {"data"})


def test_a_variable_of_another_file_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file.create_dataset("data", data=ZEROS)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"] = h5py.ExternalLink("other.mat", "data")
    with pytest.raises(InputError, match=r"a.mat: cannot be read .*is a link to another file.*get or convert it again"):
        read_matlab(path, {"data"})
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("data", (3,), "f8", external=[("other.mat", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(InputError, match=r"a.mat: cannot be read .*is a link to another file"):
        read_matlab(path, {"data"})
