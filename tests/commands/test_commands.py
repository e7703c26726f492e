"""Whole commands on small data, as a person would type them."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data_prep.__main__
from stgraph import baselines, evaluate, render, train
from stgraph.cli.command import run_command
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Track
from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17
from stgraph.training.checkpoint import load_weights, save_weights
from stgraph.training.curves import plot_training
from tests.conftest import CAMERAS, recording, write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = [
    *("--set", "data.frames=9", "--set", "model.channels=[8,8]", "--set", "model.stages=[1,1]"),
    *("--set", "task.motion_intervals=[2,4]", "--set", "optim.epochs=2", "--set", "data.stride=9"),
]
OURS = ["--set", "data.detector=noisy", "--set", 'data.train=["S1","S5"]', "--set", 'data.test=["S9"]']


def call(module, *words):
    """Run a command within this process."""
    module.main(module.parser().parse_args([*map(str, words)]))


def shell(*words, **environment):
    """Run a command as a person would."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, env=variables)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the experiments and nothing else."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained run on the small dataset."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(ROOT / "params", folder / "params")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("stgraph.training.loop.plot_training", plot_training)
        write(folder / "small.h5")
        call(train, "--exp", "global_pos", "--name", "small", "--data", "small.h5", "--device", "cpu", *SMALL, *OURS)
    return folder


def test_training_leaves_what_it_says(trained):
    folder = trained / "checkpoints" / "small"
    assert {path.name for path in folder.iterdir()} == {
        *("best.safetensors", "last.pt", "metrics.csv", "curves.png", "tensorboard")
    }
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1.0", "2.0"]
    assert {"train/loss", "train/mpjpe_mm", "train/trajectory", "train/reprojection", "lr"} <= set(rows[0])
    assert np.asarray(Image.open(folder / "curves.png")).std() > 5
    assert any(path.stat().st_size for path in (folder / "tensorboard").iterdir())


def test_evaluation_writes_its_report(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    call(evaluate, "--exp", "small", "--json", "numbers.json", "--flip")
    report = json.loads(Path("numbers.json").read_text())
    assert report == json.loads(Path("reports/small/report.json").read_text())
    assert report["scored"]["frames"] == 2 * (81 + 55) and report["flip"]
    assert set(report["by"]["action"]) == {"Walking", "Sitting"} and report["metrics"]["path"] > 0
    assert "| **P1** " in capsys.readouterr().out
    for name in ("report.md", "joints.png", "actions.png", "worst.png"):
        assert (trained / "reports" / "small" / name).stat().st_size > 500


def test_evaluation_measures_what_follow_predicts(trained, monkeypatch):
    """Two ways from windows to frames: the evaluator's and that of the render command."""
    from stgraph.data.dataset import Dataset
    from stgraph.training.engine import Engine
    from stgraph.training.run import Run

    monkeypatch.chdir(trained)
    run, dataset = Run.load("small", Engine("cpu")), Dataset("small.h5")
    from stgraph.tasks.lifting.protocols import find_protocol

    scores = run.evaluate(dataset, find_protocol("standard"))["by"]["recording"]
    for id, score in scores.items():
        (track,) = run.follow(dataset, dataset.find(id))
        error = track["error"].copy()
        path = error[:, run.skeleton.root].copy()
        error[:, run.skeleton.root] = 0
        np.testing.assert_allclose(1000 * error.mean(), score["P1"], rtol=1e-5)
        np.testing.assert_allclose(1000 * path.mean(), score["path"], rtol=1e-5)


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_rendering_a_recording(trained, monkeypatch, ending, tmp_path):
    monkeypatch.chdir(trained)
    out = tmp_path / f"clip.{ending}"
    call(render, "--exp", "small", "--recording", "S9/take 0/left", "--seconds", "0.5", "--start", "0.2", "--out", out)
    assert out.stat().st_size > 3000
    if ending == "gif":
        with Image.open(out) as picture:
            assert picture.size == (960, 340) and picture.n_frames in (12, 13)


def test_rendering_a_typical_recording_of_every_action(trained, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(trained)
    call(render, "--exp", "small", "--seconds", "0.1", "--size", "700x300", "--out", tmp_path / "x.gif")
    assert {path.name for path in tmp_path.iterdir()} == {"x-Walking.gif", "x-Sitting.gif"}
    assert "S9/take 0" in capsys.readouterr().out


def test_subjects_that_the_settings_leave_open_are_those_of_the_split(trained, monkeypatch):
    """S1 and S5 train, S9 tests in the file; subjects that validate are not trained on."""
    monkeypatch.chdir(trained)
    words = ["--exp", "mocap", "--data", "small.h5", "--device", "cpu", *SMALL, "--set", "data.detector=gt"]
    for name, change, expected in (
        ("open", [], (["S1", "S5"], [], ["S9"])),
        ("validated", ["--set", 'data.validation=["S5"]'], (["S1"], ["S5"], ["S9"])),
        ("all", ["--set", "data.test=[]"], (["S1", "S5"], [], [])),
    ):
        call(train, *words, "--name", name, *change, "--minutes", "0.0001")
        data = load_weights(trained / f"checkpoints/{name}/best.safetensors").settings.data
        assert (data.train, data.validation, data.test) == expected
    with pytest.raises(InputError, match="names no test subjects; score some with --subjects.*S1, S5, S9"):
        call(evaluate, "--exp", "all")


def test_baselines(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    call(baselines, "--exp", "root_rel", "--data", "small.h5", *SMALL[:-4], *OURS, "--subjects", "S1")
    mean, ridge = (
        json.loads((trained / f"reports/root_rel-{name}-noisy/report.json").read_text())["metrics"]["P1"]
        for name in ("mean-pose", "ridge-regression")
    )
    assert 0 < ridge < mean


def test_a_report_has_baselines_beside_the_run_and_says_where_it_is_not_better(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    call(evaluate, "--exp", "small", "--subjects", "S1", "--out", "beside")
    report, text = json.loads(Path("beside/report.json").read_text()), capsys.readouterr().out
    baselines.main(
        baselines.parser().parse_args(["--exp", "global_pos", "--data", "small.h5", *SMALL, *OURS, "--subjects", "S1"])
    )
    own, found = report["metrics"], report["baselines"]["scores"]
    for name in ("mean pose", "ridge regression"):
        alone = f"reports/global_pos-{name.replace(' ', '-')}-noisy/report.json"
        expected = json.loads(Path(alone).read_text())["metrics"]
        assert found[name] == {key: expected[key] for key in ("P1", "P2", "MPJVE", "path")}
        assert (f"is not better than {name}" in text or f"and {name}" in text) == any(
            own[key] >= found[name][key] for key in ("P1", "path")
        )
    # Two epochs of a tiny network are worse than the mean pose.
    assert own["P1"] > found["mean pose"]["P1"]
    assert f"- NOT BETTER THAN BASELINES: Its P1 of {own['P1']:.2f} mm is not better than mean pose" in text
    assert "fitted to the poses of S1, S5 in small.h5" in text and "| ridge regression |" in text


def test_without_the_training_subjects_a_report_says_why_it_has_no_baselines(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(trained)
    with DatasetWriter(tmp_path / "other.h5", H36M17, source="", terms="", created_by="") as writer:
        writer.add(recording("S9", 0, CAMERAS[0], 40))
    call(evaluate, "--exp", "small", "--data", tmp_path / "other.h5", "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["baselines"]["scores"] == {}
    assert "cannot be fitted to what it was trained on" in (tmp_path / "report/report.md").read_text()


def test_without_human36m_the_built_in_set_is_used_and_named(place, capsys):
    (place / "data").mkdir()
    call(data_prep.__main__, "builtin", "--subjects", "S32", "S35", "--out", "data/builtin.h5")
    capsys.readouterr()
    options = ["--set", 'data.actions=["run", "walk"]', "--device", "cpu"]
    call(train, "--exp", "root_rel", *SMALL, *options)
    first, *_ = capsys.readouterr().out.splitlines()
    for part in ("data/h36m.h5 does not exist", "root_rel-builtin", "CMU motion", "python -m data_prep h36m"):
        assert part in first
    weights = load_weights(Path("checkpoints/root_rel-builtin/best.safetensors"))
    assert weights.settings.data.detector == "sim" and not weights.origin.synthetic
    assert weights.settings.data.train == ["S32"] and weights.settings.data.test == ["S35"]
    call(evaluate, "--exp", "root_rel-builtin")
    text = Path("reports/root_rel-builtin/report.md").read_text()
    assert "Synthetic data" not in text and "CMU" in text
    with pytest.raises(InputError, match="root_rel-builtin"):
        call(evaluate, "--exp", "root_rel")


def test_a_reader_that_ends_first_is_no_error():
    with subprocess.Popen([sys.executable, "-m", "stgraph"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        command.stdout.close()
        assert (command.stderr.read(), command.wait()) == (b"", 0)


@pytest.mark.parametrize(
    ("module", "words", "parts"),
    [
        (train, ["--exp", "rot_rel"], ["params/rot_rel/params.json", "did you mean root_rel"]),
        (train, ["--exp", "demo", "--data", "none.h5"], ["none.h5: no such file", "python -m data_prep"]),
        (evaluate, ["--exp", "demo"], ["no such checkpoint", "python -m stgraph.train --exp demo"]),
        (data_prep.__main__, ["h36m", "nowhere"], ["nowhere"]),
        (train, ["--exp", "demo", "--set", "optim.lr=-1"], ["optim.lr: found -1", "greater than 0"]),
    ],
)
def test_mistakes_end_in_one_message(place, shipped_runs_alone, monkeypatch, capsys, module, words, parts):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", [module.__name__, *words])
    with pytest.raises(SystemExit) as ended:
        run_command(module.parser(), module.main)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "Traceback" not in said
    for part in parts:
        assert part in said
    sys.argv.append("--debug")
    with pytest.raises(InputError):
        run_command(module.parser(), module.main)


def test_a_process_ends_with_the_message_alone_or_with_its_traceback(place):
    done, debugged = shell("stgraph.train", "--exp", "rot_rel"), shell("data_prep", "h36m", "nowhere", "--debug")
    assert done.returncode == 2 and "did you mean root_rel" in done.stderr and "Traceback" not in done.stderr
    assert debugged.returncode == 1 and "Traceback" in debugged.stderr and "nowhere" in debugged.stderr


def test_a_run_is_not_overwritten(trained, monkeypatch):
    monkeypatch.chdir(trained)
    words = ["--exp", "global_pos", "--name", "small", "--data", "small.h5", "--device", "cpu", *SMALL, *OURS]
    before = (trained / "checkpoints/small/last.pt").read_bytes()
    with pytest.raises(InputError, match="holds a run already; go on with `train --resume`"):
        call(train, *words)
    assert (trained / "checkpoints/small/last.pt").read_bytes() == before
    call(train, *words, "--resume", "--set", "optim.epochs=3")
    assert load_weights(trained / "checkpoints/small/best.safetensors").epoch == 3


def test_a_checkpoint_for_another_skeleton_or_model_is_named(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(trained)
    good = recording("S9", 0, CAMERAS[0], 20)
    kept = H36M16.select_from(H36M17)
    track = Track({name: pose[:, kept] for name, pose in good.tracks[0].pose2d.items()}, good.tracks[0].pose3d[:, kept])
    with DatasetWriter(tmp_path / "fewer.h5", H36M16, source="", terms="", created_by="") as writer:
        writer.add(replace(good, tracks=[track]))
    with pytest.raises(
        InputError, match=r"'h36m16' \(16 joints\), run 'small' 'h36m17' \(17 joints\).*Neck/Nose;.*h36m16"
    ):
        call(evaluate, "--exp", "small", "--data", tmp_path / "fewer.h5")
    weights = load_weights(trained / "checkpoints/small/best.safetensors")
    model = weights.settings.model | {"channels": (8, 16)}
    other = replace(weights, settings=weights.settings.model_copy(update={"model": model}))
    save_weights(tmp_path / "other.safetensors", other)
    with pytest.raises(InputError, match="not the weights of the model 'tgraphnet' that its settings describe"):
        call(evaluate, "--exp", tmp_path / "other.safetensors")


def test_settings_that_the_data_cannot_serve_are_named(trained, monkeypatch):
    monkeypatch.chdir(trained)
    for words, message in (
        (["--detector", "cpn"], "its detectors are gt, noisy"),
        (["--subjects", "S7"], "no subject S7; it has S1, S5, S9"),
        (["--protocol", "strict"], "choose one of standard"),
    ):
        with pytest.raises(InputError, match=message):
            call(evaluate, "--exp", "small", *words)
    with pytest.raises(InputError, match="close to it: S9/take 0/left"):
        call(render, "--exp", "small", "--recording", "S9/take 0/lef")
    with pytest.raises(InputError, match="ends at frame 80"):
        call(render, "--exp", "small", "--recording", "S9/take 0/left", "--start", "60")


@pytest.mark.parametrize("name", ["../victim", "/tmp/victim", ".", ""])
def test_a_run_with_a_name_that_leads_elsewhere_destroys_nothing(trained, monkeypatch, name):
    monkeypatch.chdir(trained)
    (trained / "victim").mkdir(exist_ok=True)
    (trained / "victim/thesis.txt").write_text("years")
    before = {path: path.stat().st_size for path in trained.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"--name {name}: expected the name of a folder"):
        call(train, "--exp", "global_pos", "--name", name, "--restart", "--data", "small.h5", *SMALL, *OURS)
    assert {path: path.stat().st_size for path in trained.rglob("*") if path.is_file()} == before


def test_a_checkpoint_by_its_bare_name_is_reported_under_its_folders(trained, monkeypatch):
    monkeypatch.chdir(trained / "checkpoints/small")
    from stgraph.training.engine import Engine
    from stgraph.training.run import Run

    assert Run.load("best.safetensors", Engine("cpu")).name == "small"


def test_actions_whose_pictures_would_be_the_same_are_refused(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(trained)
    rename = {"Walking": "to/from", "Sitting": "to_from"}
    with DatasetWriter(tmp_path / "named.h5", H36M17, source="", terms="", created_by="") as writer:
        for take in (0, 1):
            one = recording("S9", take, CAMERAS[0], 40)
            writer.add(replace(one, action=rename[one.action]))
    with pytest.raises(InputError, match="would both be written to it"):
        call(render, "--exp", "small", "--data", tmp_path / "named.h5", "--out", tmp_path / "x.gif")
    assert not list(tmp_path.glob("*.gif"))
