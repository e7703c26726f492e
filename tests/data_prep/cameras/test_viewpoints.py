"""Random cameras stand upright and see the person; what cannot be seen is recognised."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.noise import seeded
from data_prep.cameras.viewpoints import CAMERA_HEIGHT, common_look_at, look_at, random_camera, see
from stgraph.data.recording import runs
from stgraph.geometry import Camera, quaternion_to_matrix

PINHOLE = np.array([1000, 1000, 500, 400, 0, 0, 0, 0, 0.0])


def camera_at(centre, target, name: str = "c") -> Camera:
    rotation = look_at(np.array(centre, float), np.array(target, float), 0)
    return Camera(name, 1000, 800, PINHOLE, Rotation.from_matrix(rotation).as_quat(scalar_first=True), np.array(centre))


def test_look_at_keeps_up_up_and_right_right():
    """From the south, east is right in the image, up is up, and farther north is deeper."""
    camera = camera_at([0, -5, 1], [0, 0, 1])
    points = np.array([[[0, 0, 1], [1, 0, 1], [0, 0, 2], [0, 1, 1]]], float)
    pose, pixels, _ = see(points, camera, 0.1, 1)
    np.testing.assert_allclose(pixels[0, :3], [[500, 400], [700, 400], [500, 200]], atol=1e-9)
    np.testing.assert_allclose(pose[0, :, 2], [5, 5, 5, 6])


def test_roll_turns_about_the_optical_axis():
    still, rolled = (look_at(np.array([3.0, 1, 2]), np.zeros(3), roll) for roll in (0, 90))
    np.testing.assert_allclose(rolled[:, 2], still[:, 2])
    np.testing.assert_allclose(rolled[:, 0], still[:, 1], atol=1e-12)
    assert np.linalg.det(rolled) == pytest.approx(1)


def test_common_look_at_is_where_the_axes_meet():
    target = [0.3, -0.2, 0.9]
    cameras = [camera_at(centre, target) for centre in ([3, 3, 1], [-3, 2, 2], [1, -4, 0.5])]
    np.testing.assert_allclose(common_look_at(cameras), target, atol=1e-9)


def test_human36m_cameras_look_at_a_spot_in_the_middle_of_them():
    cameras = h36m_cameras("S1")
    spot = common_look_at(cameras)
    centres = np.array([camera.translation for camera in cameras])
    assert (centres.min(0)[:2] < spot[:2]).all() and (spot[:2] < centres.max(0)[:2]).all()
    assert 0.2 < spot[2] < 1.6


def test_frames_with_a_joint_outside_behind_or_too_near_are_not_seen():
    camera = camera_at([0, -5, 1], [0, 0, 1])
    inside = [0.0, 0, 1]
    frames = {
        "inside": [inside, [2, 0, 1]],
        "within the margin": [inside, [2.6, 0, 1]],
        "beyond the margin": [inside, [2.8, 0, 1]],
        "beyond the slope that is projected": [inside, [6, 0, 1]],
        "too near": [inside, [0, -4.2, 1]],
        "behind": [inside, [0, -7, 1]],
    }
    *_, seen = see(np.array(list(frames.values()), float), camera, 0.05, 1.0)
    assert seen.tolist() == [True, True, False, False, False, False]


def test_what_the_projection_clamps_into_the_image_is_not_seen():
    """Through a wide lens, a slope of 1 is 200 pixels inside the image, and so is whatever is steeper."""
    narrow = camera_at([0, -5, 1], [0, 0, 1])
    wide = Camera("w", 1000, 800, np.array([300, 300, 500, 400, 0, 0, 0, 0, 0]), narrow.rotation, narrow.translation)
    _, pixels, seen = see(np.array([[[4.9, 0, 1]], [[5.1, 0, 1]], [[9, 0, 1]]], float), wide, 0.0, 1.0)
    assert (pixels[..., 0] <= 800 + 1e-6).all()
    assert seen.tolist() == [True, False, False]


@pytest.mark.slow
def test_random_cameras_see_a_person_who_stands():
    """Upright within a few degrees, in their height, the whole person inside and of a sensible size."""
    rng = np.random.default_rng(0)
    pose = rng.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 1.8], (40, 25, 3))
    sizes = set()
    for number in range(60):
        camera = random_camera(seeded(number, "take"), pose, "c")
        _, pixels, seen = see(pose, camera, 0.0, 1.0)
        assert seen.all()
        share = np.ptp(pixels[..., 1], axis=1).max() / camera.height
        assert 0.15 < share <= 0.95
        down = quaternion_to_matrix(torch.tensor(camera.rotation)).numpy()[:, 1]
        assert down[2] < -0.6
        assert CAMERA_HEIGHT[0] <= camera.translation[2] <= CAMERA_HEIGHT[1]
        sizes.add((camera.width, camera.height))
    assert any(width < height for width, height in sizes) and any(width > height for width, height in sizes)


@pytest.mark.slow
def test_a_long_walk_does_not_make_the_person_small():
    body = np.random.default_rng(1).uniform([-0.2, -0.2, 0.0], [0.2, 0.2, 1.7], (25, 3))
    pose = body + np.linspace([-15, 0, 0], [15, 0, 0], 300)[:, None]
    for number in range(30):
        camera = random_camera(seeded(number, "walk"), pose, "c")
        _, pixels, seen = see(pose, camera, 0.05, 1.0)
        assert seen.sum() >= 10
        assert np.ptp(pixels[seen][..., 1], axis=1).max() > 0.2 * camera.height


def test_random_cameras_are_a_function_of_their_generator():
    pose = np.random.default_rng(1).normal(size=(10, 5, 3))
    first, second, third = (random_camera(seeded(0, name), pose, "c") for name in ("a", "a", "b"))
    np.testing.assert_array_equal(first.translation, second.translation)
    assert np.abs(first.translation - third.translation).max() > 1e-3


def test_runs():
    assert runs(np.array([], bool)) == []
    assert runs(np.array([False, True, True, False, True])) == [(1, 3), (4, 5)]
