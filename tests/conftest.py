"""A small dataset in the toolkit's own format, made from a fixed recipe."""

import tests.shapes  # noqa: F401 - before stgraph, whose functions it checks

# isort: split
import gc
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.geometry import Camera, project
from stgraph.settings import places
from stgraph.settings.places import LIFTER
from stgraph.skeleton import H36M17


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-exports", action="store_true", help="export every model with every skeleton (ten minutes)")


def pytest_collection_finish() -> None:
    # The tests and all modules stay to the end: collecting garbage need not walk over them again and again.
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all-exports"):
        left_out = [item for item in items if item.get_closest_marker("all_exports")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("all_exports")]
    # Long ones begin first, so that no process is left alone with one in the end.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


GOLDEN = Path(__file__).parent / "golden"
LENGTHS = {"S1": (100, 40), "S5": (163, 7), "S9": (81, 55)}
UPRIGHT = np.array([1.0, 0, 0, 0])
DISTORTED = np.array([1145, 1143, 512, 515, -0.2, 0.24, -0.003, -0.001, -0.001])
CAMERAS = [
    Camera("left", 1000, 1002, DISTORTED, UPRIGHT, np.zeros(3)),
    Camera("right", 1000, 800, np.array([900, 900, 480, 410, 0, 0, 0, 0.002, 0.001]), UPRIGHT, np.array([1.0, 0, 0])),
]


def standing(frames: int, seed: int) -> np.ndarray:
    """(t j 3) metres, camera space: an upright person who sways, with limbs of human length."""
    rng = np.random.default_rng(seed)
    rest = np.zeros((len(H36M17), 3))
    for joint, parent in H36M17.bones:
        side = (joint in H36M17.left) - (joint in H36M17.right)
        down = 0.42 if "Knee" in H36M17.names[joint] or "Foot" in H36M17.names[joint] else -0.22
        rest[joint] = rest[parent] + [0.15 * side, down, 0]
    time = np.arange(frames)[:, None, None] / 50
    waves = rng.normal(0, 0.05, rest.shape) * np.sin(
        2 * np.pi * (time * rng.uniform(0.3, 1, rest.shape) + rng.random())
    )
    path = np.array([0.3 * rng.normal(), 0.1, 4.5]) + 0.2 * np.sin(time)
    return (rest + waves + path).astype(np.float32)


def recording(subject: str, take: int, camera: Camera, frames: int) -> Recording:
    """A take with exact detections and noisy ones."""
    pose = standing(frames, take + 10 * int(subject[1:]))
    exact = project(torch.from_numpy(pose), camera.intrinsics).numpy()
    seen = np.ones((*exact.shape[:2], 1), np.float32)
    noise = np.random.default_rng(take).normal(0, 5, exact.shape)
    noisy = np.concatenate([exact + noise, 0.8 * seen], -1).astype(np.float32)
    noisy[::7, 3] = 0
    detections = {"gt": np.concatenate([exact, seen], -1), "noisy": noisy}
    return Recording(subject, ("Walking", "Sitting")[take], f"take {take}", camera, 50.0, [Track(detections, pose)])


@pytest.fixture
def shipped_runs_alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of the packaged checkpoints only the one that ships, whatever was trained in this checkout."""
    packaged, folder = places.packaged, tmp_path_factory.mktemp("packaged")
    (folder / LIFTER).symlink_to(packaged("checkpoints") / LIFTER)
    monkeypatch.setattr(places, "packaged", lambda name: folder if name == "checkpoints" else packaged(name))


def write(path: Path, **changes: object) -> Path:
    """The small dataset at `path`."""
    splits = {"standard": {"train": ["S1", "S5"], "test": ["S9"]}}
    about = {"source": "a fixed recipe for tests", "terms": "none", "created_by": "tests", "splits": splits} | changes
    with DatasetWriter(path, H36M17, **about) as writer:
        for subject, lengths in LENGTHS.items():
            for take, frames in enumerate(lengths):
                for camera in CAMERAS:
                    writer.add(recording(subject, take, camera, frames))
    return path


@pytest.fixture(scope="session", autouse=True)
def undrawn() -> Iterator[None]:
    """Trainings draw no curves, which takes longer than a small model trains."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stgraph.training.loop.plot_training", lambda *drawn: None)
        yield


@pytest.fixture(scope="session")
def operators() -> Iterator[None]:
    """torch's table of ONNX operators is made once; every export would make it anew, which takes a second."""
    registry = import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "from_torchlib", staticmethod(cache(registry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(write(tmp_path_factory.mktemp("data") / "small.h5"))


@pytest.fixture(scope="session")
def golden():
    """Reference tensors by file name."""
    return lambda name: np.load(GOLDEN / f"{name}.npz")
