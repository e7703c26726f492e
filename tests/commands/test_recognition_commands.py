"""The commands of recognition on small data, as a person would type them, and what they say to a mistake."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stgraph import compare, evaluate, fuse, render, train
from stgraph.cli.command import run_command
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.tasks.action import run as action_run
from stgraph.training.checkpoint import load_weights
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from tests.tasks.action.clip_people import ACTIONS, clip, settings, write_clips

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "data": {"train": None, "validation": None, "test": None, "normalise": "body"},
    "optim": {"epochs": 6, "batch_size": 8, "lr": 0.03},
}


def call(module, *words):
    """Run a command within this process."""
    module.main(module.parser().parse_args([*map(str, words)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two trained runs, 3D and 2D, on clips that say that they are synthetic, and an experiment of a lifter."""
    folder = tmp_path_factory.mktemp("commands")
    lifter = {"task": {"name": "lifting", "losses": {"position": 1.0}}, "model": {"name": "linear", "channels": 8}}
    lifter["data"] = {"dataset": "clips.h5", "detector": "noisy", "frames": 9}
    experiments = {"small": settings(**SECTIONS).model_dump(), "lifter": lifter}
    with contextlib.chdir(folder):
        write_clips(Path("clips.h5"), source="synthetic people", synthetic=True)
        for name, values in experiments.items():
            Path("params", name).mkdir(parents=True)
            Path("params", name, "params.json").write_text(json.dumps(values))
        words = ["--data", "clips.h5", "--device", "cpu"]
        call(train, "--exp", "small", *words)
        call(train, "--exp", "small", "--name", "flat", *words, "--set", "data.detector=openpose")
        call(train, "--exp", "lifter", *words, "--set", "optim.epochs=1")
    return folder


@pytest.fixture
def place(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def report_of(name):
    return json.loads(Path("reports", name, "report.json").read_text())


def test_recognisers_are_compared(place, capsys):
    call(compare, "small", "--device", "cpu", "--out", "compared")
    text = (place / "compared/comparison.md").read_text()
    assert "top-1, %" in text and "clips of 3 classes" in text and text in capsys.readouterr().out
    with pytest.raises(InputError, match="--protocol standard: found a recogniser; leave it out"):
        call(compare, "small", "--device", "cpu", "--protocol", "standard")
    with pytest.raises(InputError, match="--conditions: found a recogniser; leave it out"):
        call(compare, "small", "--device", "cpu", "--conditions")
    with pytest.raises(InputError, match=r"different joints or classes.*small: 3 .*; lifter: 17 "):
        call(compare, "small", "lifter", "--device", "cpu")


def test_two_processes_write_the_reports_of_one(place, capsys):
    names = "small", "lifter"
    program = """
        import sys
        from stgraph import evaluate

        for name in sys.argv[1:]:
            words = ["--exp", name, "--device", "cpu", "--devices", "2", "--out", "by-2", "--json", f"{name}-2.json"]
            evaluate.main(evaluate.parser().parse_args(words))
    """
    (place / "evaluate_all.py").write_text(textwrap.dedent(program))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evaluate_all", *names]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("# Evaluation of") == ended.stdout.count("written:") == len(names)
    for name in names:
        call(evaluate, "--exp", name, "--device", "cpu", "--out", "by-1", "--json", f"{name}-1.json")
        said = capsys.readouterr().out
        assert said.count("# Evaluation of") == said.count("written:") == 1
        one, two = (Path(f"{name}-{processes}.json").read_bytes() for processes in "12")
        assert one == two


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_leaves_a_checkpoint_that_explains_itself(place):
    weights = load_weights(place / "checkpoints/small/best.safetensors")
    assert weights.settings.task["classes"] == list(ACTIONS) and weights.origin.synthetic and weights.origin.fps == 30
    rows = rows_of("checkpoints/small/metrics.csv")
    assert len(rows) == 6 and {"train/cross_entropy", "validation/loss", "validation/accuracy_percent"} <= set(rows[0])


def test_finetuning_for_other_classes(place, capsys):
    words = ["--exp", "small", "--data", "clips.h5", "--device", "cpu", "--set", 'data.actions=["sit","wave"]']
    call(
        train, *words, "--name", "tuned", "--finetune", "checkpoints/small/best.safetensors", "--set", "optim.epochs=1"
    )
    said = capsys.readouterr().out
    assert "weights from checkpoints/small/best.safetensors; new: the head action, for other classes" in said
    assert load_weights(Path("checkpoints/tuned/best.safetensors")).settings.task["classes"] == ["sit", "wave"]
    call(evaluate, "--exp", "tuned", "--out", "reports/tuned")
    assert report_of("tuned")["scored"]["clips"] == 4


def test_evaluation_writes_what_it_found_in_every_form(place, capsys):
    call(evaluate, "--exp", "small", "--views", "3", "--per-frame", "--json", "numbers.json")
    said, report, data = capsys.readouterr().out, report_of("small"), Dataset("clips.h5")
    assert json.loads(Path("numbers.json").read_text()) == report
    files = ("report.md", "recognition.png", "contributions.png", "scores.npz", "predictions.csv", "frames.csv")
    for name in files:
        assert (place / "reports/small" / name).stat().st_size > 300 and f"reports/small/{name}" in said
    found = Run.load("small", Engine("cpu")).recognise(data, views=3)
    right = int((found.probabilities.argmax(1) == found.label).sum())
    assert report["metrics"]["top1"] == pytest.approx(100 * right / 6) and report["about"]["views of a clip"] == 3
    text = Path("reports/small/report.md").read_text()
    assert text in said and f"{right} of 6" in text and "Synthetic data" in text and "| S4      |" in text
    whole = [row for row in rows_of("reports/small/predictions.csv") if row["person"] == "all"]
    assert {row["id"]: row["recognised"] for row in whole} == {
        id: ACTIONS[each.argmax()] for id, each in zip(found.id, found.probabilities, strict=True)
    }
    persons = [row for row in rows_of("reports/small/predictions.csv") if row["person"] != "all"]
    assert sorted((row["id"], row["person"]) for row in persons) == sorted(
        (f"S4/{action} 1/front", person) for action in ACTIONS for person in "01"
    )
    frames = rows_of("reports/small/frames.csv")
    assert {row["id"] for row in frames} == set(found.id) and {row["recognised"] for row in frames} <= set(ACTIONS)
    lengths = {id: 0 for id in found.id}
    for row in frames:
        lengths[row["id"]] = max(lengths[row["id"]], int(row["frame"]) + 1)
    assert all(length <= data.recordings["frames"][data.find(id)] for id, length in lengths.items())


def test_a_report_has_baselines_beside_the_recogniser(place, monkeypatch):
    call(evaluate, "--exp", "small", "--out", "beside")
    report, text = json.loads(Path("beside/report.json").read_text()), Path("beside/report.md").read_text()
    run, data = Run.load("small", Engine("cpu")), Dataset("clips.h5")
    expected = run.clip_baselines(data, run.recognise(data))
    own, found = report["metrics"]["top1"], report["baselines"]["scores"]
    assert {name: scores["top1"] for name, scores in found.items()} == {
        name: scores.report()["metrics"]["top1"] for name, scores in expected.items()
    }
    better = [name for name, scores in found.items() if scores["top1"] >= own]
    assert all(name in report["about"]["NOT BETTER THAN BASELINES"] for name in better)
    assert bool(better) == ("NOT BETTER THAN BASELINES" in text) and "| nearest neighbour |" in text
    monkeypatch.setattr(action_run, "MOST", 0.0)
    call(evaluate, "--exp", "small", "--out", "beside")
    report = json.loads(Path("beside/report.json").read_text())
    assert list(report["baselines"]["scores"]) == ["largest class"]
    assert "nearest neighbour is left out, since there are" in report["baselines"]["text"]


def test_another_part_or_other_subjects_are_scored(place):
    call(evaluate, "--exp", "small", "--scored", "validation", "--out", "reports/valid")
    assert set(report_of("valid")["by"]["subject"]) == {"S3"} and Path("reports/valid/scores.npz").exists()
    call(evaluate, "--exp", "flat", "--subjects", "S1", "S3", "--detector", "noisy", "--out", "reports/others")
    report = report_of("others")
    assert set(report["by"]["subject"]) == {"S1", "S3"} and report["about"]["input"].startswith("noisy")


def test_fusing_what_was_evaluated(place, capsys):
    for name in ("small", "flat"):
        for part in ("validation", "test"):
            call(evaluate, "--exp", name, "--scored", part)
    data = Dataset("clips.h5")
    small, flat = (Run.load(name, Engine("cpu")).recognise(data) for name in ("small", "flat"))
    capsys.readouterr()
    call(fuse, "small:2", "flat:0.5", "--json", "fused.json")
    report, said = report_of("fused"), capsys.readouterr().out
    mean = (2 * small.probabilities + 0.5 * flat.probabilities) / 2.5
    assert report["metrics"]["top1"] == pytest.approx(100 * (mean.argmax(1) == small.label).mean())
    small, flat = (100 * (each.probabilities.argmax(1) == each.label).mean() for each in (small, flat))
    assert (
        report["alone"] == pytest.approx({"small": small, "flat": flat})
        and json.loads(Path("fused.json").read_text()) == report
    )
    assert "small x 2, flat x 0.5" in said and "Synthetic data" in said and "synthetic people" in said
    assert Path("reports/fused/recognition.png").stat().st_size > 3000
    call(fuse, "small", "flat", "--choose", "--out", "reports/chosen")
    assert report_of("chosen")["about"]["weights"] == "chosen on the validation split"


def test_rendering_a_clip(place, tmp_path, capsys):
    """Two persons, in 3D and in 2D."""
    for name in ("small", "flat"):
        out = tmp_path / f"{name}.gif"
        words = ["--recording", "S4/wave 1/front", "--seconds", "0.2", "--start", "0.3", "--rate", "30"]
        call(render, "--exp", name, *words, "--out", out)
        assert "S4/wave 1/front, 0.2 s, wave recognised as" in capsys.readouterr().out
        with Image.open(out) as picture:
            assert picture.size == (960, 340) and picture.n_frames == 6
            picture.seek(5)
            last = np.asarray(picture.convert("RGB"))
        assert last.std() > 10 and len(np.unique(last.reshape(-1, 3), axis=0)) > 20


def test_rendering_a_typical_clip_of_every_class(place, tmp_path):
    call(render, "--exp", "small", "--seconds", "0.05", "--size", "700x300", "--out", tmp_path / "x.gif")
    assert {path.name for path in tmp_path.iterdir()} == {f"x-{action}.gif" for action in ACTIONS}


TRAIN = ["--data", "clips.h5", "--device", "cpu", "--name", "new"]
MISTAKES = [
    (train, ["--exp", "smal"], ["params/smal/params.json: no such experiment", "did you mean small?"]),
    (train, ["--exp", "small", *TRAIN, "--set", "data.normalise=image"], ["data.normalise: ", "camera, kinect, body"]),
    (train, ["--exp", "small", *TRAIN, "--set", "data.split=xsub"], ["no split 'xsub'", "it has standard", "--set"]),
    (
        train,
        ["--exp", "small", *TRAIN, "--set", 'task.classes=["jump","sit"]'],
        ["task.classes: clips.h5", "wave", "data.actions"],
    ),
    (train, ["--exp", "small", *TRAIN, "--set", 'data.actions=["wave"]'], ["one class (wave)", "two or more"]),
    (train, ["--exp", "small", *TRAIN, "--finetune", "none"], ["checkpoints/none", "no such checkpoint", "small"]),
    (
        train,
        ["--exp", "small", *TRAIN, "--set", "data.detector=cpn"],
        ["clips.h5: has no pose2d/cpn", "noisy, openpose"],
    ),
    (evaluate, ["--exp", "small", "--protocol", "standard"], ["--protocol: found", "task 'action'", "leave it out"]),
    (
        evaluate,
        ["--exp", "lifter", "--views", "2", "--per-frame"],
        ["--views: found", "task 'lifting'", "leave it out"],
    ),
    (evaluate, ["--exp", "small", "--views", "0"], ["--views: found 0; expected 1 to 100"]),
    (evaluate, ["--exp", "small", "--subjects", "S9"], ["clips.h5: has no subject S9", "S1, S2, S3, S4"]),
    (
        evaluate,
        ["--exp", "small", "--detector", "noisy"],
        ["--detector noisy: the input of small is 3D poses", "leave it out"],
    ),
    (evaluate, ["--exp", "small", "--data", "none.h5"], ["none.h5: no such file", "python -m data_prep"]),
    (fuse, ["small", "never"], ["reports/never/scores.npz", "python -m stgraph.evaluate --exp never"]),
    (fuse, ["small:two"], ["small:two: expected EXP or EXP:WEIGHT"]),
    (fuse, ["small:2", "flat", "--choose"], ["--choose: chooses the weights itself; leave them out"]),
    (fuse, ["small", "few"], ["small has 6 clips and few 2; 4 are in one of them alone: S4/", "the same clips"]),
    (fuse, ["small", "named"], ["reports/named/scores.npz: its last evaluation scored subjects S4, not the part test"]),
    (render, ["--exp", "small", "--recording", "S4/wav 0/front"], ["no recording 'S4/wav 0/front'", "S4/wave 0/front"]),
    (render, ["--exp", "small", "--recording", "S4/wave 0/front", "--start", "9"], ["--start 9: ", "start earlier"]),
    (render, ["--exp", "small", "--recording", "S4/wave 0/front", "--flip"], ["--flip: is for lifters; leave it out"]),
    (render, ["--exp", "small", "--size", "big"], ["--size big: expected WIDTHxHEIGHT"]),
]


@pytest.mark.parametrize(("module", "words", "parts"), MISTAKES, ids=[" ".join(words)[:50] for _, words, _ in MISTAKES])
def test_mistakes_end_in_one_message(place, monkeypatch, capsys, module, words, parts):
    if module is fuse and not Path("reports/few/scores.npz").exists():
        few = [clip("S4", action, 0) for action in ("jump", "wave")]
        write_clips(Path("few.h5"), few)
        for name, asked in (("few", ["--data", "few.h5"]), ("named", ["--subjects", "S4"]), ("small", [])):
            call(evaluate, "--exp", "small", *asked, "--out", f"reports/{name}")
        capsys.readouterr()
    files = sorted(Path("checkpoints").rglob("*"))
    monkeypatch.setattr(sys, "argv", [module.__name__, *words])
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        run_command(module.parser(), module.main)
    signal.signal(signal.SIGTERM, handler)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.startswith(f"python -m {module.__name__}: ") and "Traceback" not in said
    for part in parts:
        assert part in said
    assert sorted(Path("checkpoints").rglob("*")) == files
