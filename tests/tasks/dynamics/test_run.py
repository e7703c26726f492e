"""Runs of pose dynamics on small scenes: trained, evaluated beside what needs no training, and as a tracker's part."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stgraph import baselines, compare, evaluate, export, folds, predict, render, train
from stgraph import track as tracker
from stgraph.data.dataset import Dataset
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.keypoints.read import keypoints_of
from stgraph.formats.posetrack import Mark, read_videos
from stgraph.models.pose_dynamics import PoseDynamics
from stgraph.skeleton import POSETRACK15
from stgraph.tasks.dynamics.predictor import ModelPredictor
from stgraph.tracking.limbs import Limbs
from stgraph.tracking.options import TrackerOptions
from stgraph.tracking.predictors import PREDICTORS
from stgraph.tracking.tracker import Tracker
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from tests.tasks.dynamics.track_people import CAMERA, FPS, fitted, new_run, scene, settings, track, write_scenes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where runs of 2D and of 3D are trained."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scenes = write_scenes(folder / "scenes.h5")
        for name, data in (("flat", {}), ("solid", {"detector": None})):
            changes = {"data": data, "task": {"losses": {"position": 1.0, "likelihood": 0.1, "merged": 1.0}}}
            fitted(scenes, name, **changes if name == "solid" else {"data": data})
        (folder / "params" / "flat").mkdir(parents=True)
        values = settings(data={"dataset": "scenes.h5"}).model_dump()
        (folder / "params" / "flat" / "params.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def place(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def scenes(place) -> Dataset:
    return Dataset(place / "scenes.h5")


def loaded(name):
    return Run.load(name, Engine("cpu"))


def call(module, *words):
    """Run a command within this process."""
    module.main(module.parser().parse_args([*map(str, words)]))


def test_training_scores_the_files_validation_part(place, scenes):
    rows = (place / "checkpoints/flat/metrics.csv").read_text().splitlines()
    for name in ("position", "likelihood", "merged", "candidate", "prediction_percent", "merged_percent"):
        assert f"train/{name}" in rows[0] and f"validation/{name}" in rows[0]
    row = dict(zip(rows[0].split(","), map(float, rows[1].split(",")), strict=True))
    assert all(np.isfinite(value) for value in row.values()) and len(rows) == 2
    run = loaded("flat")
    again = run.validate(run.validation_samples(scenes), run.model)
    assert again["position"] == pytest.approx(row["validation/position"], rel=1e-5)
    trained, validated = run.training_samples(scenes), run.validation_samples(scenes)
    subjects = [set(scenes.recordings["subject"][part.recording.numpy()]) for part in (trained, validated)]
    assert subjects == [{"S1", "S2"}, {"S3"}]
    assert new_run(scenes, data={"validation": []}).validation_samples(scenes) is None


def test_an_evaluation_sets_the_model_beside_those_that_need_no_training(place, scenes, tmp_path):
    report, paths = loaded("flat").write_evaluation(scenes, tmp_path / "report")
    names = ["flat", *PREDICTORS]
    assert len(names) == 4 and [*report["forecast"]["error"]] == [*report["tracking"]] == names
    for errors in report["forecast"]["error"].values():
        assert [*errors] == ["1", "5", "10", "25"] and all(errors[key] > 0 for key in ("1", "5", "10"))
    counts = report["forecast"]["joints"]
    assert counts["1"] > counts["5"] > counts["10"] > 0
    assert report["forecast"]["unit"] == "head sizes" and report["about"]["scored"] == "part test"
    for scores in report["tracking"].values():
        assert scores["mode"] == "strict" and scores["overall"].keys() >= {"AP", "MOTA", "IDF1", "HOTA", "switches"}
        assert 0 < scores["overall"]["MOTA"] <= 100 and scores["recovery"]["overall"]["missed"] > 0
    assert {path.name for path in paths} >= {"report.json", "report.md", "forecast.png"}
    assert all(path.stat().st_size for path in paths)
    assert json.loads((tmp_path / "report/report.json").read_text()) == report
    text = (tmp_path / "report/report.md").read_text()
    error = report["forecast"]["error"]
    for ahead in ("1", "5", "10"):
        worse = [name for name in PREDICTORS if error[name][ahead] <= error["flat"][ahead]]
        assert (f"Its error {ahead} frames ahead of" in report["about"]["NOT BETTER THAN BASELINES"]) == bool(worse)
    for part in ("## Predictions", "\n| frames ahead (head sizes) |", "## Tracking", "mode `strict`"):
        assert part in text
    first = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert first.count("joints") == 1 and all(first.count(name) == 2 for name in names)


def test_3d_is_reported_in_millimetres_and_not_tracked(place, scenes, tmp_path):
    report, _ = loaded("solid").write_evaluation(scenes, tmp_path / "report")
    assert report["forecast"]["unit"] == "mm" and "tracking" not in report
    # People who sway: to hold them still is some millimetres off at first, and more later.
    held = report["forecast"]["error"]["hold"]
    assert 1 < held["1"] < held["5"] < held["10"] < 1000
    assert (
        "Tracking is not scored: it takes 2D detections without identity."
        in (tmp_path / "report/report.md").read_text()
    )


def test_errors_of_holding_are_those_of_the_file(place, scenes):
    """In metres, without a gap: the distance that each joint went meanwhile."""
    report = loaded("solid").evaluate(scenes, scored="validation")
    wanted = []
    for number in np.flatnonzero(scenes.recordings["subject"][scenes.tracks["recording"]] == "S3"):
        first, rows = (int(scenes.tracks[name][number]) for name in ("first_row", "rows"))
        pose, valid = (np.array(scenes.rows(name)[first : first + rows]) for name in ("pose3d", "valid"))
        starts = [frame for frame in range(0, rows - 1, 5) if frame > 1]
        wanted += [
            1000 * np.linalg.norm(pose[frame + 1] - pose[frame], axis=-1) for frame in starts if valid[frame + 1]
        ]
    assert report["forecast"]["error"]["hold"]["1"] == pytest.approx(np.mean(wanted), rel=1e-5)


def test_what_is_scored_can_be_chosen(place, scenes):
    run = loaded("flat")
    found = {
        "part validation": run.evaluate(scenes, scored="validation"),
        "subjects S1": run.evaluate(scenes, subjects=["S1"], mode="official"),
    }
    for scored, report in found.items():
        assert report["about"]["scored"] == scored and report["about"]["recordings"].startswith("1, with 2 tracks")
    assert found["subjects S1"]["tracking"]["flat"]["mode"] == "official"
    exact = run.evaluate(scenes, detector="gt")
    assert exact["not_tracked"] == f"{scenes.path} has no detections 'gt' without identity"
    assert exact["about"]["input"] == "gt"


def test_what_cannot_be_evaluated_is_named(place, scenes, tmp_path):
    run = loaded("flat")
    with pytest.raises(InputError, match="has no pose2d/cpn.* its detectors are gt, sim"):
        run.evaluate(scenes, detector="cpn")
    with pytest.raises(InputError, match="S9"):
        run.evaluate(scenes, subjects=["S9"])
    one = scene("S4")
    bare = [replace(each, head_box=None) for each in one.tracks]
    headless = write_scenes(tmp_path / "headless.h5", [replace(one, tracks=bare)])
    with pytest.raises(InputError, match="it has no head boxes, by whose size errors in pixels are divided; prepare"):
        run.evaluate(headless)
    mixed = write_scenes(tmp_path / "mixed.h5", [one, replace(one, take="other", fps=50.0)])
    with pytest.raises(InputError, match="at 25, 50 fps; score subjects of one rate"):
        run.evaluate(mixed)


def test_the_commands_train_and_evaluate(place, capsys, tmp_path):
    words = ["--data", "scenes.h5", "--device", "cpu"]
    call(train, "--exp", "flat", "--name", "typed", *words)
    call(evaluate, "--exp", "typed", *words, "--scored", "validation", "--mode", "official")
    assert "## Tracking" in capsys.readouterr().out
    assert (place / "reports/typed/validation/report.json").exists()
    call(evaluate, "--exp", "typed", *words, "--json", tmp_path / "numbers.json")
    assert json.loads((tmp_path / "numbers.json").read_text())["kind"] == "tracks"
    assert (place / "reports/typed/report.md").exists()
    for option, name in (("--flip", "flip"), ("--views", "views")):
        value = [] if option == "--flip" else ["2"]
        with pytest.raises(InputError, match=f"--{name}: found an experiment of task 'dynamics'; .*leave it out"):
            call(evaluate, "--exp", "typed", *words, option, *value)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (render, ["--exp", "flat", "--data", "scenes.h5", "--device", "cpu"]),
        (export, ["--exp", "flat", "--out", "model.onnx"]),
        (export, ["--exp", "flat", "--out", "model.onnx", "--input", "x"]),
        (baselines, ["--exp", "flat", "--data", "scenes.h5"]),
        (compare, ["flat", "--data", "scenes.h5", "--device", "cpu"]),
        (compare, ["flat", "--device", "cpu"]),
        (folds, ["flat", "--data", "scenes.h5", "--device", "cpu"]),
    ],
    ids=["render", "export", "export x", "baselines", "compare", "compare trained", "folds"],
)
def test_commands_for_other_tasks_say_what_serves(place, command, words):
    pytest.importorskip("onnx") if command is export else None
    with pytest.raises(InputError, match="flat.*task 'dynamics'.*`python -m stgraph.track`"):
        call(command, *words)
    assert not (place / "model.onnx").exists()


@pytest.fixture
def alone(place):
    """One person, 2D, detected in part in every frame."""
    person = track(50, 0, 0, 14)
    person.pose2d["sim"][:, 4, 2] = 0.9
    return Dataset(write_scenes(place / "alone.h5", [Recording("S4", "", "", CAMERA, FPS, [person])]).path)


def test_in_a_tracker_the_model_does_what_it_does_in_a_sequence(place, alone, monkeypatch):
    # Without the lengths of limbs, which predicted joints would keep.
    monkeypatch.setattr(Limbs, "kept", lambda _, pose, predicted, known: (pose, np.zeros_like(predicted)))
    run = loaded("flat")
    run.model.double()
    with torch.no_grad():  # any weights: all of the network shows
        generator = torch.Generator().manual_seed(0)
        for weight in run.model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    given = np.array(alone.rows("pose2d/sim"), float)
    pose, confidence = given[..., :2] * (given[..., 2:] > 0), given[..., 2]
    time = torch.arange(len(pose), dtype=torch.float64)[None] / FPS + 1000
    inputs = torch.from_numpy(pose).permute(2, 0, 1)[None], torch.from_numpy(confidence)[None]
    with torch.inference_mode():
        outputs = run.model(inputs[0], confidence=inputs[1], time=time)
    tracker = Tracker(
        run.predictor(), run.skeleton, options=TrackerOptions(birth_score=0.0, confirm_score=0.0, gate=1e-6)
    )
    merged = []
    for frame in range(len(pose)):
        people = tracker.update(pose[frame, None], confidence[frame, None], float(time[0, frame]))
        assert people.id.tolist() == [1]
        merged.append(people.pose[0])
        if frame:
            assert (people.mark[0][confidence[frame] > 0] == Mark.MERGED).all()
    wanted = outputs["merged"][0].permute(1, 2, 0).numpy()
    known = (confidence > 0).cumsum(axis=0) > 0
    np.testing.assert_allclose(np.stack(merged)[known], wanted[known], rtol=1e-9)
    assert np.abs(wanted - pose)[confidence > 0][len(pose[0]) :].max() > 0.1  # it is no copy of what is detected


def test_people_are_tracked_as_by_the_first_implementation(golden):
    """Joints and people that are missed, people found twice: the same identities, and joints to 1e-5."""
    arrays = golden("pose_dynamics_h3")
    heads = {"displacement": 1, "candidate": len(POSETRACK15) + 1}
    model = PoseDynamics(POSETRACK15, 2, heads, history=3, channels=8, features=3)
    weights = [name for name in arrays if name.startswith("weight/")]
    model.load_state_dict({name.removeprefix("weight/"): torch.from_numpy(arrays[name]) for name in weights})
    tracker = Tracker(ModelPredictor(model, Engine("cpu")), POSETRACK15)
    last = arrays["detected/count"].cumsum()[:-1]
    frames = zip(np.split(arrays["detected/pose"], last), np.split(arrays["detected/score"], last), strict=True)
    people = [tracker.update(pose, score, number / 25) for number, (pose, score) in enumerate(frames)]
    np.testing.assert_array_equal([len(some) for some in people], arrays["tracked/count"])
    for name in ("id", "state", "detection", "mark"):
        found = np.concatenate([getattr(some, name) for some in people])
        np.testing.assert_array_equal(found, arrays[f"tracked/{name}"])
    shown = arrays["tracked/mark"] != Mark.ABSENT
    for name in ("pose", "confidence"):
        found = np.concatenate([getattr(some, name) for some in people])
        np.testing.assert_allclose(found[shown], arrays[f"tracked/{name}"][shown], rtol=1e-5, atol=1e-5)


def test_a_predictor_takes_people_out_and_in(place, alone):
    """All people of a state at once: each is predicted as if by itself."""
    predictor, random = loaded("flat").predictor(), np.random.default_rng(0)
    joints = len(alone.skeleton)
    pose, confidence = 300 + 100 * random.normal(size=(3, joints, 2)), random.uniform(0.2, 1, (3, joints))
    state = predictor.start(pose, confidence, 5.0)
    state = predictor.merge(state, predictor.predict(state, 5.1), pose + 4, confidence, 5.1)
    together = predictor.predict(state, 5.2)
    assert together.pose.shape == (3, joints, 2) and together.pose.dtype == np.float64
    for who in range(3):
        single = predictor.start(pose[who, None], confidence[who, None], 5.0)
        forecast = predictor.predict(single, 5.1)
        single = predictor.merge(single, forecast, pose[who, None] + 4, confidence[who, None], 5.1)
        for one, other in zip(predictor.predict(single, 5.2)[:2], together[:2], strict=True):
            np.testing.assert_allclose(one[0], other[who], rtol=1e-4, atol=1e-2)
    estimate = predictor.estimate(state)
    assert estimate.pose.shape == (3, joints, 2) and (estimate.confidence > 0).all() and (estimate.spread > 0).all()


def test_keypoints_are_tracked_as_by_the_track_command(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    poses = np.stack([track(seed, person, 0, 30).pose2d["sim"] for person, seed in enumerate((1, 2))], axis=1)
    np.save("video.npy", poses)
    flat, solid = (str(folder / "checkpoints" / name / "best.safetensors") for name in ("flat", "solid"))
    shared = ["--exp", flat, "--layout", "h36m17", "--image-size", "1000x1002", "--fps", "25"]
    outs = ["--out", "mine.json", "mine.gif"]
    predict.main(predict.parser().parse_args(["video.npy", *shared, *outs, "--seconds", "0.5"]))
    tracker.main(tracker.parser().parse_args(["--in", "video.npy", *shared, "--out", "theirs.json"]))
    assert Path("mine.json").read_text() == Path("theirs.json").read_text()
    assert Path("mine.gif").stat().st_size > 1000
    assert "poses of" in capsys.readouterr().out
    with pytest.raises(InputError, match="predicts 3D poses"):
        predict.main(predict.parser().parse_args(["video.npy", *shared, "--exp", solid, "--out", "mine.json"]))
    with pytest.raises(InputError, match=r"walk\.bvh: found \.bvh; expected one of \.json, \.gif, \.mp4"):
        predict.main(predict.parser().parse_args(["video.npy", *shared, "--out", "walk.bvh"]))


@pytest.mark.parametrize("fps", [None, 24.0])
def test_a_rate_that_is_assumed_is_said_and_not_written(place, scenes, tmp_path, fps):
    pose = scenes.rows("pose2d/sim")[:1].repeat(9, axis=0)
    keypoints = keypoints_of(pose, fps=fps, layout="h36m17", size=(1920, 1080))
    found = Run.load("flat", Engine("cpu")).predict(keypoints)
    found.save(tmp_path / "tracked.json")
    assert read_videos(tmp_path / "tracked.json")[0].fps == fps
    assert any("not known: 30" in note for note in found.notes) == (fps is None)
