"""The data format: one self-describing HDF5 file per dataset, columnar, readable without stgraph.

    /                     attributes format, version, source, terms, units, created_by, left_out, notes, classes (names
                          of actions in their order, maybe none), synthetic (whether the motion was made up; absent in
                          files of 0.1), and sha256 of inputs and rows; lists are JSON
    /skeleton             names, parents, left, right; attributes name, centre
    /recordings/<column>  id, subject, action, take, camera, fps, width, height, intrinsics (9, pixels),
                          rotation (4, quaternion w x y z, camera to world), translation (3, metres), label, frames
    /tracks/<column>      recording, person, first_row, rows
    /rows/frame           (row)           frame number within the recording
    /rows/pose3d          (row, joint, 3) float32, metres, camera space, root not removed          optional
    /rows/image3d         (row, joint, 3) float32, pixels x, y and a depth of the same scale               optional
    /rows/metres_per_pixel (row) float32, the scale of image3d, 0 where it is not known                     optional
    /rows/pose2d/<name>   (row, joint, 3) float32, pixels x, y and confidence; unseen = confidence 0
    /rows/valid           (row) uint8, 0 where the ground truth is not to be scored; absent = all are valid
    /rows/box, head_box   (row, 4) float32, left, top, right, bottom in pixels; zeros where unknown    optional
    /rows/features/<name> (row, joint, width) float32, visual features of the joints                        optional
    /detections/<name>    poses without identity: recording, frame, pose (as a row's pose2d), score, and optional box
                          and features/<name>, in order of recordings and frames
    /splits/<name>        (recording) train, validation, test or nothing
    /windows/<frames>x<stride>  (window, 2): track, start; a start may be negative, edges are clamped

Row arrays are contiguous and uncompressed, so that they can be memory-mapped. Columns of text are UTF-8, of a fixed
length (earlier files: of variable length), which is read in a third of the time.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Int, Shaped

from stgraph.data.columns import array, check_detections, check_tables, members_of, numbers, text, texts
from stgraph.data.recording import NUMBERS, members
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

FORMAT, VERSION = "stgraph", 1
UNITS = "3D metres in camera space (x right, y down, z forward), 2D pixels, time seconds"
RECORDING_TEXT = ("id", "subject", "action", "take", "camera", "label")
RECORDING_NUMBERS = dict(
    fps="f8", width="i4", height="i4", intrinsics="f8", rotation="f8", translation="f8", frames="i4"
)
TRACK_COLUMNS = ("recording", "person", "first_row", "rows")
AGAIN = "prepare it again with `python -m data_prep`"
ROW_NUMBERS = {"frame": np.int32, "valid": np.uint8}  # one number a row; other fields are poses


def window_table(rows: Int[np.ndarray, " track"], frames: int, stride: int) -> Int[np.ndarray, "window 2"]:
    """Windows of `frames` frames around consecutive chunks of `stride` frames, as (track, start).

    A track of n frames is cut into ceil(n / stride) chunks, the first starting at -floor((stride chunks - n) / 2);
    a window is its chunk with (frames - stride) // 2 frames in front and the rest behind. Starts may be negative and
    ends may pass the track: indices are clamped on reading.
    """
    rows = np.asarray(rows, dtype=np.int64)
    chunks = -(-rows // stride)
    track, chunk = members(chunks)
    first = -((stride * chunks - rows) // 2) - (frames - stride) // 2
    return np.stack([track, first[track] + stride * chunk], axis=1)


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
        splits: name -> for every recording "train", "validation", "test" or "".
        source, terms, created_by, notes, left_out, classes, synthetic: as written.
        hash: sha256 over tables, rows (as written) and provenance: what a checkpoint remembers of its data.

    Raises:
        InputError: missing, truncated or foreign file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            remedy = f"make it with `python -m data_prep SOURCE ... --out {self.path}` (--help lists the sources)"
            raise InputError("no such file", where=self.path, remedy=remedy)
        if not self.path.is_file():
            raise InputError("is no file", where=self.path, remedy="give the dataset itself, such as data.h5 in it")
        self._opened_as = self.path.stat()
        with self._opened() as file:
            self._read(file)

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        """The file. Raises InputError for every failure while it is read."""
        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except InputError:
            raise
        except Exception as error:  # h5py raises many types for a damaged file
            problem = f"not a whole stgraph dataset ({error}); it may have been cut short"
            raise InputError(problem, where=self.path, remedy=AGAIN) from error

    def _read(self, file: h5py.File) -> None:
        attributes = file.attrs
        version = (attributes.get("format"), attributes.get("version"))
        if version != (FORMAT, VERSION):
            expected = str((FORMAT, VERSION))
            raise InputError(where=f"{self.path}, version", found=str(version), expected=expected, remedy=AGAIN)
        self.source, self.terms, self.created_by = (str(attributes[name]) for name in ("source", "terms", "created_by"))
        # Files of before 0.2.0 have no such attribute; the only made-up motion was that of the command `synthetic`.
        puppet = self.created_by.startswith("python -m data_prep synthetic")
        self.synthetic = bool(attributes.get("synthetic", puppet))
        self.notes: list[str] = texts(attributes["notes"])
        self.left_out: list[tuple[str, str]] = json.loads(str(attributes["left_out"]))
        self.classes: list[str] = texts(attributes.get("classes", "[]"))
        skeleton = file["skeleton"].attrs
        joints = (tuple(map(int, numbers(file, f"skeleton/{name}"))) for name in ("parents", "left", "right"))
        names, centre = tuple(text(file, "skeleton/names")), int(skeleton.get("centre", -1))
        self.skeleton = Skeleton(str(skeleton["name"]), names, *joints, centre=centre)
        self.recordings = {name: text(file, f"recordings/{name}") for name in RECORDING_TEXT}
        self.recordings |= {name: numbers(file, f"recordings/{name}") for name in RECORDING_NUMBERS}
        self.tracks = {name: numbers(file, f"tracks/{name}") for name in TRACK_COLUMNS}
        self.splits = {name: text(file, f"splits/{name}") for name in members_of(file, "splits")}
        self.detectors = sorted(members_of(file, "rows/pose2d"))
        self.detected = sorted(members_of(file, "detections"))
        fields = [*ROW_NUMBERS, "box", "head_box", "pose3d", "image3d", "metres_per_pixel"]
        fields += [f"pose2d/{detector}" for detector in self.detectors]
        fields += [f"features/{name}" for name in members_of(file, "rows/features")]
        check_tables(self.recordings, self.tracks, self.splits)
        self._places = {name: self._place(array(file, f"rows/{name}")) for name in fields if f"rows/{name}" in file}
        self._check_rows()
        self._mapped: dict[str, np.memmap] = {}
        digest = hashlib.sha256(f"{attributes['inputs']}{attributes['rows']}{self.source}{self.notes}".encode())
        for table in (*self.recordings.values(), *self.tracks.values()):
            digest.update("\0".join(table).encode() if table.dtype == object else table.tobytes())
        self.hash = digest.hexdigest()

    def _place(self, rows: h5py.Dataset) -> tuple[np.dtype, int, tuple[int, ...]]:
        """Type, offset and shape of a row array in the file, which is mapped when it is used."""
        offset = rows.id.get_offset()
        if offset is None:
            raise OSError(f"its {rows.name} are compressed or in chunks; they are memory-mapped as they lie")
        if (size := self.path.stat().st_size) < offset + rows.nbytes:
            raise OSError(f"{size} bytes, expected {offset + rows.nbytes} or more")
        return rows.dtype, offset, rows.shape

    def _check_rows(self) -> None:
        """Raises OSError where row arrays are of unlike lengths, of other joints or types, or tracks go beyond them."""
        rows = self._places["frame"][2][0]
        for name, (dtype, _, shape) in self._places.items():
            joints = (len(self.skeleton), shape[-1] if name.startswith("features/") else 3)
            expected = (rows, *NUMBERS.get(name, joints))
            if shape != expected or dtype.kind not in "iuf":
                raise OSError(f"its rows/{name} are {dtype} of shape {shape}, expected numbers of shape {expected}")
        first, count = (self.tracks[name].astype(np.int64) for name in ("first_row", "rows"))
        if ((first < 0) | (count < 1) | (count > rows) | (first > rows - count)).any():
            raise OSError(f"its tracks go beyond its {rows} rows")

    def __len__(self) -> int:
        """Recordings."""
        return len(self.recordings["id"])

    def has(self, name: str) -> bool:
        """Whether there is such a row array."""
        return name in self._places

    def rows(self, name: str) -> Shaped[np.ndarray, "row ..."]:
        """A row array ("pose3d", "pose2d/gt", "frame") mapped copy-on-write; "valid" as bool, if absent True.

        Raises:
            InputError: there is no such array.
        """
        if name == "valid" and not self.has(name):
            return np.ones(len(self.rows("frame")), bool)
        if name not in self._places:
            problem = f"has no {name} (source: {self.source}); its detectors are "
            problem += ", ".join(self.detectors) or "none, it is 3D alone"
            remedy = "choose one with `train --set data.detector=NAME` or `evaluate --detector NAME`"
            raise InputError(problem, where=self.path, remedy=remedy if name.startswith("pose2d/") else "")
        if name not in self._mapped:
            dtype, offset, shape = self._places[name]
            self.check_whole()
            if not os.path.samestat(self.path.stat(), self._opened_as):
                raise InputError("was replaced after it was opened", where=self.path, remedy="start again")
            self._mapped[name] = np.memmap(self.path, dtype, "c", offset, shape)
        return np.asarray(self._mapped[name], bool) if name == "valid" else self._mapped[name]

    def check_whole(self) -> None:
        """Raises InputError where the file is shorter than when it was opened: to read rows would end the process."""
        try:
            now = self.path.stat()
        except OSError:
            return  # what is mapped stays, whatever happens to the file's name
        if os.path.samestat(now, self._opened_as) and now.st_size < self._opened_as.st_size:
            problem = f"was cut short while it was in use, from {self._opened_as.st_size} to {now.st_size} bytes"
            raise InputError(problem, where=self.path, remedy=f"{AGAIN}, and go on with what was interrupted")

    def detections(self, name: str) -> dict[str, np.ndarray]:
        """The columns of a table of detections without identity. Raises InputError with the tables there are."""
        if name not in self.detected:
            problem = f"has no detections {name!r} without identity; it has {', '.join(self.detected) or 'none'}"
            remedy = "prepare it with `python -m data_prep scenes` or `posetrack`"
            raise InputError(problem, where=self.path, remedy=remedy)
        with self._opened() as file:
            place = f"detections/{name}"
            features = [f"features/{each}" for each in members_of(file, f"{place}/features")]
            columns = [column for column in members_of(file, place) if column != "features"] + features
            table = {column: numbers(file, f"{place}/{column}") for column in columns}
            check_detections(table, len(self), len(self.skeleton))
        return table

    def camera(self, recording: int | np.integer) -> Camera:
        """The camera of a recording."""
        row = {name: values[recording] for name, values in self.recordings.items()}
        size = int(row["width"]), int(row["height"])
        return Camera(str(row["camera"]), *size, row["intrinsics"], row["rotation"], row["translation"])

    def find(self, recording: str) -> int:
        """Number of a recording by its id. Raises InputError with ids that resemble it."""
        if recording not in self._numbers:
            ids = list(self._numbers)
            close = difflib.get_close_matches(recording, ids, n=5, cutoff=0.3) or ids[:5]
            raise InputError(f"has no recording {recording!r}; close to it: {'; '.join(close)}", where=self.path)
        return self._numbers[recording]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {id: number for number, id in enumerate(self.recordings["id"])}

    def select(self, column: str, names: Sequence[str] | None) -> Bool[np.ndarray, " recording"]:
        """Which recordings have one of these names in a column such as "subject"; None: all.

        Raises:
            InputError: a name that occurs nowhere.
        """
        values = self.recordings[column]
        if names is None:
            return np.ones(len(self), bool)
        existing = sorted(set(values))
        if unknown := [name for name in names if name not in existing]:
            problem = f"has no {column} {', '.join(unknown)}; it has {', '.join(existing)}"
            remedy = "name others in the data section (`train --set`) or by `evaluate --subjects`, or give other --data"
            raise InputError(problem, where=self.path, remedy=remedy)
        return np.isin(values, list(names))
