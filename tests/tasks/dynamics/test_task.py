"""The dynamics task: terms that are what they say, over the joints that count, and a likelihood that is one."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.task import Dynamics, negative_log_likelihood

ARM = Skeleton("arm", ("Shoulder", "Neck", "Elbow", "Wrist", "Head"), (1, -1, 0, 2, 1))
ALL = {"position": 1.0, "likelihood": 0.5, "merged": 2.0, "candidate": 0.25}
BATCH, FRAMES, JOINTS = 3, 4, len(ARM)


@pytest.fixture(params=[2, 3])
def made(request):
    """A batch and outputs: joints without annotation, and frames before the first detection."""
    generator, dimensions = torch.Generator().manual_seed(0), request.param

    def random(*shape):
        return torch.randn(shape, generator=generator)

    def chance(*shape):
        return torch.rand(shape, generator=generator)

    batch = {
        "target": random(BATCH, FRAMES, JOINTS, dimensions),
        "annotated": chance(BATCH, FRAMES, JOINTS) > 0.3,
        "inside": torch.tensor([[False, True, True, True], [False, False, True, True], [False, False, False, False]]),
        "scale": (1 + chance(BATCH, 1)).expand(-1, FRAMES),
        "time": torch.tensor([0.0, 0.02, 0.1, 0.2]).expand(BATCH, -1),
        "ahead": torch.tensor([[1, 1, 1, 1], [1, 1, 2, 3], [1, 1, 1, 1]]),
        "candidate_label": torch.tensor([[[0, 5, -1]], [[5, 4, 1]], [[2, 2, 2]]]),
    }
    outputs = {name: random(BATCH, dimensions, FRAMES, JOINTS) for name in ("pose", "merged")}
    outputs |= {"spread": 0.1 + chance(BATCH, 1, FRAMES, JOINTS), "candidate": random(BATCH, JOINTS + 1, 1, 3)}
    return batch, outputs


def literal(batch, outputs):
    """Every term, one joint after the other."""
    sums, count = {"position": 0.0, "likelihood": 0.0, "merged": 0.0}, 0
    dimensions = batch["target"].shape[-1]
    for b, t, j in np.ndindex(BATCH, FRAMES, JOINTS):
        if not (batch["inside"][b, t] and batch["annotated"][b, t, j]):
            continue
        scale = float(batch["scale"][b, t])
        predicted, merged = (
            float((outputs[name][b, :, t, j] - batch["target"][b, t, j]).norm()) / scale for name in ("pose", "merged")
        )
        s = float(outputs["spread"][b, 0, t, j]) / scale / np.sqrt(dimensions + 1)
        elapsed = float(batch["time"][b, t] - batch["time"][b, t - batch["ahead"][b, t]])
        growth = math.sqrt(max(1, elapsed / 0.04))
        sums["position"] += predicted / growth
        sums["merged"] += merged / growth
        sums["likelihood"] += dimensions * np.log(s) + predicted / s
        count += 1
    terms = {name: value / count for name, value in sums.items()}
    rows = [
        F.cross_entropy(outputs["candidate"][b, :, 0, q][None], batch["candidate_label"][b, 0, q][None])
        for b in (0, 1)
        for q in range(3)
        if batch["candidate_label"][b, 0, q] >= 0
    ]
    return terms | {"candidate": float(sum(rows) / len(rows))}


def test_every_term_is_what_it_says(made):
    task = Dynamics(ARM, losses=ALL)
    terms, wanted = task.terms(*made), literal(*made)
    assert terms.keys() == wanted.keys() == ALL.keys()
    for name, value in wanted.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name
    total = sum(weight * wanted[name] for name, weight in ALL.items())
    assert float(task.loss(terms)) == pytest.approx(total, rel=1e-4)
    assert task.validation_loss(wanted) == pytest.approx(total)


def test_terms_without_weight_are_left_out(made):
    task = Dynamics(ARM, losses={"position": 1.0, "merged": 0.0, "candidate": 0.0})
    assert task.terms(*made).keys() == {"position"} and task.heads == {"displacement": 1}
    assert Dynamics(ARM, losses=ALL).heads == {"displacement": 1, "candidate": JOINTS + 1}


def test_what_is_not_annotated_or_not_known_yet_adds_nothing(made):
    batch, outputs = made
    task = Dynamics(ARM, losses=ALL)
    counted = task.counted(batch)
    assert torch.equal(counted, batch["annotated"] & batch["inside"][..., None]) and 0 < counted.sum() < counted.numel()
    before, errors = task.terms(batch, outputs), task.errors(batch, outputs)
    there = counted.unsqueeze(1)
    changed = {name: torch.where(there, values, 77.0) for name, values in outputs.items() if name != "candidate"}
    changed["candidate"] = outputs["candidate"].clone()
    changed["candidate"][2] = 50 * torch.randn(JOINTS + 1, 1, 3)  # of whom nothing was known
    changed["candidate"][0, :, :, 2] = 50 * torch.randn(JOINTS + 1, 1)  # which is none
    for name, value in task.terms(batch, changed).items():
        torch.testing.assert_close(value, before[name], rtol=1e-6, atol=0)
    for name, value in task.errors(batch, changed).items():
        torch.testing.assert_close(value[batch["inside"]], errors[name][batch["inside"]])


def test_a_batch_in_which_nothing_counts_has_finite_gradients(made):
    batch, outputs = made
    batch = batch | {"inside": torch.zeros_like(batch["inside"])}
    outputs = {name: values.clone().requires_grad_() for name, values in outputs.items()}
    task = Dynamics(ARM, losses=ALL)
    loss = task.loss(task.terms(batch, outputs))
    loss.backward()
    assert loss.item() == 0 and all(not values.grad.any() for values in outputs.values())


def test_the_gradient_is_finite_where_the_prediction_is_exact(made):
    batch, outputs = made
    pose = batch["target"].permute(0, 3, 1, 2).clone().requires_grad_()
    task = Dynamics(ARM, losses=ALL)
    task.loss(task.terms(batch, outputs | {"pose": pose, "merged": pose})).backward()
    assert pose.grad.isfinite().all()


def test_errors_are_means_of_a_frames_joints_in_percent(made):
    batch, outputs = made
    task, counted = Dynamics(ARM, losses=ALL), Dynamics.counted(batch)
    errors = task.errors(batch, outputs)
    assert errors.keys() == {"prediction_percent", "merged_percent", "candidate_percent"}
    for name, output in (("prediction_percent", "pose"), ("merged_percent", "merged")):
        assert errors[name].shape == (BATCH, FRAMES, 1)
        wanted = np.full((BATCH, FRAMES), np.nan)
        for b, t in np.ndindex(BATCH, FRAMES):
            off = (outputs[output][b, :, t].T - batch["target"][b, t]).norm(dim=-1)[counted[b, t]]
            if len(off):
                wanted[b, t] = 100 * float(off.mean() / batch["scale"][b, t])
        # Frames in which nothing counts do not change the mean of the others.
        wanted = np.where(np.isnan(wanted), np.nanmean(wanted), wanted)
        np.testing.assert_allclose(errors[name][..., 0], wanted, rtol=1e-4)
    label, found = batch["candidate_label"][:2, 0], outputs["candidate"][:2, :, 0].argmax(1)
    right = [100 * float((found[b] == label[b])[label[b] >= 0].float().mean()) for b in range(2)]
    assert errors["candidate_percent"][:2, -1, 0].tolist() == pytest.approx(right)
    torch.testing.assert_close(errors["candidate_percent"], errors["candidate_percent"][:, :1].expand(-1, FRAMES, -1))


def test_the_model_is_given_what_a_batch_has():
    batch = {"x": torch.zeros(1), "time": torch.ones(1), "target": torch.zeros(1), "candidate_label": torch.zeros(1)}
    assert Dynamics.inputs(batch).keys() == {"x", "time"}


@pytest.mark.slow
def test_the_likelihood_is_a_densitys_with_the_stated_spread():
    """In the plane: exp(-loss) over its integral, 2 pi s^2 exp(-|e| / s) / (2 pi s^2)."""
    for spread in (0.7, 3.0):
        edge, count = 20 * spread, 2001
        axis = torch.linspace(-edge, edge, count, dtype=torch.float64)
        error = torch.hypot(axis[:, None], axis)
        loss = negative_log_likelihood(
            error[None, :, :], torch.full((1, count, count), spread, dtype=torch.float64), 2
        )[0]
        density = torch.exp(-loss) / (2 * np.pi)
        cell = float(axis[1] - axis[0]) ** 2
        assert float(density.sum() * cell) == pytest.approx(1, abs=1e-3)
        assert float((density * axis.square()).sum() * cell) ** 0.5 == pytest.approx(spread, rel=1e-3)


def test_the_likelihood_in_space_is_least_where_the_spread_is_right():
    """In d dimensions the best s is |e| / d, for a spread of s sqrt(d + 1)."""
    for dimensions in (2, 3):
        spread = torch.linspace(0.2, 3, 4001, dtype=torch.float64)[None, None]
        loss = negative_log_likelihood(torch.ones_like(spread), spread, dimensions)
        best = float(spread[0, 0, loss.argmin()])
        assert best == pytest.approx((dimensions + 1) ** 0.5 / dimensions, abs=2e-3)


@pytest.mark.parametrize(
    ("losses", "silent"),
    [
        ({"merged": 1.0}, ["position", "likelihood"]),
        ({"position": 0.0, "likelihood": 1.0, "candidate": 1.0}, ["position"]),
        ({"position": 1.0, "merged": 1.0}, ["likelihood"]),
        ({"position": 1.0, "likelihood": 0.1}, []),
        (ALL, []),
    ],
)
def test_losses_that_leave_something_unlearned_are_named(losses, silent):
    problems = Dynamics.check({"losses": losses}, 8)
    assert [problem.split(",")[0] for problem in problems] == [f"losses: {name} has no weight" for name in silent]


def test_the_spread_learns_from_the_likelihood_and_the_pose_from_the_other_terms(made):
    batch, outputs = made
    outputs = {name: values.clone().requires_grad_() for name, values in outputs.items()}
    terms = Dynamics(ARM, losses=ALL).terms(batch, outputs)
    for term, learning in (("position", "pose"), ("likelihood", "spread"), ("merged", "merged")):
        gradients = torch.autograd.grad(terms[term], list(outputs.values()), allow_unused=True, retain_graph=True)
        moved = [name for name, one in zip(outputs, gradients, strict=True) if one is not None and one.any()]
        assert moved == [learning]
