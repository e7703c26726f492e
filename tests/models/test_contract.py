"""What every model promises, whatever it computes: heads, margins, gradients, and no matter where a frame lies."""

import pytest
import torch
from einops import rearrange

from stgraph.models import MODELS, Model
from stgraph.skeleton import H36M16, H36M17, Skeleton
from stgraph.tasks.lifting import Lifting

ARM = Skeleton("arm", ("Shoulder", "Neck", "Elbow", "Wrist", "Head"), (1, -1, 0, 2, 1))
ACTIONS = ["Sitting", "Walking", "Waiting"]
# Settings, as small as they can be, and the frames of a window.
SMALL = {
    "linear": ({"channels": 16, "layers": 1, "dropout": 0.0}, 2),
    "posegcn": ({"channels": 16, "layers": 2}, 2),
    "semgcn": ({"channels": 8, "layers": 1, "non_local": True}, 2),
    "simple_gnn": ({"channels": 8}, 2),
    "simple_pose": ({"channels": 16, "layers": 1, "dropout": 0.0}, 2),
    "tcn": ({"channels": 8, "filter_widths": [3, 3], "dropout": 0.0, "causal": True}, 12),
    "tgraphnet": ({"channels": [8, 16], "stages": [1, 1], "dropout": 0.0}, 9),
    "tgraphnet_single": ({"channels": [8, 16], "stages": [1, 1], "dropout": 0.0}, 9),
}


@pytest.fixture(params=[H36M16, H36M17, ARM], ids=lambda skeleton: skeleton.name)
def skeleton(request):
    return request.param


@pytest.fixture(params=MODELS.names())
def model(request, skeleton) -> Model:
    torch.manual_seed(0)
    settings, frames = SMALL[request.param]
    task = Lifting(skeleton, losses={"position": 1.0, "action": 1.0}, actions=ACTIONS, root="learned")
    assert MODELS.get(request.param).check(settings_of(request.param), frames) == []
    model = MODELS.get(request.param)(skeleton, 2, task.heads, **settings)
    model.frames, model.task, model.settings = frames, task, settings
    return model


def settings_of(name: str) -> dict:
    """Complete settings, as params.json gives them."""
    return MODELS.schema(name)(name=name, **SMALL[name][0]).model_dump()


def test_every_head_answers_for_every_frame_but_the_margin(model, skeleton):
    x = torch.randn(3, 2, model.frames, len(skeleton))
    outputs = model.eval()(x)
    predicted = model.frames - model.before - model.after
    assert predicted > 0
    assert outputs["pose"].shape == (3, 3, predicted, len(skeleton))
    assert outputs["action"].shape[:3] == (3, len(ACTIONS), predicted)
    assert outputs["action"].shape[3] in (1, len(skeleton))


def test_the_gradient_of_the_loss_reaches_every_parameter(model, skeleton):
    frames = model.frames
    x = torch.randn(8, 2, frames, len(skeleton), generator=torch.Generator().manual_seed(1))
    shown = slice(model.before, frames - model.after)
    pose = 0.3 * torch.randn(8, frames, len(skeleton), 3)[:, shown]
    batch = {"pose3d": pose, "label": torch.arange(8) % 3}
    # Twice, since some weights start at a zero that another's gradient has to leave first.
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model.task.loss(model.task.terms(batch, model.train()(x))).backward()
        optimizer.step()
    silent = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # What a batch norm subtracts again: a bias in front of it.
    assert [name for name in silent if not name.endswith("bias")] == []


def test_a_saved_model_is_the_same_model(model, skeleton):
    x = torch.randn(2, 2, model.frames, len(skeleton))
    with torch.no_grad():
        model.train()(x)
    again = type(model)(skeleton, 2, model.task.heads, **model.settings)
    again.load_state_dict(model.state_dict())
    for name, output in model.eval()(x).items():
        torch.testing.assert_close(again.eval()(x)[name], output, rtol=0, atol=0)


def test_a_sliding_model_does_not_care_where_a_frame_lies(model, skeleton):
    if not model.sliding:
        pytest.skip("predicts from windows")
    context = model.before + 1 + model.after
    x = torch.randn(2, 2, context + 7, len(skeleton))
    with torch.no_grad():
        model.train()(x)
        model.eval()
        whole = model(x)
        pieces = model(rearrange(x.unfold(2, context, 1), "b c t j f -> (b t) c f j"))
    for name, output in whole.items():
        torch.testing.assert_close(rearrange(pieces[name], "(b t) n 1 j -> b n t j", b=2), output, rtol=1e-5, atol=1e-5)


def test_every_model_exports_with_a_batch_of_any_size(model, skeleton):
    if skeleton is not ARM:
        pytest.skip("slow, and one skeleton stands for all")
    x = torch.randn(2, 2, model.frames, len(skeleton))
    exported = torch.export.export(
        model.eval(), (x,), dynamic_shapes=({0: torch.export.Dim("b")},), strict=False
    ).module()
    x = torch.randn(5, 2, model.frames, len(skeleton))
    for name, output in model(x).items():
        torch.testing.assert_close(exported(x)[name], output, rtol=1e-5, atol=1e-6)
