"""Reading anyone's 2D keypoints: a file's format is known by its content, never by its ending."""

import mimetypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.files import accompanies
from stgraph.formats.json_files import garbage_kept, read_json
from stgraph.formats.keypoints import (
    arrays,
    coco,
    deeplabcut,
    hdf5,
    mediapipe,
    mmpose,
    openpose,
    posetrack,
    sleap,
    sleap_csv,
    tables,
    ultralytics,
    videopose3d,
)
from stgraph.formats.keypoints.content import no_people
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.poses import Options, Raw, finished
from stgraph.formats.numpy_files import load_npy, load_npz, npz_names
from stgraph.formats.posetrack import Video
from stgraph.formats.safe_pickle import load_pickle
from stgraph.formats.video import is_video, open_video
from stgraph.skeleton import Skeleton

FORMATS = (
    "keypoints of OpenPose, COCO, AlphaPose, MMPose, Detectron2, VideoPose3D, Ultralytics, MediaPipe, rtmlib, SLEAP, "
    "DeepLabCut or PoseTrack, an array, CSV, or a video"
)
REMEDY = "see the table of formats in stgraph/README.md"


def read_keypoints(
    path: Path | str,
    *,
    video: str = "",
    layout: str | Skeleton | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    fps: float | int | None = None,
    scale: str = "",
    joints: int | None = None,
    order: str = "",
    estimator: Callable[[Path], Raw] | None = None,
) -> Keypoints:
    """The 2D poses of one video, from a file or a folder that any of the known pose estimators wrote.

        keypoints = read_keypoints("openpose/", size=(1920, 1080))
        pose = keypoints.to(H36M17).pose                       # (n j 3): pixels and confidence

    Args:
        path: of the file, or of the folder with a file for each frame.
        video: the name of one of several videos.
        layout: the order of the joints, where the file does not name them and their positions do not tell it: a name in
            `layouts.LAYOUTS`, a JSON file with `names` and `parents`, a skeleton, or the joints' names.
        size: width and height of the images in pixels; needed where coordinates are fractions of it.
        fps: frames per second.
        scale: what coordinates are, a key of `choices.SCALES`; by default as the format or their range tells.
        joints: how many joints a person has, where a file leaves it open.
        order: the axes of an array, one of `choices.ORDERS`.
        estimator: finds the people in a video, such as `stgraph.PoseEstimator()`; without one a video is refused.

    Raises:
        InputError: an unreadable file, several videos, or anything that is ambiguous, with what settles it.
    """
    options = {"layout": layout, "size": size, "fps": fps, "scale": scale, "joints": joints, "order": order}
    options["estimator"] = estimator
    videos = read_all_keypoints(path, **options)
    if video:
        videos = [one for one in videos if one.name == video] or videos
    if len(videos) > 1 or (video and videos[0].name != video):
        names = ", ".join(one.name for one in videos[:10])
        found, remedy = f"the videos {names}", "choose one by its name with --video"
        raise InputError(where=path, found=found, expected=video or "one", remedy=remedy, kind="several clips")
    return videos[0]


def keypoints_of(values: np.ndarray, **options: Any) -> Keypoints:
    """The 2D poses in an array, (t j 2), (t j 3) or (t m j 3), as those of a file; see `read_keypoints`."""
    given = Options(**options)
    raw = arrays.of_array(arrays.people_axes(values, "keypoints", given), None, "keypoints", given)
    return finished(raw, given, "keypoints")


def read_all_keypoints(path: Path | str, failed: list[InputError] | None = None, **options: Any) -> list[Keypoints]:
    """As `read_keypoints`, all videos of a file, or of a folder and those in it.

    Args:
        failed: a list to which the errors of single files and videos are added, which then stop no others.

    Raises:
        InputError: as `read_keypoints`, or where nothing could be read.
    """
    path, known = Path(path), Options(**options)
    if not path.exists():
        raise InputError("no such file or folder", where=path, expected=FORMATS, remedy="check the path")
    found: list[Keypoints] = []
    with garbage_kept():
        for raw in read_folder(path, known, failed) if path.is_dir() else read_file(path, known):
            with collected(failed):
                found.append(finished(raw, known, where_of(path, raw)))
    if not found:
        if failed:
            raise failed[0]
        raise InputError("no keypoints in it", where=path, expected=FORMATS, remedy=REMEDY)
    return found


@contextmanager
def collected(failed: list[InputError] | None) -> Iterator[None]:
    """Adds an InputError to a list, where there is one, and goes on."""
    try:
        yield
    except InputError as error:
        if failed is None:
            raise
        failed.append(error)


def read_people(path: Path | str, **options: Any) -> list[Video]:
    """As `read_all_keypoints`, as videos, which PoseTrack's files give with labels and ignored regions."""
    return [posetrack.as_video(one) for one in read_all_keypoints(path, **options)]


def where_of(path: Path, raw: Raw) -> str:
    """How messages about a video begin."""
    return str(path) if raw.name in (path.stem, path.name) else f"{path}, {raw.name}"


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file, which tell its kind. Raises InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=path, remedy="check the path") from error


def kind_of(path: Path) -> str:
    """As `kind_of_bytes`, of a file. Raises InputError."""
    return kind_of_bytes(first_bytes(path))


def kind_of_bytes(start: bytes) -> str:
    """The kind of a file that begins so, "" for none of those that hold keypoints."""
    for kind, mark in (("npy", b"\x93NUMPY"), ("npz", b"PK\x03\x04"), ("hdf5", b"\x89HDF"), ("pickle", b"\x80")):
        if start.startswith(mark):
            return kind
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "empty"
    if text[:1] in b"[{":
        return "json"
    if b"\0" in start:
        return ""
    words = text.decode("utf-8", "replace")
    if deeplabcut.is_csv(words):
        return "deeplabcut"
    if tables.is_numbers(words):
        return "numbers"
    if sleap_csv.is_csv(words):
        return "sleap"
    if tables.is_table(words):
        return "csv"
    return "lines" if ultralytics.is_lines(text) else ""


def read_file(path: Path, options: Options) -> list[Raw]:
    """The videos of a file. Raises InputError for one of no known format."""
    if is_video(path):
        return [read_video(path, options)]
    readers: dict[str, Callable[[], list[Raw]]] = {
        "json": lambda: read_tree(read_json(path, FORMATS), path, options),
        "npy": lambda: arrays.read_content(load_npy(path), path, options),
        "npz": lambda: read_npz(path, options),
        "pickle": lambda: arrays.read_content(load_pickle(path), path, options),
        "hdf5": lambda: read_hdf5(path),
        "deeplabcut": lambda: deeplabcut.read_csv(path),
        "numbers": lambda: tables.read_numbers(path, options),
        "sleap": lambda: sleap_csv.read_csv(path),
        "csv": lambda: tables.read_table(path),
        "lines": lambda: ultralytics.read_lines([path], "", options),
    }
    kind = kind_of(path)
    if kind not in readers:
        named = (mimetypes.guess_type(path)[0] or "").startswith("video/")
        unknown = "is named as a video, but is none" if named else "a file of no known format"
        problem = "is empty" if kind == "empty" else unknown
        raise InputError(problem, where=path, expected=FORMATS, remedy=REMEDY)
    return readers[kind]()


def read_video(path: Path, options: Options) -> Raw:
    """The people in a video's frames. Raises InputError without an estimator, or for another size than the video's."""
    if options.estimator is None:
        remedy = "`python -m stgraph.predict` and `stgraph.track` find the people in it"
        raise InputError("is a video", where=path, expected=FORMATS, remedy=remedy)
    size = open_video(path).size
    if options.size not in (None, size):
        found, expected = ("{}x{}".format(*one) for one in (options.size, size))
        raise InputError("--image-size is not the video's", where=path, found=found, expected=expected)
    return options.estimator(path)


def read_hdf5(path: Path) -> list[Raw]:
    """The videos of an HDF5 file. Raises InputError for one of no known form."""
    with hdf5.opened(path) as file:
        if sleap.is_analysis(file):
            return sleap.read_analysis(file, path)
        if (table := deeplabcut.table_of(file)) is not None:
            return deeplabcut.read_hdf5(table, path)
        labels, there = sleap.is_labels(file), ", ".join(map(str, [*file][:8]))
        own = file.attrs.get("format") == "stgraph"  # as in stgraph.data.dataset
    if labels:
        return sleap.read_labels(path)
    if own:
        remedy = (
            f"`python -m stgraph.evaluate --exp lifter --data {path}` scores it, `stgraph.render` draws its recordings"
        )
        raise InputError("is a dataset of this toolkit", where=path, expected="keypoints alone", remedy=remedy)
    raise InputError(where=path, found=f"HDF5 with {there or 'nothing'}", expected=FORMATS, remedy=REMEDY)


def read_npz(path: Path, options: Options) -> list[Raw]:
    """The videos of an `.npz` file. Raises InputError."""
    names = npz_names(path)
    if videopose3d.is_detectron(names):
        return videopose3d.read_detectron(load_npz(path, ("boxes", "keypoints", "metadata")), path)
    if videopose3d.is_dataset(names):
        return videopose3d.read_dataset(load_npz(path), path)
    return arrays.read_content(load_npz(path), path, options)


def read_tree(tree: Any, path: Path, options: Options) -> list[Raw]:
    """The videos of JSON. Raises InputError for JSON of no known form."""
    if openpose.is_openpose(tree):
        return openpose.read_openpose({path: tree})
    if posetrack.is_posetrack(tree):
        return posetrack.read_posetrack(tree, path, options)
    if mmpose.is_frames(tree):
        return mmpose.read_frames(tree, path)
    if mmpose.is_instances(tree):
        return mmpose.read_images({path: tree})
    if coco.is_results(tree):
        return coco.read_results(tree, path)
    if mediapipe.is_landmarks(tree):
        return mediapipe.read_landmarks(tree, path)
    if isinstance(tree, list) and tree and isinstance(tree[0], list):
        return arrays.read_content(tree, path, options)
    one, listed = (tree[0], "a list whose first entry is ") if isinstance(tree, list) and tree else (tree, "")
    kind = f"an object with the keys {', '.join([*one][:8])}" if isinstance(one, dict) else f"a {type(one).__name__}"
    found = listed + kind
    if tree in ([], {}):
        raise no_people(path)
    raise InputError(where=path, found=found, expected=FORMATS, remedy=REMEDY)


def read_folder(folder: Path, options: Options, failed: list[InputError] | None = None) -> list[Raw]:
    """The videos of a folder: frame by frame, or a file for each; and those of the folders in it.

    Files of no known format are left aside, as are those that accompany data, such as a licence. An empty text file is
    a frame without people among those of Ultralytics; an empty JSON file is an error.

    Args:
        failed: see `read_all_keypoints`.

    Raises:
        InputError: no file of a known format, or what is wrong with one.
    """
    entries = sorted(path for path in folder.iterdir() if not accompanies(path))
    kinds: dict[Path, str] = {}
    trees: dict[Path, Any] = {}
    for path in entries:
        with collected(failed):
            if path.is_file():
                kinds[path] = kind_of(path)
                if kinds[path] == "json" or (kinds[path] == "empty" and path.suffix.lower() == ".json"):
                    trees[path] = read_json(path, FORMATS)
    frames = {path: tree for path, tree in trees.items() if openpose.is_openpose(tree)}
    images = {path: tree for path, tree in trees.items() if mmpose.is_instances(tree)}
    # An image without people is an empty list.
    images |= {path: tree for path, tree in trees.items() if images and tree == []}
    lines = [path for path, kind in kinds.items() if kind == "lines"]
    for path in kinds if lines else ():
        if not kinds[path] and path.suffix == lines[0].suffix and ultralytics.is_cut(first_bytes(path)):
            lines.append(path)
    videos: list[Raw] = []
    if frames:
        with collected(failed):
            videos += openpose.read_openpose(frames, folder.name)
    if images:
        with collected(failed):
            videos += mmpose.read_images(images, folder.name)
    if lines:
        empty = [path for path, kind in kinds.items() if kind == "empty" and path.suffix == lines[0].suffix]
        with collected(failed):
            videos += ultralytics.read_lines([*lines, *empty], folder.name, options)
    for path, kind in kinds.items():
        with collected(failed):
            if path in trees and path not in frames and path not in images:
                videos += read_tree(trees[path], path, options)
            elif kind not in ("", "empty", "json", "lines"):
                videos += read_file(path, options)
    for path in entries:
        if path.is_dir() and any(kind_of(file) for file in path.rglob("*") if file.is_file()):
            with collected(failed):
                videos += below(path, read_folder(path, options, failed), {video.name for video in videos})
    if not videos and not failed and "empty" in kinds.values():
        raise no_people(f"{folder}, where files are empty")
    if not videos and not failed:
        raise InputError("no file of a known format in this folder", where=folder, expected=FORMATS, remedy=REMEDY)
    return videos


def is_frames(folder: Path) -> bool:
    """Whether a folder has a file for each frame of a video: the first one of a known format is such a file."""
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not accompanies(path)):
        kind = kind_of(path)
        if kind == "json":
            tree = read_json(path, FORMATS)
            return openpose.is_openpose(tree) or mmpose.is_instances(tree)
        if kind not in ("", "empty"):
            return kind == "lines"
    return False


def below(folder: Path, videos: list[Raw], taken: set[str]) -> list[Raw]:
    """The videos of a folder, with its name before theirs where others have theirs. Raises InputError for two alike."""
    for video in videos:
        if video.name in taken:
            video.name = f"{folder.name}/{video.name}"
        if video.name in taken:
            raise InputError(f"video {video.name!r} is there twice", where=folder, remedy="rename one of the files")
        taken.add(video.name)
    return videos
