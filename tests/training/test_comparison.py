"""compare: experiments trained under one budget, scored alike, in one table."""

import json
from pathlib import Path

import pytest
import torch

from stgraph import compare, train
from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.skeleton import H36M17
from stgraph.training.checkpoint import Origin
from stgraph.training.compared import Column
from stgraph.training.comparison import comparison_markdown, entries
from stgraph.training.cost import mmac_per_frame, parameters
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from tests.training.test_loop import SETTINGS

pytestmark = pytest.mark.slow

FLAT = {"name": "linear", "channels": 16, "layers": 1, "dropout": 0.0}
DATA = SETTINGS["data"] | {"train": ["S1"], "validation": [], "test": ["S5"]}
EXPERIMENTS = {
    "graph": {"task": SETTINGS["task"] | {"motion_intervals": [2, 4]}, "data": DATA, "model": SETTINGS["model"]},
    "flat": {
        "task": {"name": "lifting", "losses": {"mse": 1.0, "action": 1.0}},
        "data": DATA | {"frames": 1},
        "model": FLAT,
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, settings in EXPERIMENTS.items():
        (tmp_path / "params" / name).mkdir(parents=True)
        optim = {"epochs": 1, "batch_size": 64, "lr": 0.01}
        (tmp_path / "params" / name / "params.json").write_text(json.dumps(settings | {"optim": optim}))
    return tmp_path


def run_compare(*options):
    compare.main(compare.parser().parse_args([*options, "--device", "cpu"]))


@pytest.mark.long
def test_a_table_of_what_was_trained_and_what_was_not(folder, dataset, capsys):
    options = ["graph", "flat", "flat:model.channels=8,optim.lr=0.02", "--data", str(dataset.path), "--epochs", "2"]
    run_compare(*options, "--seeds", "1", "2", "--out", "out")
    text = (folder / "out" / "comparison.md").read_text()
    assert text in capsys.readouterr().out
    report = json.loads((folder / "out" / "comparison.json").read_text())
    rows, baselines = report["rows"], report["baselines"]
    assert baselines.keys() == {"mean pose", "ridge regression"} and "| ridge regression |" in " ".join(text.split())
    assert [row["exp"] for row in rows] == ["graph", "flat", "flat:model.channels=8,optim.lr=0.02"]
    for row in rows:
        seeds = row["seeds"]
        assert [seed["seed"] for seed in seeds] == [1, 2] and {seed["epochs"] for seed in seeds} == {2}
        assert row["P1"] == pytest.approx((seeds[0]["P1"] + seeds[1]["P1"]) / 2)
        assert row["P1_std"] == pytest.approx(abs(seeds[0]["P1"] - seeds[1]["P1"]) / 2**0.5)
        assert row["about"]["subjects"] == "S9"  # of the file's split, not the experiment's
        assert bool(row["not_better"]) == (row["P1"] >= min(each["P1"] for each in baselines.values()))
        assert not row["not_better"] or f"**{row['exp']}: {row['not_better']}**" in text
        scores = f"| {row['exp']} | {row['parameters']:,} | {row['mmac']:.2f} | {row['P1']:.1f} ± "
        assert scores in " ".join(text.split())
    assert rows[0].get("action") is None and 0 <= rows[1]["action"] <= 100
    assert len({row["about"]["scored"] for row in rows}) == 1
    assert (folder / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    # A second time nothing is trained, and nothing that is there changes.
    weights = {path: path.read_bytes() for path in folder.glob("checkpoints/*/best.safetensors")}
    assert len(weights) == 6
    run_compare(*options, "--seeds", "1", "2", "--out", "again")
    assert weights == {path: path.read_bytes() for path in folder.glob("checkpoints/*/best.safetensors")}


def test_a_trained_run_is_taken_as_it_is(folder, dataset):
    train.main(train.parser().parse_args(["--exp", "graph", "--data", str(dataset.path), "--device", "cpu"]))
    before = Path("checkpoints/graph/best.safetensors").read_bytes()
    [entry] = entries(["graph"], None, None, [], [])
    assert entry.settings is None
    run_compare("graph", "--subjects", "S9")
    assert Path("checkpoints/graph/best.safetensors").read_bytes() == before
    [other] = entries(["graph"], dataset.path, None, [], [])
    assert other.settings and other.name.startswith("graph-small-333-")
    [wider] = entries(["graph"], dataset.path, None, ["model.channels=[8,16]"], [])
    assert wider.name != other.name
    Path("params/graph/params.json").unlink()
    with pytest.raises(InputError, match=r"checkpoints/graph is a trained run without params/graph/params.json"):
        entries(["graph:optim.lr=0.1"], None, None, [], [])
    run_compare("graph", "--subjects", "S1", "S9")
    text = Path("reports/compare/comparison.md").read_text()
    assert "**graph was trained on S1, which it is scored on**" in text and "not trained here: graph" in text


def test_different_frames_are_not_compared_silently():
    row = {"exp": "one", "about": {"scored": "10 frames", "protocol": "p"}, "model": "", "seeds": [{}]}
    row |= {"synthetic": True, "trained_on": "", "P1": 1.0, "minutes": 1.0, "not_better": ""}

    def markdown(*rows):
        report = {"rows": rows, "scores": {"P1": Column("P1, mm")}, "baselines": {}, "training": "-"}
        return comparison_markdown(report)

    text = markdown(row, row | {"exp": "two", "about": {"scored": "9 frames", "protocol": "p"}})
    assert "cannot be compared:** one: 10 frames; two: 9 frames" in text
    assert "synthetic data" in text and "cannot be compared" not in markdown(row, row)
    windows = {"a": "Each frame by itself.", "b": "Windows of 9.", "c": "Each frame by itself."}
    text = markdown(*(row | {"exp": exp, "model": text} for exp, text in windows.items()))
    assert "- by model: a, c: Each frame by itself.; b: Windows of 9." in text


def test_mistakes_are_found_before_anything_is_trained(folder, dataset):
    with pytest.raises(InputError, match="flot: no such experiment|flot.*did you mean flat"):
        run_compare("graph", "flot", "--data", str(dataset.path))
    with pytest.raises(InputError, match="cpn"):
        run_compare("graph", "flat", "--data", str(dataset.path), "--detector", "cpn")
    with pytest.raises(InputError, match=r"different joints.*graph: 17 .*; flat:data.skeleton=h36m16: 16 "):
        run_compare("graph", "flat:data.skeleton=h36m16", "--data", str(dataset.path))
    with pytest.raises(SystemExit):
        run_compare("graph", "--minutes", "1", "--epochs", "2")
    with pytest.raises(InputError, match="--minutes: found -1; expected a finite number above 0"):
        run_compare("graph", "--minutes", "-1")
    assert not Path("checkpoints").exists()


def test_an_experiments_own_settings_may_be_lists_and_objects(folder):
    augment, text = {"stretch": [0.8, 1.5], "rigs": 0.01}, "graph:data.augment={augment},data.stride=7,data.frames=9"
    [entry] = entries([text.format(augment=json.dumps(augment, separators=(",", ":")))], None, None, [], [])
    assert entry.settings and entry.settings.data.augment.stretch == (0.8, 1.5)
    assert (entry.settings.data.augment.rigs, entry.settings.data.stride, entry.settings.data.frames) == (0.01, 7, 9)


def test_the_cost_of_a_flat_model_is_that_of_its_matrices(folder):
    settings = validate(EXPERIMENTS["flat"], "here")
    settings = settings.model_copy(update={"task": settings.task | {"actions": ["a", "b"]}})
    run = Run("flat", settings, H36M17, Origin("", "", "", False), Engine("cpu"))
    weights = [weight for name, weight in run.model.named_parameters() if weight.ndim > 1]
    assert mmac_per_frame(run) == pytest.approx(sum(weight.numel() for weight in weights) / 1e6)
    assert parameters(run) == sum(weight.numel() for weight in run.model.parameters()) > sum(map(torch.numel, weights))
