"""Live recognition: at every frame the answer for a clip of the remembered frames, whichever people come and go."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.tasks.action.live import Live
from tests.tasks.action.clip_people import CAMERA, acting, alive, new_run, track, write_clips

pytestmark = pytest.mark.slow

SIZE = (CAMERA.width, CAMERA.height)
LENGTH, COMES, AWAY, BACK = 26, 9, 14, 17  # frames of the first person; when the second one comes, goes, is back


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("live") / "clips.h5")


@pytest.fixture(scope="module")
def poses():
    """(m t j 3) of two persons."""
    one, two = acting("wave", LENGTH, 3), acting("jump", LENGTH, 4) + np.float32([0.9, 0, 0.2])
    two[:COMES] = two[AWAY:BACK] = 0
    return np.stack([one, two])


def tracks(poses, first, end):
    """Of the frames from `first` up to `end`, counted from 0; what is detected does not depend on these."""
    runs = [(0, 0, LENGTH), (1, COMES, AWAY), (1, BACK, LENGTH)][: 3 if len(poses) > 1 else 1]
    for person, begin, stop in runs:
        whole, a, b = track(poses[person, begin:stop], person), max(first - begin, 0), min(stop, end) - begin
        if a < b:
            detections = {name: values[a:b] for name, values in whole.pose2d.items()}
            yield replace(whole, pose2d=detections, pose3d=whole.pose3d[a:b], frame=begin + a - first)


def detected(poses, detector):
    """(m t j 3) what a detector gives, or the metres."""
    if detector is None:
        return poses
    flat = np.zeros((*poses.shape[:-1], 3), np.float32)
    for one in tracks(poses, 0, LENGTH):
        flat[one.person, one.frame : one.frame + len(one)] = one.pose2d[detector]
    return flat


def answers(run, poses, spans, folder):
    """What the run says of clips of these frames."""
    entries = []
    for number, (first, end) in enumerate(spans):
        entries.append(Recording("S", "wave", f"clip {number:03d}", CAMERA, 30.0, list(tracks(poses, first, end))))
    found = run.recognise(write_clips(folder / "prefixes.h5", entries, splits={}), subjects=["S"])
    assert [id.split("/")[1] for id in found.id] == [entry.take for entry in entries]
    return found.probabilities


def check(run, poses, window, folder, detector=None):
    """Gives frames one by one and compares with a clip of the same frames; returns the answers."""
    live = Live(run, window=window, size=SIZE if detector else None)
    values = detected(poses, detector)
    found = np.stack([live.update(values[:, frame]).numpy() for frame in range(LENGTH)])
    spans = [(max(0, end - live.window), end) for end in range(1, LENGTH + 1)]
    np.testing.assert_allclose(found, answers(run, poses, spans, folder), atol=2e-6)
    assert np.abs(found[5:] - found[:-5]).max() > 1e-3  # it does not say the same of everything
    return found


@pytest.mark.parametrize(
    ("sampling", "window", "detector"),
    # Each sampling with each window, in 3D and in 2D by turns.
    [
        (sampling, window, (None, "openpose")[(row + column) % 2])
        for row, sampling in enumerate(("uniform", "crop", "start"))
        for column, window in enumerate((7, 16, 60))
    ],
)
def test_every_answer_is_that_for_a_clip_of_the_same_frames(dataset, poses, sampling, detector, window, tmp_path):
    """Windows shorter than what the model sees, as long, longer, and longer than what comes."""
    normalise = "image" if detector else "camera"
    run = alive(new_run(dataset, data={"sampling": sampling, "detector": detector, "normalise": normalise}), dataset)
    check(run, poses, window, tmp_path, detector)


@pytest.mark.parametrize(
    ("data", "persons"),
    [
        ({"normalise": "body"}, "padded"),
        ({"normalise": "body", "detector": "openpose", "confidence": True}, "present"),
        ({"stream": "bone_motion"}, "padded"),
        ({"max_persons": 1}, "present"),
        ({"max_persons": 4, "normalise": "kinect"}, "padded"),
        ({"test_frames": 21}, "present"),
        ({"frames": 4}, "present"),
        ({"frames": 30, "test_frames": 9, "sampling": "crop"}, "present"),
    ],
    ids=str,
)
def test_with_any_preparation(dataset, poses, data, persons, tmp_path):
    run = alive(new_run(dataset, data=data, task={"persons": persons}), dataset)
    check(run, poses[: data.get("max_persons", 2)], 20, tmp_path, data.get("detector"))


def test_two_persons_give_other_answers_than_one(dataset, poses, tmp_path):
    run = alive(new_run(dataset), dataset)
    both, alone = (check(run, people, 20, tmp_path) for people in (poses, poses[:1]))
    np.testing.assert_allclose(both[:COMES], alone[:COMES], atol=2e-6)
    assert np.abs(both - alone)[COMES:].max() > 1e-3


def test_people_missing_at_the_end_of_a_frame_are_absent(dataset, poses):
    run = alive(new_run(dataset), dataset)
    whole, short = Live(run), Live(run)
    for frame in range(LENGTH):
        there = 2 if poses[1, frame].any() else 1
        torch.testing.assert_close(whole.update(poses[:, frame]), short.update(poses[:there, frame]))


def test_by_default_it_remembers_what_the_model_sees(dataset):
    assert Live(new_run(dataset)).window == 12
    assert Live(new_run(dataset, data={"test_frames": 17})).window == 17
    assert Live(new_run(dataset, data={"sampling": "start"}), window=200).window == 12  # no more would be looked at


def test_frames_without_people_are_no_mistake(dataset, poses):
    live = Live(alive(new_run(dataset, data={"normalise": "body"}), dataset), window=4)
    empty = np.zeros((2, 17, 3), np.float32)
    for pose in (empty, empty[:0], poses[:, 12], *[empty] * 6):
        found = live.update(pose)
        assert found.isfinite().all() and found.sum() == pytest.approx(1)


def state(live):
    """Numbers that it holds, but for the run's."""
    held = [value for name, value in vars(live).items() if name != "run"]
    return sum(value.numel() for value in held if isinstance(value, torch.Tensor)), sorted(vars(live))


def test_without_people_all_classes_are_equally_likely(dataset):
    run = alive(new_run(dataset), dataset)
    empty = np.zeros((1, len(run.skeleton), 3), np.float32)
    found = Live(run).update(empty)
    np.testing.assert_allclose(found, 1 / len(run.task.classes))


def test_the_state_does_not_grow(dataset, poses, monkeypatch):
    live = Live(alive(new_run(dataset), dataset), window=20)
    monkeypatch.setattr(live, "probabilities", lambda: torch.ones(3))
    before = state(live)
    for frame in range(1000):
        live.update(poses[:, frame % LENGTH])
    assert state(live) == before and before[0] < 2 * 20 * 17 * 3 + 10
    monkeypatch.undo()
    again = Live(live.run, window=20)
    for frame in range(980, 1000):
        last = again.update(poses[:, frame % LENGTH])
    torch.testing.assert_close(live.probabilities(), last)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window: found 0; expected 1 frame or more"),
        ({}, "size: 2D poses are normalised by the image; give its width and height"),
    ],
)
def test_what_it_cannot_work_with_is_refused(dataset, options, message):
    run = new_run(dataset, data={"detector": "openpose", "normalise": "image"})
    with pytest.raises(InputError, match=message):
        Live(run, **options)


def test_joints_are_taken_by_name(dataset, poses):
    """Those of Human3.6M in another order, beside others."""
    run = alive(new_run(dataset, data={"detector": "openpose", "normalise": "image"}), dataset)
    names = run.skeleton.names
    order = np.random.default_rng(0).permutation(len(names))
    plain, named = Live(run, size=SIZE), Live(run, size=SIZE, joints=["Tail", *(names[place] for place in order)])
    for frame in detected(poses, "openpose").swapaxes(0, 1)[:5]:
        other = np.concatenate([np.ones_like(frame[:, :1]), frame[:, order]], axis=1)
        torch.testing.assert_close(named.update(other), plain.update(frame))
    with pytest.raises(InputError, match="joints: no Hip, .*among the joints Tail"):
        Live(run, size=SIZE, joints=["Tail"])


@pytest.mark.parametrize("shape", [(3, 17, 3), (1, 16, 3)])
def test_poses_of_another_shape_are_refused(dataset, shape):
    live = Live(new_run(dataset))
    message = r"frame 1: found poses of shape \(.*; expected at most 2 persons, 17 joints of 'h36m17' and 3 numbers"
    live.update(np.ones((1, 17, 3), np.float32))
    with pytest.raises(InputError, match=message):
        live.update(np.ones(shape, np.float32))
