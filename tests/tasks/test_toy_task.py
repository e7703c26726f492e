"""A task is one folder: a toy task in a temporary folder is trained, evaluated, drawn and exported by the commands."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import stgraph.tasks
from stgraph import evaluate, export, render, train
from stgraph.settings.registry import TASKS
from stgraph.skeleton import H36M17
from tests.conftest import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators")]

ENTRY = '''
"""Centroid: from 2D joints to the mean of the 3D joints."""

from stgraph.settings.registry import TASKS, TaskEntry


def options(group):
    group.add_argument("--inches", action="store_true", default=None, help="report inches")


PLACE = "stgraph.tasks.centroid.run"
TASKS.add(
    "centroid",
    TaskEntry(
        name="centroid",
        title="centroids",
        needs="frames",
        task=f"{PLACE}:Centroid",
        run=f"{PLACE}:CentroidRun",
        data=f"{PLACE}:CentroidSettings",
        served_by="score centroids with `python -m stgraph.evaluate`",
        options=options,
    ),
)
'''

RUN = '''
"""Its settings, loss and commands."""

import numpy as np
import torch

from stgraph.data.windows import Windows
from stgraph.figures.animation import ImagePanel, animate
from stgraph.figures.clip import Clip
from stgraph.settings.sections import DataSettings
from stgraph.training.deployed import Deployed
from stgraph.training.report import ReportKind
from stgraph.training.task import Task
from stgraph.training.task_run import TaskRun


class CentroidSettings(DataSettings):
    stride: int = 3


class Centroid(Task):
    name = "centroid"

    def __init__(self, skeleton, *, weight: float = 1.0) -> None:
        self.heads, self.losses = {"centroid": 3}, {"distance": weight}

    def distance(self, batch, outputs):
        centroid = outputs["centroid"].mean(-1).mT  # (b 3 t j) -> (b t 3)
        return (centroid - batch["pose3d"].mean(2)).norm(dim=-1, keepdim=True)

    def terms(self, batch, outputs):
        return {"distance": self.distance(batch, outputs).mean()}

    def errors(self, batch, outputs):
        return {"centroid_mm": 1000 * self.distance(batch, outputs)}


class CentroidModule(Deployed):
    inputs = {"x": ("batch", "channel", "frame", "joint")}
    outputs = {"centroid": {"axes": ["batch", "coordinate", "frame"], "meaning": "metres in camera space"}}

    def forward(self, x):
        return {"centroid": self.model(x)["centroid"].mean(-1)}


class CentroidRun(TaskRun[Centroid]):
    report_kind = ReportKind(lambda report: f"# Centroids: {report['error']:.1f} {report['unit']}", {})

    def windows(self, dataset, subjects):
        data = self.settings.data
        options = {"detector": data.detector, "frames": data.frames, "stride": data.stride}
        return self.engine.place(Windows(dataset, subjects=subjects, skeleton=self.skeleton, **options))

    def training_samples(self, dataset):
        return self.windows(dataset, self.settings.data.train)

    def validation_samples(self, dataset):
        return None

    def evaluate(self, dataset, *, subjects=None, detector=None, scored=None, inches=False):
        error = self.validate(self.windows(dataset, subjects or self.settings.data.test), self.model)["centroid_mm"]
        scores = {"error": error / 25.4, "unit": "inches"} if inches else {"error": error, "unit": "mm"}
        return {"about": self.about(dataset)} | scores

    def typical(self, dataset, detector):
        return [str(dataset.recordings["id"][0])]

    def draw(self, dataset, id, out, drawing):
        camera = dataset.camera(dataset.find(id))
        pose = self.windows(dataset, None).batch(torch.tensor([0]))["pose3d"][0].numpy()[..., :2]
        panel = ImagePanel("centroid", 500 + 100 * pose, camera.width, camera.height)
        animate([panel], self.skeleton, out, Clip(fps=50))
        return f"{out}: {id}"

    def deployed(self, input):
        data = self.settings.data
        return CentroidModule(
            self.model, self.task, data, joints=len(self.skeleton), frames=data.frames, any_length=False
        )
'''

SETTINGS = {
    "task": {"name": "centroid"},
    "data": {"dataset": "small", "detector": "gt", "frames": 9, "train": ["S1", "S5"], "test": ["S9"]},
    "model": {"name": "tgraphnet", "channels": [8, 8], "stages": [1, 1]},
    "optim": {"epochs": 2, "batch_size": 16},
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The task in a folder beside the toolkit's own, an experiment and data; nothing else is touched."""
    folder = tmp_path / "tasks" / "centroid"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(ENTRY)
    (folder / "run.py").write_text(RUN)
    monkeypatch.setattr(stgraph.tasks, "__path__", [*stgraph.tasks.__path__, str(tmp_path / "tasks")])
    params = tmp_path / "params" / "toy"
    params.mkdir(parents=True)
    (params / "params.json").write_text(json.dumps(SETTINGS))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "small.h5")
    yield tmp_path
    TASKS.items.pop("centroid", None)
    for name in [name for name in sys.modules if name.startswith("stgraph.tasks.centroid")]:
        del sys.modules[name]
    if hasattr(stgraph.tasks, "centroid"):
        del stgraph.tasks.centroid


def call(module, *words):
    """Run a command within this process."""
    module.main(module.parser().parse_args([*map(str, words)]))


@pytest.mark.long
def test_a_folder_is_all_that_a_task_needs(toy, capsys):
    assert "--inches" in evaluate.parser().format_help()
    call(train, "--exp", "toy", "--data", "small.h5", "--device", "cpu")
    call(evaluate, "--exp", "toy", "--inches")
    assert "# Centroids: " in capsys.readouterr().out and Path("reports/toy/report.json").exists()
    call(render, "--exp", "toy", "--out", "toy.gif")
    assert [path.stat().st_size > 500 for path in toy.glob("toy-*.gif")] == [True]
    call(export, "--exp", "toy", "--out", "toy.onnx")
    (centroid,) = onnxruntime.InferenceSession("toy.onnx").run(
        None, {"x": np.zeros((2, 2, 9, len(H36M17)), np.float32)}
    )
    assert centroid.shape == (2, 3, 9)
