"""Published recognisers: converted with their classes, and ours given back to the published implementation."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph import convert
from stgraph.errors import InputError
from stgraph.models.published import load_published
from stgraph.settings import params
from stgraph.settings.params import PACKAGED
from stgraph.tasks.action.task import clip_scores
from stgraph.training.engine import Engine
from stgraph.training.run import Run

pytestmark = pytest.mark.slow
GOLDEN = Path(__file__).parents[1] / "golden" / "stgcn_narrow_openpose_spatial.npz"
CLASSES = 10
LIKE = {
    "task": {"name": "action"},
    "data": {"dataset": "clips", "detector": "openpose", "confidence": True, "normalise": "image"},
    "model": {"name": "stgcn", "channels": [64] * 10, "strides": [1, 1, 1, 1, 2, 1, 1, 2, 1, 1], "dropout": 0.0},
}


@pytest.fixture
def arrays():
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture
def state(arrays):
    return {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}


@pytest.fixture
def place(tmp_path, monkeypatch, state):
    """A folder with an experiment that gives the settings, and a published checkpoint."""
    monkeypatch.chdir(tmp_path)
    experiment("like", LIKE)
    torch.save(state, "published.pt")
    return tmp_path


def experiment(name: str, settings: dict) -> None:
    folder = Path("params") / name
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps(settings))


def call(*words: str) -> None:
    """The command, as a person would type it."""
    convert.main(convert.parser().parse_args(["stgcn", *words]))


def take(*words: str) -> None:
    call("published.pt", "--exp", "mine", "--like", "like", *words)


def test_a_converted_recogniser_scores_clips_as_the_published_one(place, arrays, capsys):
    take()
    run = Run.load("mine", Engine("cpu"))
    clips, persons = len(arrays["input"]), arrays["input"].shape[-1]
    x = rearrange(torch.from_numpy(arrays["input"]), "n c t v m -> (n m) c t v")
    with torch.no_grad():
        dense = run.model.eval()(x)["action"]
    found = clip_scores(dense, torch.arange(clips).repeat_interleave(persons), clips).numpy()
    assert np.abs(found - arrays["output"]).max() < 1e-5 * np.abs(arrays["output"]).max()
    settings = params.load("mine")
    assert settings.model["legacy"] and settings.task["persons"] == "padded"
    assert run.skeleton.name == settings.data.skeleton == "openpose18" and run.skeleton.centre == 1
    assert settings.task["classes"] == [f"class {number}" for number in range(CLASSES)]
    assert "172 entries of stgcn" in capsys.readouterr().out


def test_given_back_it_is_the_published_checkpoint_again(place, state, capsys):
    take()
    call("back.pt", "--exp", "mine", "--to-published")
    assert "mine -> back.pt (172 entries under stgcn's names)" in capsys.readouterr().out
    back, rest = load_published(Path("back.pt"))
    assert back.keys() == state.keys() and not rest
    for name, value in state.items():
        torch.testing.assert_close(back[name], value, rtol=0, atol=1e-7 if name == "A" else 0)


def test_classes_have_their_names(place):
    names = [f"action {number}" for number in range(CLASSES)]
    Path("names.txt").write_text("\n".join(names) + "\n\n")
    take("--classes", "names.txt")
    assert params.load("mine").task["classes"] == names
    experiment("named", LIKE | {"task": {"name": "action", "classes": names[::-1]}})
    call("published.pt", "--exp", "other", "--like", "named")
    assert params.load("other").task["classes"] == names[::-1]


def test_names_that_do_not_fit_are_refused(place):
    Path("names.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match=r"--classes: 2 names, and published.pt scores 10 classes"):
        take("--classes", "names.txt")
    with pytest.raises(InputError, match=r"absent.txt.*No such file.*one name in each line"):
        take("--classes", "absent.txt")
    assert not Path("checkpoints").exists()


def test_a_foreign_graph_is_refused_by_its_file(place, state):
    torch.save(state | {"A": torch.zeros_like(state["A"])}, "published.pt")
    with pytest.raises(InputError, match=r"^published.pt: A: 3 partitions of a graph of 18 joints that is not one of"):
        take()


@pytest.mark.parametrize("dimensions", [0, 1, 2, 5])
def test_weights_of_odd_shapes_are_refused(place, state, dimensions):
    torch.save({name: torch.zeros((3,) * dimensions) for name in state}, "published.pt")
    with pytest.raises(InputError, match="published.pt"):
        take()


def test_missing_and_unknown_weights_are_listed(place, state):
    del state["st_gcn_networks.2.tcn.2.bias"]
    torch.save(state | {"surplus": torch.zeros(1)}, "published.pt")
    with pytest.raises(InputError, match=r"(?s)missing: blocks.2.temporal_conv.conv.bias\n  unknown: surplus"):
        take()


@pytest.mark.parametrize(("name", "model"), [("pyskl_stgcn_ntu_c8", "stgcn"), ("pyskl_stgcnpp_coco_c16", "stgcnpp")])
@pytest.mark.parametrize("whole", [True, False], ids=["mmcv's file", "state dict alone"])
def test_pyskls_checkpoints_score_clips_as_published(name, model, whole, place, capsys):
    with np.load(GOLDEN.with_name(f"{name}.npz")) as file:
        arrays = dict(file)
    state = {key[6:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("state/")}
    torch.save({"meta": {"epoch": 16}, "state_dict": state, "optimizer": {}} if whole else state, "theirs.pth")
    shutil.copytree(PACKAGED, "params", dirs_exist_ok=True)
    Path("names.txt").write_text("\n".join("abcde"))
    convert.main(convert.parser().parse_args(["pyskl", "theirs.pth", "--exp", "mine", "--classes", "names.txt"]))
    run = Run.load("mine", Engine("cpu"))
    clips, persons = arrays["input"].shape[:2]
    x = rearrange(torch.from_numpy(arrays["input"]), "n m t v c -> (n m) c t v")
    with torch.no_grad():
        dense = run.model.eval()(x)["action"]
    found = clip_scores(dense, torch.arange(clips).repeat_interleave(persons), clips).numpy()
    assert np.abs(found - arrays["output"]).max() < 1e-5 * np.abs(arrays["output"]).max()
    settings = params.load("mine")
    assert settings.model["name"] == model and settings.task["classes"] == list("abcde")
    assert settings.data.normalise == "pyskl" and settings.task["persons"] == "padded"
    assert ("not used: meta, optimizer" in capsys.readouterr().out) == whole


def test_pyskls_missing_and_unknown_weights_are_named(place):
    with np.load(GOLDEN.with_name("pyskl_stgcnpp_coco_c16.npz")) as file:
        state = {key[6:]: torch.from_numpy(file[key]) for key in file.files if key.startswith("state/")}
    shutil.copytree(PACKAGED, "params", dirs_exist_ok=True)
    torch.save(state | {"backbone.gcn.2.gate": torch.zeros(1)}, "theirs.pth")
    with pytest.raises(InputError, match="theirs.pth.*unknown: backbone.gcn.2.gate|unknown: backbone.gcn.2.gate"):
        convert.main(convert.parser().parse_args(["pyskl", "theirs.pth", "--exp", "mine"]))
    del state["backbone.gcn.2.tcn.bn.bias"]
    torch.save(state, "theirs.pth")
    with pytest.raises(InputError, match=r"theirs.pth: backbone.gcn.2.tcn.bn.bias: missing"):
        convert.main(convert.parser().parse_args(["pyskl", "theirs.pth", "--exp", "mine"]))
    with pytest.raises(InputError, match=r"not a checkpoint of stgcn: it looks like one of pyskl; run .*convert pyskl"):
        convert.main(convert.parser().parse_args(["stgcn", "theirs.pth", "--exp", "mine"]))


def test_what_cannot_be_given_back_is_refused(place):
    take()
    with pytest.raises(InputError, match=r"published.pt: exists"):
        call("published.pt", "--exp", "mine", "--to-published")
    with pytest.raises(InputError, match=r"--like: a published checkpoint holds weights alone"):
        call("back.pt", "--exp", "mine", "--to-published", "--like", "like")
    words = ["semgcn", "back.pt", "--exp", "mine", "--to-published"]
    with pytest.raises(InputError, match=r"--exp mine: a STGCN cannot be .* of semgcn; what can is stgcn \(stgcn\)"):
        convert.main(convert.parser().parse_args(words))
    assert not Path("back.pt").exists()
