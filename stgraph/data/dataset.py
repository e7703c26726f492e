"""The data format: one self-describing HDF5 file per dataset, columnar, readable without stgraph.

    /                     attributes format, version, source, terms, units, created_by, left_out, notes, classes (names
                          of actions in their order, maybe none), and sha256 of inputs and rows; lists are JSON
    /skeleton             names, parents, left, right; attributes name, centre
    /recordings/<column>  id, subject, action, take, camera, fps, width, height, intrinsics (9, pixels),
                          rotation (4, quaternion w x y z, camera to world), translation (3, metres), label, frames
    /tracks/<column>      recording, person, first_row, rows
    /rows/frame           (row)           frame number within the recording
    /rows/pose3d          (row, joint, 3) float32, metres, camera space, root not removed          optional
    /rows/pose2d/<name>   (row, joint, 3) float32, pixels x, y and confidence; unseen = confidence 0
    /rows/valid           (row) uint8, 0 where the ground truth is not to be scored; absent = all are valid
    /rows/box, head_box   (row, 4) float32, left, top, right, bottom in pixels; zeros where not known    optional
    /rows/features/<name> (row, joint, width) float32, what a backbone says of the joints                optional
    /detections/<name>    poses without identity: recording, frame, pose (as a row's pose2d), score, and optional box
                          and features/<name>, in order of recordings and frames
    /splits/<name>        (recording) name of the part each recording belongs to: train, validation, test or nothing
    /windows/<frames>x<stride>  (window, 2): track, start; a start may be negative, edges are clamped

Row arrays are contiguous and uncompressed, so that they can be memory-mapped. Columns of text are UTF-8, of a fixed
length (earlier files: of variable length), which is read in a third of the time.
"""

import difflib
import hashlib
import json
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int

from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

FORMAT, VERSION = "stgraph", 1
UNITS = "3D metres in camera space (x right, y down, z forward), 2D pixels, time seconds"
RECORDING_TEXT = ("id", "subject", "action", "take", "camera", "label")
RECORDING_NUMBERS = {
    "fps": (),
    "width": (),
    "height": (),
    "intrinsics": (9,),
    "rotation": (4,),
    "translation": (3,),
    "frames": (),
}
TRACK_COLUMNS = ("recording", "person", "first_row", "rows")
ROW_NUMBERS = {"frame": np.int32, "valid": np.uint8}  # one number a row; other fields are poses


def window_table(rows: Int[np.ndarray, " track"], frames: int, stride: int) -> Int[np.ndarray, "window 2"]:
    """Windows of `frames` frames around consecutive chunks of `stride` frames, as (track, start).

    A track of n frames is cut into ceil(n / stride) chunks, the first starting at -floor((stride chunks - n) / 2);
    a window is its chunk with (frames - stride) // 2 frames in front and the rest behind. Starts may be negative and
    ends may pass the track: indices are clamped on reading.
    """
    rows = np.asarray(rows, dtype=np.int64)
    chunks = -(-rows // stride)
    track = np.repeat(np.arange(len(rows)), chunks)
    within = np.arange(len(track)) - np.repeat(np.cumsum(chunks) - chunks, chunks)
    first = -((stride * chunks - rows) // 2) - (frames - stride) // 2
    return np.stack([track, first[track] + stride * within], axis=1)


def is_dataset(path: Path) -> bool:
    """Whether a file says that it is in this format, whatever the version."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("format") == FORMAT
    except OSError:
        return False


class Dataset:
    """An opened dataset: tables in memory, row arrays memory-mapped.

    Attributes:
        recordings: column name -> array, one entry per recording.
        tracks: column name -> array, one entry per track.
        detectors: names of the 2D detections of known persons. detected: names of those without identity.
        splits: name -> part of every recording.
        source, terms, notes, classes: as written.
        hash: sha256 over tables, rows (as written) and provenance: what a checkpoint remembers of its data.

    Raises:
        InputError: missing, truncated or foreign file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise InputError(
                f"{self.path}: no such file; make it with `python -m data_prep SOURCE ... --out {self.path}` "
                "(`python -m data_prep --help` lists the sources)"
            )
        if not self.path.is_file():
            raise InputError(f"{self.path}: is no file; give the dataset itself, such as {self.path / 'data.h5'}")
        try:
            with h5py.File(self.path, "r") as file:
                self._read(file)
        except InputError:
            raise
        except Exception as error:  # h5py raises many types for a damaged file
            raise InputError(
                f"{self.path}: not a whole stgraph dataset ({error}); it may have been cut short, prepare it again "
                "with `python -m data_prep`"
            ) from error

    def _read(self, file: h5py.File) -> None:
        found = (file.attrs.get("format"), file.attrs.get("version"))
        if found != (FORMAT, VERSION):
            raise InputError(
                f"{self.path}: format and version are {found}, expected {(FORMAT, VERSION)}; "
                "prepare it again with `python -m data_prep`"
            )
        for name in ("source", "terms", "created_by"):
            setattr(self, name, str(file.attrs[name]))
        self.notes, self.left_out = (json.loads(file.attrs[name]) for name in ("notes", "left_out"))
        self.classes: list[str] = json.loads(file.attrs.get("classes", "[]"))
        group = file["skeleton"]
        joints = (tuple(map(int, group[name][:])) for name in ("parents", "left", "right"))
        about = (str(group.attrs["name"]), tuple(group["names"].asstr()[:]), *joints)
        self.skeleton = Skeleton(*about, int(group.attrs.get("centre", -1)))
        self.recordings = {name: file[f"recordings/{name}"].asstr()[:] for name in RECORDING_TEXT}
        self.recordings |= {name: file[f"recordings/{name}"][:] for name in RECORDING_NUMBERS}
        self.tracks = {name: file[f"tracks/{name}"][:] for name in TRACK_COLUMNS}
        self.splits = {name: parts.asstr()[:] for name, parts in file.get("splits", {}).items()}
        self.detectors = sorted(file["rows"].get("pose2d", {}))
        self.detected = sorted(file.get("detections", {}))
        self._places, self._mapped = {}, {}
        features = [f"features/{name}" for name in file["rows"].get("features", {})]
        poses = [f"pose2d/{detector}" for detector in self.detectors]
        for name in (*ROW_NUMBERS, "box", "head_box", "pose3d", *poses, *features):
            if name in file["rows"]:
                rows = file["rows"][name]
                if rows.id.get_offset() is None:
                    raise OSError(f"its rows/{name} are compressed or in chunks; they are memory-mapped as they lie")
                self._places[name] = (rows.id.get_offset(), rows.shape, rows.dtype)
        end = max(offset + int(np.prod(shape)) * dtype.itemsize for offset, shape, dtype in self._places.values())
        if self.path.stat().st_size < end:
            raise OSError(f"{self.path.stat().st_size} bytes, expected {end} or more")
        digest = hashlib.sha256(f"{file.attrs['inputs']}{file.attrs['rows']}{self.source}{self.notes}".encode())
        for table in (*self.recordings.values(), *self.tracks.values()):
            digest.update("\0".join(table).encode() if table.dtype == object else table.tobytes())
        self.hash = digest.hexdigest()

    def __len__(self) -> int:
        """Recordings."""
        return len(self.recordings["id"])

    @property
    def synthetic(self) -> bool:
        """Whether the motion was made up."""
        return "synthetic" in self.source.lower()

    def has(self, name: str) -> bool:
        """Whether there is such a row array."""
        return name in self._places

    def rows(self, name: str) -> np.ndarray:
        """A row array ("pose3d", "pose2d/gt", "frame") mapped copy-on-write; "valid" as bool, if absent True."""
        if name == "valid" and name not in self._places:
            return np.ones(self._places["frame"][1], bool)
        if name not in self._places:
            detector = name.removeprefix("pose2d/")
            raise InputError(
                f"{self.path} has no {name} (source: {self.source}); its detectors are "
                f"{', '.join(self.detectors) or 'none, it is 3D alone'}"
                + (f", not {detector!r}; choose one with `--set data.detector=NAME`" if detector != name else "")
            )
        if name not in self._mapped:
            offset, shape, dtype = self._places[name]
            self._mapped[name] = np.memmap(self.path, dtype, "c", offset, shape)
        return np.asarray(self._mapped[name], bool) if name == "valid" else self._mapped[name]

    def detections(self, name: str) -> dict[str, np.ndarray]:
        """The columns of a table of detections without identity. Raises InputError with the tables there are."""
        if name not in self.detected:
            raise InputError(
                f"{self.path} has no detections {name!r} without identity; it has "
                f"{', '.join(self.detected) or 'none'}; prepare it with `python -m data_prep scenes` or `posetrack`"
            )
        with h5py.File(self.path, "r") as file:
            group, columns = file[f"detections/{name}"], {}
            group.visititems(lambda key, node: columns.update({key: node}) if isinstance(node, h5py.Dataset) else None)
            return {key: values[:] for key, values in columns.items()}

    def camera(self, recording: int | np.integer) -> Camera:
        """The camera of a recording."""
        table = self.recordings
        return Camera(
            str(table["camera"][recording]),
            int(table["width"][recording]),
            int(table["height"][recording]),
            *(table[name][recording] for name in ("intrinsics", "rotation", "translation")),
        )

    def find(self, recording: str) -> int:
        """Number of a recording by its id. Raises InputError with ids that resemble it."""
        if recording not in self._numbers:
            ids = list(self._numbers)
            close = difflib.get_close_matches(recording, ids, n=5, cutoff=0.3) or ids[:5]
            raise InputError(f"{self.path} has no recording {recording!r}; close to it: {'; '.join(close)}")
        return self._numbers[recording]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {id: number for number, id in enumerate(self.recordings["id"])}
