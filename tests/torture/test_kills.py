"""Some kills of a training and of a preparation; `make torture` makes many more."""

import sys

import pytest
import torch

from tests.torture.kills import Torture, differing, killed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")]


def test_what_was_killed_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    torture = Torture(seed=0)
    torture.training()
    torture.preparation()
    while torture.count.kills < 2:  # a process may have ended before its moment came
        torture.training()
        torture.preparation()


def test_differences_are_seen():
    one = {"a": torch.ones(2), "b": 1.0}
    assert not differing(one, {"a": torch.ones(2), "b": 1.0})
    assert differing(one, {"a": torch.ones(2).double(), "c": 1}) == ["a", "b", "c"]
    assert differing(one, one | {"a": torch.tensor([1.0, 1.0000001])}) == ["a"]


def test_a_process_that_fails_is_no_kill():
    def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(RuntimeError, match="failed"):
        killed(fail, 60)
