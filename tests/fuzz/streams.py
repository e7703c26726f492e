"""What is given frame by frame: the lines of `predict --live`, and the arrays of a program."""

import contextlib
import inspect
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stgraph.cli.live import LiveLines, run_lines
from stgraph.data.dataset import Dataset
from stgraph.formats.keypoints.read import read_all_keypoints
from stgraph.settings.params import validate
from stgraph.skeleton import H36M17
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.run import ActionRun
from stgraph.tasks.lifting.live import LiveLifter
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tracking.predictors import find_predictor
from stgraph.tracking.tracker import Tracker
from stgraph.training.engine import Engine
from tests.conftest import write
from tests.formats.keypoints import files
from tests.formats.keypoints.people import SIZE, walker
from tests.fuzz.reader import Reader, tree

MODELS = {
    "lifting": {"name": "posemixer", "channels": 8, "blocks": 1, "groups": 2, "reach": 1, "patch": 1, "causal": True},
    "action": {"name": "stgcn", "channels": [4], "strides": [1]},
}
TASKS = {"lifting": {"name": "lifting", "losses": {"position": 1.0}}, "action": {"name": "action"}}


def stream_readers(root: Path) -> dict[str, Reader]:
    """The readers by name; `root` is a folder for what they need."""
    data = Dataset(write(root / "stream.h5"))
    poses = walker("coco17", 4)
    lines = [{"frame": t, "people": [{"person": 1, "keypoints": pose.tolist()}]} for t, pose in enumerate(poses)]
    unnamed = [{"people": [{"keypoints": pose.ravel().tolist()}]} for pose in poses]
    frames = json.dumps([[pose.tolist()] for pose in walker("h36m17", 3)]).encode()
    openpose = root / "openpose folder"
    openpose.mkdir()
    changed = sorted(files.openpose(openpose, poses).glob("*.json"))[1]
    found = {
        "openpose folder": Reader(
            (changed.read_bytes(),),
            lambda _: read_all_keypoints(openpose, size=SIZE),
            write=lambda _, content: changed.write_bytes(content),
        ),
        "tracker": Reader((tracked(poses),), track),
    }
    for task in TASKS:
        run = untrained(task, data)
        seeds = tuple("\n".join(map(json.dumps, each)).encode() for each in (lines, unnamed))
        found[f"lines {task}"] = Reader(seeds, live_lines(run), rare=True)
        found[f"live {task}"] = Reader((frames,), live_frames(run), rare=True)
    return found


def untrained(task: str, data: Dataset) -> LiftingRun | ActionRun:
    """A small run with the weights that it begins with."""
    of_data = {"dataset": "stream", "detector": "noisy", "frames": 6, "train": ["S1"]}
    settings = validate({"task": TASKS[task], "data": of_data, "model": MODELS[task]}, task)
    made = (LiftingRun if task == "lifting" else ActionRun).create(task, settings, data, Engine("cpu"))
    made.model.eval()
    return made


def live_lines(run: LiftingRun | ActionRun) -> Callable[[Path], object]:
    """Answers the lines of a file."""

    def read(path: Path) -> str:
        out = io.StringIO()
        with path.open("rb") as file, contextlib.redirect_stderr(io.StringIO()):
            run_lines(LiveLines(lambda joints: run.stream(SIZE, 30, joints), "coco17", 30.0), file, out)
        return out.getvalue()

    return read


def live_frames(run: LiftingRun | ActionRun) -> Callable[[Path], object]:
    """Gives the frames of a file to a program's object, whatever they are."""

    def read(path: Path) -> object:
        live = LiveLifter(run, size=SIZE) if isinstance(run, LiftingRun) else Live(run, size=SIZE)
        # Without a test's check of types.
        update = inspect.unwrap(LiveLifter.update if isinstance(live, LiveLifter) else Live.add)
        frames = tree(path.read_bytes())
        answers = [update(live, frame) for frame in (frames if isinstance(frames, list) else [frames])]
        return live.finish() if isinstance(live, LiveLifter) else live.probabilities(), answers

    return read


def tracked(poses: np.ndarray) -> bytes:
    """Frames of poses, scores and time."""
    return json.dumps([[[pose[:, :2].tolist()], [0.9], t / 30] for t, pose in enumerate(poses)]).encode()


def track(path: Path) -> object:
    """Gives the frames of a file to a tracker, whatever they are."""
    tracker = Tracker(find_predictor("kalman"), H36M17, size=None)
    frames = tree(path.read_bytes())
    for frame in frames if isinstance(frames, list) else [frames]:
        inspect.unwrap(Tracker.update)(
            tracker, *(frame if isinstance(frame, list) and len(frame) == 3 else [frame] * 3)
        )
    return tracker
