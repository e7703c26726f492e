"""What every model promises, whatever it computes: heads, margins, gradients, and the same numbers in onnxruntime."""

from itertools import cycle, product

import pytest
import torch
from einops import rearrange

from stgraph.deployment.onnx_file import write
from stgraph.models.base import Model
from stgraph.settings.registry import MODELS
from stgraph.skeleton import SKELETONS, Skeleton
from stgraph.tasks.action.export import Recogniser
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.action.task import Action
from stgraph.tasks.dynamics.task import Dynamics
from stgraph.tasks.lifting.export import Lifter
from stgraph.tasks.lifting.settings import WindowSettings
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.deployed import takes_any_length

pytestmark = pytest.mark.slow

ARM = Skeleton("arm", ("Shoulder", "Neck", "Elbow", "Wrist", "Head"), (1, -1, 0, 2, 1))
LAYOUTS = SKELETONS | {"arm": ARM}
ACTIONS = ["Sitting", "Walking", "Waiting"]
# Models that tell a clip's frames or its class, and those that predict a frame from the ones before.
READERS, PREDICTORS = (
    [name for name in MODELS.names() if ("tracks" in MODELS.get(name).serves) == predicts] for predicts in (False, True)
)


@pytest.fixture(params=LAYOUTS)
def skeleton(request):
    return LAYOUTS[request.param]


@pytest.fixture(params=READERS)
def model(request, skeleton) -> Model:
    return small(request.param, skeleton)


def small(name: str, skeleton: Skeleton) -> Model:
    """The smallest model, with both heads if it lifts, that of the action alone if not."""
    torch.manual_seed(0)
    kind = MODELS.get(name)
    settings, frames = kind.small, kind.small_frames
    assert kind.check(settings_of(name), frames) == []
    if "frames" in kind.serves:
        task = Lifting(skeleton, losses={"position": 1.0, "action": 1.0}, actions=ACTIONS, root="learned")
    else:
        task = Action(skeleton, classes=ACTIONS)
    model = kind(skeleton, channels_of(kind), task.heads, **settings)
    model.frames, model.task, model.settings = frames, task, settings
    return model


def channels_of(kind: type[Model]) -> int:
    """Of the input: 2D is lifted, 3D recognised."""
    return 2 if "frames" in kind.serves else 3


def random_input(model: Model, skeleton: Skeleton, batch: int, frames: int | None = None) -> torch.Tensor:
    """(b c t j)."""
    shape = (batch, channels_of(type(model)), frames or model.frames, len(skeleton))
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def settings_of(name: str) -> dict:
    """Complete settings, as params.json gives them."""
    return MODELS.schema(name)(name=name, **MODELS.get(name).small).model_dump()


@pytest.mark.parametrize("name", READERS)
def test_it_trains_in_sixteen_bits(name):
    model = small(name, SKELETONS["h36m17"])
    x = random_input(model, SKELETONS["h36m17"], 4)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(x)
        loss = sum(value.float().square().mean() for value in outputs.values())
    loss.backward()
    assert loss.isfinite() and all(
        weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None
    )
    model.eval()
    exact = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(x)
    for head, value in outputs.items():
        assert (value.float() - exact[head]).norm() < 0.1 * exact[head].norm().clamp(min=1e-3), head


def test_every_head_answers_for_every_frame_but_the_margin(model, skeleton):
    outputs = model.eval()(random_input(model, skeleton, 3))
    assert outputs.keys() == model.task.heads.keys()
    predicted = model.frames - model.before - model.after
    assert predicted > 0
    if "pose" in outputs:
        assert outputs["pose"].shape == (3, 3, predicted, len(skeleton))
        assert outputs["action"].shape[2] == predicted
    batch, classes, frames, joints = outputs["action"].shape
    assert (batch, classes) == (3, len(ACTIONS)) and 0 < frames <= predicted and joints in (1, len(skeleton))


def test_the_gradient_of_the_loss_reaches_every_parameter(model, skeleton):
    frames = model.frames
    x = random_input(model, skeleton, 8)
    shown = slice(model.before, frames - model.after)
    pose = 0.3 * torch.randn(8, frames, len(skeleton), 3)[:, shown]
    batch = {"pose3d": pose, "label": torch.arange(8) % 3, "clip": torch.arange(8)}
    # More than once, since some weights start at a zero that another's gradient has to leave first.
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model.task.loss(model.task.terms(batch, model.train()(x))).backward()
        optimizer.step()
    silent = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # What a batch norm subtracts again: a bias in front of it.
    assert [name for name in silent if not name.endswith("bias")] == []


def test_a_saved_model_is_the_same_model(model, skeleton):
    x = random_input(model, skeleton, 2)
    with torch.no_grad():
        model.train()(x)
    again = type(model)(skeleton, x.shape[1], model.task.heads, **model.settings)
    again.load_state_dict(model.state_dict())
    for name, output in model.eval()(x).items():
        torch.testing.assert_close(again.eval()(x)[name], output, rtol=0, atol=0)


def test_every_model_has_an_action_head_alone_if_asked(model, skeleton):
    """A recogniser, with any body: scores of frames that depend on the input, and whatever their number."""
    alone = type(model)(skeleton, 3, {"action": 4}, **model.settings).eval()
    x = torch.randn(2, 3, model.frames, len(skeleton))
    (scores,) = alone(x).values()
    assert scores.shape[:2] == (2, 4) and scores.std() > 0
    if "frames" not in model.serves:
        for frames in (1, model.frames + 3):
            assert alone(torch.randn(2, 3, frames, len(skeleton)))["action"].shape[2] >= 1


def test_a_sliding_model_is_invariant_to_the_place_of_a_frame(model, skeleton):
    if not model.sliding:
        pytest.skip("predicts from windows")
    context = model.before + 1 + model.after
    x = random_input(model, skeleton, 2, context + 7)
    with torch.no_grad():
        model.train()(x)
        model.eval()
        whole = model(x)
        pieces = model(rearrange(x.unfold(2, context, 1), "b c t j f -> (b t) c f j"))
    for name, output in whole.items():
        torch.testing.assert_close(rearrange(pieces[name], "(b t) n 1 j -> b n t j", b=2), output, rtol=1e-5, atol=1e-5)


def predicting(name: str, skeleton: Skeleton) -> tuple[Model, dict[str, torch.Tensor]]:
    """The smallest model that predicts frames, with all heads, and a batch of moving people, some joints of whom are
    not detected."""
    kind, joints = MODELS.get(name), len(skeleton)
    settings, frames = kind.small, kind.small_frames
    assert kind.check(settings_of(name), frames) == []
    task = Dynamics(skeleton, losses={"position": 1.0, "likelihood": 1.0, "merged": 1.0, "candidate": 1.0})
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    target = (random(8, 1, joints, 2) + 0.1 * random(8, frames, joints, 2)).mul(100) + 300
    seen = random(8, frames, joints) > -1
    batch = {
        "x": rearrange(target + 3 * random(*target.shape), "b t j d -> b d t j"),
        "confidence": seen * random(8, frames, joints).sigmoid(),
        "time": 0.1 * torch.arange(frames).expand(8, -1),
        "ahead": (1 + torch.arange(frames) // 3).expand(8, -1),
        "features": random(8, settings.get("features", 0), frames, joints),
        "target": target,
        "annotated": torch.ones_like(seen),
        "scale": torch.full((8, frames), 100.0),
        "inside": torch.arange(frames).expand(8, -1) > 0,
        "candidates": rearrange(target[:, -1:], "b t j d -> b d t j"),
        "candidate_confidence": torch.ones(8, 1, joints),
        "candidate_features": random(8, settings.get("features", 0), 1, joints),
        "candidate_label": torch.arange(joints).expand(8, 1, -1),
    }
    torch.manual_seed(0)
    model = kind(skeleton, 2, task.heads, **settings)
    model.task, model.settings = task, settings
    return model, batch


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_gradient_of_a_predictors_losses_reaches_every_parameter(name, skeleton):
    model, batch = predicting(name, skeleton)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        terms = model.task.terms(batch, model.train()(**model.task.inputs(batch)))
        assert terms.keys() == model.task.losses.keys()
        model.task.loss(terms).backward()
        optimizer.step()
    silent = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


@pytest.mark.parametrize("name", PREDICTORS)
def test_a_saved_predictor_is_the_same_model(name, skeleton):
    model, batch = predicting(name, skeleton)
    inputs = model.task.inputs(batch)
    with torch.no_grad():
        for weight in model.parameters():  # zeros, too, that every model starts with
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    again = type(model)(skeleton, 2, model.task.heads, **model.settings)
    again.load_state_dict(model.state_dict())
    expected, found = model.eval()(**inputs), again.eval()(**inputs)
    assert found.keys() >= {"pose", "spread", "merged", "candidate"}
    for output in expected:
        torch.testing.assert_close(found[output], expected[output], rtol=0, atol=0)


def exports() -> list:
    """Every model with every layout. What differs between layouts are constants, and tracing takes seconds: unless
    `--all-exports` asks for all, a model goes with one of them, and every layout with some model."""
    usual = set(zip(READERS, cycle(LAYOUTS)))
    return [
        pytest.param(*pair, marks=[] if pair in usual else pytest.mark.all_exports)
        for pair in product(READERS, LAYOUTS)
    ]


@pytest.mark.long
@pytest.mark.usefixtures("operators")
@pytest.mark.parametrize(("name", "layout"), exports())
def test_every_model_is_the_same_in_onnxruntime(name, layout, tmp_path):
    """Of any batch, persons and (unless tied to a length) frames; `write` compares other shapes than the traced one."""
    skeleton = LAYOUTS[layout]
    model = small(name, skeleton)
    with torch.no_grad():
        model.train()(random_input(model, skeleton, 8))  # statistics that no norm starts with
    any_length = takes_any_length(settings_of(name), model.frames)
    sizes = {"joints": len(skeleton), "frames": model.frames, "any_length": any_length}
    if "pose" in model.task.heads:
        form = Lifter(model, model.task, WindowSettings(dataset="x", detector="gt"), **sizes)
    else:
        form = Recogniser(model, model.task, ClipSettings(dataset="x", detector=None), **sizes)
    found = write(form, tmp_path / "model.onnx", {})
    assert any_length >= model.sliding and len({difference.shape[-2] for difference in found}) == 1 + 2 * any_length
    assert {difference.output for difference in found} >= model.task.heads.keys()
    assert all(difference.relative <= 1e-5 for difference in found)
