"""Classes over time: every window is a clip of an evaluation, people are cut at gaps, and files say what was found."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stgraph import convert, predict
from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.formats.keypoints.read import keypoints_of, read_keypoints
from stgraph.settings.params import PACKAGED
from stgraph.skeleton import COCO17, H36M17, Skeleton
from stgraph.tasks.action.actions import Actions, ActionTrack
from stgraph.tasks.action.prediction import actions_of, cut_windows
from stgraph.training.checkpoint import Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.tasks.action.clip_people import CAMERA, acting, alive, new_run, track, write_clips

SIZE = (CAMERA.width, CAMERA.height)
GOLDEN = Path(__file__).parents[2] / "golden" / "pyskl_stgcnpp_coco_c16.npz"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("prediction") / "clips.h5")


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    """(t m j 3) pixels and confidence of two people; the second comes later and is away for a while."""
    one, two = acting("wave", 50, 3), acting("jump", 50, 4) + np.float32([0.9, 0, 0.2])
    poses = np.stack([track(one).pose2d["openpose"], track(two, 1).pose2d["openpose"]], axis=1)
    poses[:6, 1] = poses[20:23, 1] = poses[30:, 1] = 0
    return poses


def keypoints(video, layout="h36m17"):
    return keypoints_of(video, layout=layout, size=SIZE, fps=30.0)


def scored(run: TaskRun, clips: list[np.ndarray], path: Path, skeleton: Skeleton, detector: str) -> np.ndarray:
    """(b n) what an evaluation says of clips (m t j 3), each person in one track with its gaps."""
    entries = []
    for number, people in enumerate(clips):
        tracks = []
        for person, pose in enumerate(people):
            there = np.flatnonzero((pose[..., 2] > 0).any(1))
            for part in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1) if len(there) else []:
                tracks.append(Track({detector: pose[part]}, frame=int(part[0]), person=person))
        entries.append(Recording("S", "wave", f"clip {number:03d}", CAMERA, 30.0, tracks))
    with DatasetWriter(path, skeleton, source="test", terms="none", created_by="test") as writer:
        for entry in entries:
            writer.add(entry)
    return run.recognise(Dataset(path), subjects=["S"]).probabilities


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "persons"),
    [
        ({"normalise": "body", "confidence": True}, "present"),
        ({"normalise": "image", "sampling": "crop"}, "padded"),
        ({"normalise": "pyskl", "stream": "bone_motion"}, "padded"),
        ({"normalise": "image", "sampling": "start", "max_persons": 1}, "present"),
    ],
    ids=str,
)
@pytest.mark.parametrize("together", [False, True])
def test_every_window_is_a_clip_of_an_evaluation(dataset, video, data, persons, together, tmp_path):
    run = alive(new_run(dataset, data=data | {"detector": "openpose"}, task={"persons": persons}), dataset)
    actions = actions_of(run, keypoints(video), window=16, step=5, together=together)
    clips, found = [], []
    for one in actions.people:
        for window in zip(one.first, one.stop, strict=True):
            people = video[slice(*window)].swapaxes(0, 1).astype(np.float32)
            if not together:
                people = people[[one.person]]
            elif data.get("max_persons") == 1:
                people = people[:1]
            clips.append(people)
        found.append(one.probabilities)
    expected = scored(run, clips, tmp_path / "clips.h5", H36M17, "openpose")
    np.testing.assert_allclose(np.concatenate(found), expected, atol=2e-6)
    assert np.ptp(expected, axis=0).max() > 0.01  # it does not say the same of everything


@pytest.mark.slow
def test_converted_weights_of_pyskl_say_what_they_say_of_clips(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with np.load(GOLDEN) as file:
        state = {key[6:]: torch.from_numpy(file[key]) for key in file if key.startswith("state/")}
    torch.save(state, "theirs.pth")
    shutil.copytree(PACKAGED, "params")
    Path("names.txt").write_text("\n".join("abcde"))
    convert.main(convert.parser().parse_args(["pyskl", "theirs.pth", "--exp", "mine", "--classes", "names.txt"]))
    random = np.random.default_rng(0)
    pose = (random.uniform(100, 300, (1, 17, 3)) + random.normal(0, 8, (130, 17, 3)).cumsum(0) / 4).astype(np.float32)
    pose[..., 2] = random.uniform(0, 1, (130, 17))
    np.save("video.npy", pose)
    words = ["video.npy", "--exp", "mine", "--layout", "coco17", "--image-size", "640x480", "--out", "actions.json"]
    predict.main(predict.parser().parse_args(words))
    run = TaskRun.load("mine", Engine("cpu"))
    tree = json.loads(Path("actions.json").read_text())
    windows = tree["people"][0]["windows"]
    assert [window["first"] for window in windows] == [0, 25, 30] and windows[-1]["last"] == 129
    clips = [pose[None, window["first"] : window["last"] + 1] for window in windows]
    expected = scored(run, clips, tmp_path / "clips.h5", COCO17, run.data.detector)
    np.testing.assert_allclose([window["probabilities"] for window in windows], expected, atol=2e-5)
    assert tree["classes"] == list("abcde") and "person 0" in capsys.readouterr().out


def test_windows_cover_each_stretch_and_no_gap():
    poses = np.zeros((100, 2, 3), np.float32)
    poses[[*range(10, 40), *range(44, 70), *range(92, 97)]] = 1
    windows = cut_windows([(0, poses)], 100, 20, 8, fps=20.0, trimmed=True)
    assert windows == [(10, 30), (18, 38), (26, 46), (34, 54), (44, 62), (50, 70), (92, 97)]
    # Without trimming, a window may begin with frames without people.
    assert (42, 62) in cut_windows([(0, poses)], 100, 20, 8, fps=20.0, trimmed=False)
    assert cut_windows([(0, np.zeros((9, 2, 3), np.float32))], 9, 4, 2, fps=20.0, trimmed=True) == []


def made(person: int | str = 0) -> Actions:
    first, stop = np.array([0, 5, 30]), np.array([10, 15, 40])
    probabilities = np.array([[0.8, 0.2], [0.1, 0.9], [0.6, 0.4]], np.float32)
    tracks = (ActionTrack(person, first, stop, probabilities),)
    return Actions("video", "run", ("wave", "<sit>"), 10.0, (0, 40), 10, 5, tracks, ())


def test_a_frame_takes_the_mean_of_its_windows():
    actions = made()
    along = actions.people[0].along(*actions.frames)
    np.testing.assert_allclose(along[[0, 5, 14, 30]], [[0.8, 0.2], [0.45, 0.55], [0.1, 0.9], [0.6, 0.4]], atol=1e-6)
    assert np.isnan(along[15:30]).all()
    spans = actions.spans[0]
    assert [span[:3] for span in spans] == [(0, 5, 0), (5, 15, 1), (30, 40, 0)]
    assert spans[1][3] == pytest.approx((0.55 + 0.9) / 2, abs=1e-6)
    assert actions.summary[1] == "person 0: 0.0 to 0.5 s wave (80%), 0.5 to 1.5 s <sit> (72%), 3.0 to 4.0 s wave (60%)"


@pytest.mark.slow
@pytest.mark.parametrize("person", [3, "all"])
def test_files_say_what_was_found(person, tmp_path):
    outs = [tmp_path / f"actions.{ending}" for ending in ("csv", "json", "png")]
    saved = made(person).save(*outs)
    assert [one.path for one in saved] == outs
    with outs[0].open() as file:
        rows = [*csv.DictReader(file)]
    assert rows[2] == {
        **{"person": str(person), "first": "5", "last": "14", "start": "0.5", "end": "1.5"},
        **{"rank": "1", "class": "<sit>", "probability": "0.9"},
    }
    tree = json.loads(outs[1].read_text())
    assert tree["people"][0]["person"] == person and tree["people"][0]["windows"][1]["probabilities"] == [0.1, 0.9]
    assert tree["people"][0]["spans"][1]["class"] == "<sit>"
    with Image.open(outs[2]) as picture:
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 10


@pytest.mark.slow
def test_names_are_no_formulas_in_a_picture(tmp_path):
    odd = replace(made("$_$"), name="$^$", run="a$b$", classes=("$x_$", "5 $"))
    (saved,) = odd.save(tmp_path / "odd.png")
    assert saved.path.stat().st_size > 0


@pytest.mark.slow
def test_a_picture_of_many_people_and_classes_is_drawn(tmp_path):
    actions, random = made(), np.random.default_rng(0)
    windows = np.arange(0, 1000, 10)
    tracks = [
        ActionTrack(person, windows, windows + 10, random.dirichlet(np.ones(60), len(windows))) for person in range(14)
    ]
    many = replace(actions, classes=tuple(f"class {n}" for n in range(60)), frames=(0, 1010), people=tuple(tracks))
    (saved,) = many.save(tmp_path / "many.png")
    assert "4 are left out" in saved.note


@pytest.fixture
def weights(dataset, tmp_path):
    """An untrained recogniser's checkpoint."""

    def save(**sections: dict) -> Path:
        run = new_run(dataset, **sections)
        path = tmp_path / "small.safetensors"
        save_weights(path, Weights(run.model.state_dict(), run.settings, run.skeleton, run.origin, 1.0, {}))
        return path

    return save


def call(*words: object) -> None:
    predict.main(predict.parser().parse_args([str(word) for word in words]))


@pytest.mark.slow
def test_mistakes_are_refused_and_leave_what_is_there(weights, video, tmp_path):
    out, path = tmp_path / "actions.csv", tmp_path / "video.npy"
    out.write_text("precious")
    np.save(path, video)
    of_2d = weights(data={"detector": "openpose", "normalise": "image"})
    base = (path, "--exp", of_2d, "--layout", "h36m17", "--out")
    sized = (*base[:-1], "--image-size", "640x480", "--out")
    with pytest.raises(InputError, match="size is not known.*--image-size"):
        call(*base, out)
    with pytest.raises(InputError, match=r"walk\.bvh: found \.bvh; expected one of \.csv, \.json, \.png"):
        call(*sized, tmp_path / "walk.bvh")
    with pytest.raises(InputError, match=r"--height: found an experiment of task 'action'.*leave it out"):
        call(*sized, out, "--height", 1.8)
    with pytest.raises(InputError, match="--window: found 0"):
        call(*sized, out, "--window", 0)
    np.save(path, np.zeros((9, 2, 17, 3)))
    with pytest.raises(InputError, match="no people in it"):
        call(*sized, out)
    np.save(path, video)
    with pytest.raises(InputError, match="recognises 3D poses.*data.detector"):
        call(path, "--exp", weights(), "--layout", "h36m17", "--image-size", "640x480", "--out", out)
    assert out.read_text() == "precious"


def test_one_frame_is_too_few_and_three_are_a_window(weights, video, tmp_path):
    run = TaskRun.load(str(weights(data={"detector": "openpose", "normalise": "image"})), Engine("cpu"))
    np.save(tmp_path / "short.npy", video[:3, 0])
    short = read_keypoints(tmp_path / "short.npy", layout="h36m17", size=SIZE)
    actions = run.predict(short)
    assert actions.people[0].first.tolist() == [0] and actions.people[0].stop.tolist() == [3]
    assert any("not known: 30" in note for note in actions.notes)
    with pytest.raises(InputError, match="no person is seen in 3 frames in a row"):
        run.predict(short.rows(short.frame < 1))
