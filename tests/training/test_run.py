"""Runs: joints by name, actions beside poses, and data that a task cannot be trained on."""

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.skeleton import H36M16, H36M17
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.tasks.lifting.report import POSES
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.conftest import CAMERAS, recording
from tests.training.test_loop import SETTINGS

pytestmark = pytest.mark.slow

ACTION = {"name": "lifting", "losses": {"position": 1.0, "action": 1.0}}
FLAT = {"name": "linear", "channels": 32, "layers": 1, "dropout": 0.0}


def settings(task=ACTION, model=FLAT, **data):
    data = {"dataset": "small", "detector": "noisy", "frames": 9, "stride": 3, "train": ["S1", "S5"]} | data
    return validate({"task": task, "data": data, "model": model, "optim": {"epochs": 2, "batch_size": 16}}, "here")


@pytest.fixture
def trained(dataset, tmp_path, monkeypatch):
    """Trains in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def train(data=dataset, **changes):
        run = Run.create("run", settings(**changes), data, Engine("cpu"))
        run.fit(data, Listener())
        return Run.load("run", Engine("cpu"))

    return train


@pytest.mark.parametrize("model", [FLAT, SETTINGS["model"]], ids=["linear", "tgraphnet"])
def test_any_lifter_tells_actions_beside_poses(trained, dataset, model, tmp_path):
    run = trained(model=model, test=["S9"])
    assert run.settings.task["actions"] == ["Sitting", "Walking"]  # as the training recordings have them
    rows = (tmp_path / "checkpoints/run/metrics.csv").read_text()
    assert "train/action_percent" in rows
    report = run.evaluate(dataset, find_protocol("standard"))
    scores, frames = report["recognition"], report["scored"]["frames"]
    assert scores["frames"]["count"] == frames and scores["recordings"]["count"] == report["scored"]["recordings"]
    truth = {action: sum(row) for action, row in zip(scores["classes"], scores["frames"]["confusion"], strict=True)}
    table = dataset.recordings
    for action, count in truth.items():
        assert count == table["frames"][(table["action"] == action) & (table["subject"] == "S9")].sum()
    paths = POSES.write(report, tmp_path / "report")
    assert "recognition.png" in {path.name for path in paths}
    assert "## Recognised actions" in POSES.markdown(report)


def test_a_single_frame_is_recognised_as_the_model_says(trained, dataset):
    """Counts of the report against the model's own answers, frame by frame."""
    run = trained(frames=1, test=["S9"])
    confusion = np.zeros((2, 2), int)
    windows = run.windows(dataset, ["S9"], stride=1)
    batch = windows.batch(torch.arange(len(windows)))
    with torch.no_grad():
        found = run.model(batch["x"])["action"].squeeze().argmax(1)
    np.add.at(confusion, (batch["label"].numpy(), found.numpy()), 1)
    report = run.evaluate(dataset, find_protocol("standard"))
    assert report["recognition"]["frames"]["confusion"] == confusion.tolist()


def test_actions_without_training_clips_are_left_out_and_reported(trained, dataset, tmp_path):
    run = trained(test=["S9"])
    with DatasetWriter(tmp_path / "other.h5", H36M17, source="", terms="", created_by="") as writer:
        for take, action in enumerate(("Walking", "Dancing")):
            entry = recording("S9", take, CAMERAS[0], 20)
            entry.action = action
            writer.add(entry)
    report = run.evaluate(Dataset(tmp_path / "other.h5"), find_protocol("standard"))
    assert report["recognition"]["unknown"] == {"Dancing": 1}
    assert report["recognition"]["frames"]["count"] == 20 < report["scored"]["frames"]
    text = POSES.markdown(report)
    assert "1 recordings have an action that the training recordings did not have" in text and "Dancing (1)" in text


def test_actions_that_the_settings_name_wrongly_are_refused(dataset):
    wrong = settings(task=ACTION | {"actions": ["Sitting", "Dancing"]})
    with pytest.raises(
        InputError, match=r"found Sitting, Dancing; expected the actions of .*small.h5: Sitting, Walking"
    ):
        Run.create("run", wrong, dataset, Engine("cpu"))


def test_sixteen_joints_of_a_file_with_more(trained, dataset, tmp_path):
    task = {"name": "lifting", "root": "learned", "losses": {"mse": 1.0}}
    run = trained(task=task, model=FLAT | {"name": "simple_pose"}, skeleton="h36m16", test=["S9"])
    assert run.skeleton == H36M16
    report = run.evaluate(dataset, find_protocol("semgcn"))
    assert tuple(report["scored"]["joints"]) == H36M16.names
    # A file of these joints alone gives the same.
    order = H36M16.select_from(H36M17)
    with DatasetWriter(tmp_path / "sixteen.h5", H36M16, source="", terms="", created_by="") as writer:
        for number in np.flatnonzero(dataset.recordings["subject"] == "S9"):
            subject, action, take, camera = (
                dataset.recordings[c][number] for c in ("subject", "action", "take", "camera")
            )
            entry = recording(subject, int(take[-1]), next(c for c in CAMERAS if c.name == camera), 20)
            [track] = np.flatnonzero(dataset.tracks["recording"] == number)
            first, rows = (dataset.tracks[column][track] for column in ("first_row", "rows"))
            part = slice(first, first + rows)
            entry.action = action
            entry.tracks[0].pose3d = dataset.rows("pose3d")[part][:, order]
            entry.tracks[0].pose2d = {"noisy": dataset.rows("pose2d/noisy")[part][:, order]}
            writer.add(entry)
    again = run.evaluate(Dataset(tmp_path / "sixteen.h5"), find_protocol("semgcn"))
    assert again["metrics"] == report["metrics"]
    message = r"'h36m16' \(16 joints\), run 'run' 'h36m17' \(17 joints\), of which the file lacks Neck/Nose; .*h36m16"
    with pytest.raises(InputError, match=message):
        trained(Dataset(tmp_path / "sixteen.h5"), skeleton="h36m17", train=["S9"])


def test_a_path_is_not_learned_from_data_without_one(dataset, tmp_path):
    with DatasetWriter(tmp_path / "rootless.h5", H36M17, source="arrays", terms="", created_by="") as writer:
        for subject in ("S1", "S5"):
            entry = recording(subject, 0, CAMERAS[0], 20)
            entry.tracks[0].pose3d -= entry.tracks[0].pose3d[:, :1]
            writer.add(entry)
    task = {"name": "lifting", "output": "global", "losses": {"position": 1.0, "trajectory": 1.0}}
    data = Dataset(tmp_path / "rootless.h5")
    run = Run.create("run", settings(task=task, model=SETTINGS["model"]), data, Engine("cpu"))
    with pytest.raises(InputError, match="rootless.h5: its poses are relative to their root"):
        run.windows(data, ["S1"])


@pytest.mark.parametrize("causal", [False, True])
def test_following_a_recording_is_what_windows_around_each_frame_give(trained, dataset, causal):
    """Long pieces, with the margins in front and behind, against a window for every frame."""
    model = {"name": "tcn", "channels": 8, "filter_widths": [3, 3], "dropout": 0.0, "causal": causal}
    task = {"name": "lifting", "root": "learned", "losses": {"position": 1.0}}
    run = trained(task=task, model=model, test=["S9"])
    number = int(np.flatnonzero(dataset.recordings["subject"] == "S9")[0])
    [track] = run.follow(dataset, number)
    single = run.windows(dataset, ["S9"], stride=1)
    index = torch.nonzero(single.recording[single.table[:, 0]] == number)[:, 0]
    batch, outputs = run.outputs(single, index, run.model)
    kept = batch["inside"][:, 0]
    expected = run.task.prediction(outputs)[kept][:, 0]
    order = batch["frame"][kept, 0].argsort()
    np.testing.assert_allclose(track["prediction"], expected[order], atol=1e-5)
    assert len(track["frame"]) == len(order)


def test_long_recordings_of_single_frames_go_through_in_large_batches(trained, dataset):
    run = trained(task={"name": "lifting", "root": "zero", "losses": {"mse": 1.0}}, frames=1, test=["S9"])
    frames = []
    run.model.register_forward_pre_hook(
        lambda module, arguments, inputs: frames.append(len(inputs["x"]) * inputs["x"].shape[2]), with_kwargs=True
    )
    scored = run.evaluate(dataset, find_protocol("standard"))["scored"]["frames"]
    assert len(frames) == 1 and scored <= frames[0] < 2 * scored + 64 * len(dataset)


@pytest.mark.parametrize("changes", [{"output": "global"}, {"root": "learned"}])
def test_a_model_without_a_root_is_not_asked_for_one(changes):
    with pytest.raises(InputError, match=r"task.*the root has no output in model 'linear'"):
        settings(task={"name": "lifting", "losses": {"position": 1.0}} | changes)


def test_settings_that_would_be_without_effect_are_refused():
    values = {"task": ACTION, "data": SETTINGS["data"], "model": FLAT}
    for optim, key in (
        ({"schedule": "cosine", "decay_steps": 3}, "decay_steps"),
        ({"freeze_norm": True, "norm_momentum": [0.1, 0.1]}, "norm_momentum"),
    ):
        with pytest.raises(InputError, match=f"optim.{key}: "):
            validate(values | {"optim": optim}, "here")


def test_actions_are_counted_where_poses_are(trained, dataset, monkeypatch):
    run = trained(test=["S9"])
    rows, valid = dataset.rows, np.random.default_rng(0).random(len(dataset.rows("frame"))) < 0.4
    monkeypatch.setattr(dataset, "rows", lambda name: valid if name == "valid" else rows(name))
    report = run.evaluate(dataset, find_protocol("standard"))
    assert report["recognition"]["frames"]["count"] == report["scored"]["frames"] < valid.size / 2
