"""Clips prepared as pyskl prepares them, against the description in NumPy and scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import COCO17, H36M17, NTU25
from stgraph.tasks.action.normalisation import Normalisation
from stgraph.tasks.action.samples import Clips
from stgraph.tasks.action.settings import ClipSettings

CAMERA = Camera("c", 640, 360, np.array([500, 500, 320, 180, 0, 0, 0, 0, 0]), np.eye(4)[0], np.zeros(3))
SETTINGS = {"dataset": "x", "frames": 8, "normalise": "pyskl"}


def clips(path, skeleton, tracks, **settings):
    with DatasetWriter(path, skeleton, source="test", terms="none", created_by="test") as writer:
        writer.add(Recording("S1", "walk", "take", CAMERA, 30.0, tracks))
    data, chosen = Dataset(path), ClipSettings(**SETTINGS, **settings)
    labels, kept = np.zeros(1, int), np.ones(1, bool)
    return Clips(data, chosen, kept, labels=labels, skeleton=skeleton, padded=True)


def kinect(frames, seed):
    """A person of NTU's joints in camera space, metres."""
    return (0.3 * np.random.default_rng(seed).normal(size=(frames, 25, 3)) + [0.2, 0.1, 3]).astype(np.float32)


def smallest(vector, axis):
    """Rotation by the angle between two vectors about what is perpendicular to both."""
    normal = np.cross(vector, axis)
    angle = np.arccos(vector @ axis / np.linalg.norm(vector))
    return Rotation.from_rotvec(normal / np.linalg.norm(normal) * angle).as_matrix()


def prepared(people):
    """(m t j 3) in Kinect's axes -> as pyskl has it."""
    first = people[0, 0]
    moved = np.where((people != 0).any(-1, keepdims=True), people - first[1], 0)
    moved = moved @ smallest(moved[0, 0, 1] - moved[0, 0, 0], np.array([0.0, 0, 1])).T
    return moved @ smallest(moved[0, 0, 8] - moved[0, 0, 4], np.array([1.0, 0, 0])).T


def test_3d_is_turned_by_the_clips_first_pose_and_frames_without_the_first_person_are_dropped(tmp_path):
    one, other = kinect(12, 0), kinect(7, 1)
    tracks = [Track({}, one[:5], person=0), Track({}, one[5:], frame=8, person=0), Track({}, other, frame=3, person=1)]
    data = clips(tmp_path / "x.h5", NTU25, tracks, detector=None, sampling="start", test_frames=12)
    assert data.lengths.tolist() == [12]
    x = data.batch(torch.tensor([0]))["x"]
    people = np.zeros((2, 15, 25, 3))
    people[0, [*range(5), *range(8, 15)]], people[1, 3:10] = one, other
    kept = (people[0] != 0).any((1, 2))
    expected = prepared(people[:, kept] * [-1, -1, 1])
    np.testing.assert_allclose(x.permute(0, 2, 3, 1), expected, atol=1e-5)
    assert not x[1, :, :3].any() and not x[1, :, 7:].any()


def test_the_origin_is_the_clips_first_frame_whichever_frames_are_sampled(tmp_path):
    one = kinect(40, 0)
    data = clips(tmp_path / "x.h5", NTU25, [Track({}, one)], detector=None)
    batch = data.batch(torch.tensor([0]))
    frames = batch["frame"][0].numpy()
    assert frames[0] > 0
    expected = prepared(one[None] * np.array([-1, -1, 1.0]))[0, frames]
    np.testing.assert_allclose(batch["x"][0].permute(1, 2, 0), expected, atol=1e-5)


def test_of_two_persons_the_one_in_more_frames_comes_first(tmp_path):
    short, long = kinect(3, 0), kinect(9, 1)
    tracks = [Track({}, short, person=0), Track({}, long, person=1)]
    data = clips(tmp_path / "x.h5", NTU25, tracks, detector=None, sampling="start", test_frames=9)
    people = np.zeros((2, 9, 25, 3))
    people[0], people[1, :3] = long, short
    x = data.batch(torch.tensor([0]))["x"].permute(0, 2, 3, 1)
    np.testing.assert_allclose(x, prepared(people * [-1, -1, 1]), atol=1e-5)


def test_2d_is_scaled_by_both_sides_of_the_image_and_uncertain_joints_are_zero(tmp_path):
    pose = np.random.default_rng(0).uniform(0, 300, (8, 17, 3)).astype(np.float32)
    pose[..., 2] = 0.9
    pose[2, 3, 2], pose[4, 5, 2] = 0.01, 0.0
    data = clips(tmp_path / "x.h5", COCO17, [Track({"sh": pose})], detector="sh", confidence=True)
    x = data.batch(torch.tensor([0]))["x"][0].permute(1, 2, 0).numpy()
    expected = (pose[..., :2] - [320, 180]) / [320, 180]
    expected[2, 3] = expected[4, 5] = 0
    np.testing.assert_allclose(x[..., :2], expected, atol=1e-5)
    np.testing.assert_allclose(x[..., 2], pose[..., 2])


def test_other_skeletons_have_no_such_turn():
    settings = ClipSettings(**SETTINGS, detector=None)
    with pytest.raises(
        InputError, match=r"data.normalise: .* skeleton 'h36m17' has no SpineBase, SpineMid; use \"body"
    ):
        Normalisation(H36M17, settings)
