"""Which of a user's files hold MPI-INF-3DHP, and how to read them.

Layouts: the official `S1/Seq1/annot.mat` (28 joints, 14 cameras, with `camera.calibration` beside it where the user
kept it) and `TS1/annot_data.mat` (17 joints), as MATLAB 5 or 7.3 files; and `data_train_3dhp.npz`,
`data_test_3dhp.npz`, which other projects make of those (17 joints). Millimetres and pixels, camera space.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import torch
from jaxtyping import Bool, Float

from data_prep.reading.layouts import flags, layout, numbers, same_length
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npz
from stgraph.geometry import Camera, matrix_to_quaternion

ANNOTATIONS = ("univ_annot3", "annot3")
# The eight of fourteen that papers use: those at the height of the chest and those that look up.
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
# Joints of the test set and of the .npz files, by their place among the 28.
RELEVANT = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
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
LAYOUTS = (
    "the official folders S<k>/Seq<n> with annot.mat and TS<k> with annot_data.mat, or data_train_3dhp.npz and "
    "data_test_3dhp.npz"
)


@dataclass(frozen=True)
class Values:
    """What a file says of one view, joints in its own order.

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
        joints: names of the joints in the file's order.
        fps: where the file says it.
        calibrated: the camera, where its calibration is given.
        annotation: which 3D, where the file says it.
    """

    name: str
    camera: str
    path: Path
    place: str
    joints: tuple[str, ...]
    load: Callable[[], Values]
    fps: float | None = None
    calibrated: Camera | None = None
    annotation: str = ""

    @property
    def where(self) -> str:
        """File and place in it, for messages."""
        return f"{self.path}, {self.place}"

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
    files = list(sorted_files(paths))
    for path in files:
        for view in of_npz(path) if path.suffix == ".npz" else of_mat(path, annotation):
            other = views.setdefault((view.name, view.camera), view)
            if other is not view:
                raise InputError(f"{view.where} and {other.path} both hold {view.name}; give one of them")
    if not views:
        others = sorted({file.name for path in paths for file in below(path) if file.suffix == ".npz"})
        seen = f" (only {', '.join(others[:5])}, which are called otherwise)" if others else ""
        raise InputError(f"{', '.join(map(str, paths))}: no MPI-INF-3DHP in it{seen}; give {LAYOUTS}")
    inputs = [*files, *(path.with_name("camera.calibration") for path in files)]
    return [views[key] for key in sorted(views, key=in_order)], [path for path in inputs if path.is_file()]


def in_order(key: tuple[str, str]) -> tuple:
    """Training before test, numbers as numbers."""
    name, camera = key
    return (name.startswith("T"), [int(number) for number in re.findall(r"\d+", f"{name} {camera}")])


def below(path: Path) -> Iterator[Path]:
    """Files in a folder, however deep; unpacked videos are millions, so that nothing else is asked of them."""
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)


def sorted_files(paths: Iterable[Path]) -> Iterable[Path]:
    """Each file once: all that are given by name, and in folders those that are called like the layouts."""
    ours = re.compile(r"data_(train|test)_3dhp\w*\.npz|annot\.mat|annot_data\.mat")
    files: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; give {LAYOUTS}")
        found = sorted(file for file in below(path) if ours.fullmatch(file.name)) if path.is_dir() else [path]
        for file in found:
            files.setdefault(file.resolve(), file)
    return files.values()


# Official files -------------------------------------------------------------------------------------------------------


def of_mat(path: Path, annotation: str) -> Iterator[View]:
    """Views of `S<k>/Seq<n>/annot.mat` or `TS<k>/annot_data.mat`, by its folders' names."""
    folders = path.absolute().parent.parts
    if path.name == "annot_data.mat" and folders[-1] in TEST:
        joints = tuple(layout("mpi-inf-3dhp").order[joint] for joint in RELEVANT)
        load = partial(test_values, path, annotation)
        yield View(folders[-1], "0", path, annotation, joints, load, annotation=annotation)
    elif path.name == "annot.mat" and (name := " ".join(folders[-2:])) in FRAMES:
        calibration = path.with_name("camera.calibration")
        cameras = read_calibration(calibration) if calibration.is_file() else {}
        for camera in CAMERAS:
            if cameras and str(camera) not in cameras:
                raise InputError(f"{calibration}: no camera {camera}; it has {', '.join(cameras)}; get the file again")
            load = partial(training_values, path, annotation, camera)
            place, joints = f"{annotation}, camera {camera}", layout("mpi-inf-3dhp").order
            calibrated = cameras.get(str(camera))
            yield View(name, str(camera), path, place, joints, load, calibrated=calibrated, annotation=annotation)
    else:
        raise InputError(
            f"{path}: neither its folders nor its name say which sequence it is; expected S1/Seq1/annot.mat or "
            "TS1/annot_data.mat; keep the official names"
        )


def training_values(path: Path, annotation: str, camera: int) -> Values:
    """What an annot.mat says of a camera."""
    content = training_file(path, annotation)
    at = content["cameras"].index(camera) if camera in content["cameras"] else None
    if at is None:
        raise InputError(
            f"{path}, cameras: no camera {camera}, only {', '.join(map(str, content['cameras']))}; get the file again"
        )
    joints, frames = len(layout("mpi-inf-3dhp").order), FRAMES[" ".join(path.absolute().parent.parts[-2:])]

    def of(name: str, channels: int) -> np.ndarray:
        cell = content[name][at]
        if cell.ndim != 2 or cell.shape[1] != joints * channels or not len(cell):
            raise InputError(
                f"{path}, {name}, camera {camera}: shape {cell.shape}; expected (frames, {joints * channels}), "
                f"{joints} joints x {channels}; get the file again"
            )
        return cell.reshape(-1, joints, channels).astype(np.float64)

    pose3d, pixels = of(annotation, 3), of("annot2", 2)
    exact = of("annot3", 3) if "annot3" in content else None
    same_length(f"{path}, camera {camera}", {annotation: pose3d, "annot2": pixels, "annot3": exact})
    valid, cut = np.ones(len(pose3d[:frames]), bool), max(len(pose3d) - frames, 0)
    return Values(pose3d[:frames], pixels[:frames], valid, exact if exact is None else exact[:frames], cut)


@lru_cache(maxsize=1)  # the views of a file are read one after another
def training_file(path: Path, annotation: str) -> dict[str, list]:
    """The variables of an annot.mat, a list over cameras each."""
    content = read_matlab(path, {annotation, "annot2"}, {"annot3", "cameras"})
    for name in content.keys() - {"cameras"}:
        if content[name].dtype != object:
            raise InputError(f"{path}, {name}: {content[name].dtype}; expected a cell with one matrix a camera")
    cells = {name: list(value.ravel()) for name, value in content.items() if name != "cameras"}
    numbers = content["cameras"].ravel() if "cameras" in content else range(len(cells["annot2"]))
    same_length(path, {**cells, "cameras": numbers})
    return {**cells, "cameras": [int(number) for number in numbers]}


def test_values(path: Path, annotation: str) -> Values:
    """What an annot_data.mat says; MATLAB's axes are (channel, joint, 1, frame)."""
    content = read_matlab(path, {annotation, "annot2", "valid_frame"}, {"annot3"})

    def of(name: str, channels: int) -> np.ndarray:
        value = content[name]
        if value.shape[:2] != (channels, len(RELEVANT)) or value[0, 0].size != value.shape[-1]:
            raise InputError(
                f"{path}, {name}: shape {value.shape}; expected ({channels}, {len(RELEVANT)} joints, 1, frames); "
                "get the file again"
            )
        return value.T.reshape(-1, len(RELEVANT), channels).astype(np.float64)

    pose3d, pixels = of(annotation, 3), of("annot2", 2)
    valid = flags(content["valid_frame"].ravel(), f"{path}, valid_frame")
    exact = of("annot3", 3) if "annot3" in content else None
    same_length(path, {annotation: pose3d, "annot2": pixels, "annot3": exact, "valid_frame": valid})
    return Values(pose3d, pixels, valid, exact)


def read_matlab(path: Path, names: set[str], optional: set[str]) -> dict[str, np.ndarray]:
    """Variables of a MATLAB file in MATLAB's order of axes; a cell is an array of objects.

    Raises InputError for a damaged file or a missing variable.
    """
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                there = [name for name in file if not name.startswith("#")]
                content = {name: _variable(file, file[name]) for name in (names | optional).intersection(there)}
        else:
            there = [name for name, *_ in scipy.io.whosmat(path)]
            content = scipy.io.loadmat(path, variable_names=list((names | optional).intersection(there)))
            content = {name: value for name, value in content.items() if name in there}
    # Readers of damaged binary files fail in ways that nobody lists.
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected a whole MATLAB file, it may have been "
            "cut short, get it again"
        ) from error
    if missing := sorted(names - content.keys()):
        raise InputError(
            f"{path}: no {', '.join(missing)}; it holds {', '.join(there) or 'nothing'}; get the official file"
        )
    return content


def _variable(file: h5py.File, data: h5py.Dataset) -> np.ndarray:
    """A variable of a version 7.3 file, which is HDF5: axes in reverse, cells as references."""
    if data.dtype != h5py.ref_dtype:
        return data[()].T
    cells = np.empty(data.shape, object)
    for place in np.ndindex(data.shape):
        cells[place] = _variable(file, file[data[place]])
    return cells.T


def read_calibration(path: Path) -> dict[str, Camera]:
    """Cameras by name of a `camera.calibration`: text, millimetres, world y up. The world is turned to z up.

    Raises InputError for another format or a lens with distortion.
    """
    words = [line.split() for line in path.read_text(errors="replace").splitlines() if line.split()]
    entries: list[dict[str, list[str]]] = []
    try:
        if words[0][0] != "Skeletool":
            raise ValueError(f"it begins with {' '.join(words[0])!r}")
        for key, *values in words[1:]:
            if key == "name":
                entries.append({})
            entries[-1][key] = values
        return {entry["name"][0]: _calibrated(entry["name"][0], entry) for entry in entries}
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected a 'Skeletool Camera Calibration File' with name, size, "
            "intrinsic, extrinsic and radial 0 for each camera; get it again, or remove it to have the intrinsics "
            "estimated"
        ) from error


def _calibrated(name: str, entry: dict[str, list[str]]) -> Camera:
    if any(float(value) for value in entry["radial"]):
        raise ValueError(f"camera {name} has distortion {' '.join(entry['radial'])}")
    width, height = map(int, entry["size"])
    lens, place = (np.array(entry[key], dtype=np.float64).reshape(4, 4) for key in ("intrinsic", "extrinsic"))
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up
    rotation = upright @ place[:3, :3].T
    centre = -rotation @ place[:3, 3] / 1000
    quaternion = matrix_to_quaternion(torch.from_numpy(rotation)).numpy()
    intrinsics = np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2], *np.zeros(5)])
    return Camera(name, width, height, intrinsics, quaternion, centre)


# Other projects' .npz files -------------------------------------------------------------------------------------------


def of_npz(path: Path) -> Iterator[View]:
    """Views of `data`: {"S1 Seq1": [{camera: {data_2d, data_3d}}, fps]} or {"TS1": {data_2d, data_3d, valid}}."""
    data = load_npz(path, ["data"])["data"]
    if not isinstance(data, dict) or not data:
        raise InputError(f"{path}, data: {type(data).__name__}; expected a dictionary, sequence -> its poses")
    joints = tuple(layout("mpi-inf-3dhp").order[joint] for joint in RELEVANT)
    for name, entry in data.items():
        place = f"data[{name!r}]"
        if name in TEST:
            yield View(name, "0", path, place, joints, partial(npz_values, entry, f"{path}, {place}", test=True))
            continue
        pair = isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], dict)
        if name not in FRAMES or not pair or not is_rate(entry[1]):
            raise InputError(
                f"{path}, {place}: expected a sequence 'S1 Seq1' ... 'S8 Seq2' as [{{camera: poses}}, frames a second] "
                "or 'TS1' ... 'TS6' as its poses, as data_train_3dhp.npz and data_test_3dhp.npz have them"
            )
        for camera, poses in entry[0].items():
            inner = f"{place}[0][{camera!r}]"
            load = partial(npz_values, poses, f"{path}, {inner}")
            yield View(name, str(camera), path, inner, joints, load, fps=float(entry[1]))


def is_rate(fps: Any) -> bool:
    """Whether this can be frames a second."""
    number = isinstance(fps, int | float | np.integer | np.floating) and not isinstance(fps, bool)
    return number and math.isfinite(fps) and fps > 0


def npz_values(poses: Any, where: str, test: bool = False) -> Values:
    """The arrays of one view."""
    parts = {"data_3d": 3, "data_2d": 2} | ({"valid": 0} if test else {})
    if not isinstance(poses, dict) or parts.keys() - poses.keys():
        found = ", ".join(map(str, poses)) if isinstance(poses, dict) else type(poses).__name__
        raise InputError(f"{where}: {found}; expected {', '.join(parts)}; make the file again")
    arrays = {
        name: numbers(poses[name], f"{where}, {name}", (-1, len(RELEVANT), channels) if channels else (-1,))
        for name, channels in parts.items()
    }
    same_length(where, arrays)
    pose3d, pixels = arrays["data_3d"], arrays["data_2d"]
    valid = flags(arrays["valid"], f"{where}, valid") if test else np.ones(len(pose3d), bool)
    return Values(pose3d, pixels, valid, None)
