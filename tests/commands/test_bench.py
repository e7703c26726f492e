"""The measurement, on a model so small that its numbers mean nothing but their relations."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stgraph import bench
from stgraph.errors import InputError
from stgraph.settings import params
from stgraph.settings.params import validate
from stgraph.skeleton import H36M17
from stgraph.training import bench as measuring
from stgraph.training.against import other_module
from stgraph.training.checkpoint import Origin
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from stgraph.training.task_run import TaskRun

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PUBLISHED = {"name": "tgraphnet", "channels": [128, 128, 256, 256], "stages": [1, 2, 2, 2]}
SETTINGS = {
    "task": {"name": "lifting", "losses": {"position": 1.0, "motion": 1.0}},
    "data": {"dataset": "none", "detector": "gt", "frames": 27, "train": ["S1", "S5"], "validation": ["S9"]},
    "model": {"name": "tgraphnet", "channels": [4, 8, 8], "stages": [1, 1, 1]},
    "optim": {"batch_size": 4},
}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "params" / "tiny"
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps(SETTINGS))
    monkeypatch.setattr(measuring, "SIDE", 64)
    monkeypatch.setattr(TaskRun, "bench_frames", lambda settings: 200)
    return tmp_path


def test_numbers_are_written_and_agree_with_one_another(experiment, capsys):
    options = ["--exp", "tiny", "--rounds", "2", "--recordings", "3", "--device", "cpu", "--json", "out/numbers.json"]
    bench.main(bench.parser().parse_args(options))
    numbers = json.loads((experiment / "out" / "numbers.json").read_text())
    assert all(value > 0 for value in numbers.values())
    step = 4 / numbers["windows_per_s_trained"]
    flop = numbers["forward_share"] * numbers["gemm_gflops"] / numbers["windows_per_s_forward"]
    assert 3 * flop * 4 / step == pytest.approx(numbers["train_share"] * numbers["gemm_gflops"])
    assert 4 / numbers["windows_per_s"] / step == pytest.approx(numbers["load_share_of_step"])
    printed = capsys.readouterr().out
    assert f"{numbers['train_share']:.1%} of the fp32 product" in printed
    assert not (experiment / "checkpoints").exists()


@pytest.mark.long
def test_processes_share_the_steps(experiment):
    program = """
        from stgraph import bench
        from stgraph.training import bench as measuring
        from stgraph.training.task_run import TaskRun

        measuring.SIDE, TaskRun.bench_frames = 64, lambda settings: 200
        bench.main(bench.parser().parse_args())
    """
    (experiment / "small_bench.py").write_text(textwrap.dedent(program))
    options = ["--exp", "tiny", "--rounds", "1", "--recordings", "3", "--device", "cpu", "--json", "two.json"]
    command = [sys.executable, "-m", "small_bench", *options, "--devices", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, cwd=experiment, capture_output=True, text=True, env=environment)
    assert output.returncode == 0, output.stderr
    assert output.stdout.count("1 thread in each of 2 processes") == 1
    assert json.loads((experiment / "two.json").read_text())["processes"] == 2


def test_operations_are_the_published_ones_whatever_is_shared(experiment):
    settings = SETTINGS | {"data": SETTINGS["data"] | {"frames": 81}}

    def counted(model: dict) -> float:
        origin = Origin("random numbers", "none", "", False)
        run = Run("tiny", validate(settings | {"model": model}, "here"), H36M17, origin, Engine("cpu"))
        return measuring.operations(run)

    published = counted(PUBLISHED)
    assert published == pytest.approx(1.952e9, rel=1e-3)
    # Counted by torch where they are not stated: the same network with one unit more, and half as wide.
    assert published < counted(PUBLISHED | {"stages": [2, 2, 2, 2]}) < 1.5 * published
    assert counted(PUBLISHED | {"channels": [64, 64, 128, 128]}) == pytest.approx(published / 3.5, rel=0.15)


@pytest.mark.parametrize("exp", params.experiments())
def test_every_experiment_of_the_project_can_be_measured(exp, tmp_path):
    """Made-up data have all that an experiment asks for: joints, detector, subjects, actions to tell apart."""
    settings = params.load(exp)
    dataset = measuring.random_dataset(tmp_path / "random.h5", settings, recordings=1, frames=3)
    run = Run.create(exp, settings, dataset, Engine("cpu"))
    assert len(run.training_samples(dataset))


def test_recognisers_are_measured_live_too(experiment, capsys):
    settings = {
        "task": {"name": "action"},
        "data": {"dataset": "none", "detector": None, "frames": 8},
        "model": {"name": "stgcn", "channels": [4, 8], "strides": [1, 2]},
        "optim": {"batch_size": 4, "name": "sgd"},
    }
    (experiment / "params" / "tiny" / "params.json").write_text(json.dumps(settings))
    options = ["--exp", "tiny", "--rounds", "1", "--recordings", "6", "--device", "cpu", "--json", "out/numbers.json"]
    bench.main(bench.parser().parse_args(options))
    numbers = json.loads((experiment / "out" / "numbers.json").read_text())
    assert all(value > 0 for value in numbers.values()) and numbers["live_ms"] <= numbers["live_ms_95"]
    assert f"{numbers['live_ms']:.1f} ms from a frame to its answer" in capsys.readouterr().out


def test_another_module_is_timed_beside_the_model(experiment, capsys):
    source = """
        import stgraph.models.tgraphnet
        from stgraph.settings.registry import MODELS
        from torch import nn

        class Two(nn.Module):
            def __init__(self, **given):
                super().__init__()
                options = dict(channels=[4, 8, 8], stages=[1, 1, 1])
                self.copies = nn.ModuleList(MODELS.get("tgraphnet")(**given, **options) for _ in range(2))

            def forward(self, x):
                return [copy(x) for copy in self.copies]

        def build(skeleton, in_channels, heads):
            return Two(skeleton=skeleton, in_channels=in_channels, heads=heads)
    """
    (experiment / "two.py").write_text(textwrap.dedent(source))
    options = ["--exp", "tiny", "--rounds", "2", "--recordings", "3", "--device", "cpu", "--json", "out/numbers.json"]
    bench.main(bench.parser().parse_args([*options, "--against", "two.py"]))
    numbers = json.loads((experiment / "out" / "numbers.json").read_text())
    assert numbers["against_forward"] > 0 and numbers["against_gradients"] > 0
    assert f"two.py          {numbers['against_forward']:.2f} times as long forward" in capsys.readouterr().out


def test_a_file_without_a_module_is_refused(experiment):
    for name, text, problem in (("none.py", None, "no such Python file"), ("empty.py", "", "no function `build`")):
        if text is not None:
            (experiment / name).write_text(text)
        with pytest.raises(InputError, match=problem):
            other_module(experiment / name, H36M17, 2, {"pose": 3})
