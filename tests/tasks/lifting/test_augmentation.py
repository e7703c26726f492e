"""What is drawn anew: exact where it should be, of the stated kind, and the same when it is repeated."""

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.mixture import Mixture
from stgraph.data.windows import WindowBatch, Windows
from stgraph.geometry import project, screen_normalise
from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.augmentation import AugmentedWindows
from stgraph.tasks.lifting.body import descendants, legs, limbs
from stgraph.tasks.lifting.detections import NO_LEGS, Detector
from stgraph.tasks.lifting.settings import Augmentation
from stgraph.tasks.lifting.views import drawn_views

CALM = {
    "stretch": (1.0, 1.0),
    "noise": 0.0,
    "missing": 0.0,
    "unrated": 1.0,
    "uncalibrated": 0.0,
    "bodies": 0.0,
    "recombined": 0.0,
    "rigs": 0.0,
}


def windows(dataset: Dataset, **settings: object) -> AugmentedWindows:
    drawn = Augmentation(**(CALM | settings))
    return AugmentedWindows(dataset, drawn, detector="gt", frames=9, stride=5, confidence=True)


def drawn(samples: AugmentedWindows, seed: int = 0) -> WindowBatch:
    torch.manual_seed(seed)
    return samples.batch(torch.arange(40))


def test_without_errors_the_input_is_the_projection_of_the_target(dataset):
    batch = drawn(windows(dataset, cameras=0.5))
    pose = batch["pose3d"].clone()
    root = pose[:, :, [0]].clone()
    pose[:, :, 0] = 0
    screen = screen_normalise(project(pose + root, batch["intrinsics"]), *batch["size"].unbind(-1))
    seen = batch["seen"] > 0
    torch.testing.assert_close(batch["pose2d"][seen], screen[seen], atol=1e-4, rtol=0)
    assert seen.float().mean() > 0.8
    assert (batch["camera"][:, :2] > 0).all()
    assert len({tuple(size.tolist()) for size in batch["size"]}) > 3  # the shape of the image is drawn


def test_the_files_cameras_see_what_the_file_has(dataset):
    batch = drawn(windows(dataset, cameras=0.0))
    plain = Windows(dataset, detector="gt", frames=9, stride=5, confidence=True).batch(torch.arange(40))
    torch.testing.assert_close(batch["pose3d"], plain["pose3d"])
    seen = batch["seen"] > 0
    torch.testing.assert_close(batch["pose2d"][seen], plain["pose2d"][seen], atol=1e-4, rtol=0)


def test_draws_repeat_with_the_seed_and_differ_without(dataset):
    samples = windows(dataset, noise=1.0, missing=1.0, bodies=0.1, recombined=0.5, rigs=0.02, stretch=(0.7, 1.4))
    first, again, other = (drawn(samples, seed) for seed in (0, 0, 1))
    for name, values in first.items():
        torch.testing.assert_close(values, again[name])
    assert not torch.equal(first["x"], other["x"])
    assert (first["seen"] == 0).any() and first["x"].isfinite().all()
    assert (first["x"].abs().amax(1)[first["seen"] == 0] == 0).all()


def test_a_drawn_camera_keeps_gravity_and_distance():
    """Rolled a little, never upside down; the person before it, nearly all of it in the image."""
    rng = np.random.default_rng(0)
    pose = torch.from_numpy(rng.normal(0, 0.3, (400, 3, 17, 3))).float()
    pose[:, :, 10] = pose[:, :, 0] + torch.tensor([0, 0, 0.7])
    view = drawn_views(pose, root=0)
    assert (view.pose[:, :, 10, 1] < view.pose[:, :, 0, 1]).float().mean() > 0.97  # y points down
    assert view.pose[..., 2].min() > 0.7
    pixels = project(view.pose, view.intrinsics)
    inside = ((pixels >= 0) & (pixels <= view.size[:, None, None])).all(-1)
    assert inside.float().mean() > 0.85
    lengths = (pose[:, :, 1:] - pose[:, :, :-1]).norm(dim=-1)
    torch.testing.assert_close((view.pose[:, :, 1:] - view.pose[:, :, :-1]).norm(dim=-1), lengths, atol=1e-4, rtol=1e-4)


def test_errors_are_in_proportion_to_the_person(dataset):
    errors = Detector(H36M17)
    screen = 0.2 * torch.randn(1, 1, 17, 2).expand(300, 9, -1, -1)
    sizes = []
    for scale in (1.0, 0.25):
        torch.manual_seed(0)
        found, confidence = errors.detect(scale * screen)
        sizes.append((found - scale * screen).norm(dim=-1).mean())
        assert confidence.min() > 0 and confidence.max() <= 1
    assert sizes[0] / sizes[1] == pytest.approx(4, rel=0.01)


def test_a_certain_detector_errs_less():
    errors = Detector(H36M17)
    torch.manual_seed(0)
    screen = 0.2 * torch.randn(1, 1, 17, 2).expand(500, 9, -1, -1)
    found, confidence = errors.detect_variously(screen, 1.0)
    error = (found - screen).norm(dim=-1)
    assert error[confidence > 0.9].mean() < 0.6 * error[confidence < 0.6].mean()


def test_limbs_are_those_of_the_skeleton():
    assert [H36M17.names[joint] for joint in limbs(H36M17)] == ["RHip", "LHip", "LShoulder", "RShoulder"]
    lower = [H36M17.index(name) for name in ("RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot")]
    assert np.flatnonzero(descendants(H36M17)[legs(H36M17)].any(0)).tolist() == sorted(lower)


def test_what_is_missing_is_missing_as_often_as_stated():
    errors, screen = Detector(H36M17), torch.zeros(4000, 27, 17, 2)
    torch.manual_seed(0)
    assert not errors.lost(screen, 0.0).any()
    lost = errors.lost(screen, 1.0)
    assert 0.08 < lost.float().mean() < 0.3
    no_legs = lost[:, :, errors.lower].all(-1).all(-1)
    assert no_legs.float().mean() == pytest.approx(NO_LEGS, abs=0.03)


def test_a_mixture_has_the_shares_that_are_stated(dataset):
    one, other = (Windows(dataset, detector="gt", frames=9, stride=stride) for stride in (5, 9))
    mixed = Mixture(one, [(other, 0.25)])
    assert len(mixed) == len(one) + round(len(one) / 3)
    torch.manual_seed(0)
    batch = mixed.batch(torch.arange(len(mixed)))
    assert len(batch["x"]) == len(mixed)
    assert (batch["recording"] >= len(one.dataset)).float().mean() == pytest.approx(0.25, abs=0.01)
    assert all(str(dataset.path) in id for id in mixed.ids(batch["recording"]))
    torch.testing.assert_close(batch["x"][: len(one)], one.batch(torch.arange(len(one)))["x"])
