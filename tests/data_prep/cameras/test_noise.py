"""The simulated detector has the statistics that its numbers state."""

import numpy as np
import pytest

from data_prep.cameras.noise import seeded, simulate_detections
from stgraph.data.detector_noise import noise_model
from stgraph.errors import InputError
from stgraph.skeleton import H36M17

JOINTS = len(H36M17)


def errors(frames: int, seed: int = 0, width: int = 1000, height: int = 1002) -> tuple[np.ndarray, np.ndarray]:
    """Errors in screen units, and confidences."""
    exact = np.random.default_rng(seed).uniform(0, 1000, (frames, JOINTS, 2))
    found = simulate_detections(exact, width, height, seeded(seed, "a"))
    return (found[..., :2] - exact) * 2 / width, found[..., 2]


@pytest.mark.slow
def test_error_statistics_are_those_of_the_mixture():
    """At key frames: mean w m, variance w (s2 + m2) + (1 - w) u2 / 3 - mean2, plus white noise."""
    model = noise_model()
    key_frames = np.concatenate([errors(2, seed)[0] for seed in range(3000)])
    weight = model["weight"][:, None]
    mean = weight * model["mean"]
    usual = weight * (model["std"] ** 2 + model["mean"] ** 2)
    variance = usual + (1 - weight) * model["outlier"] ** 2 / 3 - mean**2 + model["white"] ** 2
    deviation = np.sqrt(variance)
    assert (np.abs(key_frames.mean(0) - mean) < 5 * deviation / np.sqrt(len(key_frames))).all()
    np.testing.assert_allclose(key_frames.std(0), deviation, rtol=0.08)


def test_errors_are_interpolated_between_27_key_frames_of_243(monkeypatch):
    """Without white noise the second difference vanishes except beside a key frame."""
    monkeypatch.setitem(noise_model(), "white", 0.0)
    bends = np.abs(np.diff(errors(243)[0], 2, axis=0)).max(axis=(1, 2)) > 1e-9
    # A key frame between two frames bends the line at both of them.
    starts = np.flatnonzero(bends & ~np.concatenate([[False], bends[:-1]]))
    assert len(starts) == 25
    assert set(np.diff(starts)) <= {9, 10}


def test_confidence_falls_with_the_error():
    found, confidence = errors(20000)
    model = noise_model()["confidence"]
    distance = np.linalg.norm(found, axis=-1)
    assert confidence.min() >= 0 and confidence.max() <= 1
    near, far = distance < 0.004, distance > 0.025
    assert confidence[near].mean() > confidence[far].mean() + 0.25
    middle = (distance > 0.013) & (distance < 0.017)
    expected = model["a"] / (distance + model["a"]) + model["b"] * distance + model["m"]
    assert confidence[middle].mean() == pytest.approx(expected[middle].mean(), abs=0.01)


def test_errors_scale_with_the_image_width():
    np.testing.assert_allclose(errors(30, width=500, height=900)[0], errors(30, width=1920, height=1080)[0], atol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips(frames):
    found, confidence = errors(frames)
    assert found.shape == (frames, JOINTS, 2) and np.isfinite(found).all() and confidence.shape == (frames, JOINTS)


def test_seeded_depends_on_name_and_seed_alone():
    draws = [seeded(seed, name).random() for seed, name in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_other_joint_counts_are_refused():
    with pytest.raises(InputError, match="found 3 joints; expected Hip"):
        simulate_detections(np.zeros((4, 3, 2)), 10, 10, seeded(0, "a"))
