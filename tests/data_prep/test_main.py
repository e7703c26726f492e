"""The command around every source: what it records, and that a failure loses nothing."""

import os
import resource
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from data_prep import __main__ as command
from data_prep.command import Command, window_size
from data_prep.source import REASONS, Source, grouped
from data_prep.writing import command_line, prepare
from stgraph.data.dataset import Dataset
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

CAMERA = Camera("c", 1000, 1000, np.ones(9), np.array([1.0, 0, 0, 0]), np.zeros(3))
FRAMES = 1000
# Bytes of a row in its temporary files: 3D and one detector; and of the frame's number.
ROW = 4 * 3 * len(H36M17)


def recordings(count: int, error: BaseException | None = None) -> Iterator[Recording]:
    """Some recordings, and then maybe an error."""
    pose = np.random.default_rng(0).normal(0, 0.3, (FRAMES, len(H36M17), 3)).astype(np.float32)
    for number in range(count):
        yield Recording("S1", "Walking", f"Walking {number}", CAMERA, 50.0, [Track({"gt": np.abs(pose)}, pose)])
    if error:
        raise error


def made(count: int = 3, error: BaseException | None = None) -> Source:
    return Source(H36M17, recordings(count, error), count, "test", "free", [])


def register(monkeypatch: pytest.MonkeyPatch, read: Callable) -> None:
    """Make `python -m data_prep mine` read with a function."""
    monkeypatch.setitem(sys.modules, "mine.options", SimpleNamespace(arguments=lambda parser: None))
    monkeypatch.setitem(sys.modules, "mine.source", SimpleNamespace(read=read))
    monkeypatch.setattr(command, "commands", lambda: {"mine": Command("my files", "mine.source", "data/mine.h5")})


@pytest.fixture
def old(tmp_path):
    """An output file from before; it must be all there is in the folder, as it was, when the test is over."""
    path = tmp_path / "out" / "a.h5"
    prepare(made(1), path, "the old one")
    before = path.read_bytes()
    yield path
    assert [file.name for file in path.parent.iterdir()] == ["a.h5"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("damaged"), MemoryError(), RuntimeError()])
@pytest.mark.parametrize("count", [0, 2])
def test_an_interrupt_keeps_the_old_file(old, error, count):
    with pytest.raises(type(error)):
        prepare(made(count, error), old, "test")


@pytest.mark.parametrize("limit", [1000, FRAMES * ROW + 1000, 4 * FRAMES * ROW], ids=["first", "later", "the dataset"])
def test_a_full_disk_keeps_the_old_file(old, limit):
    """The limit is met by the first piece, by a later one, and only by the file that is made of them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError):
            prepare(made(3), old, "test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("text", ["81", "81x", "x5", "0x5", "81x0", "²x5", "81x5x5", "-81x5", "8.1x5", "5x81", "81 5"])
def test_windows_that_cannot_be(text):
    with pytest.raises(InputError, match=f"--windows {text}: .*81x5"):
        window_size(text)


def test_windows_that_can_be():
    assert window_size("81x5") == (81, 5) and window_size("1x1") == (1, 1)


@pytest.mark.parametrize("name", ["clips.txt", "clips", "clips.h5.gz"])
def test_a_name_that_training_would_not_find_is_refused_before_anything_is_read(tmp_path, monkeypatch, name):
    def unread(args):
        raise AssertionError("was read")

    register(monkeypatch, unread)
    args = command.parser().parse_args(["mine", "--out", str(tmp_path / "new" / name)])
    with pytest.raises(InputError, match=rf"--out .*{name}: expected the ending \.h5 or \.hdf5"):
        command.main(args)
    assert not (tmp_path / "new").exists()


def test_every_summary_tells_its_splits_and_those_that_test_nothing(tmp_path):
    source = made(3)
    source.splits = {
        "apart": {"train": ["S1/Walking 0/c", "S1/Walking 1/c"], "test": ["S1/Walking 2/c"]},
        "all": {"train": ["S1"], "test": ["S9"]},
        "few": {"validation": ["S1/Walking 1/c"]},
    }
    text = prepare(source, tmp_path / "a.h5", "test")
    lines = [line.split(None, 1)[1] for line in text.splitlines() if line.startswith("  split ")]
    assert lines == ["apart: 2 train, 1 test", "all: 3 train", "few: 1 validation, 2 in no part"]
    notes = Dataset(tmp_path / "a.h5").notes
    assert [note.split(";")[0] for note in notes] == [f"split {name}: no test recordings" for name in ("all", "few")]
    assert all(note in text for note in notes)
    assert "  split       none" in prepare(made(1), tmp_path / "b.h5", "test")


def test_what_was_left_out_is_reported_once_for_each_reason(tmp_path):
    source = made(1)
    source.left_out = [(f"{number}.csv", "header: no column") for number in range(33)]
    source.left_out += [("a.npy", "no person in 7 frames"), ("b.npy", "no person in 9 frames"), ("c.npy", "empty")]
    text = prepare(source, tmp_path / "a.h5", "test")
    assert [line for line in text.splitlines() if "left out" in line] == [
        "  left out    33 (0.csv, 1.csv, 2.csv, 3.csv, ...): header: no column",
        "  left out    2 (a.npy, b.npy), the first: no person in 7 frames",
        "  left out    c.npy: empty",
        "  left out    in all 36, each listed in the file's `left_out`",
    ]
    assert Dataset(tmp_path / "a.h5").left_out == [list(pair) for pair in source.left_out]


def test_many_different_reasons_are_not_all_reported():
    left_out = [(f"{number}.npy", "x" * number) for number in range(REASONS + 7)]
    lines = grouped(left_out)
    assert len(lines) == REASONS + 1 and lines[-1] == "and for 7 other reasons"


@pytest.mark.parametrize("called", [False, True], ids=["typed", "called by another command"])
def test_the_command_is_recorded_whole_and_without_folders(tmp_path, monkeypatch, called):
    """It can be typed again where the files are; the folders they were in are left out."""
    (tmp_path / "in" / "walks").mkdir(parents=True)
    words = ["mine", str(tmp_path / "in" / "walks"), "--actions", "it's", f"--out={tmp_path / 'new' / 'a.h5'}"]
    assert command_line(words) == "python -m data_prep mine in/walks --actions 'it'\"'\"'s' --out=new/a.h5"
    assert shlex.split(command_line(words))[3:] == ["mine", "in/walks", "--actions", "it's", "--out=new/a.h5"]
    monkeypatch.chdir(tmp_path)
    assert command_line(["mine", "in/walks", "in/absent", "/"]) == "python -m data_prep mine in/walks in/absent ''"
    # And the command itself records it.
    register(monkeypatch, lambda args: made())
    words = ["mine", f"--out={tmp_path / 'new' / 'a.h5'}", "--windows", "27x9"]
    if called:
        args = command.parser().parse_args(words)
        monkeypatch.setattr("sys.argv", ["train", "--exp", "root_rel"])
    else:
        monkeypatch.setattr("sys.argv", ["data_prep", *words])
        args = command.parser().parse_args()
    command.main(args)
    with h5py.File("new/a.h5") as file:
        assert file.attrs["created_by"].startswith(command_line(words))
        assert os.fspath(tmp_path) not in "".join(map(str, file.attrs.values()))
        assert list(file["windows"]) == ["27x9"]


@pytest.mark.parametrize("given", ["data.h5", ["data.h5"]])
def test_an_output_that_is_an_input_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    Path("data.h5").write_text("precious")
    paths = [Path(path) for path in given] if isinstance(given, list) else Path(given)
    args = Namespace(out=Path("data.h5"), windows="81x5", words=[], paths=paths)
    with pytest.raises(InputError, match="--out data.h5: is the input and would be lost"):
        Command("my files", "mine.source", "data/mine.h5").run(args)
    assert Path("data.h5").read_text() == "precious"
