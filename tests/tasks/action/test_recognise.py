"""Poses in, the probability of every class out, as an evaluation gives it."""

from inspect import unwrap

import numpy as np
import onnxruntime
import pytest
import torch

import stgraph
from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track, runs
from stgraph.deployment.onnx_file import write
from stgraph.errors import InputError
from stgraph.skeleton import NTU25
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.sample import observed
from tests.tasks.action.clip_people import ACTIONS, CAMERA, acting, alive, new_run, track, write_clips

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("detector", ["openpose", None], ids=["2D", "3D"])
def test_recognising_poses_is_what_an_evaluation_gives(tmp_path, detector):
    dataset = write_clips(tmp_path / "clips.h5")
    run = new_run(dataset, data={"detector": detector, "normalise": "body"})
    run.model.eval()
    scores = run.recognise(dataset)
    number = dataset.find(str(scores.id[0]))
    (row,) = np.flatnonzero(dataset.tracks["recording"] == number)
    first, rows = (int(dataset.tracks[name][row]) for name in ("first_row", "rows"))
    field = f"pose2d/{detector}" if detector else "pose3d"
    poses = np.array(dataset.rows(field)[first : first + rows])[None]
    camera = dataset.camera(number)
    found = stgraph.recognise(run, poses, size=(camera.width, camera.height) if detector else None)
    np.testing.assert_allclose([found[name] for name in ACTIONS], scores.probabilities[0], atol=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    with pytest.raises(InputError, match="poses: found shape"):
        stgraph.recognise(run, poses[:, :, :3])


def of_two(detector: str | None) -> np.ndarray:
    """(m t j 3) two persons, the second of whom is away for a while."""
    one, two = (acting("wave", 30, seed) + np.float32([0.9 * seed, 0, 0]) for seed in range(2))
    two[:4] = two[13:16] = 0
    if detector is None:
        return np.stack([one, two])
    seen = np.stack([track(pose, seed=1).pose2d[detector] for pose in (one, two)])
    return np.where(two.any((1, 2))[None, :, None, None] | np.array([True, False])[:, None, None, None], seen, 0)


@pytest.mark.parametrize("sampling", ["uniform", "crop", "start"])
@pytest.mark.parametrize("detector", ["openpose", None], ids=["2D", "3D"])
def test_a_clip_is_where_its_people_are(tmp_path, detector, sampling):
    """Frames without a person do not count: behind the clip, and in front of it where it is sampled evenly."""
    dataset = write_clips(tmp_path / "clips.h5")
    run = alive(new_run(dataset, data={"detector": detector, "normalise": "body", "sampling": sampling}), dataset)
    size, poses = (640, 480) if detector else None, of_two(detector)
    before = np.zeros((2, 5 if sampling == "uniform" else 0, *poses.shape[2:]), np.float32)
    for nothing in (0.0, np.nan):
        padded = np.concatenate([before + nothing, poses, np.full((2, 7, *poses.shape[2:]), nothing)], axis=1)
        assert stgraph.recognise(run, padded, size=size) == stgraph.recognise(run, poses, size=size)
        if sampling == "uniform":  # a window of consecutive frames moves on
            live, alone = (Live(run, window=60, size=size) for _ in range(2))
            for one, values in ((live, padded), (alone, poses)):
                for frame in values.swapaxes(0, 1):
                    one.add(frame)
            torch.testing.assert_close(live.probabilities(), alone.probabilities())


@pytest.mark.parametrize(
    ("normalise", "number"),
    [("openpose body", np.nan), ("openpose image", np.inf), ("body", -np.inf), ("camera", np.nan), ("camera", np.inf)],
)
def test_a_joint_with_a_number_that_is_not_finite_is_not_seen(tmp_path, normalise, number):
    dataset = write_clips(tmp_path / "clips.h5")
    *detector, normalise = normalise.split()
    detector = detector[0] if detector else None
    run = alive(new_run(dataset, data={"detector": detector, "normalise": normalise}), dataset)
    size, poses = (640, 480) if detector else None, of_two(detector)
    broken, zero = poses.copy(), poses.copy()
    for person, frame, joint, channel in ((0, 3, 4, 0), (0, 8, 13, 1), (1, 20, 7, 2), (0, 0, 0, 0)):
        broken[person, frame, joint, channel], zero[person, frame, joint] = number, 0
    found, expected = (stgraph.recognise(run, values, size=size) for values in (broken, zero))
    assert found == expected and found != stgraph.recognise(run, poses, size=size)
    lives = [Live(run, window=30, size=size) for _ in range(2)]
    for one, two in zip(broken.swapaxes(0, 1), zero.swapaxes(0, 1), strict=True):
        np.testing.assert_array_equal(lives[0].update(one), lives[1].update(two))


def test_poses_relative_to_their_root_have_it(tmp_path):
    """At the origin in every frame it is seen there; at the origin now and then, it is not seen then."""
    dataset = write_clips(tmp_path / "clips.h5")
    run = new_run(dataset, data={"normalise": "body"})
    poses = torch.from_numpy(of_two(None))
    relative = poses - poses[:, :, :1]
    assert observed(relative, run.data, 0)[1].all(2).equal(poses.flatten(2).any(2))
    poses[0, 5, 0] = torch.nan
    assert not observed(poses, run.data, 0)[1][0, 5, 0] and observed(poses, run.data, 0)[1][0].sum() == 30 * 17 - 1


@pytest.mark.long
@pytest.mark.parametrize("longer", [0, 1])
def test_frames_without_the_first_person_are_left_out_as_pyskl_does(tmp_path, longer):
    """As of the dataset of the same clips; the one of the first two who is in more frames is the first."""
    people = np.stack([np.random.default_rng(seed).normal(0, 0.3, (20, 25, 3)) + [0, 0, 3] for seed in (1, 2)])
    people = people.astype(np.float32)
    people[1 - longer, [0, 1, 7, 11]] = people[longer, 12] = 0
    tracks = [
        Track({}, pose[start:end], frame=start, person=person)
        for person, pose in enumerate(people)
        for start, end in runs(pose.any((1, 2)))
    ]
    with DatasetWriter(tmp_path / "c.h5", NTU25, source="a fixed recipe", terms="none", created_by="tests") as writer:
        for subject, action in zip(("S1", "S2", "S3"), ACTIONS, strict=True):
            writer.add(Recording(subject, action, "clip", CAMERA, 30.0, tracks))
    dataset = Dataset(tmp_path / "c.h5")
    data = {"normalise": "pyskl", "train": ["S1", "S2"], "test": ["S3"]}
    run = alive(new_run(dataset, data=data), dataset)
    expected = run.recognise(dataset, subjects=["S3"]).probabilities[0]
    found = stgraph.recognise(run, people)
    np.testing.assert_allclose([found[name] for name in run.task.classes], expected, atol=1e-5)
    live = Live(run, window=20)
    last = [live.update(frame) for frame in people.swapaxes(0, 1)][-1]
    np.testing.assert_allclose(last, expected, atol=1e-5)
    if longer:
        assert write(run.deployed(None), tmp_path / "model.onnx", {})
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        (probability,) = session.run(["probability"], {"pose": people[None]})
        np.testing.assert_allclose(probability[0], expected, atol=1e-5)


@pytest.mark.parametrize("poses", [None, 3.0, "clip.npy", [[1.0], [1.0, 2.0]]])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, poses):
    run = new_run(write_clips(tmp_path / "clips.h5"))
    with pytest.raises(InputError, match="poses: "):
        unwrap(stgraph.recognise)(run, poses)  # whose annotations a test run would check first
