"""A run's folder: nothing of an old run goes before a new one has weights, and one training at a time."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stgraph.errors import InputError
from stgraph.training import run_folder
from stgraph.training.checkpoint import load_last
from stgraph.training.curves import plot_training
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.loop import Fit
from stgraph.training.run import Run
from stgraph.training.run_folder import RunFolder
from tests.training.test_loop import StopAt, same_weights, script, settings

pytestmark = pytest.mark.slow


@pytest.fixture
def training(dataset, tmp_path, monkeypatch):
    """Makes trainings of a run in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def training(name="run", listener=None, **options):
        return Fit(Run.create(name, settings(), dataset, Engine("cpu")), dataset, listener or Listener(), **options)

    return training


@pytest.fixture
def old(training):
    """The folder of a run that has ended."""
    training().fit()
    return Path("checkpoints/run")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_option_that_is_none_is_refused(training):
    with pytest.raises(TypeError, match="minute"):
        training(minute=1.0)


def test_begun_anew_with_broken_data_the_old_run_stays(training, old):
    before, again = contents(old), training(restart=True)
    again.train.fields["pose3d"] = again.train.fields["pose3d"] * float("nan")
    with pytest.raises(InputError, match="not finite"):
        again.fit()
    assert contents(old) == before


def test_begun_anew_and_interrupted_the_old_run_stays_and_the_new_one_goes_on(training, old):
    before = contents(old)
    with pytest.raises(KeyboardInterrupt, match="restart/last.pt is written; go on with `train --resume`, or remove"):
        training(listener=StopAt(4), restart=True).fit()
    assert before.items() <= contents(old).items()
    training(resume=True).fit()
    assert set(contents(old)) == set(before)
    training("whole").fit()
    assert same_weights(old, Path("checkpoints/whole"))


def test_begun_anew_what_is_no_run_of_ours_stays(training, old):
    (old / "notes.txt").write_text("mine")
    again = training(restart=True)
    again.fit()
    assert (old / "notes.txt").read_text() == "mine" and not (old / "restart").exists()


@pytest.mark.parametrize("number", range(3))
def test_a_run_that_is_killed_while_it_takes_the_old_ones_place_goes_on(training, old, monkeypatch, number):
    """It ends after the first, second or third of the steps by which files change their places."""
    owner, name = [(Path, "unlink"), (run_folder.shutil, "rmtree"), (Path, "rename")][number]
    again = training(restart=True)
    take_place = again.folder.take_place

    def killed(*args, **options):
        monkeypatch.undo()
        raise KeyboardInterrupt

    def until_killed():
        (old / "restart/tensorboard").mkdir()
        monkeypatch.setattr(owner, name, killed)
        take_place()

    again.folder.take_place = until_killed
    folder = Path.cwd()
    with pytest.raises(KeyboardInterrupt):
        again.fit()
    os.chdir(folder)
    training(resume=True).fit()
    training("whole").fit()
    assert same_weights(old, Path("checkpoints/whole")) and not (old / "restart").exists()


def test_two_trainings_do_not_share_a_folder(training):
    refused = []

    class Second(Listener):
        def step(self, number, means):
            if number == 2:
                with pytest.raises(InputError, match="another process is training into this folder; wait"):
                    training(resume=True).fit()
                refused.append(number)

    training(listener=Second()).fit()
    assert refused and not Path("checkpoints/run/.lock").exists()


def test_a_dead_process_leaves_no_lock_and_no_unfinished_file(training, tmp_path):
    folder = tmp_path / "checkpoints/run"
    program = f"""
        import os, signal
        from pathlib import Path
        from stgraph.training.run_folder import RunFolder

        folder = Path({str(folder)!r})
        with RunFolder(folder).locked():
            (folder / ".last.77.partial.pt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    assert subprocess.run([sys.executable, script(tmp_path, program)]).returncode == -signal.SIGKILL
    assert (folder / ".last.77.partial.pt").exists()
    training().fit()
    assert not list(folder.glob(".*"))


def test_a_refused_training_leaves_no_folder(tmp_path):
    with RunFolder(tmp_path / "run").locked():
        pass
    assert not (tmp_path / "run").exists()


def test_a_training_that_stops_in_its_first_epoch_leaves_its_curves(training, monkeypatch):
    monkeypatch.setattr("stgraph.training.loop.plot_training", plot_training)
    training(minutes=1e-9).fit()
    folder = Path("checkpoints/run")
    with (folder / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["epoch"]) < 1 and float(row["train/loss"]) > 0
    assert (folder / "curves.png").stat().st_size > 1000
    training(resume=True).fit()
    with (folder / "metrics.csv").open() as file:
        assert [float(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3]


def test_an_interrupted_training_whose_minutes_are_used_up_has_weights_all_the_same(training):
    with pytest.raises(KeyboardInterrupt):
        training(listener=StopAt(2)).fit()
    training(resume=True, minutes=1e-9).fit()
    assert {"best.safetensors", "metrics.csv"} <= {path.name for path in Path("checkpoints/run").iterdir()}
    assert (
        load_last(Path("checkpoints/run/last.pt"))["progress"]["step"] == 3
    )  # one more than when it was asked to stop
