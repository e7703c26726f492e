"""What a training prints."""

import threading
from types import SimpleNamespace

import pytest

from stgraph.training import progress
from stgraph.training.listener import Progress

pytestmark = pytest.mark.slow


def test_without_a_terminal_a_line_breaks_a_long_silence(tmp_path, monkeypatch, capsys):
    started, waited = [], []

    class Event(threading.Event):
        """Every wait is over at once, the fourth by the end of the training."""

        def wait(self, seconds):
            waited.append(seconds)
            return len(waited) == 4

    def thread(target, daemon):
        assert daemon
        return SimpleNamespace(start=lambda: started.append(target))

    monkeypatch.setattr(progress, "threading", SimpleNamespace(Event=Event, Thread=thread))
    terminal = progress.Terminal()
    terminal.begin(4000, 0, tmp_path)
    terminal.step(1200, {"loss": 0.0532, "mpjpe_mm": 44.81})
    (in_a_thread,) = started
    in_a_thread()  # after the first wait a line, after the second none so soon, after the third a line
    terminal.end()
    assert waited == 4 * [progress.SILENCE / 2]
    assert capsys.readouterr().out == 2 * "step 1,200 of 4,000  loss 0.0532, mpjpe 44.8 mm\n"


def test_what_is_done_in_words():
    assert Progress(epoch=3, step=1).text() == "3 epochs and 1 step"
    assert Progress(epoch=1).text() == "1 epoch"
    assert Progress(step=1200).text() == "1,200 steps"
    assert Progress().text() == "0 epochs"
