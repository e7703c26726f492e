"""What a training prints."""

import time

import pytest

from stgraph.training import progress
from stgraph.training.loop import Progress

pytestmark = pytest.mark.slow


def test_without_a_terminal_a_line_breaks_a_long_silence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENCE", 0.1)
    terminal, text = progress.Terminal(), ""
    terminal.begin(4000, 0, tmp_path)
    terminal.step(1200, {"loss": 0.0532, "mpjpe_mm": 44.81})
    for _ in range(200):
        time.sleep(0.05)
        text += capsys.readouterr().out
        if text:
            break
    terminal.end()
    assert "step 1,200 of 4,000  loss 0.0532, mpjpe 44.8 mm" in text


def test_what_is_done_in_words():
    assert Progress(epoch=3, step=1).text() == "3 epochs and 1 step"
    assert Progress(epoch=1).text() == "1 epoch"
    assert Progress(step=1200).text() == "1,200 steps"
    assert Progress().text() == "0 epochs"
