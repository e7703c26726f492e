"""Pose dynamics: causal, and independent of other people, of position and of scale."""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import nn

from stgraph.models.layers.memory import Memory
from stgraph.models.pose_dynamics import PoseDynamics
from stgraph.skeleton import H36M17, POSETRACK15, Skeleton

pytestmark = pytest.mark.slow

ARM = Skeleton("arm", ("Shoulder", "Neck", "Elbow", "Wrist", "Head"), (1, -1, 0, 2, 1))
LAYOUTS = {"posetrack": POSETRACK15, "h36m": H36M17, "arm": ARM}
EXACT = {"rtol": 0, "atol": 0}
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def model_of(skeleton=ARM, dimensions=2, candidate=False, dtype=torch.float64, **settings):
    """With random weights everywhere, in which every part of the network shows."""
    torch.manual_seed(0)
    heads = {"displacement": 1} | ({"candidate": len(skeleton) + 1} if candidate else {})
    model = PoseDynamics(skeleton, dimensions, heads, **({"channels": 8} | settings))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model.to(dtype).eval()


def people(count=4, frames=9, skeleton=ARM, dimensions=2, dtype=torch.float64):
    """Input of `forward`: bodies of some 100 pixels that walk, turn and are detected in part; all in the first frame.

    Unseen joints are anywhere.
    """
    generator = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    joints = len(skeleton)
    place = 300 + 100 * (random(count, dimensions, 1, joints) + random(count, dimensions, 1, 1))
    path = 8 * (random(count, dimensions, 1, joints) + random(count, dimensions, 1, 1)) * torch.arange(frames)[:, None]
    confidence = 0.3 + 0.7 * torch.rand(count, frames, joints, generator=generator, dtype=dtype)
    confidence[:, 1:] *= torch.rand(count, frames - 1, joints, generator=generator) > 0.3
    confidence[:, 0, 1] = 0
    time = 0.07 * torch.arange(frames, dtype=dtype).expand(count, -1)
    return {"x": place + path + 3 * random(count, dimensions, frames, joints), "confidence": confidence, "time": time}


def seen_of(inputs, values):
    """Outputs without those of unseen joints in the first frame, which are as they were given."""
    known = (inputs["confidence"] > 0)[:, None]
    known = torch.cat([known[:, :, :1], torch.ones_like(known[:, :, 1:])], dim=2)
    return torch.where(known, values, 0)


def frames_of(model, inputs):
    """(memory, prediction) after and of every frame from the second on, a step at a time."""
    x, confidence, time = inputs["x"].permute(0, 2, 3, 1), inputs["confidence"], inputs["time"]
    memory = model.start(x[:, 0], confidence[:, 0], time[:, 0])
    for frame in range(1, x.shape[1]):
        found = model.predict(memory, time[:, frame])
        memory = model.merge(memory, found.pose, found.spread, x[:, frame], confidence[:, frame], time=time[:, frame])
        yield memory, found


@torch.no_grad()
def remembered(model, inputs) -> Memory:
    """After the last frame."""
    return list(frames_of(model, inputs))[-1][0]


@torch.no_grad()
def test_answers_are_those_of_the_first_implementation(golden):
    """Which computed every map, norm and choice of frames by itself."""
    arrays = golden("pose_dynamics_h3")
    heads = {"displacement": 1, "candidate": len(POSETRACK15) + 1}
    model = PoseDynamics(POSETRACK15, 2, heads, history=3, channels=8, features=3)
    weights, given, answer = (
        {name.removeprefix(kind): torch.from_numpy(arrays[name]).double() for name in arrays if name.startswith(kind)}
        for kind in ("weight/", "given/", "answer/")
    )
    model.load_state_dict(weights)
    found = model.double().eval()(**given)
    assert set(found) == set(answer)
    for name, values in answer.items():
        torch.testing.assert_close(found[name], values, rtol=1e-6, atol=1e-6)


CASES = [*product(LAYOUTS, (2, 3), (1, 3)), ("arm", 2, 5)]


@pytest.mark.parametrize(("layout", "dimensions", "history"), CASES)
@torch.no_grad()
def test_a_sequence_is_the_same_step_by_step(layout, dimensions, history):
    model = model_of(LAYOUTS[layout], dimensions, history=history)
    inputs = people(skeleton=LAYOUTS[layout], dimensions=dimensions)
    outputs = model(**inputs)
    assert outputs["pose"].shape == outputs["merged"].shape == inputs["x"].shape
    for frame, (memory, found) in enumerate(frames_of(model, inputs), 1):
        for name in ("pose", "displacement"):
            torch.testing.assert_close(outputs[name][:, :, frame], getattr(found, name).mT, **CLOSE)
        torch.testing.assert_close(outputs["spread"][:, 0, frame], found.spread, **CLOSE)
        torch.testing.assert_close(outputs["merged"][:, :, frame], memory.now_pose.mT, **CLOSE)
        joints = len(LAYOUTS[layout])
        shapes = [(4, history, joints, 2 + dimensions), (4, history), (4, joints, dimensions), (4, joints), (4, joints)]
        assert [tuple(values.shape) for values in memory] == shapes
        assert memory.pose.shape == (4, history, joints, dimensions) and memory.features.shape[-1] == 0
    for name in ("pose", "merged"):
        torch.testing.assert_close(outputs[name][:, :, 0], inputs["x"][:, :, 0], **EXACT)


@pytest.mark.parametrize("dimensions", [2, 3])
@torch.no_grad()
def test_predictions_can_begin_further_back(dimensions):
    model, inputs = model_of(dimensions=dimensions), people(dimensions=dimensions)
    time = inputs["time"]
    ahead = torch.tensor([[1, 1, 2, 3, 0, 5, 2, 7, 1]]).repeat(4, 1)
    ahead[1:, 3] = torch.tensor([0, 1, 2])
    outputs = model(**inputs, ahead=ahead)
    first = model.start(inputs["x"][:, :, 0].mT, inputs["confidence"][:, 0], time[:, 0])
    memories = [first, *(memory for memory, _ in frames_of(model, inputs))]
    for frame, person in product(range(1, 9), range(4)):
        steps = int(ahead[person, frame])
        if not steps:
            for name in ("pose", "merged"):
                torch.testing.assert_close(outputs[name][person, :, frame], inputs["x"][person, :, frame], **EXACT)
            continue
        memory = Memory(*(values[person : person + 1] for values in memories[frame - steps]))
        found = model.predict(memory, time[person : person + 1, frame])
        torch.testing.assert_close(outputs["pose"][person, :, frame].mT, found.pose[0], **CLOSE)
        torch.testing.assert_close(outputs["spread"][person, 0, frame], found.spread[0], **CLOSE)
    plain = model(**inputs)
    for name, values in model(**inputs, ahead=torch.ones_like(ahead)).items():
        torch.testing.assert_close(values, plain[name], **EXACT)


@torch.no_grad()
def test_nothing_looks_ahead():
    model, inputs = model_of(), people()
    before = model(**inputs)
    for frame in (1, 4, 8):
        changed = {name: values.clone() for name, values in inputs.items()}
        changed["x"][:, :, frame:] += 50
        changed["confidence"][:, frame:] = 1
        after = model(**changed)
        for name in ("pose", "spread", "displacement"):
            torch.testing.assert_close(after[name][:, :, : frame + 1], before[name][:, :, : frame + 1], **EXACT)
        torch.testing.assert_close(after["merged"][:, :, :frame], before["merged"][:, :, :frame], **EXACT)
        assert (after["merged"][:, :, frame] - before["merged"][:, :, frame]).abs().max() > 0.1


@pytest.mark.parametrize(("layout", "dimensions", "history"), CASES)
@torch.no_grad()
def test_place_and_unit_do_not_matter(layout, dimensions, history):
    model = model_of(LAYOUTS[layout], dimensions, history=history)
    inputs = people(skeleton=LAYOUTS[layout], dimensions=dimensions)
    before = model(**inputs)
    away = 37.0 * torch.arange(1, dimensions + 1, dtype=torch.float64)[:, None, None]
    for scale, shift in ((1.0, away), (1e-2, 0 * away), (7.0, -away)):
        after = model(**inputs | {"x": scale * inputs["x"] + shift})
        for name in ("pose", "merged"):
            torch.testing.assert_close(after[name], scale * before[name] + shift, **CLOSE)
        for name in ("displacement", "spread"):
            torch.testing.assert_close(after[name], scale * before[name], **CLOSE)


@pytest.mark.parametrize("history", [1, 3])
@torch.no_grad()
def test_what_stands_in_unseen_joints_does_not_matter(history):
    model, inputs = model_of(history=history), people()
    before = model(**inputs)
    seen = (inputs["confidence"] > 0)[:, None]
    for anything in (0.0, 1e6, -3e4):
        after = model(**inputs | {"x": torch.where(seen, inputs["x"], anything)})
        for name in ("pose", "merged", "spread", "displacement"):
            torch.testing.assert_close(seen_of(inputs, after[name]), seen_of(inputs, before[name]), **CLOSE)


@torch.no_grad()
def test_people_do_not_know_of_one_another():
    model, inputs = model_of(), people(5)
    together = model(**inputs)
    order = torch.tensor([3, 0, 4, 1, 2])
    for part in (order, torch.tensor([2])):
        some = model(**{name: values[part] for name, values in inputs.items()})
        for name, values in together.items():
            torch.testing.assert_close(some[name], values[part], **CLOSE)


@torch.no_grad()
def test_a_gap_leaves_the_memory_while_the_prediction_goes_on():
    model = model_of()
    memory = remembered(model, people())
    kept, last = memory, memory.time[:, -1]
    poses, spreads = [], []
    for step in range(1, 40):
        time = last + 0.07 * step
        found = model.predict(memory, time)
        nothing = torch.zeros_like(found.spread)
        memory = model.merge(memory, found.pose, found.spread, torch.full_like(found.pose, 1e6), nothing, time=time)
        for old, new in zip(kept[:2], memory[:2], strict=True):
            torch.testing.assert_close(new, old, **EXACT)
        torch.testing.assert_close(memory.now_pose, found.pose, **EXACT)
        assert (memory.now_confidence > 0).all() and found.spread.isfinite().all() and (found.spread > 0).all()
        poses.append(found.pose)
        spreads.append(found.spread)
    assert all((after - before).abs().amax() > 1e-3 for before, after in pairwise(poses))
    assert (memory.now_confidence <= kept.confidence[:, -1].clamp_min(0.05)).all()


@torch.no_grad()
def test_it_matters_when_a_frame_was():
    model, inputs = model_of(), people()
    before = model(**inputs)["pose"]
    slower = model(**inputs | {"time": 1.5 * inputs["time"]})["pose"]
    assert (slower - before)[:, :, 2:].abs().amax(dim=(1, 2, 3)).min() > 1e-2
    memory = remembered(model, inputs)
    soon, late = (model.predict(memory, memory.time[:, -1] + seconds) for seconds in (0.04, 0.4))
    assert (soon.pose - late.pose).abs().amax(dim=(1, 2)).min() > 1e-2


@torch.no_grad()
def test_times_may_be_far_from_zero():
    model, inputs = model_of(dtype=torch.float32), people(dtype=torch.float32)
    inputs["time"] = inputs["time"].double()
    before = model(**inputs)
    after = model(**inputs | {"time": inputs["time"] + 1e6})
    for name, values in before.items():
        assert values.dtype == torch.float32
        torch.testing.assert_close(after[name], values, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_without_confidence_and_time_all_joints_are_there_every_frame():
    model, inputs = model_of(), people()
    frames = inputs["x"].shape[2]
    time = (0.04 * torch.arange(frames, dtype=torch.float64)).expand(4, -1)
    explicit = model(inputs["x"], confidence=torch.ones_like(inputs["confidence"]), time=time)
    for name, values in model(inputs["x"]).items():
        torch.testing.assert_close(values, explicit[name], **EXACT)


@torch.no_grad()
def test_joints_that_were_never_seen_are_inferred_from_the_others():
    model, inputs = model_of(), people()
    inputs["confidence"][:, :, 3] = 0
    outputs = model(**inputs)
    body = inputs["x"][..., [0, 1, 2, 4]].mean(dim=(2, 3))
    found = outputs["pose"][:, :, 1:, 3]
    assert found.isfinite().all() and (outputs["spread"][:, :, 1:, 3] > 0).all()
    assert ((found - body[..., None]).norm(dim=1) < 1000).all()
    assert (found - outputs["pose"][:, :, 1:].mean(-1)).abs().min(dim=-1).values.max() > 0  # no mean of the others


def test_no_joint_is_an_island():
    """What any joint is predicted to do depends on where every other one was in the last frame."""
    model = model_of(H36M17, 3, history=2)
    inputs = people(2, 3, H36M17, 3)
    inputs["confidence"] = torch.ones_like(inputs["confidence"])
    memory = remembered(model, inputs)
    frames = memory.frames.clone().requires_grad_()
    memory = memory._replace(frames=frames)
    found = model.predict(memory, memory.time[:, -1] + 0.1)
    for joint in range(len(H36M17)):
        (gradient,) = torch.autograd.grad(found.pose[:, joint].sum(), frames, retain_graph=True)
        of_pose = memory._replace(frames=gradient).pose
        assert (of_pose[:, -1].abs().sum(-1) > 0).all()


def test_weights_of_earlier_checkpoints_get_their_present_names():
    model = model_of(features=7)
    old = {name.replace("visual.", "sight."): value for name, value in model.state_dict().items()}
    assert "sight.0.weight" in old
    model.load_state_dict({model.current_name(name): value for name, value in old.items()})
    assert model.current_name("module.sight.0.weight") == "module.visual.0.weight"


@torch.no_grad()
def test_visual_features_are_taken_and_may_be_left_out():
    model, inputs = model_of(features=7), people()
    features = torch.randn(4, 7, 9, len(ARM), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    given, without = model(**inputs, features=features), model(**inputs)
    assert (given["pose"] - without["pose"])[:, :, 1:].abs().max() > 1e-2
    late = features.clone()
    late[:, :, 5:] = 0
    changed = model(**inputs, features=late)["pose"]
    torch.testing.assert_close(changed[:, :, :6], given["pose"][:, :, :6], **EXACT)
    assert (changed[:, :, 6:] - given["pose"][:, :, 6:]).abs().max() > 1e-3


@torch.no_grad()
def test_candidates_have_no_order_and_absent_ones_do_not_matter():
    model, inputs = model_of(candidate=True, features=7), people()
    generator = torch.Generator().manual_seed(3)
    place, visual = (torch.randn(4, width, 1, 6, generator=generator, dtype=torch.float64) for width in (2, 7))
    given = {"candidates": 300 + 100 * place, "candidate_confidence": torch.full((4, 1, 6), 0.8).double()}
    given["candidate_features"] = visual
    given["candidate_confidence"][:, :, 4:] = 0
    logits = model(**inputs, **given)["candidate"]
    assert logits.shape == (4, len(ARM) + 1, 1, 6)
    order = torch.tensor([5, 2, 0, 4, 1, 3])
    turned = model(**inputs, **{name: values[..., order] for name, values in given.items()})["candidate"]
    torch.testing.assert_close(turned, logits[..., order], **CLOSE)
    elsewhere = given["candidates"].clone()
    elsewhere[..., 4:] = 1e4
    changed = model(**inputs, **given | {"candidates": elsewhere})["candidate"]
    torch.testing.assert_close(changed[..., :4], logits[..., :4], **CLOSE)
    elsewhere = given["candidates"].clone()
    elsewhere[..., 3] += 50  # which is there
    changed = model(**inputs, **given | {"candidates": elsewhere})["candidate"]
    assert (changed - logits)[..., :3].abs().max() > 1e-6


@torch.no_grad()
def test_candidates_are_classified_from_the_frames_before_alone():
    """Not from what the last frame's joints are merged to: a candidate's place there gives nothing away."""
    model, inputs = model_of(candidate=True), people()
    given = {"candidates": inputs["x"][:, :, -1:], "candidate_confidence": torch.ones(4, 1, len(ARM)).double()}
    logits = model(**inputs, **given)["candidate"]
    inputs["x"] = inputs["x"].clone()
    inputs["x"][:, :, -1] += 70
    torch.testing.assert_close(model(**inputs, **given)["candidate"], logits, **EXACT)


@torch.no_grad()
def test_numbers_are_those_of_the_weights():
    double, inputs = model_of()(**people()), people()
    single = model_of().float()(**{name: values.float() for name, values in inputs.items()})
    for name, values in double.items():
        assert values.dtype == torch.float64 and single[name].dtype == torch.float32
        torch.testing.assert_close(single[name].double(), values, rtol=1e-4, atol=1e-2)


@torch.no_grad()
def test_an_outlier_moves_the_belief_by_a_smaller_share():
    model = model_of()
    inputs = people()
    inputs["confidence"][:] = 1
    memory = remembered(model, inputs)
    time = memory.time[:, -1] + 0.07
    found = model.predict(memory, time)
    spread = torch.full_like(found.spread, 2.0)
    ones = torch.ones_like(spread)

    def gain(off):
        pose = found.pose + off
        merged = model.merge(memory, found.pose, spread, pose, ones, time=time)
        return ((merged.now_pose - found.pose) / off).mean(-1), merged.now_spread

    inlier, sure = gain(1.0)
    outlier, unsure = gain(400.0)
    assert (inlier > 0).all() and (inlier < 1).all() and (outlier < 0.2 * inlier).all() and (outlier > 0).all()
    assert (sure < unsure).all() and (unsure < spread).all()
    doubtful = model.merge(memory, found.pose, spread, found.pose + 1.0, 0.3 * ones, time=time)
    assert (doubtful.now_pose - found.pose < inlier[..., None]).all()  # noise grows with doubt


@torch.no_grad()
def test_a_person_seen_late_begins_with_the_first_detection():
    model, inputs = model_of(), people()
    inputs["confidence"][:, :3] = 0
    inputs["confidence"][:, 3] = 0.9
    outputs = model(**inputs)
    torch.testing.assert_close(outputs["merged"][:, :, 3], inputs["x"][:, :, 3], **CLOSE)
    assert all(values.isfinite().all() for values in outputs.values())


@pytest.mark.parametrize("history", [1, 3])
@torch.no_grad()
def test_a_person_seen_late_is_as_certain_as_one_that_begins_then(history):
    """Nothing is left of what stood in for them before."""
    model, inputs = model_of(history=history), people()
    inputs["confidence"][:, :3] = 0
    inputs["confidence"][:, 3] = 0.9
    late = model(**inputs)
    begun = model(**{"x": inputs["x"][:, :, 3:], **{name: inputs[name][:, 3:] for name in ("confidence", "time")}})
    for name in ("pose", "spread", "merged"):
        torch.testing.assert_close(late[name][:, :, 4:], begun[name][:, :, 1:], **CLOSE)


def test_one_step_exports_with_any_number_of_people():
    model, inputs = model_of(dtype=torch.float32), people(3, dtype=torch.float32)
    memory = remembered(model, inputs)
    time = memory.time[:, -1] + 0.07

    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, memory: list[torch.Tensor], pose, confidence, time):
            found = self.model.predict(Memory(*memory), time)
            after = self.model.merge(Memory(*memory), found.pose, found.spread, pose, confidence, time=time)
            return list(found), list(after)

    given = (list(memory), inputs["x"][:, :, -1].mT, inputs["confidence"][:, -1], time)
    person = torch.export.Dim("person", min=1, max=1000)
    shapes = ([{0: person}] * len(memory), *[{0: person}] * 3)
    step = torch.export.export(Step().eval(), given, dynamic_shapes=shapes).module()
    for rows in (torch.tensor([1, 2]), torch.tensor([0, 2, 1, 0, 0])):
        part = ([values[rows] for values in memory], *(values[rows] for values in given[1:]))
        for expected, found in zip(Step()(*part), step(*part), strict=True):
            for one, other in zip(expected, found, strict=True):
                torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-3)


def test_more_history_than_frames_is_refused():
    [problem] = PoseDynamics.check({"history": 5}, 5)
    assert problem == "history: 5 frames leave none of data.frames, 5, to predict"
    assert PoseDynamics.check({"history": 4}, 5) == []


def test_the_spread_of_a_detection_grows_with_doubt_and_size():
    model = model_of()
    pose = 100 * torch.randn(1, len(ARM), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = (
        model.start(size * pose, torch.full((1, len(ARM)), certain).double(), torch.zeros(1).double()).spread[:, -1]
        for size, certain in ((1, 1.0), (3, 0.5))
    )
    doubt = math.exp(0.5 * model.doubt.item())
    torch.testing.assert_close(other, 3 * doubt * one, rtol=1e-6, atol=0)
