"""Lifting frame by frame: the numbers of the same windows offline, no look-ahead, a memory that does not grow."""

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.skeleton import COCO17
from stgraph.tasks.lifting.live import LEVEL, LiveFrame, LiveLifter
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tasks.lifting.track import lift_track, network_input, network_output
from stgraph.tasks.lifting.world import path_of
from stgraph.training.engine import Engine
from stgraph.training.task_run import TaskRun
from tests.conftest import standing, write

SIZE, FRAMES, FPS = (1000, 800), 40, 50.0
CAMERA = np.array([1100.0, 1100.0, 500.0, 400.0])
MIXER = {"name": "posemixer", "channels": 16, "blocks": 2, "groups": 2, "reach": 3, "patch": 1}
GLOBAL = {"name": "lifting", "output": "global", "losses": {"position": 1.0, "uncertainty": 0.01}}
RELATIVE = {"name": "lifting", "losses": {"position": 1.0}}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset(write(tmp_path_factory.mktemp("live") / "small.h5"))


def lifter(dataset: Dataset, task: dict = GLOBAL, **model: object) -> LiftingRun:
    values = {
        "task": task,
        "data": {"dataset": "small", "detector": "noisy", "frames": 9, "confidence": True, "train": ["S1"]},
        "model": model or MIXER,
    }
    made = TaskRun.create("live", validate(values, "test"), dataset, Engine("cpu"))
    assert isinstance(made, LiftingRun)
    return made


@pytest.fixture(scope="module")
def keypoints() -> np.ndarray:
    """(t j 3) pixels and confidence of a person, of whom a joint is not seen now and then."""
    pose = standing(FRAMES, 1).astype(np.float64)
    pixels = CAMERA[:2] * pose[..., :2] / pose[..., 2:] + CAMERA[2:]
    seen = np.random.default_rng(0).random((FRAMES, len(pose[0]), 1)) > 0.1
    return np.concatenate([pixels, np.full((*seen.shape[:2], 1), 0.8)], -1) * seen


def lived(live: LiveLifter, poses: np.ndarray) -> list[LiveFrame]:
    """All frames of (t m j 3), in order."""
    frames = [frame for pose in poses for frame in live.update(pose)] + live.finish()
    assert [frame.number for frame in frames] == [*range(len(poses))]
    return frames


def in_camera(frames: list[LiveFrame], person: int = 0) -> np.ndarray:
    return np.stack([frame.pose[person] for frame in frames]) @ LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("fps", [50.0, 150.0])
@pytest.mark.parametrize("causal", [False, True])
def test_a_sliding_network_gives_the_offline_answers(dataset, keypoints, causal, fps):
    run = lifter(dataset, RELATIVE, name="tcn", channels=8, filter_widths=[3, 3], dropout=0.0, causal=causal)
    live = LiveLifter(run, size=SIZE, fps=fps, camera=CAMERA)
    assert live.look_ahead == (0 if causal else 4) * live.step and live.step == fps // 50
    found = in_camera(lived(live, keypoints[:, None]))
    lifted = lift_track(run, keypoints, SIZE, live.scene.on_screen, step=live.step)
    np.testing.assert_allclose(found - found[:, :1], lifted.pose - lifted.pose[:, :1], atol=1e-5)
    np.testing.assert_allclose(found[:, 0], path_of(lifted.pose, keypoints, CAMERA), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("look_ahead", [0, 3, 8])
def test_every_frame_is_that_of_its_window_and_no_later_frame_counts(dataset, keypoints, look_ahead):
    run = lifter(dataset)
    live = LiveLifter(run, size=SIZE, fps=FPS, look_ahead=look_ahead)
    frames = lived(live, keypoints[:, None])
    assert live.frames == min(9, 2 * 3 + 1 + look_ahead)  # of the window, those on which the answer depends
    values = network_input(run, keypoints, SIZE)
    rows = (np.arange(FRAMES)[:, None] + np.arange(9) - (8 - look_ahead)).clip(0, FRAMES - 1)
    with torch.no_grad():
        pose, log = network_output(run, values[rows].permute(0, 3, 1, 2), live.scene.on_screen)
    pose = pose[:, 8 - look_ahead]
    expected = run.task.without_root(pose[None])[0] + pose[:, [run.skeleton.root]]
    np.testing.assert_allclose(in_camera(frames), expected, atol=1e-4)
    spread = np.stack([frame.uncertainty[0] for frame in frames])
    np.testing.assert_allclose(spread, log[:, 8 - look_ahead].exp(), rtol=1e-4)
    other = keypoints.copy()
    other[20:] += 30
    changed = in_camera(lived(LiveLifter(run, size=SIZE, fps=FPS, look_ahead=look_ahead), other[:, None]))
    np.testing.assert_array_equal(changed[: 20 - look_ahead], in_camera(frames)[: 20 - look_ahead])
    first = 20 - min(look_ahead, 2 * 3)  # two blocks that reach three frames each
    assert np.abs(changed[first] - in_camera(frames)[first]).max() > 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 2])
def test_a_causal_mixer_goes_on_by_its_step(dataset, keypoints, step):
    run = lifter(dataset, **MIXER, causal=True)
    run.model.eval()
    live = LiveLifter(run, size=SIZE, fps=FPS * step)
    found = in_camera(lived(live, keypoints[:, None]))
    values = network_input(run, keypoints, SIZE)
    for phase in range(step):
        x = values[phase::step].permute(2, 0, 1)[None]
        with torch.no_grad():
            pose = network_output(run, x, live.scene.on_screen)[0][0]
        expected = run.task.without_root(pose[None])[0] + pose[:, [run.skeleton.root]]
        np.testing.assert_allclose(found[phase::step], expected, atol=1e-5)
    assert all(past.shape[2] <= 2 * 3 + 1 for past in live.past[0])
    with pytest.raises(InputError, match="look_ahead: found 2; expected 0 to 0 frames for live"):
        LiveLifter(run, size=SIZE, fps=FPS, look_ahead=2)


@pytest.mark.slow
def test_people_come_and_go_each_by_itself(dataset, keypoints):
    """The second person is away for a tenth of a second, and later for longer than half a second."""
    run = lifter(dataset)
    two = np.zeros((100, 2, *keypoints.shape[1:]))
    two[:, 0], two[:, 1] = keypoints[np.arange(100) % FRAMES], keypoints[np.arange(100) % FRAMES] + [60, 0, 0]
    two[:, 1] *= two[:, 1, :, 2:] > 0
    two[:5, 1] = two[20:25, 1] = two[40:80, 1] = 0
    frames = lived(LiveLifter(run, size=SIZE, fps=FPS), two)
    there = np.stack([frame.present for frame in frames])
    assert there[:, 0].all() and not there[:5, 1].any() and there[5:65, 1].all() and not there[65:80, 1].any()
    assert there[80:, 1].all() and not there[:, 2:].any()
    alone = lived(LiveLifter(run, size=SIZE, fps=FPS), two[80:, 1:])
    np.testing.assert_allclose(in_camera(frames, 1)[80:], in_camera(alone), atol=1e-4)
    guessed = np.stack([frame.guessed[1] for frame in frames])
    assert guessed[55:65].all() and not guessed[22].all() and not guessed[81].all()


@pytest.mark.slow
def test_the_memory_does_not_grow(dataset, keypoints):
    for run in (lifter(dataset), lifter(dataset, **MIXER, causal=True)):
        live = LiveLifter(run, size=SIZE, fps=FPS, persons=2)

        def held(live: LiveLifter = live) -> int:
            kept = [*vars(live).values(), *(past for row in live.past for past in row)]
            return sum(value.size for value in kept if isinstance(value, np.ndarray)) + sum(
                value.numel() for value in kept if isinstance(value, torch.Tensor)
            )

        for frame in range(60):
            live.update(keypoints[[frame % FRAMES]])
        before = held()
        for frame in range(60, 300):
            live.update(keypoints[[frame % FRAMES]])
        assert held() == before < 20000


@pytest.mark.slow
def test_joints_are_taken_by_name_and_up_is_up(dataset, keypoints):
    run = lifter(dataset)
    order = np.random.default_rng(0).permutation(len(run.skeleton))
    names = ["Tail", *(run.skeleton.names[joint] for joint in order)]
    plain, named = LiveLifter(run, size=SIZE), LiveLifter(run, size=SIZE, joints=names)
    other = np.concatenate([np.ones_like(keypoints[:, :1]), keypoints[:, order]], axis=1)
    for one, two in zip(lived(plain, keypoints[:5, None]), lived(named, other[:5, None]), strict=True):
        np.testing.assert_allclose(one.pose, two.pose, atol=1e-6)
    np.testing.assert_array_equal(np.array([[0.1, 2.0, 5.0]], np.float32) @ LEVEL.T, np.float32([[0.1, 5, -2]]))
    coco = LiveLifter(run, size=SIZE, joints=COCO17.names)
    (frame,) = coco.update(np.ones((1, 17, 3)) * [400, 300, 0.9])
    assert frame.present.tolist() == [True] + 7 * [False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 5)}, "size: found"),
        ({"size": SIZE, "fps": 0}, "fps: found 0"),
        ({"size": SIZE, "fps": 50, "look_ahead": 9}, "look_ahead: found 9; expected 0 to 8 frames"),
        ({"size": SIZE, "persons": 0}, "persons: found 0"),
        ({"size": SIZE, "joints": ["Tail"]}, "joints: no Hip"),
    ],
    ids=str,
)
def test_mistakes_are_named(dataset, options, message):
    with pytest.raises(InputError, match=message):
        LiveLifter(lifter(dataset), **options)


@pytest.mark.slow
def test_a_wrong_frame_is_refused_and_the_next_one_goes_on(dataset, keypoints):
    live, again = (LiveLifter(lifter(dataset), size=SIZE, persons=1) for _ in range(2))
    live.update(keypoints[[0]])
    for pose in (keypoints[[1], :5], keypoints[:2]):
        with pytest.raises(InputError, match=r"frame 1: found poses of shape .*at most 1 persons, 17 joints"):
            live.update(pose)
    again.update(keypoints[[0]])
    (one,), (two,) = live.update(keypoints[[1]]), again.update(keypoints[[1]])
    np.testing.assert_allclose(one.pose, two.pose)
