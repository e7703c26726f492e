"""Losses against the published objectives, and what they must not depend on."""

import pytest
import torch
from einops import rearrange

from stgraph.skeleton import H36M17
from stgraph.tasks import TASKS

GLOBAL = {"position": 1.0, "motion": 1.0, "trajectory": 1.0, "reprojection": 1.0, "root_motion": 0.001}


def lifting(**settings):
    return TASKS.get("lifting")(H36M17, **settings)


@pytest.fixture
def published(golden):
    """Prediction, target and inputs of the reference, in metres; its cameras normalise by 1000 x 1000 pixels."""
    data = golden("tgraphnet_losses_root_rel_and_traj")
    pred, target = (torch.from_numpy(data[name]) / 1000 for name in ("pred", "target"))
    batch = {
        "pose3d": target,
        "pose2d": torch.from_numpy(data["input_2d"]),
        "intrinsics": torch.from_numpy(data["cameras"]),
        "size": torch.full((len(pred), 2), 1000.0),
        "seen": torch.ones(pred.shape[:3]),
    }
    return data, pred.requires_grad_(), batch


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("root_rel", {"output": "root_relative", "losses": {"position": 1.0, "motion": 1.0}}),
        ("traj", {"output": "global", "losses": GLOBAL}),
    ],
)
def test_published_objectives_and_their_gradients(published, objective, settings):
    data, pred, batch = published
    task = lifting(**settings)
    terms = task.terms(batch, {"pose": rearrange(pred, "b t j c -> b c t j")})
    names = {
        "position": "loss_pos",
        "motion": "loss_dif",
        "trajectory": "loss_trajectory",
        "reprojection": "loss_proj",
        "root_motion": "traj_smoothness",
    }
    for name, term in terms.items():
        torch.testing.assert_close(term.item(), float(data[f"{objective}/{names[name]}"]), rtol=1e-5, atol=0)
    loss = task.loss(terms)
    torch.testing.assert_close(loss.item(), float(data[f"{objective}/loss_train"]), rtol=1e-5, atol=0)
    validation = task.validation_loss({name: term.item() for name, term in terms.items()})
    torch.testing.assert_close(validation, float(data[f"{objective}/loss_val"]), rtol=1e-5, atol=0)
    loss.backward()
    expected = 1000 * torch.from_numpy(data[f"{objective}/grad_pred"])  # its predictions are in mm
    torch.testing.assert_close(pred.grad, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_velocity_is_the_published_one(published):
    data, pred, batch = published
    task = lifting(losses={"velocity": 1.0})
    term = task.terms(batch, {"pose": rearrange(pred, "b t j c -> b c t j")})["velocity"]
    torch.testing.assert_close(term.item(), float(data["root_rel/loss_velocity"]), rtol=1e-5, atol=0)


def test_root_relative_terms_ignore_the_root(published):
    _, pred, batch = published
    losses = {"position": 1.0, "motion": 1.0, "velocity": 1.0, "n_mpjpe": 1.0, "smoothness": 1.0}
    task = lifting(losses=losses)
    moved = pred.detach().clone()
    moved[:, :, H36M17.root] += 3
    terms = [task.terms(batch, {"pose": rearrange(p, "b t j c -> b c t j")}) for p in (pred.detach(), moved)]
    assert set(terms[0]) == set(losses)
    for name in losses:
        assert terms[0][name] == terms[1][name] != 0


def test_joint_weights_weigh_the_position_loss(published):
    _, pred, batch = published
    outputs = {"pose": rearrange(pred.detach(), "b t j c -> b c t j")}
    plain = lifting(losses={"position": 1.0})
    error = plain.errors(batch, outputs)["mpjpe"]
    weighed = lifting(losses={"position": 1.0}, joint_weights={"LWrist": 4.0})
    expected = error.mean() + 3 * error[..., H36M17.index("LWrist")].mean() / len(H36M17)
    torch.testing.assert_close(weighed.terms(batch, outputs)["position"], expected)


def test_unseen_joints_do_not_reproject(published):
    _, pred, batch = published
    task = lifting(output="global", losses={"reprojection": 1.0})
    outputs = {"pose": rearrange(pred.detach(), "b t j c -> b c t j")}
    batch["seen"] = batch["seen"].clone()
    batch["seen"][:, :, 5] = 0
    before = task.terms(batch, outputs)["reprojection"]
    batch["pose2d"] = batch["pose2d"].clone()
    batch["pose2d"][:, :, 5] = 100
    assert task.terms(batch, outputs)["reprojection"] == before


@pytest.mark.parametrize(
    ("changes", "frames", "message"),
    [
        ({"losses": {"position": 0.0, "trajectory": 0.0}}, 81, "every weight is 0"),
        ({"losses": {"trajectory": 1.0}}, 81, 'set output to "global"'),
        ({"losses": {"motion": 1.0}}, 8, "window of 8 frames"),
    ],
)
def test_impossible_settings_are_named(changes, frames, message):
    settings = {"output": "root_relative", "motion_intervals": (8, 12, 16, 24)} | changes
    assert message in TASKS.get("lifting").check(settings, frames)[0]


def test_the_reprojection_of_a_batch_is_the_mean_of_its_parts(published):
    """However many joints each part sees: processes average their losses."""
    _, pred, batch = published
    task = lifting(output="global", losses={"reprojection": 1.0})
    batch["seen"] = batch["seen"].clone()
    batch["seen"][0, :, 3:] = 0
    outputs = rearrange(pred.detach(), "b t j c -> b c t j")

    def term(part):
        return task.terms({name: values[part] for name, values in batch.items()}, {"pose": outputs[part]})[
            "reprojection"
        ]

    torch.testing.assert_close(term(slice(None)), (term(slice(0, 1)) + 2 * term(slice(1, 3))) / 3)
