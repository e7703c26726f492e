"""ST-GCN against reference tensors of the published network, and a plain one of its own kind while it trains."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from stgraph.errors import InputError
from stgraph.models.layers.partitions import partitions
from stgraph.models.stgcn import STGCN
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, NTU25, OPENPOSE18
from stgraph.tasks.action.task import clip_scores
from tests.recipe import recipe_state

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
STRIDES = [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
FULL = {"ntu60": (NTU25, 60), "kinetics": (OPENPOSE18, 400)}


def golden(name):
    with np.load(GOLDEN / f"stgcn_{name}.npz") as file:
        return dict(file)


def narrow_state():
    arrays = golden("narrow_openpose_spatial")
    return {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}


def full_state(name):
    """The weights of a full-size network and the number of its parameters."""
    about = json.loads((GOLDEN / f"stgcn_{name}_full.json").read_text())
    with np.load(GOLDEN / "stgcn_graphs.npz") as file:
        graph = file[f"{about['layout']}/spatial/hop1_dil1"]
    return recipe_state(about["keys"], about["seed"], {"A": graph}), about["params"]


def published_model(state, **changes):
    skeleton = STGCN.published_for(state).skeleton
    inferred, weights = STGCN.from_published(state, len(skeleton))
    settings = {key: value for key, value in inferred.items() if not key.startswith("task.")}
    model = STGCN(skeleton, 3, {"action": len(inferred["task.classes"])}, strides=STRIDES, **settings | changes)
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def dense(model, x, dtype):
    """Features and dense output for published input (n c t v m): (p c s j) and (p n s j), p = (n m)."""
    x = rearrange(torch.from_numpy(x).to(dtype), "n c t v m -> (n m) c t v")
    features = model.to(dtype).features(x)
    return features, model(x)["action"]


def relative_error(found, expected):
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", ["narrow_openpose_spatial", "ntu60_full", "kinetics_full"])
def test_scores_dense_output_and_features_are_the_published_ones(name):
    arrays = golden(name)
    state = narrow_state() if name.startswith("narrow") else full_state(name.removesuffix("_full"))[0]
    model, clips = published_model(state), len(arrays["input"])
    clip = torch.arange(clips).repeat_interleave(arrays["input"].shape[-1])
    for dtype, output, tolerance in ((torch.float32, "output", 1e-5), (torch.float64, "output_f64", 1e-7)):
        features, scores = dense(model, arrays["input"], dtype)
        assert relative_error(clip_scores(scores, clip, clips), arrays[output]) < tolerance
        for found, expected in ((features, "ef_feature"), (scores, "ef_output")):
            if expected in arrays:
                by_person = rearrange(found, "(n m) c s j -> n c s j m", n=clips)
                assert relative_error(by_person, arrays[expected]) < 2e-6


def test_the_score_of_a_clip_counts_persons_that_are_padded():
    arrays = golden("narrow_openpose_spatial")
    x = arrays["input"].copy()
    x[0, ..., 1] = 0  # one of the two is absent and goes in as zeros
    _, scores = dense(published_model(narrow_state()), x, torch.float32)
    clip = torch.arange(len(x)).repeat_interleave(2)
    whole = clip_scores(scores, clip, len(x))
    padded = rearrange(scores, "(n m) c s j -> n c (m s j)", m=2).mean(-1)
    torch.testing.assert_close(whole, padded)
    assert not torch.allclose(whole[0], scores[0].mean((1, 2))), "who is absent counts"


@pytest.mark.parametrize("name", FULL)
def test_full_size_networks_have_the_published_parameters_and_names_both_ways(name):
    skeleton, classes = FULL[name]
    state, parameters = full_state(name)
    model = published_model(state)
    assert sum(weight.numel() for weight in model.parameters()) == parameters == {60: 3098832, 400: 3177140}[classes]
    assert STGCN.published_for(state).skeleton == skeleton
    inferred, _ = STGCN.from_published(state, len(skeleton))
    assert inferred["channels"] == [64] * 4 + [128] * 3 + [256] * 3 and len(inferred["task.classes"]) == classes
    assert (inferred["partition"], inferred["hops"], inferred["legacy"], inferred["edge_importance"]) == (
        "spatial",
        1,
        True,
        True,
    )
    assert inferred["task.persons"] == "padded"
    back = model.to_published()
    assert len(back) == 172 and back.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(back[key], value, rtol=0, atol=1e-7 if key == "A" else 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"partition": "spatial", "hops": 1, "legacy": False},
        {"partition": "spatial", "hops": 2, "legacy": True},
        {"partition": "distance", "hops": 2},
        {"partition": "uniform", "hops": 1, "edge_importance": False},
    ],
)
def test_a_model_of_our_own_goes_there_and_comes_back(settings):
    torch.manual_seed(0)
    shape = {"channels": [4] * 4 + [6] * 3 + [8] * 3, "strides": STRIDES}
    model = STGCN(NTU25, 3, {"action": 5}, **shape, **settings).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    state = model.to_published()
    inferred, _ = STGCN.from_published(state, len(NTU25))
    assert inferred.items() >= settings.items()
    x = torch.randn(2, 3, 11, len(NTU25))
    torch.testing.assert_close(published_model(state)(x), model(x))


def test_weights_for_another_graph_are_refused():
    state = narrow_state()
    state["A"] = state["A"].roll(1, dims=1)
    with pytest.raises(InputError, match=r"A: 3 partitions of a graph of 18 joints that is not one of openpose18 \(18"):
        STGCN.from_published(state, len(OPENPOSE18))
    state["A"] = torch.from_numpy(partitions(H36M17, "spatial"))
    with pytest.raises(InputError, match="of 17 joints"):
        STGCN.from_published(state, len(STGCN.published_for(state).skeleton))


def plain(model, x):
    """The network as its paper has it: map to each partition, sum over the graph, nine taps, residual."""

    def norm(x, module):
        return F.batch_norm(x, None, None, module.weight, module.bias, training=True)

    c = x.shape[1]
    x = norm(rearrange(x, "p c t j -> p (j c) t"), model.data_norm.norm)
    x = rearrange(x, "p (j c) t -> p c t j", c=c)
    for number, block in enumerate(model.blocks):
        k = len(block.adjacency.partitions)
        adjacency = block.adjacency.partitions * block.adjacency.importance
        mapped = rearrange(block.graph_conv.conv(x), "p (k c) t w -> p k c t w", k=k)
        y = norm(torch.einsum("kvw,pkctw->pctv", adjacency, mapped), block.graph_conv.norm).relu()
        y = norm(block.temporal_conv.conv(y), block.temporal_conv.norm)
        residual = norm(block.match[0](x), block.match[1]) if block.match else x if number else 0
        x = (y + residual).relu()
    return model.heads["action"](x)


def test_training_is_that_of_the_plain_network():
    torch.manual_seed(0)
    shape = {"channels": [6, 6, 8, 4], "strides": [1, 1, 2, 1], "dropout": 0.0}
    model = STGCN(OPENPOSE18, 3, {"action": 5}, **shape).double().train()
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    x, pull = torch.randn(4, 3, 13, 18).double(), torch.randn(4, 5, 7, 18).double()
    gradients = []
    for output in (model(x)["action"], plain(model, x)):
        gradients.append((output, *torch.autograd.grad((output * pull).sum(), list(model.parameters()))))
    names = ["output", *(name for name, _ in model.named_parameters())]
    for name, found, expected in zip(names, *gradients, strict=True):
        # A bias in front of a norm has no gradient, but for rounding.
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def test_dropout_spares_the_first_block_and_prediction():
    torch.manual_seed(0)
    settings = {"channels": [6, 6], "strides": [1, 1]}
    x = torch.randn(2, 3, 9, 18)
    first = STGCN(OPENPOSE18, 3, {}, **settings, dropout=0.5)
    first.blocks = first.blocks[:1]
    torch.testing.assert_close(first.train().features(x), first.features(x), rtol=0, atol=0)
    both = STGCN(OPENPOSE18, 3, {}, **settings, dropout=0.5)
    share = (both.train().features(x) == 0).float().mean()
    assert not torch.equal(both.features(x), both.features(x)) and share > 0.1
    assert torch.equal(both.eval().features(x), both.features(x))


def test_operations_are_counted_as_published():
    model = STGCN(OPENPOSE18, 4, {"action": 3}, channels=[4, 4, 4], strides=[1, 2, 1]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 4, 15, 18))
    # Where nothing widens the order is the published one; classes are mapped for every node here, for the mean there.
    dense_head, pooled = (2 * nodes * 4 * 3 for nodes in (8 * 18, 1))
    assert model.published_operations(15) == counter.get_total_flops() - dense_head + pooled


def test_settings_that_do_not_go_together_are_refused():
    settings = {"channels": [4, 4], "strides": [1], "legacy": True, "partition": "distance"}
    problems = STGCN.check(MODELS.schema("stgcn")(name="stgcn", **settings).model_dump(), 64)
    assert [problem.split(":")[0] for problem in problems] == ["strides", "legacy"]
