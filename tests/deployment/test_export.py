"""Exported models: what the file computes and says to those who have no stgraph; and what is refused."""

import json
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from einops import rearrange

from stgraph import deployment, export
from stgraph.deployment import onnx_file
from stgraph.deployment.onnx_file import check_target, write
from stgraph.errors import InputError
from stgraph.geometry import screen_normalise
from stgraph.settings.params import validate
from stgraph.settings.registry import TASKS
from stgraph.skeleton import H36M17, NTU25, Skeleton
from stgraph.tasks.action.export import NORMALISATIONS, STREAMS, PoseRecogniser, Recogniser
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.settings import NORMALISATIONS as ALLOWED
from stgraph.training.checkpoint import Origin, Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.tasks.action.clip_people import CAMERA, SUBJECTS, alive, clip, new_run, write_clips

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators")]

# Its centre is not its root, so that its graph is not the tree's alone.
STICK = Skeleton("stick", ("Hip", "Chest", "Head", "Hand"), (-1, 0, 1, 1), centre=2)
CLASSES = ["hop", "sit", "wave"]
LIFTING = {"name": "lifting", "losses": {"position": 1.0, "action": 1.0}, "actions": CLASSES}
ACTION = {"name": "action", "classes": CLASSES}
WINDOWS = {"dataset": "small", "detector": "gt", "frames": 12, "frame_step": 2}
CLIPS = {"dataset": "clips", "detector": None, "frames": 16, "normalise": "camera", "max_persons": 2}
TCN = {"name": "tcn", "channels": 8, "filter_widths": [3, 3]}
FLAT = {"name": "linear", "channels": 8, "layers": 1}
UNET = {"name": "tgraphnet", "channels": [8, 8], "stages": [1, 1]}
STGCN = {"name": "stgcn", "channels": [8, 8], "strides": [1, 2]}


def call(*words):
    """The command, within this process."""
    export.main(export.parser().parse_args([*map(str, words)]))


def example(number):
    """Runs a program of the help; gives its variables."""
    names = {}
    exec(textwrap.dedent(re.findall(r":\n\n((?:    .*\n|\n)+)", deployment.__doc__)[number]), names)
    return names


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Saves a model of drawn weights and statistics as if it were trained; gives the run that is loaded from it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)

    def save(task, data, model, skeleton=H36M17) -> TaskRun:
        settings = validate({"task": task, "data": data, "model": model}, "here")
        origin = Origin("a fixed recipe", "none", "0", True, 50.0)
        run = TASKS.get(task["name"]).run_class()("run", settings, skeleton, origin, Engine("cpu"))
        with torch.no_grad():
            run.model.train()(torch.randn(16, settings.data.channels, settings.data.frames, len(skeleton)))
        weights = Weights(run.model.state_dict(), settings, skeleton, origin, 3.0, {})
        save_weights(run.folder / "best.safetensors", weights)
        return TaskRun.load("run", Engine("cpu"))

    return save


@pytest.mark.long
@pytest.mark.slow
def test_a_lifter_runs_without_the_toolkit_as_the_help_says(saved, capfd):
    run = saved(LIFTING, WINDOWS, TCN)
    call("--exp", "run", "--out", "model.onnx")
    out, err = capfd.readouterr()
    assert (
        "opset 18" in out
        and "any number of batch, frame" in out
        and "at least 9, of which 8" in out
        and "x (batch, channel" in out
    )
    assert "onnxruntime against torch on 6 shapes" in out and err == ""
    onnx.checker.check_model("model.onnx", full_check=True)

    pixels = np.random.default_rng(0).uniform(0, 1000, (40, len(H36M17), 2))
    seen = np.random.default_rng(1).random((40, len(H36M17), 1)) > 0.2
    np.save("keypoints.npy", np.concatenate([pixels, 0.9 * seen], axis=-1) * seen)
    names = example(1)
    x = screen_normalise(torch.from_numpy(pixels).float(), 1000, 1002) * torch.from_numpy(seen)
    with torch.no_grad():
        outputs = run.model(rearrange(x, "t j c -> 1 c t j"))
    expected = rearrange(run.task.prediction(outputs), "b t j c -> b c t j")
    np.testing.assert_allclose(names["pose"], expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    assert names["pose"].shape == (1, 3, 32, len(H36M17)) and not names["pose"][..., H36M17.root].any()
    assert names["joints"] == list(H36M17.names)
    broken, zero = names["x"].copy(), names["x"].copy()
    broken[0, 1, 7, 4], zero[0, :, 7, 4] = np.nan, 0
    pose = [names["session"].run(["pose"], {"x": values})[0] for values in (broken, zero)]
    np.testing.assert_array_equal(*pose)
    assert np.isfinite(pose[0]).all()

    about = names["about"]
    assert json.loads(about["settings"]) == run.settings.model_dump(mode="json")
    assert json.loads(about["classes"]) == CLASSES and about["epoch"] == "3"
    assert json.loads(about["origin"])["source"] == "a fixed recipe"
    described = json.loads(about["input"])
    assert described["axes"] == ["batch", "channel", "frame", "joint"] and described["channels"] == ["x", "y"]
    assert described["frames per second"] == 25 and described["frames"]["least"] == 9 and described["frames"]["any"]
    assert set(json.loads(about["outputs"])) == {"pose", "action"}
    assert str(onnx_file.__file__).encode() not in Path("model.onnx").read_bytes()


@pytest.mark.long
@pytest.mark.slow
def test_a_recogniser_scores_the_persons_that_are_there(saved):
    """Against the task, which computes present persons alone."""
    run = saved(ACTION, CLIPS, STGCN, STICK)
    assert run.skeleton == STICK
    call("--exp", "run", "--out", "deep/model.onnx", "--input", "x")
    session = onnxruntime.InferenceSession("deep/model.onnx")
    x = torch.randn(4, 3, 3, 11, len(STICK))
    x[0, 1:] = x[1, 2] = x[3] = 0  # one, two, three and no persons
    probability, scores, dense = session.run(["probability", "action", "dense"], {"x": x.numpy()})
    clip = torch.tensor([0, 1, 1, 2, 2, 2])
    with torch.no_grad():
        outputs = run.model(x[clip, torch.tensor([0, 0, 1, 0, 1, 2])])
    expected = run.task.scores({"clip": clip, "label": torch.zeros(4)}, outputs)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(probability[:3], expected.softmax(1)[:3], atol=1e-6)
    assert not scores[3].any() and scores[:3].std() > 0 and np.ptp(probability[3]) == 0
    assert dense.shape == (4, 3, len(CLASSES), 6, len(STICK))
    zero, broken = x.numpy().copy(), x.numpy().copy()
    zero[1, 1, :, 4, 2] = 0
    for number in (np.nan, np.inf):
        broken[1, 1, 1, 4, 2] = number
        for one, other in zip(session.run(None, {"x": broken}), session.run(None, {"x": zero}), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(dense[2].mean((0, 2, 3)), expected[2], rtol=1e-4, atol=1e-6)

    about = session.get_modelmeta().custom_metadata_map
    skeleton = json.loads(about["skeleton"])
    assert skeleton["names"] == list(STICK.names) and skeleton["centre"] == 2
    described = json.loads(about["input"])
    assert described["channels"] == ["x", "y", "z"] and "y down" in described["normalisation"]
    assert "left out" in described["persons"] and described["dynamic"] == ["batch", "person", "frame"]
    assert "(2 i + 1) T // 32" in described["sampling"] and described["frames per second"] == 50


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Clips shorter and longer than what is seen of them, of one person or two; a wrist is not seen now and then."""
    entries = [clip("S1", "jump", 0, 5), clip("S2", "sit", 1, 12), clip("S3", "wave", 1, 27), clip("S4", "sit", 0, 40)]
    return write_clips(tmp_path_factory.mktemp("export") / "clips.h5", entries, splits={})


def poses_of(dataset, recording, detector):
    """(m t j 3), as a detector gives them: zeros where nothing is detected."""
    mine = dataset.tracks["recording"] == recording
    person = np.repeat(dataset.tracks["person"], dataset.tracks["rows"] * mine)
    row = np.flatnonzero(np.repeat(mine, dataset.tracks["rows"]))
    frame = dataset.rows("frame")[row]
    values = dataset.rows(f"pose2d/{detector}" if detector else "pose3d")[row]
    poses = np.zeros((person.max() + 1, frame.max() + 1, *values.shape[1:]), np.float32)
    poses[person, frame] = values
    return poses


WAYS = [
    ({"detector": "openpose", "normalise": "body"}, "present"),
    ({"detector": "openpose", "normalise": "body", "stream": "bone_motion", "sampling": "crop"}, "present"),
    ({"detector": "openpose", "normalise": "image", "confidence": True, "sampling": "start"}, "padded"),
    ({"detector": "openpose", "normalise": "screen", "confidence": True, "stream": "bone"}, "present"),
    ({"normalise": "camera", "stream": "joint_motion", "test_frames": 17}, "present"),
    ({"normalise": "kinect", "stream": "bone", "sampling": "crop"}, "present"),
    ({"normalise": "body"}, "padded"),
    ({"normalise": "body", "stream": "bone_motion"}, "present"),
    ({"normalise": "body", "stream": "joint_motion", "sampling": "start"}, "padded"),
]


@pytest.mark.parametrize(("data", "persons"), WAYS, ids=str)
def test_poses_are_prepared_as_those_of_a_dataset(dataset, data, persons):
    """And what is not seen may be anything."""
    run = alive(new_run(dataset, data=data, task={"persons": persons}), dataset)
    form, detector = run.deployed(None), data.get("detector")
    assert isinstance(form, PoseRecogniser) and ("person" in form.dynamic) == (persons == "present")
    found = run.recognise(dataset, subjects=list(SUBJECTS))
    for id, expected in zip(found.id, found.probabilities, strict=True):
        poses = poses_of(dataset, dataset.find(id), detector)
        if persons == "padded":
            poses = np.concatenate([poses, np.zeros_like(poses)])[:2]
        if detector:
            poses[..., :2][poses[..., 2] == 0] = np.nan
        size = [torch.tensor([[640.0, 480.0]])] if detector else []
        with torch.no_grad():
            outputs = form(torch.from_numpy(poses)[None], *size)
        np.testing.assert_allclose(outputs["probability"][0], expected, atol=2e-6)
    assert np.ptp(found.probabilities, axis=0).max() > 1e-2


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "model"), [(WAYS[0][0], STGCN), (WAYS[7][0] | {"frames": 18}, UNET)], ids=["2D", "3D"]
)
def test_a_recogniser_runs_without_the_toolkit_as_the_help_says(dataset, data, model, tmp_path, monkeypatch, capsys):
    """The probabilities of `recognise` for every clip, of `Live` for two; also of a model tied to its frames."""
    monkeypatch.chdir(tmp_path)
    run = alive(new_run(dataset, data=data, model=model), dataset)
    taken = run.settings.data.frames
    weights = Weights(run.model.state_dict(), run.settings, run.skeleton, run.origin, 3.0, {})
    save_weights(run.folder / "best.safetensors", weights)
    call("--exp", "run", "--out", "model.onnx")
    out = capsys.readouterr().out
    assert "any number of batch, person, frame" in out and f"of which the file itself takes {taken}" in out
    onnx.checker.check_model("model.onnx", full_check=True)
    found, size = run.recognise(dataset, subjects=list(SUBJECTS)), (CAMERA.width, CAMERA.height)
    for id, expected in zip(found.id, found.probabilities, strict=True):
        poses = poses_of(dataset, dataset.find(id), data.get("detector"))
        np.save("clip.npy", poses)
        names = example(0)
        np.testing.assert_allclose(names["probability"][0], expected, atol=1e-5)
        if id in found.id[:2]:  # each is traced anew
            live = Live(run, window=poses.shape[1], size=size if data.get("detector") else None)
            last = [live.update(frame) for frame in poses.swapaxes(0, 1)][-1]
            np.testing.assert_allclose(names["probability"][0], last, atol=1e-5)
        # Frames without a person before and behind, and numbers that are not finite where nothing is seen.
        empty = np.full_like(poses[:, :5], np.nan)
        padded = np.concatenate([0 * poses[:, :5], empty, poses, empty], axis=1)
        padded[(padded[..., 2] == 0) if data.get("detector") else (padded == 0).all(-1)] = np.nan
        again = names["session"].run(["probability"], names["feed"] | {"pose": padded[None]})[0]
        np.testing.assert_allclose(again[0], expected, atol=1e-5)
        assert capsys.readouterr().out.endswith(f"{run.task.classes[expected.argmax()]}\n")
    assert len({tuple(row.round(2)) for row in found.probabilities}) > 2
    about = names["about"]
    assert names["joints"] == list(H36M17.names) and json.loads(about["classes"]) == ["jump", "sit", "wave"]
    described = json.loads(about["input"])
    assert described["frames per second"] == 30 and described["dynamic"] == ["batch", "person", "frame"]
    assert "middle frame" in described["done by the file"]["sampling"] and described["frames"]["taken"] == taken


def test_padded_persons_count_as_in_the_task(saved):
    run = saved(ACTION | {"persons": "padded"}, CLIPS, STGCN, STICK)
    x = torch.randn(2, 3, 3, 16, len(STICK))
    x[0, 2] = 0
    with torch.no_grad():
        outputs = run.model(rearrange(x, "b m c t j -> (b m) c t j"))
        scores = run.deployed("x")(x)["action"]
    clip = torch.arange(2).repeat_interleave(3)
    torch.testing.assert_close(scores, run.task.scores({"clip": clip, "label": torch.zeros(2)}, outputs))


def test_frames_are_fixed_where_the_model_ties_them(saved):
    form = saved(LIFTING, WINDOWS | {"frames": 9}, UNET).deployed(None)
    assert form.dynamic == ["batch"] and form.least == 9
    assert saved(LIFTING, WINDOWS, FLAT).deployed(None).dynamic == ["batch", "frame"]
    run = saved(ACTION, CLIPS | {"frames": 9}, UNET)
    assert isinstance(run.deployed("x"), Recogniser) and run.deployed("x").dynamic == ["batch", "person"]
    assert run.deployed(None).dynamic == ["batch", "person", "frame"] and run.deployed(None).least == 1


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_refused(saved, monkeypatch, tmp_path):
    form, path, differences = (
        saved(LIFTING, WINDOWS, FLAT).deployed(None),
        tmp_path / "model.onnx",
        onnx_file.differences,
    )
    path.write_text("before")

    def changed_before(form, path):
        with torch.no_grad():
            form.model.heads["action"].conv.bias.add_(1e-3)
        return differences(form, path)

    monkeypatch.setattr(onnx_file, "differences", changed_before)
    with pytest.raises(InputError, match=r"differs from the model by .* relative \(output 'action', input 1 x 2"):
        write(form, path, {})
    assert path.read_text() == "before" and {entry.name for entry in tmp_path.iterdir()} == {
        "model.onnx",
        "checkpoints",
    }


def test_every_preparation_of_the_input_is_described():
    for kind, detector in (("2D", "gt"), ("3D", None)):
        for normalise in ALLOWED[kind]:
            for stream in STREAMS:
                data = CLIPS | {"detector": detector, "normalise": normalise, "stream": stream}
                settings = validate({"task": ACTION, "data": data, "model": STGCN}, "here")
                skeleton = NTU25 if normalise == "pyskl" else H36M17
                run = TASKS.get("action").run_class()(
                    "run", settings, skeleton, Origin("", "", "", True), Engine("cpu")
                )
                described = run.deployed("x").input_text(None)
                assert described["normalisation"] in NORMALISATIONS.values() and described["stream"] == STREAMS[stream]
                assert ("pixels" in described["normalisation"]) <= (kind == "2D")
                raw = run.deployed(None).input_text(None)
                assert raw["done by the file"].items() <= described.items()
                assert ("size" in raw) == ("pixels" in raw["unit"]) == (kind == "2D")


def test_mistakes_end_in_one_message(saved, shipped_runs_alone, monkeypatch, tmp_path):
    saved(LIFTING, WINDOWS, FLAT)
    with pytest.raises(InputError, match=r"model.pt: found the ending '.pt'; expected .onnx"):
        call("--exp", "run", "--out", "model.pt")
    with pytest.raises(InputError, match="--input pose: run is a lifter, whose file takes x alone"):
        call("--exp", "run", "--out", "model.onnx", "--input", "pose")
    with pytest.raises(InputError, match="no such checkpoint.*: lifter, run$"):
        call("--exp", "walk", "--out", "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        call("--exp", "run", "--out", "folder.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"needs the package onnxscript.*pip install 'stgraph\[export\]'"):
        check_target(tmp_path / "model.onnx")
    assert not list(tmp_path.glob("*.onnx/*")) and not (tmp_path / "model.onnx").exists()
