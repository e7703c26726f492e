"""Training: a run that was stopped anywhere ends as one that was not, and nothing half-done is left behind."""

import contextlib
import csv
import itertools
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import stgraph.formats.files
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.training import loop as fitting
from stgraph.training.checkpoint import load_last, load_weights
from stgraph.training.engine import Engine
from stgraph.training.interrupts import stop_requests
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.conftest import write

pytestmark = pytest.mark.slow

SETTINGS = {
    "task": {"name": "lifting", "losses": {"position": 1.0, "motion": 1.0}},
    "data": {
        "dataset": "small",
        "detector": "noisy",
        "frames": 9,
        "stride": 9,
        "flip": True,
        "train": ["S1", "S5"],
        "validation": ["S9"],
    },
    "model": {"name": "tgraphnet", "channels": [8, 8], "stages": [1, 1], "dropout": 0.2},
    "optim": {"epochs": 3, "batch_size": 30, "lr": 0.01},
}


def settings(**changes):
    values = {name: dict(section) for name, section in SETTINGS.items()}
    for place, value in changes.items():
        section, key = place.split("__")
        values[section][key] = value
    values["task"].setdefault("motion_intervals", [2, 4])
    return validate(values, "test")


class StopAt(Listener):
    """Asks to stop as Ctrl-C does, after a step."""

    def __init__(self, step):
        self.at = step

    def step(self, number, means):
        if number == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def fit(dataset, tmp_path, monkeypatch):
    """Fits a run in a folder of its own and returns it."""
    monkeypatch.chdir(tmp_path)

    def fit(name="run", listener=None, data=dataset, resume=False, minutes=None, clock=time.monotonic, **changes):
        run = Run.create(name, settings(**changes), data, Engine("cpu"))
        run.progress = run.fit(data, listener or Listener(), resume=resume, minutes=minutes, clock=clock)
        return run

    return fit


def same_weights(a, b):
    a, b = (load_last(run / "last.pt")["model"] for run in (a, b))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns(fit):
    run = fit(optim__epochs=8)
    loss = [row["train/loss"] for row in run.progress.history]
    assert loss[-1] < 0.6 * loss[0]


@pytest.fixture(scope="module", params=[0.0, 0.9], ids=["", "averaged"])
def whole(request, dataset, tmp_path_factory):
    """A training that nothing interrupts, its folder and how much its weights are averaged."""
    with contextlib.chdir(tmp_path_factory.mktemp("whole")):
        run = Run.create("whole", settings(optim__ema=request.param), dataset, Engine("cpu"))
        run.progress = run.fit(dataset, Listener())
        return run, run.folder.absolute(), request.param


@pytest.mark.parametrize("step", [1, 6, 9, 13])
def test_an_interrupted_run_resumes_to_the_same_weights(fit, step, whole):
    whole, folder, ema = whole
    with pytest.raises(KeyboardInterrupt):
        fit("cut", StopAt(step), optim__ema=ema)
    cut = fit("cut", resume=True, optim__ema=ema)
    assert same_weights(folder, cut.folder)
    best = [load_weights(place / "best.safetensors").state for place in (folder, cut.folder)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])
    rows = [
        [{name: value for name, value in row.items() if name != "minutes"} for row in run.progress.history]
        for run in (whole, cut)
    ]
    assert rows[0] == rows[1]
    with (cut.folder / "metrics.csv").open() as file:
        assert [float(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3]


@pytest.mark.long
def test_a_killed_run_resumes_to_the_same_weights(fit, dataset, tmp_path):
    """kill -9 in the middle, checkpoints after every step."""
    path = script(
        tmp_path,
        f"""
        import sys
        from stgraph.training.listener import Listener
        from stgraph.data.dataset import Dataset
        from stgraph.training.run import Run
        from stgraph.training.engine import Engine
        from tests.training.test_loop import settings

        class Waiting(Listener):
            def step(self, number, means):
                print(number, flush=True)
                if number == 7:
                    sys.stdin.read()  # until it is killed

        data = Dataset({str(dataset.path)!r})
        Run.create("killed", settings(), data, Engine("cpu")).fit(data, Waiting(), save_minutes=0.0)
        """,
    )
    command, pipe = [sys.executable, path], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=tmp_path) as victim:
        assert [int(victim.stdout.readline()) for _ in range(7)] == [*range(1, 8)]
        victim.kill()
    progress = load_last(Path("checkpoints/killed/last.pt"))["progress"]
    assert progress["epoch"] < 3 and progress["seconds"] > 0
    assert same_weights(fit("whole").folder, fit("killed", resume=True).folder)


def test_a_full_disk_leaves_the_last_checkpoint_whole(fit):
    """Writing fails beyond a file size that the checkpoint of the first epoch does not keep to."""

    class Fill(Listener):
        def epoch(self, row):
            if row["epoch"] == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match="last.pt|best.safetensors") as caught:
            fit("full", Fill())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large; what was there before is as it was" in str(caught.value)
    folder = Path("checkpoints/full")
    assert load_last(folder / "last.pt")["progress"]["epoch"] == 1
    assert not list(folder.glob(".*partial*"))
    assert same_weights(fit("whole").folder, fit("full", resume=True).folder)


def test_a_failing_sync_leaves_the_last_checkpoint_whole(fit, monkeypatch):
    sync, calls = os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) > 12:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(stgraph.formats.files.os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            fit("failing")
    folder = Path("checkpoints/failing")
    assert load_last(folder / "last.pt")["progress"]["epoch"] >= 1
    assert not list(folder.glob(".*partial*"))
    assert same_weights(fit("whole").folder, fit("failing", resume=True).folder)


def test_a_loss_that_is_not_finite_names_the_recordings_and_keeps_the_weights(fit, tmp_path):
    broken = Dataset(write(tmp_path / "broken.h5"))
    number = broken.find("S5/take 1/left")
    track = int(np.flatnonzero(broken.tracks["recording"] == number).item())
    rows = broken.rows("pose3d")
    rows[broken.tracks["first_row"][track]] = np.nan
    broken.rows = lambda name, keep=broken.rows: rows if name == "pose3d" else keep(name)
    with pytest.raises(InputError, match=r"not finite.*recordings of this batch, broken ones first: S5/take 1/left"):
        fit("broken", data=broken, data__validation=[], optim__batch_size=5)
    last = Path("checkpoints/broken/last.pt")
    assert not last.exists() or all(value.isfinite().all() for value in load_last(last)["model"].values())


def test_resuming_with_other_settings_is_refused(fit):
    fit("run")
    with pytest.raises(InputError, match=r"optim.lr: 0.01 then, 0.02 now"):
        fit("run", resume=True, optim__lr=0.02)
    assert fit("run", resume=True, optim__epochs=4).progress.epoch == 4


def test_the_best_epoch_is_the_validations(fit, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(Run, "validate", lambda self, windows, model: {"loss": next(losses)})
    run = fit(optim__epochs=4)
    assert load_weights(run.folder / "best.safetensors").epoch == run.progress.best_epoch == 2


def test_without_validation_the_last_epoch_is_the_result(fit):
    run = fit(data__validation=[])
    weights = load_weights(run.folder / "best.safetensors")
    assert weights.epoch == 3
    assert all(torch.equal(weights.state[name], value) for name, value in run.model.state_dict().items())


def test_patience_stops_early(fit, monkeypatch):
    losses = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr(Run, "validate", lambda self, windows, model: {"loss": next(losses)})
    assert fit(optim__epochs=6, optim__patience=2).progress.epoch == 3


def test_the_minutes_are_a_budget_over_all_resumptions(fit):
    run = fit(minutes=1e-9)
    assert run.progress.step == 1 and run.progress.epoch == 0
    weights = load_weights(run.folder / "best.safetensors")
    assert weights.epoch == run.progress.best_epoch == weights.trained == run.trained > 0
    assert run.stopped_early == f"its minutes ended after {run.trained:.2f} of 3 planned epochs"
    assert fit(minutes=1e-9, resume=True).progress.step == 1
    whole, resumed = fit("whole"), fit(resume=True)
    assert [load_weights(each.folder / "best.safetensors").trained for each in (whole, resumed)] == [None, None]
    assert resumed.stopped_early == ""
    assert same_weights(whole.folder, resumed.folder)


def test_the_minutes_are_counted_by_the_clock_that_is_given(fit):
    ticks = itertools.count()
    run = fit(minutes=1.0, clock=lambda: 15.0 * next(ticks))  # read at the start and after every step
    assert (run.progress.seconds, run.progress.step, run.progress.epoch) == (60.0, 4, 0)


def test_a_budget_does_not_change_which_epoch_is_the_best(fit, monkeypatch):
    """A score in the middle of an epoch is better than any of a whole one."""
    monkeypatch.setattr(Run, "validate", lambda self, windows, model: {"loss": next(losses)})
    losses = iter([2.0, 3.0, 3.0])
    whole = fit("whole")
    losses = iter([2.0, 3.0, 3.0])

    seconds = [0.0]

    class Slow(Listener):
        def step(self, number, means):
            seconds[0] += 100.0 * (number == batches + 1)

    batches = int(load_last(whole.folder / "last.pt")["optimizer"]["state"][0]["step"]) // 3
    cut = fit("cut", Slow(), minutes=1.0, clock=lambda: seconds[0])
    assert cut.progress.epoch == 1 and cut.progress.step >= 1
    cut = fit("cut", resume=True)
    assert cut.progress.best_epoch == whole.progress.best_epoch == 1
    best = [load_weights(run.folder / "best.safetensors") for run in (whole, cut)]
    assert best[0].epoch == best[1].epoch == 1


def test_averaged_weights_are_what_is_kept(fit):
    run = fit(optim__ema=0.5, data__validation=[])
    kept = load_weights(run.folder / "best.safetensors").state
    differing = [name for name, value in run.model.state_dict().items() if not torch.equal(kept[name], value)]
    assert "adjacency.weight" in differing


def test_a_limited_gradient_takes_other_steps(fit):
    free, limited = fit("free"), fit("limited", optim__max_norm=1e-3)
    assert not same_weights(free.folder, limited.folder)


def test_frozen_norms_keep_their_statistics(fit):
    run = fit(optim__freeze_norm=True)
    for name, value in run.model.state_dict().items():
        if name.endswith("running_mean"):
            assert not value.any()


def test_a_checkpoint_explains_itself(fit, dataset):
    run = fit()
    loaded = Run.load("run", Engine("cpu"))
    assert loaded.settings == run.settings
    assert loaded.skeleton == dataset.skeleton
    assert loaded.origin.source == dataset.source and loaded.origin.data_hash == dataset.hash
    with pytest.raises(InputError, match="no such checkpoint.*trained one.*run"):
        Run.load("walk", Engine("cpu"))
    path = run.folder / "best.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole stgraph checkpoint"):
        Run.load("run", Engine("cpu"))


def script(folder, body):
    """A program that finds the project and this module."""
    path = folder / "script.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n" + textwrap.dedent(body))
    return path


GLOBAL = {"position": 1.0, "motion": 1.0, "trajectory": 1.0, "reprojection": 1.0, "root_motion": 0.001}


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_two_processes_share_out_work_and_have_all_results_in_order(tmp_path):
    """Processes that torchrun starts."""
    path = script(
        tmp_path,
        """
        import torch
        from stgraph.training.engine import Engine

        def work(numbers):
            done.append(numbers.tolist())
            return {"x": numbers}, {"y": numbers.double().exp()}

        engine = Engine("cpu", devices=2)
        engine.launch()
        assert engine.world_size == 2
        for pieces in (7, 8):
            done, numbers = [], torch.arange(3 * pieces).split(3)
            results = list(engine.shared_out(work, numbers))
            assert done == [each.tolist() for each in numbers[engine.global_rank :: 2]]
            for each, (batch, outputs) in zip(numbers, results, strict=True):
                assert torch.equal(batch["x"], each) and torch.equal(outputs["y"], each.double().exp())
        print("right", flush=True)
        """,
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    output = subprocess.run([sys.executable, *TORCHRUN, path], capture_output=True, text=True, env=environment)
    assert output.returncode == 0 and output.stdout.count("right") == 2, output.stderr


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(dataset, tmp_path):
    """The same global batches, doubles, no dropout: 20 steps and every validation to 1e-6. Some joints are unseen.

    With norms that train, whose statistics are shared.
    """
    path = script(
        tmp_path,
        f"""
        from stgraph.training.listener import Listener
        from stgraph.data.dataset import Dataset
        from stgraph.training.run import Run
        from stgraph.training.engine import Engine
        from tests.training.test_loop import GLOBAL, settings

        class Print(Listener):
            def step(self, number, means):
                print("step", number, repr(means["loss"]), flush=True)

            def epoch(self, row):
                print("epoch", row["epoch"], repr(row["validation/loss"]), flush=True)

        name, processes = sys.argv[1], int(sys.argv[2])
        engine = Engine("cpu", devices=processes, precision="64")
        engine.launch()
        assert engine.world_size == processes
        data = Dataset({str(dataset.path)!r})
        changes = dict(model__dropout=0.0, optim__epochs=3, optim__lr=0.001, optim__batch_size=14)
        changes |= dict(task__output="global", task__losses=GLOBAL)
        run = Run.create(name, settings(**changes), data, engine)
        run.fit(data, Print(), save_minutes=0.03)
        """,
    )
    seen = {}
    for name, processes in (("one", 1), ("two", 2)):
        command = [sys.executable, path, name, str(processes)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert output.returncode == 0, output.stderr
        lines = [line.split() for line in output.stdout.splitlines()]
        seen[name] = {kind: [float(line[2]) for line in lines if line[0] == kind] for kind in ("step", "epoch")}
    assert len(seen["two"]["step"]) == len(seen["one"]["step"]) >= 20
    np.testing.assert_allclose(seen["two"]["step"][:20], seen["one"]["step"][:20], rtol=1e-6)
    np.testing.assert_allclose(seen["two"]["epoch"], seen["one"]["epoch"], rtol=1e-6)


def test_the_global_objective_trains_in_sixteen_bits(dataset, tmp_path, monkeypatch):
    """Sixteen bits put an untrained root exactly at the camera; its projection has a gradient all the same."""
    monkeypatch.chdir(tmp_path)
    changes = {"task__output": "global", "task__losses": GLOBAL}
    run = Run.create("half", settings(**changes), dataset, Engine("cpu", precision="bf16"))
    run.fit(dataset, Listener())
    assert all(value.isfinite().all() for value in run.model.state_dict().values())


def test_a_gradient_that_is_not_finite_is_caught_before_it_is_used(fit, dataset):
    run = Run.create("run", settings(), dataset, Engine("cpu"))
    fitting_ = fitting.Fit(run, dataset, Listener())
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    run.model.adjacency.weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(InputError, match="gradient nan"):
        fitting_.step(np.arange(8))
    assert all(torch.equal(value, before[name]) for name, value in run.model.named_parameters())


def test_a_folder_in_use_is_left_alone(fit, dataset):
    whole = fit("run")
    kept = {path: path.read_bytes() for path in whole.folder.glob("*.*")}
    for changes, message in (({}, "holds a run already"), ({"resume": True, "optim__lr": 1.0}, "optim.lr")):
        with pytest.raises(InputError, match=message):
            fit("run", **changes)
    with pytest.raises(InputError, match="no pose2d/cpn"):
        Run.create("run", settings(data__detector="cpn"), dataset, Engine("cpu")).fit(dataset, Listener(), restart=True)
    (whole.folder / "last.pt").rename(whole.folder / "other.pt")
    with pytest.raises(InputError, match="weights that were not trained here"):
        fit("run", resume=True)
    (whole.folder / "other.pt").rename(whole.folder / "last.pt")
    assert all(path.read_bytes() == data for path, data in kept.items())


def test_stop_requests_gives_the_handlers_back():
    before = signal.getsignal(signal.SIGINT)
    with stop_requests() as requested:
        signal.raise_signal(signal.SIGTERM)
        assert requested()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


class Rates(Listener):
    """Notes the learning rate and the norms' momentum of every step."""

    def __init__(self):
        self.found = []

    def watch(self, fit):
        norm = next(module for module in fit.run.model.modules() if isinstance(module, torch.nn.BatchNorm2d))
        self.step = lambda number, means: self.found.append((fit.optimizer.param_groups[0]["lr"], norm.momentum))
        return fit


@pytest.mark.parametrize(
    ("optim", "rate"),
    [
        ({"decay": 0.5}, lambda step, batches: 0.5 ** (step // batches)),
        ({"decay": 0.5, "decay_steps": 4}, lambda step, batches: 0.5 ** (step // 4)),
        ({"schedule": "cosine"}, lambda step, batches: (1 + np.cos(np.pi * step / (3 * batches))) / 2),
    ],
)
def test_the_learning_rate_follows_its_schedule(dataset, tmp_path, monkeypatch, optim, rate):
    monkeypatch.chdir(tmp_path)
    changes = {f"optim__{key}": value for key, value in optim.items()}
    rates = Rates()
    run = Run.create("run", settings(**changes, optim__norm_momentum=[0.1, 0.001]), dataset, Engine("cpu"))
    fit = rates.watch(fitting.Fit(run, dataset, rates))
    fit.fit()
    found, momentum = np.array(rates.found).T
    np.testing.assert_allclose(found, [0.01 * rate(step, fit.batches) for step in range(3 * fit.batches)])
    np.testing.assert_allclose(momentum, np.repeat([0.1, 0.01, 0.001], fit.batches))


def test_a_cosine_ends_with_the_minutes(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now, rates = [0.0], Rates()
    run = Run.create("run", settings(optim__schedule="cosine", optim__epochs=1000), dataset, Engine("cpu"))
    fit = rates.watch(fitting.Fit(run, dataset, rates, minutes=1.0, clock=lambda: now[0]))
    note = rates.step

    def step(number, means):
        note(number, means)
        now[0] += 3.0

    rates.step = step
    fit.fit()
    # A step's rate is that of the time known when it begins: the end of the step before it began.
    seconds = np.maximum(3.0 * (np.arange(21) - 1), 0)
    np.testing.assert_allclose(np.array(rates.found)[:, 0], 0.01 * (1 + np.cos(np.pi * seconds / 60)) / 2, atol=1e-9)


@pytest.mark.parametrize(
    "optim", [{"schedule": "cosine"}, {"norm_momentum": [0.1, 0.001]}, {"decay_steps": 4}, {"name": "muon"}]
)
def test_optimizers_and_schedules_resume_to_the_same_weights(fit, monkeypatch, optim):
    monkeypatch.setattr("stgraph.training.muon.LEAST", 8)  # the model is narrow
    changes = {f"optim__{key}": value for key, value in optim.items()}
    whole = fit("whole", **changes)
    with pytest.raises(KeyboardInterrupt):
        fit("cut", StopAt(6), **changes)
    if optim.keys() & {"schedule", "norm_momentum"}:
        # Its rates were those of three epochs: with more it would be another training.
        with pytest.raises(InputError, match="optim.epochs: 3 then, 5 now"):
            fit("cut", resume=True, optim__epochs=5, **changes)
    assert same_weights(whole.folder, fit("cut", resume=True, **changes).folder)


def test_frames_that_are_not_valid_do_not_choose_the_best_epoch(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows, valid = dataset.rows, np.ones(len(dataset.rows("frame")), bool)
    pose = np.array(rows("pose3d"))
    for number in np.flatnonzero(dataset.recordings["subject"][dataset.tracks["recording"]] == "S9"):
        first = dataset.tracks["first_row"][number]
        valid[first + 3] = False
        pose[first + 3] = 1000
    monkeypatch.setattr(dataset, "rows", lambda name: {"valid": valid, "pose3d": pose}.get(name, rows(name)))
    run = Run.create("run", settings(), dataset, Engine("cpu"))
    scores = run.validate(run.validation_samples(dataset), run.model.eval())
    assert scores["mpjpe_mm"] < 5000


@pytest.mark.parametrize("causal", [False, True])
def test_validation_predicts_every_frame_of_a_model_with_margins(dataset, tmp_path, monkeypatch, causal):
    monkeypatch.chdir(tmp_path)
    model = {"name": "tcn", "channels": 8, "filter_widths": [3, 3], "causal": causal}
    values = SETTINGS | {"model": model, "task": {"name": "lifting", "losses": {"position": 1.0}}}
    run = Run.create("run", validate(values, "test"), dataset, Engine("cpu"))
    windows = run.validation_samples(dataset)
    batch = windows.batch(torch.arange(len(windows)))
    seen = torch.stack(
        [batch["track"][:, None].expand_as(batch["frame"])[batch["inside"]], batch["frame"][batch["inside"]]]
    )
    assert seen.unique(dim=1).shape[1] == windows.lengths.sum() == seen.shape[1]
