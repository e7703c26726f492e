"""Published checkpoints: converted whole, or refused by name; never run."""

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

from stgraph import convert, evaluate
from stgraph.errors import InputError
from stgraph.models.motionagformer import PUBLISHED_MISSING_LINKS
from stgraph.models.published import families, find_model, load_published
from stgraph.settings import params
from stgraph.settings.registry import MODELS
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.training.checkpoint import load_weights
from stgraph.training.conversion import convert as translated
from stgraph.training.engine import Engine
from stgraph.training.run import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
FLAT = {
    "learning_rate": 0.002,
    "lr_gamma": 0.98,
    "in_frames": 27,
    "dropout": 0.2,
    "ds_category": "cpn",
    "num_joints": 17,
}
State = dict[str, Tensor]


def optimiser() -> dict[str, Any]:
    """What training leaves of Adam's state."""
    weight = torch.nn.Parameter(torch.ones(3))
    adam = torch.optim.Adam([weight], amsgrad=True)
    weight.square().sum().backward()
    adam.step()
    return adam.state_dict()


def tgraphnet_file(state: State) -> dict[str, Any]:
    return {"epoch": 20, "state_dict": state, "best_err": np.float64(46.43), "optim_dict": optimiser()}


def semgcn_file(state: State) -> dict[str, Any]:
    state = {f"module.{name}": value for name, value in state.items()}
    about = {"epoch": 50, "lr": 0.00096, "step": 1219, "error": np.float32(40.8), "optimizer": optimiser()}
    return about | {"state_dict": state}


def videopose3d_file(state: State) -> dict[str, Any]:
    random = np.random.RandomState(1234)
    random.randn(3)
    about = {"epoch": 80, "lr": 0.0000165, "random_state": random, "optimizer": optimiser()}
    return about | {"model_pos": state, "model_traj": None}


def motionagformer_file(state: State) -> dict[str, Any]:
    state = {f"module.{name}": value for name, value in state.items()}
    about = {"epoch": 50, "lr": 0.0003, "optimizer": optimiser(), "min_mpjpe": np.float64(38.4), "wandb_id": "a1"}
    return about | {"model": state}


@dataclass(frozen=True)
class Case:
    """A published checkpoint: how its publisher writes it, and what of its numbers is ours."""

    family: str
    golden: str
    file: Callable[[State], dict[str, Any]]
    model: dict[str, Any]
    frames: int
    joints: int = 17
    like: str | None = None
    unit: float = 1.0
    input: str = "b t j c"
    output: str = "b t j c"
    channels: int = 2


UNET = {"channels": [16, 32, 32], "stages": [1, 2, 2], "residual": True, "frames_per_graph": 3, "temporal_stride": 3}
CASES = {
    "sequence": Case("tgraphnet", "tgraphnet_seq_small27", tgraphnet_file, UNET, 81, unit=1000),
    "single": Case("tgraphnet", "tgraphnet_single_small27", tgraphnet_file, UNET, 27, unit=1000),
    "semgcn": Case(
        "semgcn", "semgcn_h32_l2", semgcn_file, {"channels": 32, "layers": 2}, 1, 16, input="b j c", output="b j c"
    ),
    "martinez": Case(
        "martinez",
        "martinez_small64",
        semgcn_file,
        {"channels": 64, "layers": 2},
        1,
        16,
        input="b (j c)",
        output="b (j c)",
    ),
    "videopose3d": Case(
        "videopose3d", "vp3d_temporal_c32_33", videopose3d_file, {"channels": 32, "filter_widths": [3, 3]}, 9
    ),
    "causal": Case(
        "videopose3d", "vp3d_temporal_c32_333_causal", videopose3d_file, {"causal": True}, 27, like="tcn_causal"
    ),
    "dense": Case(
        "videopose3d", "vp3d_temporal_c32_33_dense", videopose3d_file, {"dense": True, "filter_widths": [3, 3, 3]}, 27
    ),
    "mixste": Case("mixste", "mixste_d32_l3_f27", videopose3d_file, {"channels": 32, "layers": 3, "mlp_ratio": 2}, 27),
    "motionbert": Case(
        "motionbert",
        "motionbert_d32_l2_f27",
        semgcn_file,
        {"channels": 32, "representation": 64, "layers": 2, "mlp_ratio": 4},
        27,
        like="four_heads_motionbert",
        channels=3,
    ),
    "motionagformer": Case(
        "motionagformer",
        "motionagformer_d32_l2_f27",
        motionagformer_file,
        {"channels": 32, "representation": 64, "layers": 2, "missing_links": [*PUBLISHED_MISSING_LINKS]},
        27,
        like="four_heads_motionagformer",
        channels=3,
    ),
}
FOUR_HEADS = {"motionbert": {"eps": 1e-5}, "motionagformer": {}}  # of small networks, which no experiment has


def arrays(name: str) -> tuple[State, dict[str, np.ndarray]]:
    """A checkpoint's `state_dict`, one tensor for all names of an adjacency, and the other reference arrays."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        content = dict(file)
    state = {key[6:]: torch.from_numpy(value) for key, value in content.items() if key.startswith("state/")}
    for alias, key in json.loads(str(content["config"])).get("aliases", {}).items():
        state[alias] = state[key]
    return state, content


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the experiments and nothing else."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    for name, others in FOUR_HEADS.items():
        like = "motionagformer_b" if name == "motionagformer" else name
        settings = json.loads((tmp_path / "params" / like / "params.json").read_text())
        settings["model"] |= {"attention_heads": 4, **others}
        (tmp_path / "params" / f"four_heads_{name}").mkdir()
        (tmp_path / "params" / f"four_heads_{name}" / "params.json").write_text(json.dumps(settings))
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def published(place):
    """A published checkpoint with its settings beside it."""
    path, content = place / "theirs" / "root_rel.pth.tar", tgraphnet_file(arrays("tgraphnet_seq_small27")[0])
    torch.save(content, path)
    path.with_name("params.json").write_text(json.dumps(FLAT))
    return path, content


def call(family: str, path: Path, *words: str) -> None:
    """The command, as a person would type it."""
    convert.main(convert.parser().parse_args([family, str(path), "--exp", "mine", *words]))


def converted(case: Case, place: Path) -> None:
    """The case's checkpoint in its publisher's layout, and the command run on it."""
    path = place / "theirs" / "published.bin"
    torch.save(case.file(arrays(case.golden)[0]), path)
    call(case.family, path, *(["--like", case.like] if case.like else []))


@pytest.mark.parametrize("name", CASES)
def test_converted_checkpoint_predicts_as_the_published_one(name, place, capsys):
    case = CASES[name]
    converted(case, place)
    run, (_, golden) = Run.load("mine", Engine("cpu")), arrays(case.golden)
    axes = {"b t j c": "b c t j", "b j c": "b c 1 j", "b (j c)": "b c 1 j"}
    for number in ("", "2") if "input2" in golden else ("",):
        x = torch.from_numpy(golden[f"input{number}"])
        with torch.no_grad():
            pose = run.model(rearrange(x, f"{case.input} -> {axes[case.input]}", c=case.channels))["pose"]
        if case.family == "martinez":
            assert not pose[..., run.skeleton.root].any()
            pose = pose[..., 1:]
        found = rearrange(pose, f"{axes[case.output]} -> {case.output}").numpy()
        expected = golden[f"output{number}"] / case.unit
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    settings = params.load("mine")
    assert settings == load_weights(Path("checkpoints/mine/best.safetensors")).settings
    assert settings.model.items() >= case.model.items()
    assert settings.data.frames == case.frames and settings.data.skeleton == run.skeleton.name
    assert len(run.skeleton) == case.joints
    rest = {
        "tgraphnet": "best_err, optim_dict",
        **dict.fromkeys(("videopose3d", "mixste"), "lr, random_state, optimizer"),
        "motionagformer": "lr, optimizer, min_mpjpe, wandb_id",
    }
    assert f"not used: {rest.get(case.family, 'lr, step, error, optimizer')}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sequence", "single", "semgcn", "martinez", "causal", "mixste", "motionagformer"])
def test_converted_checkpoint_is_scored_on_every_frame(name, place, dataset):
    converted(CASES[name], place)
    run = Run.load("mine", Engine("cpu"))
    report = run.evaluate(dataset, find_protocol("standard"), subjects=["S9"], detector="noisy")
    assert report["scored"]["frames"] == 2 * (81 + 55)
    assert report["scored"]["joints"] == list(run.skeleton.names)
    assert np.isfinite(report["metrics"]["P1"])


def test_converted_checkpoint_evaluates_at_once(place, dataset, capsys):
    converted(CASES["videopose3d"], place)
    words = ["--exp", "mine", "--data", str(dataset.path), "--detector", "noisy", "--subjects", "S9", "--device", "cpu"]
    words += ["--protocol", "videopose3d", "--json", "scores.json"]
    evaluate.main(evaluate.parser().parse_args(words))
    report = json.loads(Path("scores.json").read_text())
    assert report["scored"]["frames"] == 2 * (81 + 55) and report["flip"]
    assert "published checkpoint published.bin" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("family", "layout", "settings", "frames"),
    [
        (
            "tgraphnet",
            "tgraphnet_seq_root_rel_full",
            {"name": "tgraphnet", "channels": [128, 128, 256, 256], "stages": [1, 2, 2, 2]},
            81,
        ),
        (
            "tgraphnet",
            "tgraphnet_single_full",
            {"name": "tgraphnet_single", "channels": [128, 128, 256, 256], "stages": [1, 2, 2, 2]},
            81,
        ),
        ("semgcn", "semgcn_h128_l4_full", {"name": "semgcn", "channels": 128, "layers": 4, "non_local": False}, 1),
        ("semgcn", "semgcn_nonlocal_h128_l4_full", {"channels": 128, "layers": 4, "non_local": True}, 1),
        ("martinez", "martinez_full1024", {"name": "linear", "channels": 1024, "layers": 2}, 1),
        ("videopose3d", "vp3d_temporal_243_full", {"name": "tcn", "channels": 1024, "filter_widths": [3] * 5}, 243),
        ("mixste", "mixste_243", {"name": "mixste", "channels": 512, "layers": 8, "attention_heads": 8}, 243),
        ("motionbert", "motionbert_full", {"channels": 512, "layers": 5, "mlp_ratio": 2, "eps": 1e-6}, 243),
        ("motionbert", "motionbert_lite", {"channels": 256, "layers": 5, "mlp_ratio": 4, "eps": 1e-6}, 243),
        ("motionagformer", "motionagformer_xs", {"channels": 64, "layers": 12, "frames": 27}, 27),
        ("motionagformer", "motionagformer_b", {"channels": 128, "layers": 16, "frames": 243}, 243),
    ],
)
def test_every_name_and_shape_of_a_full_size_checkpoint_fits(family, layout, settings, frames, place):
    entries = json.loads((GOLDEN / f"{layout}.json").read_text())["keys"]
    # One number in memory for each tensor, whatever its shape.
    state = {name: torch.zeros((), dtype=getattr(torch, dtype)).expand(shape) for name, shape, dtype in entries}
    path = place / "theirs" / "published.bin"
    torch.save({"state_dict": state}, path)
    loaded, rest = load_published(path)
    model = find_model(family, loaded, "it")
    found, weights = translated(model, loaded, [], "it")
    assert found.model.items() >= settings.items() and found.data.frames == frames and not rest
    used = {name for name in state if not re.search(r"(\.adj_v|(^|\.)adj_e)$", name)}
    assert sum(value.numel() for value in weights.values()) == sum(state[name].numel() for name in used)


def test_settings_beside_a_checkpoint_are_used(published, capsys):
    path, _ = published
    call("tgraphnet", path)
    settings = params.load("mine")
    assert settings.model["dropout"] == 0.2 and settings.data.frames == 27
    assert settings.optim.lr == 0.002 and settings.optim.decay == 0.98
    assert settings.data.detector == "cpn_ft_h36m_dbb"
    assert f"settings from {path.with_name('params.json')}, and those of root_rel" in capsys.readouterr().out


def test_weights_by_themselves_and_from_a_parallel_model(published):
    path, content = published
    torch.save({f"module.{key}": value for key, value in content["state_dict"].items()}, path)
    state, rest = load_published(path)
    assert state.keys() == content["state_dict"].keys() and not rest


def test_a_second_network_is_named_and_not_used(place, capsys):
    state, _ = arrays("vp3d_temporal_c32_33")
    path = place / "theirs" / "semi.bin"
    torch.save(videopose3d_file(state) | {"model_traj": state}, path)
    call("videopose3d", path)
    assert "not used: lr, random_state, optimizer, model_traj" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sequence", "videopose3d"])
def test_format_before_zip_files_with_old_names_of_numpy(name, place):
    case = CASES[name]
    content = case.file(arrays(case.golden)[0]) | {"history": [np.int64(3), np.float32(2)]}
    path = place / "old.bin"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert b"numpy._core.multiarray" in data
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(data.replace(b"numpy.random._pickle\n__randomstate_ctor", b"numpy.random\n__RandomState_ctor"))
    state, rest = load_published(path)
    assert state.keys() == arrays(case.golden)[0].keys() and "history" in rest


def test_norms_that_did_not_count_their_batches(place):
    state, _ = arrays("vp3d_temporal_c32_33")
    path = place / "old.bin"
    torch.save({name: value for name, value in state.items() if "num_batches" not in name}, path)
    call("videopose3d", path)
    assert Run.load("mine", Engine("cpu")).model.first.norm.num_batches_tracked == 0


class Malicious:
    def __reduce__(self):
        return (os.system, ("touch ran",))


@pytest.mark.parametrize("part", ["state_dict", "best_err"])
def test_pickled_code_is_named_and_not_run(published, part):
    path, content = published
    torch.save(content | {part: Malicious()}, path)
    with pytest.raises(InputError, match=r"root_rel.pth.tar: it holds \w+.system, which was not run"):
        call("tgraphnet", path)
    assert not Path("ran").exists()
    assert not Path("checkpoints").exists() and not Path("params/mine").exists()


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_of_another_family_is_recognised(name, place):
    case = CASES[name]
    path = place / "theirs" / "published.bin"
    torch.save(case.file(arrays(case.golden)[0]), path)
    assert families() == [
        *("martinez", "mixste", "motionagformer", "motionbert", "pyskl", "semgcn", "stgcn", "tgraphnet", "videopose3d")
    ]
    for family in set(families()) - {case.family}:
        expected = f"not a checkpoint of {family}: it looks like one of {case.family}; "
        with pytest.raises(InputError) as caught:
            call(family, path)
        assert expected + f"run `python -m stgraph.convert {case.family} {path} --exp NAME`" in str(caught.value)
    assert not Path("checkpoints").exists()


def test_no_name_belongs_to_two_models():
    facts = [facts for name in MODELS.names() for facts in MODELS.get(name).published]
    for case in CASES.values():
        state, _ = arrays(case.golden)
        assert sum(each.marks(state) for each in facts) == 1


def test_missing_and_unknown_keys_are_listed(published):
    path, content = published
    state = dict(content["state_dict"])
    del state["merge_norm.weight"]
    state["surplus.weight"] = torch.zeros(3)
    state["post_node.bias"] = torch.zeros(4)
    torch.save({"state_dict": state}, path)
    with pytest.raises(InputError) as caught:
        call("tgraphnet", path)
    message = str(caught.value)
    assert "missing: merge_norm.weight" in message and "unknown: surplus.weight" in message
    assert "heads.pose.joints_conv.bias (4,) instead of (3,)" in message


@pytest.mark.parametrize("name", ["mixste", "motionbert", "motionagformer"])
def test_another_number_of_joints_is_named(name, place):
    case = CASES[name]
    state = {
        key: value[:, :15] if key.endswith("os_embed") and "Temporal" not in key else value
        for key, value in arrays(case.golden)[0].items()
    }
    torch.save(case.file(state), "theirs/humaneva.bin")
    with pytest.raises(InputError, match=r"of 17 joints\n  of other shape: joint_embedding \(1, 15, 32\) instead of"):
        call(case.family, Path("theirs/humaneva.bin"), *(["--like", case.like] if case.like else []))


def test_other_joints_are_named(place):
    """VideoPose3D's for HumanEva has 15 joints."""
    state, _ = arrays("vp3d_temporal_c32_33")
    state |= {"expand_conv.weight": torch.zeros(32, 30, 3), "shrink.weight": torch.zeros(45, 32, 1)}
    torch.save(videopose3d_file(state), "theirs/humaneva.bin")
    with pytest.raises(InputError, match=r"tcn of 17 joints\n  of other shape: first.linear.weight \(32, 90\) instead"):
        call("videopose3d", Path("theirs/humaneva.bin"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dimensions", [0, 1, 2, 5])
def test_weights_of_odd_shapes_are_refused(name, dimensions, place):
    case = CASES[name]
    state = {key: torch.zeros((3,) * dimensions) for key in arrays(case.golden)[0]}
    torch.save(case.file(state), "theirs/odd.bin")
    with pytest.raises(InputError):
        call(case.family, Path("theirs/odd.bin"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weights": 3}, "found a dictionary of weights"),
        ({"model_pos": None, "epoch": 3}, "found a dictionary of model_pos, epoch; expected tensors by name"),
        ([1, 2], "found list"),
        ({"a.weight": torch.zeros(2, 2)}, "1 entries such as a.weight, which belong to no published model"),
    ],
)
def test_other_files_are_refused(published, content, message):
    path, _ = published
    torch.save(content, path)
    with pytest.raises(InputError, match=message):
        call("tgraphnet", path)


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


def test_an_experiment_with_another_model_gives_no_settings(published):
    path, _ = published
    with pytest.raises(InputError, match="--like tcn: an experiment with the model tcn, and .* holds a tgraphnet"):
        call("tgraphnet", path, "--like", "tcn")


def test_what_was_there_stays(published):
    path, _ = published
    with pytest.raises(InputError, match="params/mine/params.json: exists"):
        Path("params/mine").mkdir()
        Path("params/mine/params.json").write_text("{}")
        call("tgraphnet", path)
    assert Path("params/mine/params.json").read_text() == "{}"
    assert not Path("checkpoints").exists()
