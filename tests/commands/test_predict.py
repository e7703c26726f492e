"""stgraph.predict: from a detector's files to motion that other programs open."""

import argparse
import json

import numpy as np
import pytest

from stgraph import predict
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.motion.motion import Motion
from stgraph.settings.params import validate
from stgraph.training.checkpoint import Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.conftest import write

SETTINGS = {
    "task": {"name": "lifting", "output": "global", "losses": {"position": 1.0, "uncertainty": 0.01}},
    "data": {"dataset": "small", "detector": "noisy", "frames": 9, "confidence": True, "train": ["S1"]},
    "model": {"name": "posemixer", "channels": 16, "blocks": 1, "groups": 2, "reach": 2, "patch": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained lifter's checkpoint."""
    folder = tmp_path_factory.mktemp("predict")
    run = TaskRun.create("small", validate(SETTINGS, "test"), Dataset(write(folder / "small.h5")), Engine("cpu"))
    path = folder / "small.safetensors"
    save_weights(path, Weights(run.model.state_dict(), run.settings, run.skeleton, run.origin, 1.0, {}))
    return path


@pytest.fixture
def openpose(tmp_path):
    """A folder of OpenPose's BODY_25: a person who waves, whose feet are out of sight."""
    folder = tmp_path / "openpose"
    folder.mkdir()
    points = [(0, -90), (0, -70), (-20, -70), (-30, -45), (-30, -20), (20, -70), (30, -45), (30, -20), (0, 0)]
    points += [(-10, 0), (-10, 45), (-10, 90), (10, 0), (10, 45), (10, 90), (-4, -95), (4, -95), (-8, -92), (8, -92)]
    for frame in range(40):
        flat = []
        for joint in range(25):
            x, y = points[joint] if joint < len(points) else (0, 0)
            wave = 10 * np.sin(frame / 5) if joint == 4 else 0
            seen = joint < len(points) and joint not in (11, 14)
            flat += [320 + 2 * x + wave, 300 + 2 * y, 0.8] if seen else [0, 0, 0]
        tree = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat}]}
        (folder / f"video_{frame:012d}_keypoints.json").write_text(json.dumps(tree))
    return folder


def call(*words: object) -> argparse.Namespace:
    return predict.parser().parse_args([str(word) for word in words])


@pytest.mark.slow
def test_openpose_in_motion_out(openpose, weights, tmp_path, capsys):
    outs = [tmp_path / f"walk.{ending}" for ending in ("npz", "csv", "json", "bvh", "trc", "html")]
    predict.main(call(openpose, "--exp", weights, "--image-size", "640x480", "--height", 1.75, "--out", *outs))
    assert all(path.stat().st_size > 100 for path in outs)
    motion = Motion.load(outs[0])
    assert motion.pose.shape == (40, 1, 17, 3) and motion.size == (640, 480) and motion.uncertainty is not None
    feet = [motion.skeleton.index(name) for name in ("RFoot", "LFoot")]
    assert motion.guessed[:, 0, feet].all() and not motion.guessed[:, 0, :2].any()
    printed = capsys.readouterr().out
    assert "height of 1.75 m" in printed and "walk.bvh" in printed and "guessed" in printed


@pytest.mark.slow
def test_a_camera_is_taken_from_a_file_or_an_angle(openpose, weights, tmp_path, capsys):
    camera, out = tmp_path / "camera.json", tmp_path / "walk.npz"
    camera.write_text(json.dumps({"fx": 600, "fy": 600, "cx": 320, "cy": 240}))
    options = (openpose, "--exp", weights, "--image-size", "640x480", "--out", out)
    predict.main(call(*options, "--camera", camera))
    assert Motion.load(out).camera.intrinsics[:4].tolist() == [600, 600, 320, 240]
    predict.main(call(*options, "--fov", 90))
    assert Motion.load(out).camera.intrinsics[0] == pytest.approx(320)
    assert "camera is not known" not in capsys.readouterr().out
    camera.write_text("[1]")
    with pytest.raises(InputError, match="fx, fy, cx, cy"):
        predict.main(call(*options, "--camera", camera))


@pytest.mark.slow
def test_mistakes_leave_what_is_there(openpose, weights, tmp_path):
    out = tmp_path / "walk.bvh"
    out.write_text("precious")
    with pytest.raises(InputError, match="--image-size"):
        predict.main(call(openpose, "--exp", weights, "--out", out))
    with pytest.raises(InputError, match=r"walk\.fbx: found .fbx; expected one of .*\.bvh"):
        predict.main(call(openpose, "--exp", weights, "--image-size", "640x480", "--out", tmp_path / "walk.fbx"))
    with pytest.raises(InputError, match="no such checkpoint"):
        predict.main(call(openpose, "--exp", "nonsense", "--image-size", "640x480", "--out", out))
    with pytest.raises(InputError, match="--fov"):
        predict.main(call(openpose, "--exp", weights, "--image-size", "640x480", "--fov", 500, "--out", out))
    keypoints = tmp_path / "keypoints.json"
    keypoints.write_text("precious")
    with pytest.raises(InputError, match="is the input and would be lost; give another --out"):
        predict.main(call(keypoints, "--exp", weights, "--out", keypoints))
    assert out.read_text() == keypoints.read_text() == "precious"
    frame = min(openpose.iterdir())
    before = frame.read_bytes()
    with pytest.raises(InputError, match="is in the input and would be lost; give another --out"):
        predict.main(call(openpose, "--exp", weights, "--out", frame))
    assert frame.read_bytes() == before
