"""Conditions that a lifter is scored under: other cameras, joints that are missing, other frame rates.

Each condition is made from the 3D poses of the recordings, from a stated seed, as a file that is scored like any other.
"""

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.geometry import Camera, camera_to_world, project, screen_denormalise, screen_normalise
from stgraph.tasks.lifting.detections import Detector
from stgraph.tasks.lifting.views import Cameras, drawn_cameras, seen_by

DETECTOR = "condition"  # the name of the detections in a condition's file
SEED = 14
DRAWS, LOOKED_AT = 16, 64  # cameras that are tried for a track, and frames that are looked at to choose one
ENOUGH = 0.98  # share of the joints that a camera shows, with which it is taken
MISSING = 0.2  # share of the joints, each by itself


@dataclass(frozen=True)
class Condition:
    """What is changed.

    Attributes:
        text: for reports.
        exact: the exact projection instead of detections.
        camera: a drawn camera (see `stgraph.tasks.lifting.views`) instead of the file's.
        missing: share of the joints that are not seen, each by itself.
        legs: the lower body is not seen.
        fps: frames per second; None: the file's.
        unrated: the confidence of every joint that is seen is 1.
    """

    text: str
    exact: bool = False
    camera: bool = False
    missing: float = 0.0
    legs: bool = False
    fps: float | None = None
    unrated: bool = False

    @property
    def of_file(self) -> bool:
        """Whether the file's own detections serve."""
        return not (self.exact or self.camera or self.fps)


CONDITIONS = {
    "exact": Condition("exact 2D", exact=True),
    "detector": Condition("the file's detections"),
    "cameras": Condition("new cameras", camera=True),
    "missing": Condition("20 % of the joints missing", missing=MISSING),
    "cameras, missing": Condition("new cameras and 20 % of the joints missing", camera=True, missing=MISSING),
    "no legs": Condition("the lower body missing", legs=True),
    "25 fps": Condition("25 frames per second", fps=25.0),
    "60 fps": Condition("60 frames per second", fps=60.0),
    "unrated": Condition("confidence not given", unrated=True),
    "together": Condition(
        "new cameras, 20 % of the joints missing, 25 frames per second, confidence not given",
        camera=True,
        missing=MISSING,
        fps=25.0,
        unrated=True,
    ),
}


def scored_under(
    dataset: Dataset, subjects: list[str], detector: str, evaluate: Callable[[Dataset], dict]
) -> dict[str, dict]:
    """The report of every condition, by its name.

    Args:
        dataset: whose recordings of the subjects are changed.
        detector: of the file, for the conditions that keep its detections.
        evaluate: scores a file whose detections are called `DETECTOR`.
    """
    reports = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, condition in CONDITIONS.items():
            path = Path(folder) / "condition.h5"
            write(changed(dataset, subjects, detector, condition), dataset, path)
            reports[name] = evaluate(Dataset(path))
    return reports


def write(recordings: Iterable[Recording], dataset: Dataset, path: Path) -> None:
    """Changed recordings of a dataset as a file."""
    created_by = f"conditions, seed {SEED}"
    with DatasetWriter(path, dataset.skeleton, dataset.source, dataset.terms, created_by) as file:
        for recording in recordings:
            file.add(recording)


def changed(dataset: Dataset, subjects: list[str], detector: str, condition: Condition) -> Iterator[Recording]:
    """The recordings of some subjects under a condition, a track each; draws depend on seed, recording and track."""
    table, tracks, errors = dataset.recordings, dataset.tracks, Detector(dataset.skeleton)
    kept = np.flatnonzero(dataset.select("subject", subjects)[tracks["recording"]])
    for track in kept:
        number, first, length = (int(tracks[key][track]) for key in ("recording", "first_row", "rows"))
        rows = slice(first, first + length)
        pose, camera, fps = dataset.rows("pose3d")[rows], dataset.camera(number), float(table["fps"][number])
        detected, valid = np.array(dataset.rows(f"pose2d/{detector}")[rows]), dataset.rows("valid")[rows]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(f"{SEED}/{table['id'][number]}/{track}".encode()))
            pose, fps, valid = resampled(np.array(pose, dtype=np.float64), fps, condition.fps, np.array(valid))
            pose = torch.from_numpy(pose).float()
            if condition.camera:
                pose, camera = seen_anew(pose, camera, dataset.skeleton.root)
            if not condition.of_file:
                detected = detections(pose, camera, None if condition.exact else errors)
            detected = hidden(torch.as_tensor(detected).float(), errors, condition)
        yield Recording(
            subject=str(table["subject"][number]),
            action=str(table["action"][number]),
            take=f"{table['take'][number]} track {track}",
            camera=camera,
            fps=fps,
            tracks=[Track({DETECTOR: detected.numpy()}, pose.numpy(), valid=None if valid.all() else valid)],
        )


def resampled(
    pose: Float[np.ndarray, "t j 3"], fps: float, wanted: float | None, valid: np.ndarray
) -> tuple[Float[np.ndarray, "s j 3"], float, np.ndarray]:
    """A track at another frame rate, by a cubic spline through its frames; a frame is valid as the one before it."""
    if not wanted or wanted == fps or len(pose) < 2:
        return pose, fps, valid
    time = np.arange(int((len(pose) - 1) / fps * wanted) + 1) / wanted
    spline = CubicSpline(np.arange(len(pose)) / fps, pose)
    return spline(time), wanted, valid[(time * fps).astype(int)]


def seen_anew(pose: Float[Tensor, "t j 3"], camera: Camera, root: int) -> tuple[Float[Tensor, "t j 3"], Camera]:
    """A track through the first drawn camera that shows enough of it, or the one of some that shows the most."""
    world = camera_to_world(pose, torch.from_numpy(camera.rotation.copy()).float(), np.zeros(3))
    person, few = world[len(world) // 2], world[:: max(len(world) // LOOKED_AT, 1)]
    cameras, origin = drawn_cameras(person.expand(DRAWS, -1, -1)), person[root].expand(DRAWS, -1)
    views = seen_by(cameras, few.expand(DRAWS, -1, -1, -1), origin)
    shown = inside(project(views.pose, views.intrinsics), views.size[:, None, None]).float().mean((1, 2))
    best = int((shown >= ENOUGH).int().argmax() if (shown >= ENOUGH).any() else shown.argmax())
    chosen = Cameras(*(values[[best]] for values in cameras))
    view = seen_by(chosen, world[None], origin[:1])
    width, height = (int(side) for side in view.size[0])
    intrinsics = view.intrinsics[0].double().numpy()
    return view.pose[0], Camera(
        "drawn", width, height, intrinsics=intrinsics, rotation=camera.rotation, translation=camera.translation
    )


def inside(pixels: Float[Tensor, "*n 2"], size: Float[Tensor, "*m 2"]) -> Bool[Tensor, "*n"]:
    """Whether each joint is in its image of this width and height."""
    return ((pixels >= 0) & (pixels <= size)).all(-1)


def detections(pose: Float[Tensor, "t j 3"], camera: Camera, errors: Detector | None) -> Float[Tensor, "t j 3"]:
    """Pixels and confidence of a track; joints outside the image are not seen. Without errors, the exact projection."""
    pixels = project(pose, camera.intrinsics)
    size = pixels.new_tensor([camera.width, camera.height])
    seen = inside(pixels, size)
    confidence = torch.ones_like(pixels[..., 0])
    if errors:
        screen, confidence = errors.detect(screen_normalise(pixels, *size)[None])
        pixels, confidence = screen_denormalise(screen[0], *size), confidence[0]
    return torch.cat([pixels, confidence[..., None]], dim=-1) * seen[..., None]


def hidden(detected: Float[Tensor, "t j 3"], errors: Detector, condition: Condition) -> Float[Tensor, "t j 3"]:
    """The detections without the joints that the condition takes away."""
    lost = torch.rand(detected.shape[:2]) < condition.missing
    lost |= errors.lower & condition.legs
    if condition.unrated:
        detected = torch.cat([detected[..., :2], (detected[..., 2:] > 0).to(detected)], dim=-1)
    return detected.masked_fill(lost[..., None], 0)
