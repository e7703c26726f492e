"""Checkpoint files: what another has changed is refused before anything is made of it."""

import json

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.skeleton import H36M17
from stgraph.training.checkpoint import Origin, Weights, load_weights, save_weights

DEEP = "[" * 100_000


@pytest.fixture
def path(tmp_path):
    """A checkpoint of a small lifter."""
    values = {
        "task": {"name": "lifting", "losses": {"position": 1.0}},
        "data": {"dataset": "small", "detector": "gt", "frames": 12},
        "model": {"name": "linear", "channels": 8, "layers": 1},
    }
    origin = Origin("a fixed recipe", "none", "0", True, 50.0)
    state = {"weight": torch.ones(3, 2), "count": torch.tensor(3)}
    weights = Weights(state, validate(values, "here"), H36M17, origin, 3.0, {"loss": 1.0})
    save_weights(tmp_path / "best.safetensors", weights)
    return tmp_path / "best.safetensors"


def rewrite(path, state=None, **metadata):
    """The file with other tensors or other metadata, given as text or as what JSON holds; None removes it."""
    with safe_open(path, "pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    about = {key: value for key, value in about.items() if value != "null"}
    safetensors.torch.save_file(tensors | (state or {}), path, about)


def test_what_is_whole_is_read(path):
    rewrite(path)
    assert load_weights(path).skeleton == H36M17


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"skeleton": []}, r"not a whole stgraph checkpoint \(metadata skeleton: Input should be a valid dictionary"),
        ({"skeleton": {"names": [], "parents": []}}, "skeleton: .*roots"),
        ({"skeleton": {"names": ["a"] * 3, "parents": [-1, 0, 1]}}, "skeleton: .*1 different"),
        ({"skeleton": {"names": ["a", "b"], "parents": [-1, 7]}}, "skeleton: parents: found joint 7"),
        ({"skeleton": {"names": [1, 2], "parents": [-1, 0]}}, "skeleton: names: found"),
        ({"skeleton": DEEP}, "skeleton: not JSON"),
        ({"skeleton": "{"}, "skeleton: not JSON"),
        ({"epoch": '"x"'}, r"metadata epoch: Input should be a valid number"),
        ({"epoch": "NaN"}, "metadata epoch: Input should be a finite number"),
        ({"epoch": -1}, "metadata epoch: Input should be greater than or equal to 0"),
        ({"epoch": "9" * 5000}, "epoch: not JSON"),
        ({"epoch": None}, "metadata epoch: Field required"),
        ({"scores": [1]}, "metadata scores: Input should be a valid dictionary"),
        ({"scores": {"loss": "x"}}, "metadata scores.loss: Input should be a valid number"),
        ({"origin": {"source": "x"}}, "metadata origin.terms: Field required"),
        ({"origin": {"source": 1, "terms": "", "data_hash": "", "synthetic": 0}}, "metadata origin.source"),
        ({"trained": "Infinity"}, "metadata trained: Input should be a finite number"),
        ({"settings": "[]"}, "metadata settings"),
        ({"settings": '{"task":' * 400 + "1" + "}" * 400}, "settings: nested more than 32 levels deep"),
        ({"settings": DEEP}, "settings: not JSON"),
    ],
)
def test_metadata_that_nothing_can_be_made_of_is_refused(path, metadata, message):
    rewrite(path, **metadata)
    with pytest.raises(InputError, match=message) as error:
        load_weights(path)
    assert str(path) in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(path, number):
    weight = torch.ones(3, 2)
    weight[1, 1] = number
    rewrite(path, {"weight": weight})
    with pytest.raises(InputError, match="1 of 2 weights hold numbers that are not finite, such as weight; train"):
        load_weights(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b'\x08\0\0\0\0\0\0\0{"a":1}!', None])
def test_what_is_no_checkpoint_is_named(path, content):
    path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    with pytest.raises(InputError, match="not a whole stgraph checkpoint.*stgraph.convert"):
        load_weights(path)
