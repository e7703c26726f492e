"""Published checkpoints: converted whole, or refused by name; never run."""

import argparse
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph import convert, params
from stgraph.checkpoint import load_weights
from stgraph.errors import InputError
from stgraph.published import load_published
from stgraph.run import Engine, Run

GOLDEN = Path(__file__).parent / "golden" / "tgraphnet_seq_small27.npz"
EXPERIMENT = {
    "task": {"name": "lifting", "losses": {"position": 1.0}},
    "data": {"dataset": "h36m", "detector": "gt", "train": ["S1"]},
    "model": {"name": "tgraphnet", "channels": [8], "stages": [1]},
}
FLAT = {
    "learning_rate": 0.002,
    "lr_gamma": 0.98,
    "in_frames": 27,
    "dropout": 0.2,
    "ds_category": "cpn",
    "num_joints": 17,
}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A published checkpoint, small, with the numbers that training leaves in it, and its settings beside it."""
    monkeypatch.chdir(tmp_path)
    experiment = tmp_path / "params" / "base" / "params.json"
    experiment.parent.mkdir(parents=True)
    experiment.write_text(json.dumps(EXPERIMENT))
    with np.load(GOLDEN) as file:
        state = {
            key.removeprefix("state/"): torch.from_numpy(file[key]) for key in file.files if key.startswith("state/")
        }
    content = {"epoch": 20, "state_dict": state, "best_err": np.float64(46.43), "optim_dict": {"state": {}}}
    path = tmp_path / "theirs" / "root_rel.pth.tar"
    path.parent.mkdir()
    torch.save(content, path)
    (path.parent / "params.json").write_text(json.dumps(FLAT))
    return path, content


def arguments(path: Path, **changes: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"model": "tgraphnet", "checkpoint": path, "exp": "mine", "params": None, "like": "base"} | changes
    )


def test_converted_checkpoint_evaluates_as_the_published_one(published):
    path, _ = published
    convert.main(arguments(path))
    run = Run.load("mine", Engine("cpu"))
    with np.load(GOLDEN) as file, torch.no_grad():
        pose = run.model(rearrange(torch.from_numpy(file["input"]), "b t j c -> b c t j"))["pose"]
        expected = file["output"] / 1000
    difference = np.abs(rearrange(pose, "b c t j -> b t j c").numpy() - expected)
    assert difference.max() < 1e-5 * np.abs(expected).max()
    settings = params.load("mine")
    assert settings == load_weights(Path("checkpoints/mine/best.safetensors")).settings
    assert settings.model["channels"] == [16, 32, 32] and settings.model["stages"] == [1, 2, 2]
    assert settings.model["dropout"] == 0.2 and settings.data.frames == 27
    assert settings.optim.lr == 0.002 and settings.optim.decay == 0.98
    assert settings.data.detector == "cpn_ft_h36m_dbb"


def test_weights_by_themselves_and_from_a_parallel_model(published):
    path, content = published
    torch.save({f"module.{key}": value for key, value in content["state_dict"].items()}, path)
    assert load_published(path).keys() == content["state_dict"].keys()


def test_format_before_zip_files_with_old_names_of_numpy(published):
    path, content = published
    torch.save(content | {"history": [np.int64(3), np.float32(2)]}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert b"numpy._core.multiarray" in data
    path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert load_published(path).keys() == content["state_dict"].keys()


class Malicious:
    def __reduce__(self):
        return (os.system, ("touch ran",))


@pytest.mark.parametrize("place", ["state_dict", "best_err"])
def test_pickled_code_is_named_and_not_run(published, place):
    path, content = published
    torch.save(content | {place: Malicious()}, path)
    with pytest.raises(InputError, match=r"root_rel.pth.tar: it holds \w+.system, which was not run"):
        convert.main(arguments(path))
    assert not Path("ran").exists()
    assert not Path("checkpoints").exists() and not Path("params/mine").exists()


def test_missing_and_unknown_keys_are_listed(published):
    path, content = published
    state = dict(content["state_dict"])
    del state["merge_norm.weight"]
    state["surplus.weight"] = torch.zeros(3)
    state["post_node.bias"] = torch.zeros(4)
    torch.save({"state_dict": state}, path)
    with pytest.raises(InputError) as caught:
        convert.main(arguments(path))
    message = str(caught.value)
    assert "missing: merge_norm.weight" in message and "unknown: surplus.weight" in message
    assert "heads.pose.joints_conv.bias (4,) instead of (3,)" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weights": 3}, "found a dictionary of weights"),
        ([1, 2], "found list"),
        ({"a.weight": torch.zeros(2, 2)}, "missing: adjacency.weight"),
    ],
)
def test_other_files_are_refused(published, content, message):
    path, _ = published
    torch.save(content, path)
    with pytest.raises(InputError, match=message):
        convert.main(arguments(path, like="base"))


def test_damaged_and_missing_files_are_refused(published):
    path, _ = published
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="get it again"):
        load_published(path)
    path.write_bytes(pickle.dumps({"state_dict": 1}, protocol=2))
    with pytest.raises(InputError, match=str(path)):
        load_published(path)
    with pytest.raises(InputError, match="No such file"):
        load_published(path.with_name("absent.pth.tar"))


def test_what_was_there_stays(published):
    path, _ = published
    with pytest.raises(InputError, match="params/base/params.json exists"):
        convert.main(arguments(path, exp="base"))
    assert json.loads(Path("params/base/params.json").read_text()) == EXPERIMENT
