"""Files that are whole or not there, and outputs that stay apart."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stgraph.errors import InputError
from stgraph.formats.files import MACHINE, check_apart, check_kept, replaced


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".walk.{MACHINE}-{ended.pid}.partial.h5"
    others = [
        tmp_path / f".walk.{MACHINE}-{os.getppid()}.partial.h5",  # of a process that runs
        tmp_path / f".walk.elsewhere-{ended.pid}.partial.h5",  # of another machine
        tmp_path / f".run.{MACHINE}-{ended.pid}.partial.h5",  # of another file
    ]
    for path in (left, *others):
        path.write_text("half")
    with replaced(tmp_path / "walk.h5") as temporary:
        temporary.write_text("whole")
    assert not left.exists() and all(path.exists() for path in others)
    assert (tmp_path / "walk.h5").read_text() == "whole"


def test_outputs_that_would_meet_are_refused():
    check_apart([("a/b", Path("out/a_b.json")), ("c", Path("out/c.json"))])
    with pytest.raises(InputError, match=r"out/A_b.json: 'a/b' and 'A_b' would both be written to it; rename one"):
        check_apart([("a/b", Path("out/a_b.json")), ("A_b", Path("out/A_b.json"))])


def test_an_output_that_is_an_input_is_refused(tmp_path):
    (tmp_path / "in.json").write_text("{}")
    check_kept("--out", tmp_path / "out.json", [tmp_path / "in.json"])
    with pytest.raises(InputError, match="is the input and would be lost; give another --out"):
        check_kept("--out", tmp_path / "." / "in.json", [tmp_path / "in.json"])
    with pytest.raises(InputError, match="is the input and would be lost"):
        check_kept("--out", tmp_path / "later" / ".." / "in.json", [tmp_path / "in.json"])
    check_kept("--out", tmp_path / "in.json", [tmp_path], lambda path: False)
    check_kept("--out", tmp_path / "new.json", [tmp_path], lambda path: True)
    with pytest.raises(InputError, match="in.json: is in the input and would be lost; give another --out"):
        check_kept("--out", tmp_path / "in.json", [tmp_path], lambda path: True)
