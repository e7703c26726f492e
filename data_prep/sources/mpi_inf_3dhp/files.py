"""Finds MPI-INF-3DHP's files, and reads them.

Layouts: the official `S1/Seq1/annot.mat` (28 joints, 14 cameras, with `camera.calibration` beside it if
kept) and `TS1/annot_data.mat` (17 joints), as MATLAB 5 or 7.3 files; and `data_train_3dhp.npz`,
`data_test_3dhp.npz`, which other projects make of those (17 joints). Millimetres and pixels, camera space.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from data_prep.reading.arrays import AGAIN, flags, numbers, same_length
from data_prep.reading.files import find_files, listed
from data_prep.reading.layouts import layout
from data_prep.reading.matlab import read_matlab
from data_prep.sources.mpi_inf_3dhp.calibration import read_calibration
from data_prep.sources.mpi_inf_3dhp.options import LAYOUTS
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npz
from stgraph.geometry import Camera

# The eight of fourteen that papers use: those at the height of the chest and those that look up.
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
# Joints of the test set and of the .npz files, by their place among the 28.
RELEVANT = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
NAMES = r"data_(train|test)_3dhp\w*\.npz|annot\.mat|annot_data\.mat"
# Frames that the official description counts; some files run on.
FRAMES = {
    **{"S1 Seq1": 6416, "S1 Seq2": 12430, "S2 Seq1": 6502, "S2 Seq2": 6081, "S3 Seq1": 12488, "S3 Seq2": 12283},
    **{"S4 Seq1": 6171, "S4 Seq2": 6675, "S5 Seq1": 12820, "S5 Seq2": 12312, "S6 Seq1": 6188, "S6 Seq2": 6145},
    **{"S7 Seq1": 6239, "S7 Seq2": 6320, "S8 Seq1": 6468, "S8 Seq2": 6054},
}
FAST = ("S1 Seq2", "S3 Seq1", "S3 Seq2", "S5 Seq1", "S5 Seq2")
TEST = tuple(f"TS{number}" for number in range(1, 7))
SIZES = {"TS5": (1920, 1080), "TS6": (1920, 1080)}
SIZE = (2048, 2048)


@dataclass(frozen=True)
class Values:
    """The values of one view in a file, joints in its own order.

    Attributes:
        pose3d: (t w 3) millimetres, camera space.
        pixels: (t w 2).
        valid: frames that are scored.
        exact: poses whose projection the pixels are, where the file has them: what intrinsics are estimated from.
        cut: frames of the file beyond those that the official description counts.
    """

    pose3d: Float[np.ndarray, "t w 3"]
    pixels: Float[np.ndarray, "t w 2"]
    valid: Bool[np.ndarray, " t"]
    exact: Float[np.ndarray, "t w 3"] | None
    cut: int = 0


@dataclass(frozen=True)
class View:
    """One sequence as one camera saw it.

    Attributes:
        name: "S1 Seq1" or "TS1".
        where: file and place in it, for messages.
        joints: names of the joints in the file's order.
        fps: where the file says it.
        calibrated: the camera, if its calibration is there.
        annotation: which 3D, where the file says it.
    """

    name: str
    camera: str
    path: Path
    where: str
    joints: tuple[str, ...]
    load: Callable[[], Values]
    fps: float | None = None
    calibrated: Camera | None = None
    annotation: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, pixels."""
        return SIZES.get(self.name, SIZE)


def find(paths: Iterable[Path], annotation: str) -> tuple[list[View], list[Path]]:
    """Every view in the given files and folders, in the order of subjects, sequences and cameras, and the files read.

    Raises:
        InputError: a path is missing, a file is damaged or none of the layouts, two files hold one sequence, or none.
    """
    training_file.cache_clear()  # files may have changed since
    views: dict[tuple[str, str], View] = {}
    files = find_files(paths, NAMES, LAYOUTS)
    for path in files:
        for view in of_npz(path) if path.suffix == ".npz" else of_mat(path, annotation):
            other = views.setdefault((view.name, view.camera), view)
            if other is not view:
                problem = f"this file and {other.path} both hold {view.name}"
                raise InputError(problem, where=view.path, remedy="give one of them")
    if not views:
        others = sorted({file.name for file in find_files(paths, r".*\.npz", LAYOUTS)})
        named = f" (only {', '.join(others[:5])}, which have other names)" if others else ""
        raise InputError(f"no MPI-INF-3DHP in it{named}", where=listed(paths), remedy=f"give {LAYOUTS}")
    inputs = [*files, *(path.with_name("camera.calibration") for path in files)]
    return [views[key] for key in sorted(views, key=in_order)], [path for path in inputs if path.is_file()]


def in_order(key: tuple[str, str]) -> tuple:
    """Sort key of (name, camera): training before test, numbers by value."""
    name, camera = key
    return (name.startswith("T"), [int(number) for number in re.findall(r"\d+", f"{name} {camera}")])


# Official files -------------------------------------------------------------------------------------------------------


def of_mat(path: Path, annotation: str) -> Iterator[View]:
    """Views of `S<k>/Seq<n>/annot.mat` or `TS<k>/annot_data.mat`, by its folders' names."""
    folders = path.absolute().parent.parts
    if path.name == "annot_data.mat" and folders[-1] in TEST:
        joints = tuple(layout("mpi-inf-3dhp").order[joint] for joint in RELEVANT)
        load = partial(test_values, path, annotation)
        yield View(folders[-1], "0", path, f"{path}, {annotation}", joints, load=load, annotation=annotation)
    elif path.name == "annot.mat" and (name := " ".join(folders[-2:])) in FRAMES:
        calibration = path.with_name("camera.calibration")
        cameras = read_calibration(calibration) if calibration.is_file() else {}
        for camera in CAMERAS:
            if cameras and str(camera) not in cameras:
                raise InputError(f"no camera {camera}; it has {', '.join(cameras)}", where=calibration, remedy=AGAIN)
            load = partial(training_values, path, annotation, camera)
            where, joints = f"{path}, {annotation}, camera {camera}", layout("mpi-inf-3dhp").order
            lens = cameras.get(str(camera))
            yield View(name, str(camera), path, where, joints, load=load, calibrated=lens, annotation=annotation)
    else:
        problem = "neither its folders nor its name say which sequence it is"
        expected = "S1/Seq1/annot.mat or TS1/annot_data.mat"
        raise InputError(problem, where=path, expected=expected, remedy="keep the official names")


def training_values(path: Path, annotation: str, camera: int) -> Values:
    """The values of one camera in an annot.mat."""
    content = training_file(path, annotation)
    if str(camera) not in content["cameras"]:
        problem = f"no camera {camera}, only {', '.join(content['cameras'])}"
        raise InputError(problem, where=f"{path}, cameras", remedy=AGAIN)
    at = content["cameras"].index(str(camera))
    joints, frames = len(layout("mpi-inf-3dhp").order), FRAMES[" ".join(path.absolute().parent.parts[-2:])]

    def poses(name: str, channels: int) -> np.ndarray:
        cell = numbers(content[name][at], f"{path}, {name}, camera {camera}", (-1, joints * channels))
        return cell.reshape(-1, joints, channels)

    pose3d, pixels = poses(annotation, 3), poses("annot2", 2)
    exact = poses("annot3", 3) if "annot3" in content else None
    same_length(f"{path}, camera {camera}", {annotation: pose3d, "annot2": pixels, "annot3": exact})
    valid, cut = np.ones(len(pose3d[:frames]), bool), max(len(pose3d) - frames, 0)
    return Values(pose3d[:frames], pixels[:frames], valid, exact if exact is None else exact[:frames], cut)


@lru_cache(maxsize=1)  # the views of a file are read one after another
def training_file(path: Path, annotation: str) -> dict[str, list]:
    """The variables of an annot.mat, a list over cameras each."""
    content = read_matlab(path, {annotation, "annot2"}, {"annot3", "cameras"})
    for name in content.keys() - {"cameras"}:
        if content[name].dtype != object:
            where, expected = f"{path}, {name}", "a cell with one matrix a camera"
            raise InputError(where=where, found=str(content[name].dtype), expected=expected)
    cells = {name: list(value.ravel()) for name, value in content.items() if name != "cameras"}
    cameras = range(len(cells["annot2"]))
    if "cameras" in content:
        cameras = numbers(content["cameras"].ravel(), f"{path}, cameras", (-1,))
    same_length(path, {**cells, "cameras": cameras})
    return {**cells, "cameras": [f"{number:g}" for number in cameras]}


def test_values(path: Path, annotation: str) -> Values:
    """The values in an annot_data.mat; MATLAB's axes are (channel, joint, 1, frame)."""
    content = read_matlab(path, {annotation, "annot2", "valid_frame"}, {"annot3"})

    def poses(name: str, channels: int) -> np.ndarray:
        shape = (channels, len(RELEVANT), 1, -1)
        return numbers(content[name], f"{path}, {name}", shape).T.reshape(-1, len(RELEVANT), channels)

    pose3d, pixels = poses(annotation, 3), poses("annot2", 2)
    valid = flags(content["valid_frame"].ravel(), f"{path}, valid_frame")
    exact = poses("annot3", 3) if "annot3" in content else None
    same_length(path, {annotation: pose3d, "annot2": pixels, "annot3": exact, "valid_frame": valid})
    return Values(pose3d, pixels, valid, exact)


# Other projects' .npz files -------------------------------------------------------------------------------------------


def of_npz(path: Path) -> Iterator[View]:
    """Views of `data`: {"S1 Seq1": [{camera: {data_2d, data_3d}}, fps]} or {"TS1": {data_2d, data_3d, valid}}."""
    data = load_npz(path, ["data"])["data"]
    if not isinstance(data, dict) or not data:
        expected = "a dictionary, sequence -> its poses"
        raise InputError(where=f"{path}, data", found=type(data).__name__, expected=expected)
    joints = tuple(layout("mpi-inf-3dhp").order[joint] for joint in RELEVANT)
    for name, entry in data.items():
        where = f"{path}, data[{name!r}]"
        if name in TEST:
            yield View(name, "0", path, where, joints, load=partial(npz_values, entry, where, test=True))
            continue
        pair = isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], dict)
        if name not in FRAMES or not pair or not is_rate(entry[1]):
            raise InputError(
                where=where,
                expected="a sequence 'S1 Seq1' ... 'S8 Seq2' as [{camera: poses}, frames a second] or 'TS1' ... 'TS6' "
                "as its poses, as data_train_3dhp.npz and data_test_3dhp.npz have them",
            )
        for camera, poses in entry[0].items():
            inner = f"{where}[0][{camera!r}]"
            load = partial(npz_values, poses, inner)
            yield View(name, str(camera), path, inner, joints, load=load, fps=float(entry[1]))


def is_rate(fps: Any) -> bool:
    """Whether this can be frames per second."""
    return isinstance(fps, int | float | np.integer | np.floating) and fps is not True and bool(0 < fps < 1e6)


def npz_values(poses: Any, where: str, test: bool = False) -> Values:
    """The arrays of one view."""
    channels_of = {"data_3d": 3, "data_2d": 2} | ({"valid": 0} if test else {})
    if not isinstance(poses, dict) or channels_of.keys() - poses.keys():
        keys = ", ".join(map(str, poses)) if isinstance(poses, dict) else type(poses).__name__
        raise InputError(where=where, found=keys, expected=", ".join(channels_of), remedy="make the file again")
    arrays = {
        name: numbers(poses[name], f"{where}, {name}", (-1, len(RELEVANT), channels) if channels else (-1,))
        for name, channels in channels_of.items()
    }
    same_length(where, arrays)
    pose3d, pixels = arrays["data_3d"], arrays["data_2d"]
    valid = flags(arrays["valid"], f"{where}, valid") if test else np.ones(len(pose3d), bool)
    return Values(pose3d, pixels, valid, None)
