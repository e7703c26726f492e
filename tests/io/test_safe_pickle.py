"""Other people's pickles: everything NumPy writes comes back, nothing else is run."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.io.safe_pickle import load_npz, load_pickle

CONTENT = {
    "poses": {"S1": {"Walking 1": [np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.zeros((0, 3, 2))]}},
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">i4"),
    "objects": np.array([[{"a": 1}, None], ["x", np.ones(2)]], dtype=object),
    "objects by column": np.asfortranarray(np.array([[1, "b", None], [2.5, "d", ()]], dtype=object)),
    "text": np.array(["Walking", "Sitting"]),
    "scalars": (np.float32(1.5), np.int64(-3), np.bool_(True), np.complex64(1j), 2 + 1j, 10**30, "ü", b"\xff", None),
    "dtype": np.dtype("<f4"),
}


def same(a, b):
    """Equal in type, shape and value, at any depth."""
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in b)
    if isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, np.ndarray) and b.dtype == object:
        return a.shape == b.shape and same(a.ravel().tolist(), b.ravel().tolist())
    if isinstance(b, np.ndarray):
        return type(a) is np.ndarray and a.dtype == b.dtype and a.flags.writeable and np.array_equal(a, b)
    return type(a) is type(b) and a == b


def pickled(tmp_path, content):
    path = tmp_path / "content.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"], ids=["numpy1", "numpy2"])
def test_everything_numpy_pickles_comes_back(tmp_path, protocol, core):
    content = pickle.dumps(CONTENT, protocol)
    if protocol < 4:  # later protocols store the length of a name, so that it cannot be replaced in the bytes
        content = content.replace(b"numpy._core", core)
    assert same(load_pickle(pickled(tmp_path, content)), CONTENT)


def test_python_2_pickles_keep_their_numbers_as_text(tmp_path):
    numbers = np.array([1.5, -2.25], dtype="<f8").tobytes()
    content = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(numbers)]) + numbers + b"tbs."
    )
    assert same(load_pickle(pickled(tmp_path, content)), {"a": np.array([1.5, -2.25])})


def test_npz_with_plain_and_object_arrays(tmp_path):
    nested = np.empty(2, dtype=object)
    nested[:] = [np.zeros((3, 2)), np.ones((4, 2))]
    np.savez_compressed(tmp_path / "a.npz", pose=np.eye(3), data=CONTENT, list=nested, empty=np.zeros((0, 2)))
    loaded = load_npz(tmp_path / "a.npz")
    assert same(loaded, {"pose": np.eye(3), "data": CONTENT, "list": nested, "empty": np.zeros((0, 2))})


class Payload:
    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_is_named_and_never_run(tmp_path, protocol):
    Payload.folder = str(tmp_path / "made")
    with pytest.raises(InputError, match=rf"content.pkl.*{os.mkdir.__module__}\.mkdir"):
        load_pickle(pickled(tmp_path, pickle.dumps({"poses": [Payload()]}, protocol)))
    np.savez(tmp_path / "b.npz", positions_3d={"S1": Payload()})
    with pytest.raises(InputError, match=rf"b.npz, array 'positions_3d'.*{os.mkdir.__module__}\.mkdir"):
        load_npz(tmp_path / "b.npz")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (OrderedDict(a=1), "collections.OrderedDict"),
        (Fraction(1, 2), "fractions.Fraction"),
        (np.load, "numpy.load"),
        (np.ndarray, "a function or a class"),
        (np.zeros(2, dtype=[("a", "f4")]), "V4"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64|M8"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, value, name):
    with pytest.raises(InputError, match=name):
        load_pickle(pickled(tmp_path, pickle.dumps({"x": value})))


def test_an_object_dtype_that_denies_it_cannot_smuggle_pointers_in(tmp_path):
    # The state says: type object, but flags 0, so that NumPy itself would copy eight bytes as a pointer.
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85"
        b"cnumpy\ndtype\nU\x02O8\x89\x88\x87R(K\x03U\x01|NNNK\x08K\x08K\x00tb\x89U\x08AAAAAAAAtb."
    )
    try:
        loaded = load_pickle(pickled(tmp_path, content))
    except InputError:
        return
    assert all(isinstance(item, str | int) for item in loaded)


@pytest.mark.parametrize("kept", [0, 1, 10, 100, -1])
def test_a_file_cut_short_is_named(tmp_path, kept):
    content = pickle.dumps(CONTENT, 2)
    with pytest.raises(InputError, match=r"content\.pkl.*cut short"):
        load_pickle(pickled(tmp_path, content[:kept]))
    np.savez(tmp_path / "c.npz", data=CONTENT)
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"c\.npz.*cut short"):
        load_npz(tmp_path / "c.npz")


def test_damage_inside_is_named(tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.zeros((100, 3)))
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("short.npy", stream.getvalue()[:-100])
    with pytest.raises(InputError, match=r"d\.npz, array 'short'"):
        load_npz(tmp_path / "d.npz")
    whole = bytearray()
    np.savez(tmp_path / "e.npz", data=np.arange(1000.0))
    whole += (tmp_path / "e.npz").read_bytes()
    whole[4000] ^= 255
    (tmp_path / "e.npz").write_bytes(whole)
    with pytest.raises(InputError, match=r"e\.npz"):
        load_npz(tmp_path / "e.npz")


def test_what_is_not_there_is_named(tmp_path):
    for load in (load_pickle, load_npz):
        with pytest.raises(InputError, match=r"absent.*No such file"):
            load(tmp_path / "absent")
        with pytest.raises(InputError, match="directory"):
            load(tmp_path)
