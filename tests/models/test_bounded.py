"""A file's settings make no larger model than its weights are, whatever they claim, and take no memory for it."""

import tracemalloc

import pytest
import torch
from torch import nn

from stgraph.errors import InputError
from stgraph.models.bounded import TooLargeError, no_larger_than
from stgraph.settings.params import validate
from stgraph.settings.registry import MODELS, build
from stgraph.skeleton import H36M17
from stgraph.training.checkpoint import Origin, Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.run import Run

HUGE = {
    "linear": [{"channels": 65536}, {"layers": 65536}],
    "mixste": [{"channels": 65536}, {"layers": 65536}, {"frames": 65536}],
    "posemixer": [{"channels": 65536}, {"blocks": 65536}, {"reach": 65536}, {"patch": 65536}],
    "tcn": [{"channels": 65536}, {"filter_widths": [65535, 65535]}],
    "tgraphnet": [{"channels": [65536] * 2}],
}


def made(name, **settings):
    kind = MODELS.get(name)
    heads = {"displacement": 1} if "tracks" in kind.serves else {"pose": 3}
    return build(MODELS, {"name": name, **kind.small, **settings}, H36M17, in_channels=2, heads=heads)


@pytest.mark.parametrize("name", MODELS.names())
def test_the_model_of_the_weights_is_made_as_ever(name):
    torch.manual_seed(0)
    expected = made(name).state_dict()
    torch.manual_seed(0)
    with no_larger_than(expected):
        found = made(name).state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(("name", "settings"), [(name, each) for name, several in HUGE.items() for each in several])
def test_a_larger_one_is_refused_before_it_takes_memory(name, settings):
    state = made(name).state_dict()
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError), no_larger_than(state):
            made(name, **settings)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_nothing_is_bounded_afterwards():
    with pytest.raises(TooLargeError), no_larger_than({"weight": torch.zeros(3)}):
        nn.Linear(2000, 2000)
    nn.Linear(2000, 2000)


def test_a_checkpoint_that_claims_more_is_no_checkpoint(tmp_path):
    values = {
        "task": {"name": "lifting", "losses": {"position": 1.0}},
        "data": {"dataset": "small", "detector": "gt", "frames": 12},
        "model": {"name": "linear", "channels": 8, "layers": 1},
    }
    origin = Origin("a recipe", "none", "0", True, 50.0)
    run = Run.of_task("small", validate(values, "here"), H36M17, origin, Engine("cpu"))
    path = tmp_path / "best.safetensors"
    state = run.model.state_dict()
    save_weights(path, Weights(state, run.settings, H36M17, origin, 1.0, {}))
    assert Run.load(str(path), Engine("cpu")).settings == run.settings
    for key in ("channels", "layers"):
        claimed = validate({**values, "model": {**values["model"], key: 60000}}, "here")
        save_weights(path, Weights(state, claimed, H36M17, origin, 1.0, {}))
        with pytest.raises(InputError, match=r"best.safetensors: not the weights of the model 'linear'.*train or"):
            Run.load(str(path), Engine("cpu"))
