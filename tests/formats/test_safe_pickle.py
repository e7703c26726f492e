"""Other people's pickles: everything NumPy writes comes back, nothing else is run."""

import io
import os
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy, load_npz, npz_names
from stgraph.formats.safe_pickle import load_pickle
from tests.limits import limited_time

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


HEADER = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"


def member(content, header=HEADER):
    """An `.npy` file: magic, the header's length, the header, the content."""
    header = (header + " " * (53 - len(header) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def archived(tmp_path, content, name="x.npy"):
    """An `.npz` file with one member."""
    with zipfile.ZipFile(tmp_path / "content.npz", "w") as archive:
        archive.writestr(name, content)
    return tmp_path / "content.npz"


def boxed(value):
    """An object array without axes."""
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def pickled(tmp_path, value, protocol=4, change=lambda content: content):
    return archived(tmp_path, member(change(pickle.dumps(boxed(value), protocol))))


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
BEGUN = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
OBJECTS = b"cnumpy\ndtype\nU\x02O8\x89\x88\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"


def opcodes(tmp_path, body):
    """A file whose object is what these opcodes of a pickle leave on the stack."""
    content = b"\x80\x02" + BEGUN + b"(K\x01)" + OBJECTS + b"\x89]" + body + b"atb."
    return archived(tmp_path, member(content))


def one(path):
    return load_npz(path)["x"]


def refusal(path):
    """The one message, which names file and array."""
    with pytest.raises(InputError) as error:
        load_npz(path)
    assert f"{path}, array 'x': " in str(error.value)
    return str(error.value)


SHARED = b"B" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x05"  # a megabyte, remembered
AS_TEXT = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x05"
MEGABYTE = b"cnumpy\ndtype\nU\x08S1048576\x85R"


@pytest.mark.parametrize(
    ("shared", "use"),
    [
        (SHARED, BEGUN + b"(K\x01J\x00\x00\x02\x00\x85" + b"cnumpy\ndtype\nU\x02f8\x85R" + b"\x89h\x05tb"),
        (SHARED, b"cnumpy.core.multiarray\nscalar\n" + MEGABYTE + b"h\x05\x86R"),
        (SHARED, b"(cnumpy.core.multiarray\nscalar\n" + MEGABYTE + b"h\x05o"),
        (SHARED, b"(" + MEGABYTE + b"h\x05inumpy.core.multiarray\nscalar\n"),
        (AS_TEXT, b"c_codecs\nencode\nh\x05U\x06latin1\x86R"),
    ],
    ids=["arrays", "scalars", "scalars by OBJ", "scalars by INST", "bytes"],
)
def test_one_content_is_not_multiplied(tmp_path, shared, use):
    """A megabyte and a thousand references to it must not become a gigabyte; one or two are read."""
    path = tmp_path / "small.pkl"
    path.write_bytes(b"\x80\x02](" + shared + 2 * use + b"e.")
    assert len(load_pickle(path)) == 3
    path.write_bytes(b"\x80\x02](" + shared + 1000 * use + b"e.")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="small.pkl: its pickle holds one content many times over"):
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"], ids=["numpy1", "numpy2"])
def test_everything_numpy_pickles_comes_back(tmp_path, protocol, core):
    def renamed(content):
        # Later protocols store the length of a name, so that it cannot be replaced in the bytes.
        return content.replace(b"numpy._core", core) if protocol < 4 else content

    assert same(one(pickled(tmp_path, CONTENT, protocol, renamed)), CONTENT)


DOUBLES = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def test_python_2_pickles_keep_their_numbers_as_text(tmp_path):
    numbers = np.array([1.5, -2.25], dtype="<f8").tobytes()
    content = b"}U\x01a" + BEGUN + b"(K\x01K\x02\x85" + DOUBLES + b"\x89U" + bytes([len(numbers)]) + numbers + b"tbs"
    assert same(one(opcodes(tmp_path, content)), {"a": np.array([1.5, -2.25])})


def test_a_plain_pickle_is_read_the_same_way(tmp_path):
    path = tmp_path / "sequence.pkl"
    path.write_bytes(pickle.dumps(CONTENT, 2))
    assert same(load_pickle(path), CONTENT)
    numbers = np.array([1.5, -2.25], dtype="<f8").tobytes()
    path.write_bytes(
        b"\x80\x02}U\x04ang\xe9"
        + BEGUN
        + b"(K\x01K\x02\x85"
        + DOUBLES
        + b"\x89U"
        + bytes([len(numbers)])
        + numbers
        + b"tbs."
    )
    assert same(load_pickle(path), {"angé": np.array([1.5, -2.25])})
    path.write_bytes(pickle.dumps(CONTENT, 2)[:-30])
    with pytest.raises(InputError, match=r"sequence\.pkl: not a whole pickle.*cut short"):
        load_pickle(path)
    with pytest.raises(InputError, match=r"absent\.pkl: No such file.*give the path of a pickle"):
        load_pickle(tmp_path / "absent.pkl")
    with pytest.raises(InputError, match="directory"):
        load_pickle(tmp_path)


def test_code_in_a_plain_pickle_is_named_and_never_run(tmp_path):
    Payload.folder = str(tmp_path / "made")
    (tmp_path / "code.pkl").write_bytes(pickle.dumps({"poses": [Payload()]}, 2))
    with pytest.raises(InputError, match=rf"code\.pkl: its pickle holds {os.mkdir.__module__}\.mkdir"):
        load_pickle(tmp_path / "code.pkl")
    assert not (tmp_path / "made").exists()


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
    assert f"its pickle holds {os.mkdir.__module__}.mkdir" in refusal(pickled(tmp_path, {"a": [Payload()]}, protocol))
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
        (np.ndarray, "the function numpy.ndarray"),
        (complex, "the function builtins.complex"),
        ({1, 2}, "a set"),
        (frozenset({1}), "a set"),
        ({(1, (2, 3)): 4}, "a dict with a key that is no text, number or tuple of them but a tuple"),
        (np.zeros(2, dtype=[("a", "f4")]), "an array of type dtype('V4')"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "an array of type dtype('<M8')"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, value, name):
    for place in ({"y": [value]}, boxed([value])):
        assert f"its pickle holds {name}" in refusal(pickled(tmp_path, place))


def test_what_is_shared_is_built_once(tmp_path):
    """Ten times the same list of ten times the same list: 10^12 numbers in 300 bytes."""
    nested, array = [1] * 10, np.arange(3.0)
    for _ in range(12):
        nested = [nested] * 10
    path = pickled(tmp_path, [nested, array, array])
    with limited_time():
        found, first, second = one(path)
    for _ in range(12):
        assert all(item is found[0] for item in found)
        found = found[0]
    assert found == [1] * 10 and first is second and same(first, array)


# Ten ones in a tuple, and twelve times ten times the tuple before.
NESTED = b"(" + b"K\x01" * 10 + b"tq\x00" + b"".join(b"0(" + b"h\x00" * 10 + b"tq\x00" for _ in range(12))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (b"}", b"K\x01s", "a dict with a key"),
        (b"}(K\x01K\x02", b"K\x01u", "a dict with a key"),
        (b"(", b"K\x01d", "a dict with a key"),
        (b"\x8f(", b"\x90", "a set"),
        (b"(", b"\x91", "a set"),
    ],
    ids=["one", "several", "at once", "set", "frozenset"],
)
def test_keys_are_refused_before_they_are_hashed(tmp_path, before, after, what):
    """The hash of a tuple that holds ten times the same tuple is computed ten times over."""
    with limited_time():
        assert what in refusal(opcodes(tmp_path, before + NESTED + after))


def test_keys_of_texts_and_numbers_are_read(tmp_path):
    content = {("S1", 1, "Walking"): 1, 2: 3, None: 4, 1.5: {True: b"x"}}
    assert same(one(pickled(tmp_path, content)), content)


def loops():
    listed, mapped, array = [], {}, np.empty(1, dtype=object)
    listed.append((listed,))
    mapped["a"] = [mapped]
    array[0] = {"a": array}
    return {"list": listed, "dict": mapped, "array": array}


@pytest.mark.parametrize("kind", loops())
def test_what_holds_itself_is_refused(tmp_path, kind):
    assert f"its pickle holds a {kind} that holds itself" in refusal(pickled(tmp_path, loops()[kind]))


@pytest.mark.slow
def test_depth_without_end_is_one_message(tmp_path):
    path = opcodes(tmp_path, b"]" * 100_000 + b"a" * 99_999)
    assert "RecursionError" in refusal(path)


def text(code_point):
    """Opcodes of an array with one letter."""
    letter = code_point.to_bytes(4, "little")
    return (
        BEGUN
        + b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02U1\x89\x88\x87R(K\x03U\x01<NNNK\x04K\x04K\x08tb\x89U\x04"
        + letter
        + b"tb"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # A number is not the length of an array to make.
        (BEGUN + b"(K\x01J\x00\x94\x35\x77\x85" + DOUBLES + b"\x89J\x00\x94\x35\x77tb", "whose content is int"),
        (BEGUN + b"(K\x01K\x02\x85" + DOUBLES + b"\x89U\x08" + b"A" * 8 + b"tb", "buffer is too small"),
        (
            BEGUN + b"(K\x01K\x01\x85" + DOUBLES + b"\x89U\x10" + b"A" * 16 + b"tb",
            "16 bytes for an array of shape (1,)",
        ),
        (BEGUN + b"(K\x01K\x01\x85" + OBJECTS + b"\x89K\x05tb", "an array of objects whose content is int"),
        (BEGUN, "an array without content"),
        (b"cnumpy\ndtype\n]U\x02f8a\x85R", "an array type given by list"),
        (text(0x110000), "text with character 0x110000"),
        # A stand-in is shared, so that nothing may change it.
        (RECONSTRUCT + b"}U\x05valueK\x07sb", "a change of the function numpy.core.multiarray._reconstruct"),
        (b"cnumpy\nndarray\n(K\x01)" + DOUBLES + b"\x89U\x00tb", "a change of the function numpy.ndarray"),
    ],
)
def test_what_numpy_would_not_write_is_refused(tmp_path, body, message):
    assert message in refusal(opcodes(tmp_path, body))
    assert same(one(pickled(tmp_path, CONTENT, 2)), CONTENT)  # and the next file is read as before


def test_text_up_to_the_last_character_is_read(tmp_path):
    assert one(opcodes(tmp_path, text(0x10FFFF))).tolist() == ["\U0010ffff"]
    header = HEADER.replace("|O", "<U1")
    assert one(archived(tmp_path, member(b"A\0\0\0", header))) == "A"
    assert "0x110000" in refusal(archived(tmp_path, member((0x110000).to_bytes(4, "little"), header)))


def test_an_object_dtype_that_denies_it_cannot_smuggle_pointers_in(tmp_path):
    # The state says: type object, but flags 0, so that NumPy itself would copy eight bytes as a pointer.
    denied = b"cnumpy\ndtype\nU\x02O8\x89\x88\x87R(K\x03U\x01|NNNK\x08K\x08K\x00tb"
    bytes_ = BEGUN + b"(K\x01K\x08\x85" + denied + b"\x89U\x08AAAAAAAAtb"
    assert "an array of objects whose content is str" in refusal(opcodes(tmp_path, bytes_))
    listed = BEGUN + b"(K\x01K\x02\x85" + denied + b"\x89](K\x41U\x01Betb"
    assert one(opcodes(tmp_path, listed)).tolist() == [0x41, "B"]


@pytest.mark.parametrize("kept", [0, 1, 10, 100, -1])
def test_a_file_cut_short_is_named(tmp_path, kept):
    assert "cut short" in refusal(archived(tmp_path, member(pickle.dumps(boxed(CONTENT), 2)[:kept])))
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
    for load in (npz_names, load_npz):
        with pytest.raises(InputError, match=r"absent.*No such file"):
            load(tmp_path / "absent")
        with pytest.raises(InputError, match="directory"):
            load(tmp_path)


def damaged(tmp_path, offset, value):
    """A whole archive with one byte changed, counted from its directory's only entry."""
    path = archived(tmp_path, member(np.arange(4.0).tobytes(), HEADER.replace("|O", "<f8").replace("()", "(4,)")))
    assert one(path).tolist() == [0, 1, 2, 3]
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("offset", "value"), [(10, 99), (8, 1)], ids=["compression", "encrypted"])
def test_a_damaged_directory_is_one_message(tmp_path, offset, value):
    assert "cannot be read" in refusal(damaged(tmp_path, offset, value))


@pytest.mark.parametrize(
    ("header", "content", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", b"A" * 8, "takes 8000000000000"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", b"A" * 24, "24 bytes for shape (2,)"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (", b"", "cannot be read"),
        ("{'descr': ((),), 'fortran_order': False, 'shape': (), }", b"", "cannot be read"),
        *(
            (HEADER, pickle.dumps(value), f"{type(value).__name__} instead of")
            for value in ([1], "a", 5, None, {(): 7})
        ),
        (HEADER, pickle.dumps(np.empty(3, dtype=object)), "ndarray instead of an array of objects of shape ()"),
        (HEADER, pickle.dumps(np.zeros(())), "ndarray instead of"),
    ],
)
def test_a_damaged_member_is_one_message(tmp_path, header, content, message):
    assert message in refusal(archived(tmp_path, member(content, header)))


def test_what_is_no_archive_of_arrays_is_named(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    archived(tmp_path, b"hello", "notes.txt")
    for load in (npz_names, load_npz):
        with pytest.raises(InputError, match=r"a\.npz: not a whole \.npz file"):
            load(tmp_path / "a.npz")
        with pytest.raises(InputError, match=r"content\.npz: member 'notes\.txt' is no \.npy array"):
            load(tmp_path / "content.npz")
    assert "magic string" in refusal(archived(tmp_path, b"hello, this is text"))


def test_arrays_are_read_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", **{"S1/walk 01": np.eye(2), "bad": {"x": {1}}})
    assert npz_names(tmp_path / "a.npz") == ("S1/walk 01", "bad")
    assert same(load_npz(tmp_path / "a.npz", ["S1/walk 01"]), {"S1/walk 01": np.eye(2)})
    with pytest.raises(InputError, match=r"a\.npz: no array walk; it holds S1/walk 01, bad"):
        load_npz(tmp_path / "a.npz", ["walk"])


def test_fortran_order_and_no_axes(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.asfortranarray(np.arange(6).reshape(2, 3)), b=np.float32(2.5), c=np.zeros((3, 0)))
    assert same(
        load_npz(tmp_path / "a.npz"),
        {"a": np.arange(6).reshape(2, 3), "b": np.array(np.float32(2.5)), "c": np.zeros((3, 0))},
    )


def test_npy_files_of_numbers_text_and_objects(tmp_path):
    """Numbers lie on the disk until they are asked for; everything else is read with the same care as in archives."""
    names = np.array(["Eating", "Walking 1"])
    for name, array in {
        "a": np.eye(3),
        "b": names,
        "c": names.astype(object),
        "d": np.asfortranarray(np.ones((2, 3))),
    }.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        loaded = load_npy(tmp_path / f"{name}.npy")
        assert same(np.array(loaded), array) and isinstance(loaded, np.memmap) == (array.dtype.kind == "f")
    with pytest.raises(ValueError, match="read-only"):
        load_npy(tmp_path / "a.npy")[0, 0] = 1
    for name in "abc":
        path = tmp_path / f"{name}.npy"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(InputError, match=rf"{name}\.npy"):
            load_npy(path)
    (tmp_path / "e.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"e\.npy: cannot be read"):
        load_npy(tmp_path / "e.npy")
    with pytest.raises(InputError, match=r"absent\.npy: No such file"):
        load_npy(tmp_path / "absent.npy")


def test_code_in_an_npy_file_is_named_and_never_run(tmp_path):
    Payload.folder = str(tmp_path / "made")
    np.save(tmp_path / "code.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=rf"code\.npy: its pickle holds {os.mkdir.__module__}\.mkdir"):
        load_npy(tmp_path / "code.npy")
    assert not (tmp_path / "made").exists()
