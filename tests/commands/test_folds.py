"""Leave one subject out: the table's counts by hand, and nothing trained twice."""

import contextlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from stgraph import folds
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.training.cross_validation import Row, folds_markdown
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.loop import Fit
from stgraph.training.run import Run
from tests.tasks.action.clip_people import ACTIONS, MODEL, SUBJECTS, clip, new_run, settings, write_clips

pytestmark = pytest.mark.slow

SECTIONS = {"optim": {"epochs": 2, "batch_size": 8, "lr": 0.03}, "data": {"frames": 8, "normalise": "body"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an experiment and clips, whose file has a split of its own."""
    folder = tmp_path_factory.mktemp("folds")
    values = settings(**SECTIONS).model_dump()
    for name, model in (("tiny", MODEL), ("other", MODEL | {"channels": [4, 4]})):
        (folder / "params" / name).mkdir(parents=True)
        (folder / "params" / name / "params.json").write_text(json.dumps(values | {"model": model}))
    (folder / "params/lifter").mkdir()
    lifter = {"task": {"name": "lifting", "losses": {"position": 1.0}}, "model": {"name": "linear"}}
    lifter["data"] = {"dataset": "x", "detector": "noisy"}
    (folder / "params/lifter/params.json").write_text(json.dumps(lifter))
    with contextlib.chdir(folder):
        new_run(write_clips(Path("clips.h5")), "trained").fit(Dataset("clips.h5"), Listener())
    return folder


@pytest.fixture
def call(place, monkeypatch):
    """Types the command in that folder, and returns the rows of its table."""
    monkeypatch.chdir(place)

    def call(*words):
        folds.main(folds.parser().parse_args([*words, "--data", "clips.h5", "--device", "cpu"]))
        lines = [line for line in Path("reports/folds/folds.md").read_text().splitlines() if line.startswith("| ")]
        head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        rows = [row for row in rows if not set(row[0]) <= set("-: ")]
        return {row[0]: dict(zip(head, row, strict=True)) for row in rows}

    return call


@pytest.fixture
def data(place):
    return Dataset(place / "clips.h5")


def runs(name):
    """Trained runs of an experiment, by who was left out and the seed."""
    found = {}
    for path in Path("checkpoints/folds").glob(f"{name}-*/best.safetensors"):
        run = Run.load(str(path), Engine("cpu"))
        found[run.settings.data.test[0], run.settings.seed] = run
    return found


def number(cell):
    return float(re.match(r"[*]*([\d.]+)", cell)[1])


def test_the_table_is_what_the_trained_runs_say(call, data):
    table = call("tiny", "other", "--seeds", "1", "2", "--fuse", "2", "1")
    assert list(table) == ["nearest neighbour", "largest class", "tiny", "other", "fused 2:1"]
    found = {name: runs(name) for name in ("tiny", "other")}
    assert all(sorted(each) == [(who, seed) for who in SUBJECTS for seed in (1, 2)] for each in found.values())
    total = {name: [0, 0] for name in ("tiny", "other", "fused")}
    for who in SUBJECTS:
        here = {name: [] for name in total}
        for seed in (1, 2):
            scores = {name: found[name][who, seed].recognise(data) for name in ("tiny", "other")}
            assert set(scores["tiny"].subject) == {who} and len(scores["tiny"].id) == 6
            assert found["tiny"][who, seed].settings.data.train == [other for other in SUBJECTS if other != who]
            each = {name: part.probabilities for name, part in scores.items()}
            each["fused"] = (2 * each["tiny"] + each["other"]) / 3
            for name, probabilities in each.items():
                pairs = zip(probabilities, scores["tiny"].action, strict=True)
                right = sum(ACTIONS[row.argmax()] == action for row, action in pairs)
                here[name].append(right)
                total[name][seed - 1] += right
        for name, row in (("tiny", "tiny"), ("other", "other"), ("fused", "fused 2:1")):
            shares = [100 * right / 6 for right in here[name]]
            assert number(table[row][f"{who}, % of 6"]) == pytest.approx(np.mean(shares), abs=0.051)
    for name, row in (("tiny", "tiny"), ("other", "other"), ("fused", "fused 2:1")):
        spread = np.std(total[name], ddof=1)
        assert table[row]["right of 24"] == f"{np.mean(total[name]):.1f} ± {spread:.1f}"
        shares = 100 * np.array(total[name]) / 24
        assert table[row]["all, %"] == f"**{shares.mean():.1f} ± {np.std(shares, ddof=1):.1f}**"
        # As many clips of every class.
        assert table[row]["mean of the classes, %"] == f"{shares.mean():.1f} ± {np.std(shares, ddof=1):.1f}"
    assert table["largest class"]["right of 24"] == "8"  # a third of the clips, whichever it names
    assert table["largest class"]["parameters"] == "-" and table["fused 2:1"]["training, min"] == "-"
    text = Path("reports/folds/folds.md").read_text()
    assert "24 of 3 classes; chance 33.3 %" in text and "a fixed recipe" in text


def test_nothing_is_trained_twice(call, monkeypatch):
    words = ("tiny", "--subjects", "S2", "S4", "S2", "--views", "2", "--set", "optim.epochs=1")
    first, steps, step = call(*words), [], Fit.step
    before = {path: path.stat().st_mtime_ns for path in Path("checkpoints").glob("*/last.pt")}
    monkeypatch.setattr(Fit, "step", lambda self, index: steps.append(1) or step(self, index))
    assert call(*words) == first and not steps and "S4, % of 6" in first["tiny"] and "S1, % of 6" not in first["tiny"]
    assert before == {path: path.stat().st_mtime_ns for path in Path("checkpoints").glob("*/last.pt")}
    call(*words, "--seeds", "7")
    assert len(steps) == 2 * 3  # 18 clips in batches of 8, for each of two subjects


def test_the_nearest_neighbour_is_found_by_a_plain_loop(data):
    run = new_run(data, data=SECTIONS["data"] | {"train": ["S1", "S2", "S3"], "test": ["S4"]})
    scores = run.recognise(data)
    found = run.clip_baselines(data, scores)["nearest neighbour"]
    inputs = {}
    for name in ("train", "test"):
        clips = run.part_clips(data, name)
        for index in range(len(clips)):
            batch = clips.batch(torch.tensor([index]))
            inputs[clips.ids(batch["recording"])[0]] = batch["x"][0].numpy()
    classes = []
    for id in scores.id:
        others = [other for other in inputs if not other.startswith("S4")]
        nearest = min(others, key=lambda other: float(np.linalg.norm(inputs[other] - inputs[id])))
        classes.append(nearest.split("/")[1].split()[0])
    assert [ACTIONS[n] for n in found.probabilities.argmax(1)] == classes and len(set(classes)) > 1
    assert found.id.tolist() == scores.id.tolist() and (found.probabilities.sum(1) == 1).all()


def test_classes_that_one_subject_alone_shows_count_as_not_recognised(tmp_path):
    """Each fold then has classes of its own, in an order of its own."""
    entries = [clip(subject, action, 0) for subject in ("S1", "S2", "S3") for action in ACTIONS]
    data = write_clips(tmp_path / "hop.h5", [*entries, clip("S3", "hop", 0)], splits={})
    row = Row("x")
    for who in ("S1", "S2", "S3"):
        train = [other for other in ("S1", "S2", "S3") if other != who]
        scores = new_run(data, data={"train": train, "test": [who]}).recognise(data)
        ideal = np.eye(len(scores.classes))[np.maximum(scores.label, 0)]
        row.scores[who] = [type(scores)(**vars(scores) | {"probabilities": ideal.astype(np.float32)})]
    assert row.correct() == ([9], 10) and row.correct("S3") == ([3], 4)
    assert row.class_accuracy() == [75.0]
    assert "75.0" in folds_markdown([row], {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tiny", "tiny"], "tiny: named twice; give each once, and --seeds to train it more often"),
        (["tiny", "--fuse", "1", "2"], "--fuse 1 2: expected a weight of 0 or more for each of 1 experiments"),
        (["tiny", "--fuse", "nan"], "--fuse nan: expected"),
        (["tiny", "--views", "0"], "--views 0: expected 1 or more"),
        (["tiny", "--subjects", "S7"], "--subjects S7: clips.h5 has S1, S2, S3, S4"),
        (["tini"], "params/tini/params.json: no such experiment in .*did you mean tiny"),
        (["tiny", "--detector", "cpn"], "has no pose2d/cpn .*its detectors are noisy, openpose"),
        (
            ["lifter"],
            "lifter: found an experiment of task 'lifting'; expected one that recognises clips; score",
        ),
        (["trained"], "trained: is a trained run; name the experiment in params/ that it was made from"),
    ],
)
def test_what_cannot_be_left_out_is_refused_before_anything_is_trained(call, words, message):
    before = set(Path("checkpoints").glob("*"))
    with pytest.raises(InputError, match=message):
        call(*words)
    assert set(Path("checkpoints").glob("*")) == before
