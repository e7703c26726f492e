"""Keypoints in, 3D motion out: windows, gaps, camera, scale, and the world."""

import tracemalloc

import numpy as np
import pytest
import torch

import stgraph
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.keypoints.poses import Options, Raw, finished
from stgraph.geometry import project, world_to_camera
from stgraph.settings.params import validate
from stgraph.skeleton import COCO17, H36M17
from stgraph.tasks.lifting import lift as lifting
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tasks.lifting.track import Lifted, lift_track, windows
from stgraph.tasks.lifting.world import path_of, rotation_to_world, up_of
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.conftest import write
from tests.training.test_loop import SETTINGS, settings

SIZE = (1000, 800)
FOCAL = np.array([900.0, 900.0, 500.0, 400.0])
UNKNOWN = np.zeros(4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset(write(tmp_path_factory.mktemp("lift") / "small.h5"))


@pytest.fixture(scope="module")
def run(dataset) -> LiftingRun:
    made = TaskRun.create("lift", settings(), dataset, Engine("cpu"))
    assert isinstance(made, LiftingRun)
    return made


SLIDING = {"name": "tcn", "channels": 8, "filter_widths": [3, 3], "dropout": 0.0}
IMAGE = {
    "task": {"name": "lifting", "output": "image", "losses": {"position": 1.0}},
    "model": {"name": "mixste", "channels": 8, "layers": 1, "attention_heads": 2, "frames": 9},
}


def test_a_sliding_model_predicts_what_an_evaluation_does(dataset):
    values = SETTINGS | {"model": SLIDING, "task": {"name": "lifting", "losses": {"position": 1.0}}}
    run = TaskRun.create("lift", validate(values, "test"), dataset, Engine("cpu"))
    run.model.eval()
    number = int(np.flatnonzero(dataset.recordings["subject"] == "S9")[0])
    (track,) = run.follow(dataset, number)
    camera = dataset.camera(number)
    lifted = lift_track(run, track["pose2d"], (camera.width, camera.height), UNKNOWN)
    np.testing.assert_allclose(lifted.pose, track["prediction"], atol=1e-5)
    assert lifted.path is None and lifted.expected is None


@pytest.mark.parametrize("frames", [1, 5, 9, 40])
@pytest.mark.parametrize("step", [1, 3])
def test_every_frame_lies_in_windows_of_its_phase(frames, step):
    starts, weights = windows(frames, 9, step, whole=False)
    frame = starts[:, None] + step * torch.arange(9)
    inside = (frame >= 0) & (frame < frames)
    count = torch.bincount(frame[inside], minlength=frames)
    assert count.min() >= 3 and (weights > 0).all()
    torch.testing.assert_close(weights, weights.flip(0))
    sides, alone = windows(frames, 9, step, whole=True)
    frame = sides[:, None] + step * torch.arange(9)
    assert (torch.bincount(frame[(frame >= 0) & (frame < frames)], minlength=frames) == 1).all()
    assert (alone == 1).all()


def test_an_unseen_joint_may_be_anything(run):
    keypoints = np.random.default_rng(0).uniform(1, 900, (30, len(run.skeleton), 3)).astype(np.float32)
    keypoints[..., 2] = 0.9
    keypoints[3, 2] = [5, 5, 0]
    motion = stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17")
    keypoints[3, 2] = [np.nan, 700, 0.5]
    again = stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17")
    np.testing.assert_array_equal(again.pose, motion.pose)
    assert motion.pose.shape == (30, 1, 17, 3) and np.isfinite(motion.pose).all()


def true_motion(frames: int = 60) -> np.ndarray:
    """(t j 3) metres, world, z up: a person with straight trunk, on the floor, who walks and swings."""
    rest = np.zeros((17, 3))
    for joint, parent in H36M17.bones:
        name = H36M17.names[joint]
        side = (joint in H36M17.left) - (joint in H36M17.right)
        down = name.endswith(("Knee", "Foot", "Elbow", "Wrist"))
        rest[joint] = rest[parent] + [0.12 * -side, 0.02 * side, -0.4 if down else 0.0 if side else 0.25]
    rest[:, 2] += 0.08 - rest[:, 2].min()
    time = np.arange(frames)[:, None] / 30
    pose = np.tile(rest, (frames, 1, 1)) + np.stack([0.5 * time, 0.1 * np.sin(time), 0 * time], -1)
    pose[:, [13, 16], 1] -= 0.2 * np.sin(4 * time)
    return pose


@pytest.fixture
def oracle(monkeypatch):
    """A camera 1.5 m high that looks down by 12 degrees, and a lifter that knows the truth relative to the root."""
    world = true_motion() + [-0.5, 4.0, 0]
    angle = np.radians(12)
    turn = rotation_to_world(np.array([0, -np.cos(angle), -np.sin(angle)]))
    camera = (world - [0, 0, 1.5]) @ turn
    pixels = project(torch.from_numpy(camera), np.concatenate([FOCAL, np.zeros(5)])).numpy()
    keypoints = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.9)], -1)
    truth = camera - camera[:, :1]

    def known(run, track, size, camera, step=1, progress=None):
        first = int(np.abs(keypoints[:, 0, 0] - track[track[:, 0, 2] > 0][0, 0, 0]).argmin())
        return Lifted(truth[first : first + len(track)].astype(np.float32), None, None)

    monkeypatch.setattr(lifting, "lift_track", known)
    return keypoints, world


def test_the_world_is_upright_on_the_floor_and_seen_where_the_keypoints_are(run, oracle):
    keypoints, world = oracle
    motion = stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17", camera=FOCAL, fps=30)
    np.testing.assert_allclose(motion.pose[:, 0, :, 2], world[..., 2], atol=0.01)
    shift = (world - motion.pose[:, 0]).mean((0, 1))
    np.testing.assert_allclose(motion.pose[:, 0] + shift, world, atol=0.01)
    camera = motion.camera
    seen = world_to_camera(torch.from_numpy(motion.pose[:, 0].copy()).double(), camera.rotation, camera.translation)
    np.testing.assert_allclose(project(seen, camera.intrinsics), keypoints[..., :2], atol=0.5)
    assert not motion.guessed.any()
    assert any("tilted by 12 degrees" in note for note in motion.notes)


def test_a_height_scales_everything(run, oracle):
    keypoints, _ = oracle
    options = {"run": run, "size": SIZE, "layout": "h36m17", "camera": FOCAL}
    as_predicted, taller = stgraph.lift(keypoints, **options), stgraph.lift(keypoints, height=1.9, **options)
    ratio = taller.pose[..., 2] / as_predicted.pose[..., 2].clip(0.2)
    tall = as_predicted.pose[..., 2] > 0.5
    low = as_predicted.pose[..., 2].max() - as_predicted.pose[..., 2].min()
    assert (taller.pose[..., 2].max() - taller.pose[..., 2].min()) / low == pytest.approx(1.9 / 1.68, abs=0.15)
    assert ratio[tall].std() < 0.1
    assert any("height of 1.9 m" in note for note in taller.notes)


def test_gaps_are_filled_up_to_half_a_second_and_stay_beyond(run, oracle):
    keypoints, _ = oracle
    keypoints = keypoints.copy()
    keypoints[10:24] = 0
    keypoints[30:50] = 0
    motion = stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17", camera=FOCAL, fps=30)
    assert motion.present[10:24].all() and not motion.present[30:50].any() and len(motion) == 60
    assert motion.guessed[17].all() and not motion.guessed[12].any() and not motion.guessed[25].any()


def test_a_video_with_far_fewer_frames_than_in_training_is_noted(run, oracle):
    keypoints, _ = oracle
    options = {"run": run, "size": SIZE, "layout": "h36m17", "camera": FOCAL}
    slow, usual = (stgraph.lift(keypoints, fps=fps, **options) for fps in (12, 50))
    assert any(note.startswith("12 frames per second are far fewer than the 50 that") for note in slow.notes)
    assert not any("far fewer" in note for note in usual.notes)


def test_joints_map_by_name(run, oracle):
    keypoints, _ = oracle
    coco = np.zeros((60, len(COCO17), 3))
    pairs = {11: "LHip", 12: "RHip", 13: "LKnee", 14: "RKnee", 15: "LFoot", 16: "RFoot", 5: "LShoulder", 6: "RShoulder"}
    pairs |= {7: "LElbow", 8: "RElbow", 9: "LWrist", 10: "RWrist", 0: "Neck/Nose", 1: "Head", 2: "Head"}
    for place, name in pairs.items():
        coco[:, place] = keypoints[:, H36M17.index(name)]
    motion = stgraph.lift(coco, run=run, size=SIZE, layout="coco17", camera=FOCAL)
    np.testing.assert_allclose(motion.keypoints[:, 0, 4], keypoints[:, 4], atol=1e-3)
    np.testing.assert_allclose(motion.keypoints[:, 0, 0, 2], 0.9, atol=1e-6)


def test_the_path_is_found_from_the_keypoints():
    rng = np.random.default_rng(0)
    pose, path = rng.normal(0, 0.3, (20, 17, 3)), rng.normal([0, 0, 5], 0.3, (20, 3))
    pixels = project(torch.from_numpy(pose + path[:, None]), np.concatenate([FOCAL, np.zeros(5)])).numpy()
    keypoints = np.concatenate([pixels, np.ones((20, 17, 1))], -1)
    keypoints[5, 4:] = keypoints[7] = 0
    keypoints[7, :, 2] = 0
    found = path_of(pose, keypoints, FOCAL)
    seen = np.delete(np.arange(20), 7)
    np.testing.assert_allclose(found[seen], path[seen], atol=1e-4)
    np.testing.assert_allclose(found[7], (path[6] + path[8]) / 2, atol=1e-4)


def test_up_is_the_cameras_where_no_person_stands():
    lying = np.random.default_rng(0).normal(0, 0.05, (50, 17, 3)) + np.linspace(0, 1, 17)[:, None] * [1, 0, 0]
    up, count = up_of(lying, H36M17)
    assert count == 0 and up.tolist() == [0, -1, 0]


def test_a_run_in_image_space_gets_its_scale_from_the_height(dataset):
    values = SETTINGS | IMAGE | {"data": SETTINGS["data"] | {"confidence": True}}
    run = TaskRun.create("lift", validate(values, "test"), dataset, Engine("cpu"))
    keypoints = np.random.default_rng(0).uniform(1, 900, (30, 17, 3)).astype(np.float32)
    keypoints[..., 2] = 1
    motion = stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17", height=1.8)
    assert any("height of 1.8 m" in note for note in motion.notes)


def test_mistakes_are_named(run, dataset):
    keypoints = np.random.default_rng(0).uniform(1, 700, (30, 17, 3))
    keypoints[..., 2] = 1
    with pytest.raises(InputError, match="size is not known.*size="):
        stgraph.lift(keypoints, run=run, layout="h36m17")
    with pytest.raises(InputError, match="size: found .*above 0"):
        stgraph.lift(keypoints, run=run, size=(0, 1000), layout="h36m17")
    with pytest.raises(InputError, match="no person is seen in 3 frames in a row"):
        stgraph.lift(np.where(np.arange(30)[:, None, None] < 2, keypoints, 0), run=run, size=SIZE, layout="h36m17")
    with pytest.raises(InputError, match="no .* among the joints"):
        stgraph.lift(keypoints[:, :5], run=run, size=SIZE, layout=["nose", "leye", "reye", "lear", "rear"])
    with pytest.raises(InputError, match="height"):
        stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17", height=-1.0)
    for wrong, message in (
        ({"height": 175.0}, "height: found 175; expected metres of a standing person, up to 3; give it in metres"),
        ({"smooth": 5.0}, "smooth: found 5; expected seconds, 0 to 1; for frames, divide by the rate"),
        (
            {"camera": np.array([35.0, 35.0, 320.0, 240.0])},
            "camera: found a focal length of 35 in an image .*; of a lens",
        ),
    ):
        with pytest.raises(InputError, match=message):
            stgraph.lift(keypoints, run=run, size=SIZE, layout="h36m17", **wrong)
    with pytest.raises(InputError, match="run: found 3"):
        stgraph.lift(keypoints, run=3, size=SIZE, layout="h36m17")


@pytest.mark.slow
def test_many_people_who_come_and_go_take_the_memory_of_their_own_frames(run):
    length, people, stay = 30_000, 60, 12
    one = np.random.default_rng(0).uniform(1, 700, (people * stay, len(H36M17), 3)) * [1, 1, 0] + [0, 0, 1]
    begin = np.arange(people) * (length // people)
    frame = (begin[:, None] + np.arange(stay)).ravel()
    raw = Raw("crowd", "array", frame, one, np.repeat(np.arange(people), stay), joints=H36M17.names, size=SIZE)
    keypoints = finished(raw, Options(), "crowd")
    tracemalloc.start()
    motion = stgraph.lift(keypoints, run=run, fps=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(motion.person) == people and len(motion.rows) == people * stay
    assert motion.rows.there.all() and len(motion) == begin[-1] + stay
    # As an array over all frames and people the pose alone would take 360 MB.
    assert peak < 40e6
