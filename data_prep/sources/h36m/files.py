"""Finds files with Human3.6M poses, and reads them.

Layouts: the official archives as CDF or converted to .mat, `S9/MyPoseFeatures/D2_Positions/Walking 1.54138969.cdf`, and
VideoPose3D's `data_3d_h36m.npz` and `data_2d_h36m_<detector>.npz`. Official files are
read when their recording is, one at a time.
"""

import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.options import h36m_subjects
from data_prep.checks.anatomy import check_finite
from data_prep.reading.files import find_files
from data_prep.reading.h36m import action_of, renamed
from data_prep.reading.matlab import read_matlab
from data_prep.sources.h36m.options import LAYOUTS
from stgraph.errors import InputError
from stgraph.formats.keypoints.content import sequence
from stgraph.formats.numpy_files import load_npz
from stgraph.skeleton import H36M16, H36M17, H36M32, Skeleton

# Stacked Hourglass in its own order, as VideoPose3D's sh_* files keep it, under the names the field reads it by.
MPII16 = Skeleton(
    "mpii16",
    (
        *("RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot", "Hip", "Spine", "Thorax", "Head"),
        *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
    ),
    (1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 8, 8, 13, 14),
    (3, 4, 5, 13, 14, 15),
    (2, 1, 0, 12, 11, 10),
)
NAMES = r"data_[23]d_h36m\w*\.npz|(train|test)_(2d_poses|3d_poses|actions)\.npy|.*\.(cdf|mat|tgz|tar|gz|zip)"
# Official folder -> coordinates of a joint, and whether a file is of one camera.
OFFICIAL = {"D3_Positions": (3, False), "D3_Positions_mono": (3, True), "D2_Positions": (2, True)}
NOT_POSITIONS = {
    "D3_Positions_mono_universal": "poses rescaled to a universal skeleton, not the subject's; "
    "take D3_Positions_mono or D3_Positions",
    **dict.fromkeys(
        ("D3_Angles", "D3_Angles_mono"),
        "joint angles, not positions: 78 numbers a frame, which give positions only with the bones of the subject; "
        "take D3_Positions_mono or D3_Positions",
    ),
}
FRAMES_ALONE = (
    "single frames without sequence, camera and subject, as POSEIDON takes them (train_2d_poses.npy, ...); convert "
    "them with `python -m data_prep poseidon FOLDER`"
)
ARCHIVES = (".tgz", ".tar", ".gz", ".zip")


class Unfit(InputError):
    """A file of detections is whole, but does not go with the rest."""


@dataclass(frozen=True)
class Key:
    """A recording: the subject, the take by its file's name, and the camera ("" = in the world)."""

    subject: str
    take: str
    camera: str = ""

    @property
    def action(self) -> str:
        """The take without its number."""
        return action_of(self.take)


@dataclass(frozen=True)
class Poses:
    """Where the poses of one recording are."""

    key: Key
    path: Path
    skeleton: Skeleton
    unit: str
    load: Callable[[], np.ndarray]
    place: str = ""

    @property
    def where(self) -> str:
        """File and place in it, for messages."""
        return f"{self.path}, {self.place}" if self.place else str(self.path)

    def read(self) -> Float[np.ndarray, "t j c"]:
        """The poses as stored, checked for shape and NaN."""
        values = self.load()
        check_finite(values, self.skeleton.names, self.where)
        return values


@dataclass
class Archive:
    """The Human3.6M files under some paths.

    Attributes:
        poses3d: layout ("D3_Positions_mono", "D3_Positions", "positions_3d") -> recording -> poses.
        poses2d: "D2_Positions" or a detector's name -> recording -> poses.
        inputs: the files, in the order found.
        left_out: (name, reason) for files that are not used.
        named: files given themselves, not in a folder.
    """

    poses3d: dict[str, dict[Key, Poses]] = field(default_factory=dict)
    poses2d: dict[str, dict[Key, Poses]] = field(default_factory=dict)
    inputs: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    named: set[Path] = field(default_factory=set)

    def refuse(self, path: Path, error: Unfit) -> None:
        """Leave out a file found in a folder; raises the error for a file that was named."""
        if path in self.named:
            raise error
        self.left_out.append((path.name, str(error).removeprefix(f"{path}: ")))

    def add(self, table: dict[str, dict[Key, Poses]], layout: str, poses: Poses) -> None:
        """Enter poses. Raises InputError when the recording is there already."""
        other = table.setdefault(layout, {}).setdefault(poses.key, poses)
        if other is not poses:
            both = f"{poses.where} and {other.where}"
            raise InputError(f"{both} hold the same {layout} recording", remedy="give one of them")


def find(paths: Iterable[Path]) -> Archive:
    """Every Human3.6M file under the given files and folders.

    Raises:
        InputError: a path is missing, an .npz is damaged, two files hold one recording, or nothing was found; the
            message then lists what the folders hold.
    """
    archive, ignored = Archive(named={path for path in paths if path.is_file()}), Counter()
    # Files before folders, so that one that is named and in a folder has the path by which it is named.
    for path in find_files(sorted(paths, key=Path.is_dir), NAMES, LAYOUTS):
        folder = path.parent.name
        if path.suffix == ".npz":
            try:
                add_npz(archive, path)
            except Unfit as error:
                archive.refuse(path, error)
        elif folder in OFFICIAL:
            add_official(archive, path)
        else:
            ignored[folder if path.suffix in (".cdf", ".mat") else path.suffix] += 1
    for folder, count in sorted(ignored.items()):
        if folder in NOT_POSITIONS:
            archive.left_out.append((f"{count} files in {folder}", NOT_POSITIONS[folder]))
        elif folder == ".npy":
            archive.left_out.append((f"{count} .npy files", FRAMES_ALONE))
    if not archive.poses3d:
        problem = f"no 3D positions of Human3.6M; found {other_content(archive, ignored)}"
        raise InputError(problem, where=", ".join(map(str, paths)), remedy=f"give {LAYOUTS}")
    return archive


def other_content(archive: Archive, ignored: Counter[str]) -> str:
    """What the paths hold instead of 3D poses."""
    reasons = [f"{name}: {reason}" for name, reason in archive.left_out]
    if archive.poses2d:
        reasons.append(f"2D poses alone ({', '.join(archive.poses2d)}); 3D poses are needed too")
    if archives := sum(ignored[ending] for ending in ARCHIVES):
        reasons.append(f"{archives} archives; extract them first (tar -xf FILE)")
    if unplaced := sum(count for name, count in ignored.items() if name not in (*ARCHIVES, ".npy", *NOT_POSITIONS)):
        folders = ", ".join(OFFICIAL)
        reasons.append(f"{unplaced} files outside the official folders ({folders}); keep the folders' names")
    return "; ".join(reasons) or "nothing of it"


# The official archives ------------------------------------------------------------------------------------------------


def add_official(archive: Archive, path: Path) -> None:
    """Enter an official file by its folders and name: `S9/MyPoseFeatures/D2_Positions/Walking 1.54138969.cdf`."""
    layout = path.parent.name
    channels, of_camera = OFFICIAL[layout]
    match = re.fullmatch(r"(.+?)(?:\.(\d{8}))?(?:\.cdf)?(?:\.(?:cdf|mat))", path.name)
    subjects = [part for part in path.absolute().parent.parts if re.fullmatch(r"S\d+", part)]
    if not subjects:
        problem = "no folder above it names the subject (S1, S5, ...)"
        raise InputError(problem, where=path, remedy="keep the archive's folders")
    if not match or bool(match[2]) != of_camera:
        expected = "Walking 1.54138969.cdf" if of_camera else "Walking 1.cdf"
        problem = f"a file of {layout} is named like {expected!r}"
        raise InputError(problem, where=path, remedy="give it its official name back")
    key = Key(subjects[-1], renamed(match[1]), match[2] or "")
    unit = "mm" if channels == 3 else "pixels"
    poses = Poses(key, path, H36M32, unit, partial(read_official, path, channels))
    table = archive.poses3d if channels == 3 else archive.poses2d
    other = table.get(layout, {}).get(key)
    # Converted files usually lie beside those they were made from; the .cdf is sorted first.
    if other and other.path.parent == path.parent and other.path.suffix != path.suffix:
        archive.left_out.append((str(path), f"{other.path.name} holds the same"))
        return
    archive.add(table, layout, poses)
    archive.inputs.append(path)


def read_official(path: Path, channels: int) -> Float[np.ndarray, "t 32 c"]:
    """`Pose` of an official file, CDF or converted to MATLAB's format, as it is stored.

    Raises InputError for a damaged file or another number of columns.
    """
    if path.suffix == ".mat":
        values = read_matlab(path, {"data"})["data"]
        values = values[0, 0] if values.dtype == object else values  # MATLAB's cdfread gives a cell with the matrix
    else:
        values = read_cdf(path)
    columns, joints = np.shape(values)[-1] if np.ndim(values) else 0, len(H36M32)
    if columns != joints * channels or np.size(values) == 0:
        problem = f"Pose has shape {np.shape(values)}"
        expected = f"{joints * channels} numbers a frame, {joints} joints x {channels}"
        raise InputError(problem, where=path, expected=expected, remedy="is it in the folder it came in?")
    return np.asarray(values, dtype=np.float64).reshape(-1, joints, channels)


def read_cdf(path: Path) -> np.ndarray:
    """`Pose` of an official file. Raises InputError for a damaged one."""
    import cdflib

    try:
        return np.asarray(cdflib.CDF(path).varget("Pose"))
    except Exception as error:  # cdflib raises many types for a damaged file
        problem = f"cannot be read ({type(error).__name__}: {error})"
        expected, remedy = "a whole file with the variable Pose", "it may have been cut short, extract it again"
        raise InputError(problem, where=path, expected=expected, remedy=remedy) from error


# VideoPose3D ----------------------------------------------------------------------------------------------------------


def add_npz(archive: Archive, path: Path) -> None:
    """Enter every recording of a VideoPose3D file."""
    content = load_npz(path)
    if "positions_3d" in content:
        for subject, take, value in takes(content["positions_3d"], path, "positions_3d"):
            place = f"positions_3d[{subject!r}][{take!r}]"
            skeleton = H36M17 if shape(value)[1:2] == (len(H36M17),) else H36M32
            load = partial(checked, value, skeleton, (3,), f"{path}, {place}")
            poses = Poses(Key(subject, renamed(take)), path, skeleton, unit="m", load=load, place=place)
            archive.add(archive.poses3d, "positions_3d", poses)
    elif "positions_2d" in content:
        detector = path.stem.removeprefix("data_2d_h36m_")
        skeleton = layout2d(content, path)
        for subject, take, views in takes(content["positions_2d"], path, "positions_2d"):
            place = f"positions_2d[{subject!r}][{take!r}]"
            if subject not in h36m_subjects():
                continue
            cameras = h36m_cameras(subject)
            if len(sequence(views)) != len(cameras):
                expected = f"one array for each of the cameras {', '.join(camera.name for camera in cameras)}"
                raise InputError(where=f"{path}, {place}", found=reprlib.repr(views), expected=expected)
            for number, (camera, value) in enumerate(zip(cameras, views, strict=True)):
                load = partial(checked, value, skeleton, (2, 3), f"{path}, {place}[{number}]")
                key = Key(subject, renamed(take), camera.name)
                archive.add(
                    archive.poses2d,
                    detector,
                    Poses(key, path, skeleton, unit="pixels", load=load, place=f"{place}[{number}]"),
                )
    else:
        expected = "positions_3d or positions_2d, as VideoPose3D writes them"
        raise InputError(where=path, found=", ".join(content) or "nothing", expected=expected)
    archive.inputs.append(path)


def takes(positions: Any, path: Path, name: str) -> Iterator[tuple[str, str, Any]]:
    """(subject, take, value) of `positions[subject][take]`."""
    if not isinstance(positions, dict) or not all(isinstance(takes, dict) for takes in positions.values()):
        expected = "a dictionary subject -> action -> poses"
        raise InputError(where=f"{path}, {name}", found=type(positions).__name__, expected=expected)
    for subject, by_take in positions.items():
        for take, value in by_take.items():
            yield str(subject), str(take), value


def layout2d(content: dict[str, Any], path: Path) -> Skeleton:
    """The joint order of a file of detections: by its metadata, and where it has none by its number of joints.

    16 joints come in two orders, which differ in the sides: Human3.6M's without Neck/Nose, and Stacked Hourglass' own.
    """
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or "keypoints_symmetry" not in metadata:
        views = next((views for _, _, views in takes(content["positions_2d"], path, "positions_2d")), None)
        first = next(iter(sequence(views)), None)
        return H36M16 if shape(first)[1:2] == (len(H36M16),) else H36M17
    try:
        sides = [set(map(int, side)) for side in metadata["keypoints_symmetry"]]
        joints = int(metadata.get("num_joints", 0))  # 0: missing
    except (TypeError, ValueError, OverflowError):
        sides, joints = [], 0
    for skeleton in (H36M17, H36M16, MPII16):
        if sides == [set(skeleton.left), set(skeleton.right)] and joints in (0, len(skeleton)):
            return skeleton
    count, sides = reprlib.repr(metadata.get("num_joints")), reprlib.repr(metadata["keypoints_symmetry"])
    raise Unfit(
        f"metadata: {count} joints with left and right {sides}, which is no Human3.6M order",
        where=path,
        expected=f"{len(H36M17)} joints with {[list(H36M17.left), list(H36M17.right)]}, or {len(H36M16)} without "
        "Neck/Nose",
        remedy="map the detections to it first",
    )


def shape(value: Any) -> tuple[int, ...]:
    """The shape of an array; () for other objects."""
    return value.shape if isinstance(value, np.ndarray) else ()


def checked(value: Any, skeleton: Skeleton, channels: tuple[int, ...], where: str) -> Float[np.ndarray, "t j c"]:
    """The array, if it holds poses. Raises InputError for another shape or type."""
    size = shape(value)
    if len(size) == 3 and size[0] and size[1] == len(skeleton) and size[2] in channels and value.dtype.kind in "iuf":
        return value
    actual = f"{value.dtype} of shape {size}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    expected = f"numbers (frames, {len(skeleton)} joints of {skeleton.name}, {' or '.join(map(str, channels))})"
    raise InputError(where=where, found=actual, expected=expected)
