"""The field's file of Human3.6M in image space: recordings, poses in pixels and metres, and evaluation as published."""

import numpy as np
import pytest
import torch

from data_prep.__main__ import commands, parser
from data_prep.cameras.calibration import h36m_cameras
from stgraph.data.dataset import Dataset
from stgraph.data.windows import Windows
from stgraph.errors import InputError
from stgraph.geometry import image_space
from stgraph.settings.params import validate
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.conftest import standing
from tests.data_prep.clip_people import dump

RUNS = {
    "train": [("s_01_act_02_subact_01_ca_01", 0, 40), ("s_05_act_12_subact_02_ca_02", 1, 30)],
    "test": [("s_09_act_05_subact_02_ca_01", 0, 31), ("s_09_act_14_subact_01_ca_04", 3, 58)],
}


def frames_of(name: str, camera: int, frames: int, scored: bool) -> dict[str, np.ndarray]:
    """One recording's frames in the file's layout."""
    lens = h36m_cameras(f"S{int(name[2:4])}")[camera]
    pose = standing(frames, frames)
    image, scale = image_space(torch.from_numpy(pose), lens.intrinsics, 0)
    image, factor = image.numpy(), 1000 * scale.numpy()
    values = {
        "joint_2d": image[..., :2] + np.random.default_rng(frames).normal(0, 3, image[..., :2].shape),
        "confidence": np.full(image.shape[:2], 0.75),
        "joint3d_image": image,
        "camera_name": np.array([lens.name] * frames),
        "source": np.array([name] * frames),
    }
    if scored:
        values |= {"2.5d_factor": factor, "joints_2.5d_image": image * factor[:, None, None]}
        values["action"] = np.array(["any"] * frames)
    return values


def content() -> dict[str, dict[str, np.ndarray]]:
    parts = {}
    for part, runs in RUNS.items():
        each = [frames_of(*run, scored=part == "test") for run in runs]
        parts[part] = {key: np.concatenate([values[key] for values in each]) for key in each[0]}
    return parts


def converted(folder, value, *words):
    path = folder / "h36m_sh_conf_cam_source_final.pkl"
    dump(path, value)
    args = parser().parse_args(["motionbert", str(path), *words, "--out", str(folder / "out.h5")])
    text = commands()[args.command].run(args)
    return Dataset(folder / "out.h5"), text


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return converted(tmp_path_factory.mktemp("motionbert"), content())


def test_recordings_have_the_names_of_their_sources(prepared):
    data, text = prepared
    assert list(data.recordings["id"]) == [
        "S1/act_02_subact_01/54138969",
        "S5/act_12_subact_02/55011271",
        "S9/act_05_subact_02/54138969",
        "S9/act_14_subact_01/60457274",
    ]
    assert list(data.recordings["action"]) == ["Directions", "Photo", "Greeting", "Walking"]
    assert list(data.recordings["height"]) == [1002, 1000, 1002, 1002]
    assert list(data.splits["standard"]) == ["train", "train", "test", "test"]
    assert list(data.recordings["frames"]) == [40, 30, 31, 58] and data.detectors == ["sh"]
    assert "70 frames have no factor to metres" in text


def test_poses_are_in_pixels_and_where_the_factor_is_known_in_metres(prepared):
    data, _ = prepared
    parts = content()
    for name, key in (("pose2d/sh", "joint_2d"), ("image3d", "joint3d_image")):
        found = data.rows(name)[..., : parts["test"][key].shape[-1]]
        np.testing.assert_allclose(found, np.concatenate([parts[part][key] for part in RUNS]), rtol=1e-6)
    assert (data.rows("pose2d/sh")[..., 2] == 0.75).all()
    assert data.rows("valid").tolist() == [False] * 70 + [True] * 89
    metric = parts["test"]["joints_2.5d_image"] / 1000
    np.testing.assert_allclose(data.rows("pose3d")[70:], metric - metric[:, :1], atol=1e-5)
    np.testing.assert_allclose(data.rows("metres_per_pixel")[70:], parts["test"]["2.5d_factor"] / 1000, rtol=1e-6)
    assert not data.rows("pose3d")[:70].any() and not data.rows("metres_per_pixel")[:70].any()


@pytest.mark.parametrize("form", ["without", "in pixels"])
def test_metres_come_from_the_factor_whatever_else_the_file_holds(form, tmp_path, prepared):
    parts = content()
    given = parts["test"].pop("joints_2.5d_image")
    if form == "in pixels":
        parts["test"]["joints_2.5d_image"] = given / parts["test"]["2.5d_factor"][:, None, None]
    data, _ = converted(tmp_path, parts)
    np.testing.assert_allclose(data.rows("pose3d"), prepared[0].rows("pose3d"), atol=1e-5)


def test_other_layouts_of_the_confidence(tmp_path, prepared):
    parts = content()
    parts["train"]["confidence"] = parts["train"]["confidence"][..., None]
    del parts["test"]["confidence"]
    data, text = converted(tmp_path, parts, "--detector", "mine")
    assert data.detectors == ["mine"] and "test: no confidence" in text
    np.testing.assert_array_equal(data.rows("pose2d/mine")[:70], prepared[0].rows("pose2d/sh")[:70])
    assert (data.rows("pose2d/mine")[70:, :, 2] == 1).all()


def without(key):
    def change(parts):
        del parts["test"][key]

    return change


def renamed(key, value):
    def change(parts):
        parts["test"][key] = np.array([value] * 89)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("joint3d_image"), r"test: no joint3d_image, but joint_2d, .*expected a dict of train and test"),
        (lambda parts: parts["test"].update(joint_2d=np.zeros((89, 16, 2))), r"joint_2d: found shape \(89, 16, 2\)"),
        (lambda parts: parts["test"].update(confidence=np.zeros((88, 17))), r"confidence: found shape \(88, 17\)"),
        (renamed("source", "video_1"), r"source 'video_1' is no recording of Human3.6M"),
        (renamed("camera_name", "7"), r"camera_name: found 7; expected one of 54138969"),
        (lambda parts: [parts.pop("train"), parts.pop("test")], r"found a dict of ; expected a dict of train and test"),
    ],
)
def test_other_files_are_refused(change, message, tmp_path):
    parts = content()
    change(parts)
    with pytest.raises(InputError, match=message):
        converted(tmp_path, parts)


SETTINGS = {
    "task": {"name": "lifting", "output": "image", "losses": {"position": 1.0, "n_mpjpe": 0.5, "velocity": 20.0}},
    "data": {
        **{"dataset": "x", "detector": "sh", "confidence": True, "frames": 27, "stride": 9, "flip": True},
        **{"train": ["S1", "S5"], "validation": [], "test": ["S9"]},
    },
    "model": {
        "name": "motionbert",
        "channels": 8,
        "representation": 8,
        "layers": 1,
        "attention_heads": 2,
        "frames": 27,
    },
}


def test_a_run_trains_in_image_space_and_is_scored_in_metres_by_the_files_factor(prepared):
    data, _ = prepared
    run = TaskRun.create("image", validate(SETTINGS, "test"), data, Engine("cpu"))
    assert len(run.training_samples(data)) == 2 * (5 + 4)
    report = run.evaluate(data, "motionbert")
    assert report["left_out"] == [["S9/act_05_subact_02/54138969", "protocol motionbert"]]
    assert report["scored"]["frames"] == 54 and report["flip"]
    assert "comes from the ground truth" in report["protocol"]["model"]
    # By hand: two windows of 27 frames, the mean with the mirror, the root's prediction zero.
    windows = Windows(data, detector="sh", frames=27, stride=None, subjects=["S9"], confidence=True, image=True)
    batch = windows.cut(np.array([[1, 0], [1, 27]])).batch(torch.arange(2))
    run.model.eval()
    with torch.no_grad():
        pose = (run.model(batch["x"])["pose"] + windows.mirrored(run.model(windows.mirrored(batch["x"]))["pose"])) / 2
    pose = pose.permute(0, 2, 3, 1)
    pose[:, :, 0] = 0
    rows = content()["test"]
    factor = torch.from_numpy(rows["2.5d_factor"][31:85].reshape(2, 27, 1, 1))
    truth = torch.from_numpy(rows["joints_2.5d_image"][31:85].reshape(2, 27, 17, 3))
    error = (pose * 500 * factor - (truth - truth[:, :, :1])).norm(dim=-1).mean()
    assert report["metrics"]["P1"] == pytest.approx(error.item(), rel=1e-4)


def test_the_training_part_has_no_metres(prepared):
    data, _ = prepared
    values = SETTINGS | {"task": {"name": "lifting", "losses": {"position": 1.0}}}
    run = TaskRun.create("metres", validate(values, "test"), data, Engine("cpu"))
    with pytest.raises(InputError, match='one that is not valid; its poses are in image space, so set task.output "im'):
        run.training_samples(data)
    run = TaskRun.create("image", validate(SETTINGS, "test"), data, Engine("cpu"))
    with pytest.raises(InputError, match="no frame of the chosen recordings is marked as valid"):
        run.evaluate(data, "motionbert", subjects=["S1"])
    with pytest.raises(InputError, match="S1/act_02_subact_01/54138969: the scale of its poses .* is not known"):
        run.follow(data, 0)
