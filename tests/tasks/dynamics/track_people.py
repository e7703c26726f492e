"""Two people a recording, as scenes have them: boxes, head boxes, visual features, and detections without identity."""

from pathlib import Path

import numpy as np
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Detections, Recording, Track
from stgraph.geometry import project
from stgraph.settings.params import Settings, validate
from stgraph.skeleton import H36M17
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.conftest import CAMERAS, standing

CAMERA, FPS, WIDTH = CAMERAS[0], 25.0, 2  # WIDTH of the visual features
SPLITS = {"standard": {"train": ["S1", "S2"], "validation": ["S3"], "test": ["S4"]}}
LOSSES = {"position": 1.0, "likelihood": 0.1, "merged": 1.0, "candidate": 0.1}


def track(seed: int, person: int, frame: int, frames: int) -> Track:
    """A person beside the others, whom a detector misses in part, and in one stretch altogether."""
    pose = standing(frames, seed) + np.float32([1.2 * person - 0.6, 0, 0])
    exact = project(torch.from_numpy(pose), CAMERA.intrinsics).numpy()
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.3, 1, (*exact.shape[:2], 1)) * (random.random((*exact.shape[:2], 1)) > 0.1)
    if frames > 15:
        confidence[10:13] = 0
    shown = np.ones_like(confidence)
    shown[::6, 5] = 0  # no annotation
    poses = [
        np.concatenate([place, sure], axis=-1).astype(np.float32)
        for place, sure in ((exact, shown), (exact + random.normal(0, 2, exact.shape), confidence))
    ]
    head = [joint for joint, name in enumerate(H36M17.names) if "Head" in name or "Neck" in name]
    boxes = [
        np.concatenate([part.min(axis=1) - 5, part.max(axis=1) + 5], axis=1).astype(np.float32)
        for part in (exact, exact[:, head])
    ]
    valid = np.ones(frames, bool)
    valid[3] = False
    features = {"net": random.normal(size=(frames, len(H36M17), WIDTH)).astype(np.float32)}
    detectors = dict(zip(("gt", "sim"), poses, strict=True))
    return Track(detectors, pose, frame, person, valid=valid, box=boxes[0], head_box=boxes[1], features=features)


def found_in(tracks: list[Track]) -> Detections:
    """The detections of these people, frame by frame, without identities."""
    frame = np.concatenate([one.frame + np.arange(len(one)) for one in tracks])
    pose, box = (np.concatenate(parts) for parts in zip(*((one.pose2d["sim"], one.box) for one in tracks), strict=True))
    features = np.concatenate([one.features["net"] for one in tracks])
    there = np.flatnonzero((pose[..., 2] > 0).any(axis=1))
    order = there[np.argsort(frame[there], kind="stable")]
    score = pose[order, :, 2].mean(axis=1)
    return Detections(frame[order], pose[order], score, box[order], {"net": features[order]})


def scene(subject: str, frames: int = 30) -> Recording:
    """One person throughout, another who comes later."""
    seed = 10 * int(subject[1:])
    tracks = [track(seed, 0, 0, frames), track(seed + 1, 1, 4, frames - 9)]
    return Recording(subject, "walking", "take", CAMERA, FPS, tracks, detections={"sim": found_in(tracks)})


def write_scenes(path: Path, entries: list[Recording] | None = None, **about: object) -> Dataset:
    """A dataset of these scenes; by default one of each subject."""
    about = {"source": "a fixed recipe", "terms": "none", "created_by": "tests", "splits": SPLITS} | about
    with DatasetWriter(path, H36M17, **about) as writer:
        for entry in entries or [scene(f"S{number}") for number in (1, 2, 3, 4)]:
            writer.add(entry)
    return Dataset(path)


def settings(**sections: dict) -> Settings:
    """Small settings of an experiment, with changes by section."""
    values = {
        "task": {"name": "dynamics", "losses": LOSSES},
        "data": {"dataset": "scenes", "detector": "sim", "frames": 8, "stride": 4, "validation": None},
        "model": {"name": "pose_dynamics", "history": 2, "channels": 8, "layers": 1},
        "optim": {"epochs": 1, "batch_size": 4, "lr": 0.001},
    }
    return validate({name: values[name] | sections.get(name, {}) for name in values}, "here")


def new_run(dataset: Dataset, name: str = "run", **sections: dict) -> Run:
    """Not trained; weights by the seed."""
    return Run.create(name, settings(**sections), dataset, Engine("cpu"))


def fitted(dataset: Dataset, name: str = "run", **sections: dict) -> Run:
    """Trained in the folder where we are, and loaded again."""
    new_run(dataset, name, **sections).fit(dataset, Listener())
    return Run.load(name, Engine("cpu"))
