"""Compressed files that would take far more memory than they have bytes, and text that can be written nowhere."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from stgraph.errors import InputError
from stgraph.formats import files
from stgraph.formats.json_files import read_json
from stgraph.formats.numpy_files import load_npy, load_npz
from stgraph.formats.safe_pickle import load_pickle
from stgraph.formats.torch_files import load_torch
from stgraph.motion.motion import Motion
from stgraph.scoring.clip_scores import ClipScores
from stgraph.training.checkpoint import load_last

NUMBERS = 100_000
LOADS = {
    "npz": load_npz,
    "pt": load_torch,
    "last.pt": load_last,
    "motion.npz": Motion.load,
    "scores.npz": lambda path: ClipScores.load(path, "score again"),
}


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr(files, "ROOM", 1000)


def write(path, values):
    """A file with an array, which a zip file compresses."""
    if path.suffix == ".npz":
        np.savez_compressed(path, a=values)
        return
    torch.save({"a": torch.from_numpy(values)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member.filename, content)


@pytest.mark.parametrize("ending", LOADS)
def test_what_inflates_beyond_all_measure_is_refused(tmp_path, little_room, ending):
    path = tmp_path / f"a.{ending}"
    write(path, np.zeros(NUMBERS))
    with pytest.raises(InputError, match=rf"a.{ending}: .*8..,... bytes compressed into"):
        LOADS[ending](path)


@pytest.mark.parametrize("ending", ["npz", "pt"])
def test_what_is_compressed_as_motion_is_is_read(tmp_path, little_room, ending):
    path = tmp_path / f"a.{ending}"
    values = np.random.default_rng(0).normal(size=NUMBERS).round(2)
    write(path, values)
    np.testing.assert_array_equal(np.asarray(LOADS[ending](path)["a"]), values)


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '["\\uDFFF"]'])
def test_a_lone_surrogate_in_json_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a.json: not JSON .*surrogates"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b'["\xed\xa0\x80"]', '["\ud800"]'.encode("utf-16", "surrogatepass")])
def test_a_lone_surrogate_in_the_bytes_of_json_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a.json: not JSON .*decode"):
        read_json(tmp_path / "a.json")


def test_a_character_in_two_escapes_is_read(tmp_path):
    (tmp_path / "a.json").write_text('["\\ud83d\\ude00", "\\\\ud800"]')
    assert read_json(tmp_path / "a.json") == ["\U0001f600", "\\ud800"]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_lone_surrogate_in_a_pickle_is_refused(tmp_path, protocol):
    for value in (["\ud800"], {"a": "x" * 300 + "\udfff"}):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(InputError, match=r"a.pkl.*a lone surrogate"):
            load_pickle(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04\x8d" + (3).to_bytes(8, "little") + b"\xed\xa0\x80.")  # of any length
    with pytest.raises(InputError, match=r"a.pkl.*a lone surrogate"):
        load_pickle(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(["\U0001f600"], protocol))
    assert load_pickle(tmp_path / "a.pkl") == ["\U0001f600"]


def test_a_lone_surrogate_in_an_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array(["a", "\ud800"]))
    with pytest.raises(InputError, match=r"a.npy.*a lone surrogate"):
        load_npy(tmp_path / "a.npy")
