"""Keypoints in, 3D motion out, as an evaluation predicts it."""

import numpy as np
import pytest

import stgraph
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.conftest import write
from tests.training.test_loop import SETTINGS, settings


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset(write(tmp_path_factory.mktemp("lift") / "small.h5"))


SLIDING = {"name": "tcn", "channels": 8, "filter_widths": [3, 3], "dropout": 0.0}


@pytest.mark.parametrize("model", [SETTINGS["model"], SLIDING], ids=["windows", "sliding"])
def test_lifting_keypoints_is_what_an_evaluation_predicts(dataset, model):
    values = SETTINGS | {"model": model, "task": {"name": "lifting", "losses": {"position": 1.0}}}
    run = TaskRun.create("lift", validate(values, "test"), dataset, Engine("cpu"))
    run.model.eval()
    number = int(np.flatnonzero(dataset.recordings["subject"] == "S9")[0])
    (track,) = run.follow(dataset, number)
    camera = dataset.camera(number)
    lifted = stgraph.lift(run, track["pose2d"], size=(camera.width, camera.height))
    np.testing.assert_allclose(lifted, track["prediction"], atol=1e-5)


def test_an_unseen_joint_may_be_anything(dataset):
    run = TaskRun.create("lift", settings(), dataset, Engine("cpu"))
    keypoints = np.random.default_rng(0).uniform(0, 900, (30, len(run.skeleton), 3)).astype(np.float32)
    keypoints[3, 2] = [5, 5, 0]
    lifted = stgraph.lift(run, keypoints, size=(1000, 1000))
    keypoints[3, 2] = [np.nan, 7000, 0.5]
    np.testing.assert_array_equal(stgraph.lift(run, keypoints, size=(1000, 1000)), lifted)
    assert np.isfinite(lifted).all() and lifted.shape == (30, len(run.skeleton), 3)
    with pytest.raises(InputError, match="keypoints: found shape .* expected .*joints of .*order the joints as"):
        stgraph.lift(run, keypoints[:, :5], size=(1000, 1000))
    assert stgraph.lift(run, keypoints[:1], size=(1000, 1000)).shape == (1, len(run.skeleton), 3)
    with pytest.raises(InputError, match="size: found .*expected width and height"):
        stgraph.lift(run, keypoints, size=(0, 1000))
    with pytest.raises(InputError, match="there is no frame"):
        stgraph.lift(run, keypoints[:0], size=(1000, 1000))


IMAGE = {
    "task": {"name": "lifting", "output": "image", "losses": {"position": 1.0}},
    "model": {"name": "mixste", "channels": 8, "layers": 1, "attention_heads": 2, "frames": 9},
}


def test_a_bone_gives_image_space_its_scale(dataset):
    values = SETTINGS | IMAGE | {"data": SETTINGS["data"] | {"confidence": True}}
    run = TaskRun.create("lift", validate(values, "test"), dataset, Engine("cpu"))
    keypoints = np.random.default_rng(0).uniform(0, 900, (30, len(run.skeleton), 3)).astype(np.float32)
    keypoints[..., 2] = 1
    lifted = stgraph.lift(run, keypoints, size=(1000, 1000), bone=("RHip", "RKnee", 0.45))
    ends = run.skeleton.index("RHip"), run.skeleton.index("RKnee")
    length = np.linalg.norm(lifted[:, ends[0]] - lifted[:, ends[1]], axis=-1)
    assert np.sort(length)[14] == pytest.approx(0.45, rel=1e-5)  # the lower of the two medians of an even number
    with pytest.raises(InputError, match="bone: lift predicts in image space, .*give the length of one"):
        stgraph.lift(run, keypoints, size=(1000, 1000))
    with pytest.raises(InputError, match="bone: found a length of 0.0"):
        stgraph.lift(run, keypoints, size=(1000, 1000), bone=("RHip", "RKnee", 0.0))
    with pytest.raises(InputError, match="keypoints: no confidence, which is an input of lift; give it as a third"):
        stgraph.lift(run, keypoints[..., :2], size=(1000, 1000), bone=("RHip", "RKnee", 0.45))
    metres = TaskRun.create("lift", settings(), dataset, Engine("cpu"))
    with pytest.raises(InputError, match="bone: lift predicts in metres; leave it out"):
        stgraph.lift(metres, keypoints, size=(1000, 1000), bone=("RHip", "RKnee", 0.45))
