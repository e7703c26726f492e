"""People with distinct actions, as clips in the toolkit's own format, for tests of recognisers."""

import shutil
from pathlib import Path

import numpy as np
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.geometry import Camera, project
from stgraph.settings.params import Settings, validate
from stgraph.skeleton import H36M17
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.conftest import standing

ROOT = Path(__file__).parents[3]
# Level, at the origin: the world's z is up.
UPRIGHT = np.array([np.sqrt(0.5), -np.sqrt(0.5), 0, 0])
CAMERA = Camera("front", 640, 480, np.array([500, 500, 320, 240, 0, 0, 0, 0, 0]), UPRIGHT, np.zeros(3))
ACTIONS, SUBJECTS = ("jump", "sit", "wave"), ("S1", "S2", "S3", "S4")
SPLITS = {"standard": {"train": ["S1", "S2"], "validation": ["S3"], "test": ["S4"]}}
MODEL = {"name": "stgcn", "channels": [4, 8], "strides": [1, 2], "dropout": 0.0}


def acting(action: str, frames: int, seed: int) -> np.ndarray:
    """(t j 3) metres, y down: the whole body goes up, folds, or the arms do something above the head."""
    pose, time = standing(frames, seed), np.arange(frames)[:, None]
    if action == "jump":
        pose[..., 1] -= 0.4 * np.abs(np.sin(time / 2))
    for joint, name in enumerate(H36M17.names):
        if action == "sit" and ("Knee" in name or "Foot" in name):
            pose[:, joint] += [0, -0.35, -0.4]
        if action == "wave" and ("Wrist" in name or "Elbow" in name):
            pose[:, joint, 1] -= 0.5 + 0.2 * np.sin(time[:, 0])
    return pose.astype(np.float32)


def track(pose: np.ndarray, person: int = 0, frame: int = 0, seed: int = 0) -> Track:
    """With what two detectors see of it: one all but a wrist now and then, one with noise besides."""
    exact = project(torch.from_numpy(pose), CAMERA.intrinsics).numpy()
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.3, 1, (*exact.shape[:2], 1))
    confidence[::5, 13] = 0
    seen = [exact + noise for noise in (0, random.normal(0, 4, exact.shape))]
    detections = [np.concatenate([place, confidence], axis=-1).astype(np.float32) for place in seen]
    return Track(dict(zip(("openpose", "noisy"), detections, strict=True)), pose, frame=frame, person=person)


def clip(subject: str, action: str, take: int, frames: int | None = None) -> Recording:
    """Take 1 has a second person, who comes later and is away for a while; both do the same."""
    seed = 100 * int(subject[1:]) + 10 * take + len(action)
    frames = frames or 14 + seed % 17
    tracks = [track(acting(action, frames, seed), seed=seed)]
    if take == 1:
        other = acting(action, frames, seed + 1) + np.float32([0.8, 0, 0.3])
        tracks += [track(other[first:end], 1, first, seed + first) for first, end in ((3, 7), (9, frames))]
    return Recording(subject, action, f"{action} {take}", CAMERA, 30.0, tracks)


def write_clips(path: Path, entries: list[Recording] | None = None, **about: object) -> Dataset:
    """A dataset of these clips; by default two takes of every action by every subject."""
    about = {"source": "a fixed recipe", "terms": "none", "created_by": "tests", "splits": SPLITS} | about
    if entries is None:
        entries = [clip(subject, action, take) for subject in SUBJECTS for action in ACTIONS for take in (0, 1)]
    with DatasetWriter(path, H36M17, **about) as writer:
        for entry in entries:
            writer.add(entry)
    return Dataset(path)


def settings(**sections: dict) -> Settings:
    """Small settings of an experiment, with changes by section."""
    values = {
        "task": {"name": "action"},
        "data": {"dataset": "clips", "detector": None, "frames": 12, "normalise": "camera"},
        "model": MODEL,
        "optim": {"epochs": 2, "batch_size": 8, "lr": 0.01},
        "seed": 1,
    }
    for name, changes in sections.items():
        values[name] = changes if name == "model" else values[name] | changes
    return validate(values, "here")


def new_run(dataset: Dataset, name: str = "run", **sections: dict) -> Run:
    """Not trained; weights by the seed."""
    return Run.create(name, settings(**sections), dataset, Engine("cpu"))


def fitted(dataset: Dataset, name: str = "run", **sections: dict) -> Run:
    """Trained in the folder where we are, and loaded again."""
    new_run(dataset, name, **sections).fit(dataset, Listener())
    return Run.load(name, Engine("cpu"))


def alive(run: Run, dataset: Dataset) -> Run:
    """Statistics of the training clips and a random head without bias: the answer depends on the input alone."""
    clips = run.part_clips(dataset, "train")
    x = clips.batch(torch.arange(len(clips)))["x"]
    for norm in run.model.modules():
        if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
            norm.momentum = 1.0
    head = run.model.heads["action"]
    with torch.no_grad():
        run.model.train()(x)
        head.weight.copy_(3 * torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(0)))
        head.bias.zero_()
        head.bias.sub_(run.model.eval()(x)["action"].mean(dim=(0, 2, 3)))
    return run


def experiments(folder: Path) -> None:
    """The project's experiments in a folder."""
    shutil.copytree(ROOT / "params", folder / "params")
