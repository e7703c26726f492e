"""Errors against reference values, and against what they must not depend on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from stgraph.scoring import metrics
from stgraph.scoring.metrics import CORRECTNESS

GOLDEN = Path(__file__).parents[1] / "golden"


def load(name):
    return {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(GOLDEN / f"{name}.npz").items() if k != "config"}


@pytest.fixture
def poses():
    rng = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 9, 17, 3, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float64, "f64"), (torch.float32, "f32")])
def test_pose_errors_match_reference(dtype, bits):
    golden = load("metrics_pose")
    pred, target, weight = (golden[name].to(dtype) for name in ("pred", "target", "w"))

    def check(found, name):
        assert_close(found, golden[f"{bits}/{name}"].to(found.dtype), rtol=1e-6, atol=1e-6)

    error = metrics.joint_error(pred, target)
    check(error.mean(), "mpjpe")
    check(error.mean(), "tg_mpjpe")
    check(error.mean(0), "tg_mpjpe_per_joint")
    check(error.mean(1), "tg_t_mpjpe_per_frame")
    check((weight * error).mean(), "weighted_mpjpe")
    aligned = metrics.procrustes_error(pred, target)
    check(aligned.mean(), "p_mpjpe")
    check(aligned.mean(), "tg_p_mpjpe")
    check(aligned.mean(1), "p_mpjpe_per_sample")
    check(metrics.scale_error(pred, target).mean(), "n_mpjpe")
    check(metrics.velocity_error(pred, target).mean(), "mean_velocity_error")
    check(metrics.velocity_error(pred[None], target[None]).mean(), "tg_vel_axis1")
    check(metrics.axis_error(pred, target).norm(dim=-2).mean(0), "tg_per_axis_mpjpe")


def test_centre_frames_match_reference():
    golden = load("tgraphnet_losses_root_rel_and_traj")
    pred, target = (golden[name].double() for name in ("pred", "target"))
    pred[..., 0, :] = target[..., 0, :] = 0
    error = metrics.joint_error(pred, target)
    centre = slice(25, 56)
    velocity = metrics.velocity_error(pred[:, centre], target[:, centre])
    for found, name in [
        (error[:, centre].mean(), "mpjpe_center31"),
        (error[:, centre].mean((0, 1)), "mpjpe_center31_per_joint"),
        (error.mean((0, 2)), "t_mpjpe_per_frame"),
        (velocity.mean(), "vel_center31"),
    ]:
        assert_close(found, golden[f"eval/{name}"].double(), rtol=1e-6, atol=0)  # millimetres in float32


def test_pck_and_auc_match_reference():
    golden, tgraphnet = load("metrics_pck_auc"), CORRECTNESS["tgraphnet"]
    error = golden["errors"][..., 0] / 1000
    fourteen = error[:, [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16]]
    for joints, suffix in ((error, ""), (fourteen, "14")):
        assert_close(tgraphnet.pck(joints).mean(), golden[f"pck{suffix or 150}"], rtol=0, atol=1e-6)
        assert_close(tgraphnet.auc(joints).mean(), golden[f"auc{suffix}"], rtol=0, atol=1e-5)
        exact = torch.trapezoid(golden[f"pcks{suffix}"]) / 154
        assert_close(tgraphnet.auc(joints).mean(), exact, rtol=1e-12, atol=0)


def test_official_auc_is_the_mean_of_strict_pck():
    error = torch.cat([torch.rand(4000, dtype=torch.float64) * 0.2, torch.arange(0, 41).double() / 200])
    definition = CORRECTNESS["3dhp"]
    curve = torch.stack([(error < step / 200).double().mean() for step in range(31)])
    assert_close(definition.auc(error).mean(), curve.mean())
    assert_close(definition.pck(error).mean(), curve[-1])


def test_definitions_differ_at_the_threshold():
    error = torch.tensor([0.150], dtype=torch.float64)
    assert CORRECTNESS["3dhp"].pck(error) == 0
    assert CORRECTNESS["tgraphnet"].pck(error) == 1


@pytest.mark.parametrize("definition", CORRECTNESS.values(), ids=CORRECTNESS)
def test_auc_of_the_best_and_the_worst(definition):
    best, worst = definition.auc(torch.tensor([0.0, 10.0], dtype=torch.float64))
    assert best == pytest.approx(1.0 if definition.inclusive else 30 / 31)  # strictly below 0 mm is nothing
    assert worst == 0


def test_errors_of_shifted_turned_and_scaled_predictions(poses):
    target, turn = poses[0], torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn)
    zero = torch.zeros(2, 9, 17, dtype=torch.float64)
    assert_close(metrics.joint_error(target + torch.tensor([3.0, 0, 4]), target), zero + 5)
    assert_close(metrics.velocity_error(target + 5, target), zero[:, 1:])
    steady = torch.arange(9).double()[:, None, None]
    assert_close(metrics.velocity_error(target + steady, target), zero[:, 1:] + 3**0.5)
    assert_close(metrics.acceleration_error(target + steady, target), zero[:, 2:])
    assert_close(metrics.acceleration_error(target + steady**2, target), zero[:, 2:] + 2 * 3**0.5)
    assert_close(metrics.scale_error(2.5 * target, target), zero)
    assert (metrics.scale_error(2.5 * target + 1, target).mean((-2, -1)) > 0.1).all()
    assert_close(metrics.procrustes_error(2.5 * target @ turn + 1, target), zero)


def test_alignment_can_only_help_in_least_squares(poses):
    pred, target = poses
    total = [
        error(pred, target).square().sum()
        for error in (metrics.procrustes_error, metrics.scale_error, metrics.joint_error)
    ]
    assert total == sorted(total)


def test_scale_of_an_empty_prediction_is_finite(poses):
    target = poses[0]
    assert_close(metrics.scale_error(torch.zeros_like(target), target), target.norm(dim=-1))


def test_grouped_sum_is_exact_where_float32_is_not():
    values = torch.full((3_000_000, 1), 0.1)
    group = torch.arange(3_000_000) % 3
    found = metrics.grouped_sum(values, group, 4)
    assert_close(found[:, 0], torch.tensor([1e6, 1e6, 1e6, 0], dtype=torch.float64) * values[0].double())
