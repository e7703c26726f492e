"""Conditions change what they say and nothing else."""

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.geometry import project
from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.calibration import Calibration
from stgraph.tasks.lifting.conditions import CONDITIONS, DETECTOR, Condition, changed, write
from stgraph.tasks.lifting.detections import Detector


def recordings(dataset: Dataset, name: str) -> list:
    return list(changed(dataset, ["S1"], "gt", CONDITIONS[name]))


def test_exact_input_is_the_projection(dataset):
    for recording in recordings(dataset, "exact"):
        (track,) = recording.tracks
        pixels = project(torch.from_numpy(track.pose3d), recording.camera.intrinsics).numpy()
        detected = track.pose2d[DETECTOR]
        seen = detected[..., 2] > 0
        np.testing.assert_allclose(detected[seen][:, :2], pixels[seen], atol=1e-3)


def test_missing_joints_are_a_fifth_and_legs_are_legs(dataset):
    lost = np.concatenate([r.tracks[0].pose2d[DETECTOR][..., 2].ravel() == 0 for r in recordings(dataset, "missing")])
    assert lost.mean() == pytest.approx(0.2, abs=0.03)
    for recording in recordings(dataset, "no legs"):
        seen = recording.tracks[0].pose2d[DETECTOR][..., 2] > 0
        lower = Detector(H36M17).lower.numpy()
        assert not seen[:, lower].any() and seen[:, ~lower].mean() > 0.9


def test_another_rate_is_the_same_motion(dataset):
    for plain, slow in zip(recordings(dataset, "exact"), recordings(dataset, "25 fps"), strict=True):
        assert slow.fps == 25
        np.testing.assert_allclose(slow.tracks[0].pose3d, plain.tracks[0].pose3d[::2], atol=1e-5)


def test_a_new_camera_sees_the_same_body_and_repeats(dataset):
    for plain, new, again in zip(*(recordings(dataset, name) for name in ("exact", "cameras", "cameras")), strict=True):
        joints, parents = (list(side) for side in zip(*H36M17.bones, strict=True))
        poses = (track.pose3d for track in (plain.tracks[0], new.tracks[0]))
        bones = [np.linalg.norm(pose[:, joints] - pose[:, parents], axis=-1) for pose in poses]
        np.testing.assert_allclose(*bones, atol=1e-4)
        np.testing.assert_array_equal(new.tracks[0].pose2d[DETECTOR], again.tracks[0].pose2d[DETECTOR])
        assert new.camera.width != plain.camera.width or new.camera.intrinsics[0] != plain.camera.intrinsics[0]


def test_a_condition_is_a_file_that_opens(dataset, tmp_path):
    out = tmp_path / "condition.h5"
    write(changed(dataset, ["S1"], "noisy", Condition("x", unrated=True)), dataset, out)
    rated = Dataset(out).rows(f"pose2d/{DETECTOR}")[..., 2]
    assert set(np.unique(rated)) <= {0.0, 1.0}


def test_calibration_finds_what_was_expected():
    calibration = Calibration()
    torch.manual_seed(0)
    expected = torch.exp(torch.empty(50, 20, 17).uniform_(2, 5))
    made = expected * -torch.log(1 - torch.rand_like(expected))
    counted = torch.ones(50, 20, dtype=torch.bool)
    counted[0] = False
    calibration.add((expected / 1000).log(), made / 1000, counted)
    bins = calibration.report()
    assert sum(entry["share"] for entry in bins) == pytest.approx(1)
    for entry in bins:
        if entry["share"] > 0.05:
            assert entry["made"] == pytest.approx(entry["expected"], rel=0.12)
