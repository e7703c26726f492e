"""Runs of recognisers: who is trained and scored on, what is answered, and what another run's weights are good for."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stgraph.data.dataset_writer import DatasetWriter
from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17
from stgraph.tasks.action.report import CLIPS
from stgraph.tasks.action.samples import Clips
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.tasks.action.clip_people import ACTIONS, MODEL, alive, clip, fitted, new_run, settings, write_clips
from tests.training.test_loop import StopAt, same_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("recognition") / "clips.h5")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of its own for checkpoints."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Recognition ----------------------------------------------------------------------------------------------------------


def plain(run, dataset, number, views):
    """Probabilities of a clip, of its persons, and counts of frames: clip by clip, view by view, frame by frame."""
    table, rows, frames = dataset.tracks, dataset.rows("pose3d"), run.settings.data.frames
    mine = np.flatnonzero(table["recording"] == number)
    first = dataset.rows("frame")[table["first_row"]]
    length = max(first[n] + table["rows"][n] for n in mine)
    persons = sorted(set(table["person"][mine]))
    probabilities, of_person, counts = np.zeros(3), np.zeros((len(persons), 3)), np.zeros(3, int)
    for view in range(views):
        dense = []
        for person in persons:
            x = np.zeros((3, frames, 17), np.float32)
            for step in range(frames):
                frame = int((step + (view + 0.5) / views) * length / frames)
                for n in mine:
                    within = frame - first[n]
                    if table["person"][n] == person and 0 <= within < table["rows"][n]:
                        x[:, step] = rows[table["first_row"][n] + within].T
            with torch.no_grad():
                dense.append(run.model(torch.from_numpy(x)[None])["action"][0].numpy())  # (n s j)
        probabilities += torch.from_numpy(np.mean(dense, axis=(0, 2, 3))).softmax(0).numpy() / views
        for person, each in enumerate(dense):
            of_person[person] += torch.from_numpy(each.mean((1, 2))).softmax(0).numpy() / views
        if view == 0:  # frames are scored by the first view alone, each by the part and the step that it is in
            taken = np.mean(dense, axis=0).mean(-1).argmax(0)
            for frame in range(length):
                counts[taken[(frame * frames // length) // 2]] += 1
    return probabilities, of_person, counts


@pytest.mark.parametrize("views", [1, 3])
def test_what_is_recognised_is_what_a_plain_loop_finds(dataset, views, monkeypatch):
    monkeypatch.setattr("stgraph.tasks.action.run.CLIPS_AT_ONCE", 5)
    run = alive(new_run(dataset), dataset)
    found = run.recognise(dataset, views=views)
    assert sorted(found.id) == sorted(f"S4/{action} {take}/front" for action in ACTIONS for take in (0, 1))
    for place, id in enumerate(found.id):
        probabilities, persons, frames = plain(run, dataset, dataset.find(id), views)
        np.testing.assert_allclose(found.probabilities[place], probabilities, atol=1e-5)
        mine = found.person_clip == place
        assert found.person[mine].tolist() == list(range(len(persons))) and len(persons) == 1 + (" 1/" in id)
        np.testing.assert_allclose(found.person_probabilities[mine], persons, atol=1e-5)
        assert found.frames[place].tolist() == frames.tolist()
        assert found.classes[found.label[place]] == found.action[place] == id.split("/")[1].split()[0]
    assert len(set(found.probabilities.argmax(1))) > 1  # it does not say the same of all
    once = run.recognise(dataset)
    assert (np.abs(once.probabilities - found.probabilities).max() > 1e-4) == (views > 1)


def test_parts_subjects_and_detectors_to_score(dataset):
    data = {"detector": "openpose", "normalise": "body", "validation": ["S3"]}
    run = alive(new_run(dataset, data=data), dataset)
    for part, subjects, trained in (("train", {"S1", "S2"}, "12 of the 12 clips"), ("validation", {"S3"}, "")):
        found = run.recognise(dataset, scored=part)
        assert set(found.subject) == subjects and found.about["TRAINED ON THESE, TOO"] == trained
    exact, noisy = (run.recognise(dataset, subjects=["S2", "S4"], detector=name) for name in ("openpose", "noisy"))
    assert set(exact.subject) == {"S2", "S4"} and np.abs(exact.probabilities - noisy.probabilities).max() > 1e-4
    assert noisy.about["input"].startswith("noisy") and noisy.about["scored"] == "subjects S2, S4"
    assert noisy.about["TRAINED ON THESE, TOO"] == "6 of the 12 clips"
    with pytest.raises(InputError, match="its detectors are noisy, openpose; choose one"):
        run.recognise(dataset, detector="cpn")
    with pytest.raises(InputError, match="--detector noisy: the input of run is 3D poses; leave it out, or take them"):
        new_run(dataset).recognise(dataset, detector="noisy")


def test_an_untrained_action_is_left_out_and_reported(dataset, tmp_path):
    run = alive(new_run(dataset), dataset)
    other = write_clips(tmp_path / "other.h5", [clip("S9", action, 0) for action in ("wave", "hop", "jump")], splits={})
    report = run.evaluate(other, subjects=["S9"])
    assert report["recognition"]["unknown"] == {"hop": 1} and report["scored"]["clips"] == 2
    text = CLIPS.markdown(report)
    assert "hop (1)" in text and "clips: 2 of 2 persons" in text
    with pytest.raises(InputError, match="other.h5: nothing is in 'test' of split 'standard'"):
        run.evaluate(other)


# Training -------------------------------------------------------------------------------------------------------------

AUGMENTED = {"rotate": 20.0, "scale": 0.1, "shift": 0.05, "flip": True, "shortest": 0.6, "repeat": 2}


def test_it_learns(dataset, place):
    run = new_run(dataset, data={"normalise": "body"}, optim={"epochs": 10, "batch_size": 5, "lr": 0.03})
    loss = [row["train/loss"] for row in run.fit(dataset, Listener()).history]
    assert sum(loss[-3:]) < 0.75 * sum(loss[:3])


def test_what_is_augmented_resumes_to_the_same_weights(dataset, place):
    sections = {"data": AUGMENTED, "optim": {"epochs": 3, "batch_size": 5, "schedule": "cosine", "warm_up": 1}}
    whole = new_run(dataset, "whole", **sections)
    whole.fit(dataset, Listener())
    with pytest.raises(KeyboardInterrupt):
        new_run(dataset, "cut", **sections).fit(dataset, StopAt(7))  # in the middle of the second epoch of 5 steps
    cut = new_run(dataset, "cut", **sections)
    cut.fit(dataset, Listener(), resume=True)
    assert same_weights(whole.folder, cut.folder)
    assert not same_weights(whole.folder, fitted(dataset, "other", **(sections | {"data": {}})).folder)


def test_validation_chooses_the_epoch_and_no_validation_the_last(dataset, place, monkeypatch):
    """Three epochs that learn, then some that ruin it."""
    monkeypatch.setattr(
        "stgraph.training.loop.learning_rate", lambda _, step, batches, *rest: (0.01, 30.0)[step >= 3 * batches]
    )
    optim = {"epochs": 5, "batch_size": 4}
    chosen = fitted(dataset, "chosen", data={"validation": ["S3"]}, optim=optim)
    with Path("checkpoints/chosen/metrics.csv").open() as file:
        loss = {float(row["epoch"]): float(row["validation/loss"]) for row in csv.DictReader(file)}
    assert len(loss) == 5 and chosen.epoch == min(loss, key=loss.get) <= 3
    found = chosen.validate(chosen.validation_samples(dataset), chosen.model)
    assert found["loss"] == pytest.approx(loss[chosen.epoch], rel=1e-4)
    scores = chosen.recognise(dataset, scored="validation")
    right = (scores.probabilities.argmax(1) == scores.label).mean()
    assert found["accuracy_percent"] == pytest.approx(100 * right)
    assert fitted(dataset, "last", optim=optim).epoch == 5


@pytest.mark.parametrize("batch", [2, 16])
def test_no_clip_is_dropped_and_a_handful_trains(tmp_path, place, batch, monkeypatch):
    entries = [clip("S1", action, take) for take in (0, 1) for action in ACTIONS][:5]
    few = write_clips(tmp_path / "few.h5", entries, splits={})
    seen, gather = [], Clips.batch
    monkeypatch.setattr(Clips, "batch", lambda self, index: seen.append(index.tolist()) or gather(self, index))
    run = fitted(few, optim={"batch_size": batch, "epochs": 3}, data=AUGMENTED | {"repeat": 1})
    sizes = [1, 2, 2] if batch == 2 else [5]
    assert sorted(map(len, seen)) == sorted(3 * sizes)
    for epoch in range(3):
        drawn = seen[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        assert sorted(index for each in drawn for index in each) == list(range(5))
    assert all(value.isfinite().all() for value in run.model.state_dict().values())
    assert np.isfinite(run.recognise(few, subjects=["S1"]).probabilities).all()


@pytest.mark.parametrize(
    ("task", "weights"),
    [
        ({}, [1.0] * 5),
        ({"label_smoothing": 0.2}, [1.0] * 5),
        ({"class_weights": {"wave": 5.0}}, [1.0, 1.0, 1.0, 1.0, 5.0]),
        ({"class_weights": "balanced", "label_smoothing": 0.1}, [1 / 3, 1 / 3, 1 / 3, 1.0, 1.0]),
    ],
    ids=["plain", "smoothed", "weighted", "balanced"],
)
def test_weights_and_smoothing_reach_the_loss(tmp_path, place, task, weights):
    """The loss of the first step, against that of the same network by hand."""
    entries = [clip("S1", *which) for which in (("jump", 0), ("jump", 1), ("jump", 2), ("sit", 0), ("wave", 0))]
    few = write_clips(tmp_path / "few.h5", entries, splits={})
    sections = {"task": task, "data": {"sampling": "start"}, "optim": {"epochs": 1, "batch_size": 16}}
    run = new_run(few, "hand", **sections)
    batch = run.training_samples(few).batch(torch.arange(5))
    with torch.no_grad():
        dense = run.model.train()(batch["x"])["action"].mean(dim=(2, 3))
    scores = torch.stack([dense[batch["clip"] == number].mean(0) for number in range(5)])
    smoothing = task.get("label_smoothing", 0.0)
    each = F.cross_entropy(scores, torch.tensor([0, 0, 0, 1, 2]), reduction="none", label_smoothing=smoothing)
    weight = torch.tensor(weights)
    wanted = (each * weight).sum() / weight.sum()
    [row] = new_run(few, **sections).fit(few, Listener()).history
    assert row["train/loss"] == pytest.approx(float(wanted), rel=1e-5)


# Another run's weights ------------------------------------------------------------------------------------------------


def same(a, b, where=lambda name: True):
    a, b = a.model.state_dict(), b.model.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a if where(name))


def test_other_classes_get_a_new_head_and_keep_the_rest(dataset, place, tmp_path):
    first = fitted(dataset, "first")
    fewer = new_run(dataset, "fewer", data={"actions": ["jump", "wave"]})
    fresh = new_run(dataset, "fresh", data={"actions": ["jump", "wave"]})
    said = fewer.start_from("first")
    assert "new: the head action, for other classes" in said and "checkpoints/first/best.safetensors" in said
    assert fewer.model.heads["action"].out_channels == 2
    assert same(fewer, first, lambda name: not name.startswith("heads"))
    assert same(fewer, fresh, lambda name: name.startswith("heads"))
    assert not same(fewer, fresh, lambda name: "graph_conv" in name)
    fewer.fit(dataset, Listener())
    assert set(Run.load("fewer", Engine("cpu")).recognise(dataset).action) == {"jump", "wave"}


def test_the_same_classes_keep_the_head(dataset, place):
    first = fitted(dataset, "first")
    again = new_run(dataset, "again", data={"stream": "bone"})
    assert again.start_from("checkpoints/first/best.safetensors").endswith(
        "the heads too; input that differs: stream 'joint' -> 'bone'"
    )
    assert same(again, first)
    calmer = new_run(dataset, "calmer", model=MODEL | {"dropout": 0.5})
    assert calmer.start_from("first").endswith("the heads too") and same(calmer, first)


def test_another_body_is_refused(dataset, place):
    fitted(dataset, "first")
    flat = {"detector": "openpose", "normalise": "image"}
    turned = {"names": list(H36M17.names[::-1]), "parents": [-1, *range(16)]}
    for sections, message in (
        ({"data": {"skeleton": "h36m16"}}, r"weights do not fit, such as .*17 joints \(h36m17\).*expected .*16 joints"),
        ({"data": flat}, r"found .* 3 channels; expected .* 2 channels; use the same model, skeleton and input"),
        ({"model": MODEL | {"channels": [4, 12]}}, r"\(\(24, .* there, \(36, .* here\)"),
        ({"model": {"name": "stgcnpp", "channels": [8, 8], "strides": [1, 2]}}, r"\(nothing there, "),
        ({"data": {"skeleton": turned}}, "differs in joints, parents; found"),
        ({"model": MODEL | {"strides": [2, 1]}}, "differs in model.strides; found"),
    ):
        with pytest.raises(InputError, match=r"best.safetensors: its body is another: .*" + message):
            new_run(dataset, "second", **sections).start_from("first")
    with pytest.raises(InputError, match="checkpoints/none/best.safetensors: no such checkpoint in .* first"):
        new_run(dataset, "second").start_from("none")


# Skeletons ------------------------------------------------------------------------------------------------------------


def test_joints_that_do_not_fit_are_refused_with_both_layouts(dataset, tmp_path):
    run, kept = new_run(dataset), H36M16.select_from(H36M17)
    with DatasetWriter(tmp_path / "sixteen.h5", H36M16, source="", terms="", created_by="") as writer:
        entry = clip("S4", "wave", 0)
        for one in entry.tracks:
            one.pose2d = {name: values[:, kept] for name, values in one.pose2d.items()}
            one.pose3d = one.pose3d[:, kept]
        writer.add(entry)
    message = r"'h36m16' \(16 joints\), run 'run' 'h36m17' \(17 joints\), of which the file lacks Neck/Nose; .*h36m16"
    with pytest.raises(InputError, match=message):
        run.recognise(type(dataset)(tmp_path / "sixteen.h5"), subjects=["S4"])


def test_a_skeleton_of_ones_own(dataset, place):
    names = ["Thorax", "Hip", "LWrist", "RWrist", "LFoot", "RFoot"]
    own = {"name": "star", "names": names, "parents": [None, "Thorax", "Thorax", "Thorax", "Hip", "Hip"]}
    own |= {"left": ["LWrist", "LFoot"], "right": ["RWrist", "RFoot"], "centre": "Hip"}
    run = fitted(dataset, data={"skeleton": own, "flip": True, "stream": "bone"}, optim={"epochs": 4})
    assert run.skeleton.names == tuple(names) and run.skeleton.centre == 1 and run.skeleton.name == "star"
    x = run.part_clips(dataset, "test").batch(torch.arange(1))["x"]
    assert x.shape == (1, 3, 12, 6) and run.recognise(dataset).probabilities.shape == (6, 3)
    first = dataset.tracks["first_row"][dataset.tracks["recording"] == run.part_clips(dataset, "test").recording[0]][0]
    pose = torch.from_numpy(dataset.rows("pose3d")[first])
    wrist, thorax = H36M17.index("LWrist"), H36M17.index("Thorax")
    still = run.part_clips(dataset, "test")
    x = still.gather(torch.tensor([0]), torch.tensor([[0]]))
    torch.testing.assert_close(still.prepare(x)[0, :, 0, 2], pose[wrist] - pose[thorax])
    with pytest.raises(InputError, match=r"data.skeleton: .*unknown key 'parent'"):
        settings(data={"skeleton": {"names": names, "parent": []}})
    with pytest.raises(InputError, match="of which the file lacks Tail"):
        new_run(dataset, data={"skeleton": {"names": ["Hip", "Tail"], "parents": [-1, 0]}}).training_samples(dataset)


# Lifters --------------------------------------------------------------------------------------------------------------

LIFTERS = {
    "linear": {"channels": 16, "layers": 1, "dropout": 0.0},
    "posegcn": {"channels": 16, "layers": 2},
    "semgcn": {"channels": 8, "layers": 1},
    "simple_gnn": {"channels": 8},
    "simple_pose": {"channels": 16, "layers": 1, "dropout": 0.0},
    "tcn": {"channels": 8, "filter_widths": [3, 3], "dropout": 0.0},
    "tgraphnet": {"channels": [8, 8], "stages": [1, 1], "dropout": 0.0},
    "tgraphnet_single": {"channels": [8, 8], "stages": [1, 1], "dropout": 0.0},
}


@pytest.mark.parametrize("name", LIFTERS)
def test_lifters_recognise(dataset, place, name):
    model, frames = {"name": name, **LIFTERS[name]}, 9 if name.startswith("tgraphnet") else 12
    sections = {"model": model, "optim": {"epochs": 5, "batch_size": 4}}
    data = {"frames": frames, "detector": "openpose", "normalise": "screen", "confidence": False}
    run = new_run(dataset, data=data, **sections)
    loss = [row["train/loss"] for row in run.fit(dataset, Listener()).history]
    assert loss[-1] < loss[0]
    found = Run.load("run", Engine("cpu")).recognise(dataset)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
    assert len(found.report()["recognition"]["clips"]["confusion"]) == 3
    lengths = sum(run.part_clips(dataset, "test").lengths)
    margin = run.model.before + run.model.after  # frames of which nothing is said
    assert found.frames.sum() == lengths if margin == 0 else 0 < found.frames.sum() < lengths


def test_frames_that_a_model_cannot_take_are_refused_for_scoring_too():
    model = {"name": "tgraphnet", **LIFTERS["tgraphnet"]}
    with pytest.raises(InputError, match=r"1 problem\n.*so data.frames must be a multiple of 9 and is 10"):
        settings(model=model, data={"frames": 10, "test_frames": 9})
    with pytest.raises(InputError, match=r"1 problem\n.*so data.test_frames must be a multiple of 9 and is 10"):
        settings(model=model, data={"frames": 9, "test_frames": 10})
    settings(model=model, data={"frames": 9, "test_frames": 18})
