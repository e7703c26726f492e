"""Losses against the published objectives, and what they must not depend on."""

import pytest
import torch
from einops import rearrange

from stgraph.errors import InputError
from stgraph.geometry import image_space
from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.task import Lifting

GLOBAL = {"position": 1.0, "motion": 1.0, "trajectory": 1.0, "reprojection": 1.0, "root_motion": 0.001}


def lifting(**settings):
    return Lifting(H36M17, **settings)


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
    error = plain.errors(batch, outputs)["mpjpe_mm"] / 1000
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
        ({"losses": {"trajectory": 1.0}, "output": "image"}, 81, 'set output to "global"'),
        ({"losses": {"motion": 1.0}}, 8, "window of 8 frames"),
        ({"losses": {"position": 1.0}, "output": "global", "root": "learned"}, 81, "root-relative output"),
        ({"losses": {"position": 1.0}, "actions": ["Walking", "Sitting"]}, 81, "nothing learns them"),
        ({"losses": {"action": 1.0}, "actions": ["Walking", "Walking"]}, 81, "stands in it twice"),
    ],
)
def test_impossible_settings_are_named(changes, frames, message):
    defaults = {"output": "root_relative", "root": "zero", "actions": None, "motion_intervals": (8, 12, 16, 24)}
    settings = defaults | changes
    assert message in Lifting.check(settings, frames)[0]


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


def test_a_learned_root_is_trained_towards_zero(published):
    _, pred, batch = published
    outputs = {"pose": rearrange(pred.detach(), "b t j c -> b c t j")}
    losses = {"position": 1.0, "mse": 1.0}
    zero, learned = (lifting(losses=losses, root=root) for root in ("zero", "learned"))
    root = pred.detach()[:, :, H36M17.root]
    torch.testing.assert_close(learned.prediction(outputs)[:, :, H36M17.root], root)
    assert not zero.prediction(outputs)[:, :, H36M17.root].any()
    more = {name: term - zero.terms(batch, outputs)[name] for name, term in learned.terms(batch, outputs).items()}
    torch.testing.assert_close(more["position"], root.norm(dim=-1).mean() / len(H36M17))
    torch.testing.assert_close(more["mse"], root.square().mean() / len(H36M17))


def test_the_actions_term_is_the_cross_entropy_of_the_mean_score(published):
    _, pred, batch = published
    task = lifting(losses={"position": 1.0, "action": 0.5}, actions=["a", "b", "c"])
    assert task.heads == {"pose": 3, "action": 3}
    scores = torch.randn(len(pred), 3, pred.shape[1], 5, generator=torch.Generator().manual_seed(0))
    outputs = {"pose": rearrange(pred.detach(), "b t j c -> b c t j"), "action": scores}
    labels = torch.tensor([2, -1, 0])
    log_share = scores.mean((2, 3)).log_softmax(1)
    expected = -(log_share[0, 2] + log_share[2, 0]) / 3  # an unknown action counts, but adds nothing
    terms = task.terms(batch | {"label": labels}, outputs)
    torch.testing.assert_close(terms["action"], expected)
    torch.testing.assert_close(task.loss(terms), terms["position"] + 0.5 * expected)
    assert task.validation_loss({"position": 2.0, "action": 7.0}) == 2.0
    share = task.errors(batch | {"label": labels}, outputs)["action_percent"]
    torch.testing.assert_close(share[0, :, 0], 100.0 * (scores[0].mean(-1).argmax(0) == 2))
    assert not share[1].any()


def test_image_space_is_trained_in_half_widths_and_brought_to_metres_by_the_batchs_scale(published):
    _, _, batch = published
    root = H36M17.root
    image, scale = image_space(batch["pose3d"] + torch.tensor([0.0, 0, 5]), batch["intrinsics"], root)
    relative = (image - image[:, :, root, None]) / 500
    batch = batch | {"image3d": relative, "scale": 500 * scale}
    task = lifting(output="image", losses={"position": 1.0, "velocity": 20.0})
    outputs = {"pose": rearrange(relative + 0.01, "b t j c -> b c t j")}
    terms = task.terms(batch, outputs)
    torch.testing.assert_close(terms["position"].item(), 0.01 * 3**0.5 * 16 / 17, rtol=1e-4, atol=0)
    assert terms["velocity"] < 1e-6
    found, target = task.in_metres(batch, outputs)
    torch.testing.assert_close(target, task.without_root(batch["pose3d"]))
    torch.testing.assert_close(found, task.without_root(relative + 0.01) * 500 * scale[..., None, None])
    errors = task.errors(batch, outputs)
    torch.testing.assert_close(errors["mpjpe_px"][..., 1:], torch.full_like(errors["mpjpe_px"][..., 1:], 5 * 3**0.5))


def test_smoothness_is_weighed_by_joint():
    random = torch.Generator().manual_seed(0)
    pose = torch.randn(2, 3, 5, 17, generator=random)
    batch = {"pose3d": torch.zeros(2, 5, 17, 3)}
    weights = {"LWrist": 4.0}
    task = lifting(losses={"smoothness": 1.0}, joint_weights=weights, root="learned")
    change = pose.diff(dim=2).square()
    expected = change.mean() + 3 * change[..., H36M17.index("LWrist")].mean() / 17
    torch.testing.assert_close(task.terms(batch, {"pose": pose})["smoothness"], expected)


def test_actions_are_those_of_the_training_recordings():
    settle = Lifting.settle
    section = {"losses": {"action": 1.0}, "actions": None}
    assert settle(section, ["Sitting", "Walking"], "x.h5")["actions"] == ["Sitting", "Walking"]
    ordered = section | {"actions": ["Walking", "Sitting"]}
    assert settle(ordered, ["Sitting", "Walking"], "x.h5") == ordered
    plain = {"losses": {"position": 1.0}, "actions": None}
    assert settle(plain, ["Sitting", "Walking"], "x.h5") == plain
    with pytest.raises(InputError, match="found Dancing, Sitting; expected the actions of .* x.h5: Sitting, Walking"):
        settle(section | {"actions": ["Dancing", "Sitting"]}, ["Sitting", "Walking"], "x.h5")
    with pytest.raises(InputError, match="have one action"):
        settle(section, ["Walking"], "x.h5")
