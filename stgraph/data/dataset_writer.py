"""Writing the data format that `stgraph.data.dataset` describes and reads."""

import hashlib
import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import h5py
import numpy as np
from jaxtyping import Shaped

from stgraph import __version__
from stgraph.data.dataset import (
    FORMAT,
    RECORDING_NUMBERS,
    RECORDING_TEXT,
    ROW_NUMBERS,
    TRACK_COLUMNS,
    UNITS,
    VERSION,
    is_dataset,
    window_table,
)
from stgraph.data.recording import Detections, Recording, check_recording
from stgraph.errors import InputError
from stgraph.formats.files import hashes, make_folder_of, replaced, unharmed
from stgraph.skeleton import Skeleton

COPIED_AT_ONCE = 100_000  # rows
TRACKS_AT_ONCE = 100  # whose windows are written


class _Rows:
    """The rows of one array, waiting in a file without a name, which vanishes with the process however it ends."""

    def __init__(self, folder: Path, name: str, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, np.dtype(ROW_NUMBERS.get(name, np.float32))
        self.file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.digest = hashlib.sha256()

    def append(self, values: Shaped[np.ndarray, "row ..."]) -> None:
        data = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        self.digest.update(data)
        self.file.write(data)

    def copy_to(self, file: h5py.File, path: str, rows: int) -> None:
        """Into a contiguous array, a piece at a time."""
        target = file.create_dataset(path, (rows, *self.shape), self.dtype)
        self.file.seek(0)
        for first in range(0, rows, COPIED_AT_ONCE):
            last = min(first + COPIED_AT_ONCE, rows)
            # Read and not mapped: mapped pages of the whole file would count as the process's memory.
            data = self.file.read((last - first) * math.prod(self.shape) * self.dtype.itemsize)
            target[first:last] = np.frombuffer(data, self.dtype).reshape(-1, *self.shape)


@dataclass
class DatasetWriter:
    """Writes a dataset beside its place and renames it when it is whole.

    Args:
        path: the file to write.
        skeleton: of every recording.
        source, terms: where the data comes from and what may be done with it.
        created_by: the command that writes it.
        inputs: files whose sha256 is recorded.
        splits: name -> "train", "validation" or "test" -> subjects or recording ids.
        windows: (frames, stride) of the window table that the file carries.
        classes: names of the actions in the order of a recogniser's scores; empty where no order is given.
        synthetic: whether a program made the motion; reports of what is trained or scored on it say so.

    Raises:
        InputError: on entering, where the file cannot be written, is one of the inputs, or is there and no dataset, or
            a class is named twice; from `add`, for a recording that cannot be right (joint count, NaN, units, doubled
            id, an action that is none of the classes); and on leaving, when nothing was added. The old file stays as it
            was.
    """

    path: Path
    skeleton: Skeleton
    source: str
    terms: str
    created_by: str
    inputs: Iterable[Path] = ()
    splits: Mapping[str, Mapping[str, Iterable[str]]] = field(default_factory=dict)
    windows: tuple[int, int] = (81, 5)
    classes: Sequence[str] = ()
    synthetic: bool = False

    def __enter__(self) -> "DatasetWriter":
        self.path, self.inputs = Path(self.path), [Path(path) for path in self.inputs]
        make_folder_of(self.path)
        self._check_replaceable()
        if doubled := [name for name, count in Counter(self.classes).items() if count > 1]:
            problem = f"classes {', '.join(doubled)} are named twice"
            raise InputError(problem, where=self.path, remedy="give every class its own name")
        self.recordings: dict[str, list] = {name: [] for name in (*RECORDING_TEXT, *RECORDING_NUMBERS)}
        # Arrays, since a source of single frames has millions of tracks.
        self.tracks: dict[str, list[np.ndarray]] = {name: [] for name in TRACK_COLUMNS}
        self.detections: dict[str, list[tuple[int, Detections]]] = {}
        self.rows = 0
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._ids: set[str] = set()
        self._all_valid = True
        self._arrays: dict[str, _Rows] = {}
        return self

    def _check_replaceable(self) -> None:
        """Raises InputError where writing would replace an input or a file that is no dataset."""
        if not self.path.exists():
            return
        if any(self.path.samefile(path) for path in self.inputs):
            raise InputError("is one of the inputs and would be lost", where=self.path, remedy="give another --out")
        if not is_dataset(self.path):
            remedy = "give another --out, or remove it first"
            raise InputError(f"is there already and no {FORMAT} dataset", where=self.path, remedy=remedy)

    def add(self, recording: Recording) -> None:
        """Append a recording."""
        check_recording(recording, self.skeleton)
        self._check_alike(recording)
        self._ids.add(recording.id)
        number = len(self.recordings["id"])
        for track in recording.tracks:
            frame = track.frame + np.arange(len(track), dtype=np.int32)
            valid = np.ones(len(track), bool) if track.valid is None else track.valid
            self._all_valid &= bool(valid.all())
            with unharmed(self.path):
                for name, values in {"frame": frame, "valid": valid, **track.fields()}.items():
                    if name not in self._arrays:
                        self._arrays[name] = _Rows(self.path.parent, name, values.shape[1:])
                    self._arrays[name].append(values)
            rows = np.ones(len(track), np.int64) if track.apart else np.array([len(track)])
            first = self.rows + np.cumsum(rows) - rows
            for name, values in zip(TRACK_COLUMNS, (number, track.person, first, rows), strict=True):
                self.tracks[name].append(np.broadcast_to(values, rows.shape))
            self.rows += len(track)
        for name, detections in recording.detections.items():
            self.detections.setdefault(name, []).append((number, detections))
        camera = recording.camera
        values = {
            **{name: getattr(recording, name) for name in ("id", "subject", "action", "take", "label", "fps")},
            **{name: getattr(camera, name) for name in ("width", "height", "intrinsics", "rotation", "translation")},
            "camera": camera.name,
            "frames": sum(map(len, recording.tracks)),
        }
        for name, value in values.items():
            self.recordings[name].append(value)

    def _check_alike(self, recording: Recording) -> None:
        """Raises InputError for an id that is there already, an unknown class, or other fields than before."""
        if recording.id in self._ids:
            remedy = "rename the subject or the take of one"
            raise InputError("two recordings have this id", where=recording.id, remedy=remedy)
        if recording.action and self.classes and recording.action not in self.classes:
            problem = f"action {recording.action!r} is none of the {len(self.classes)} classes"
            raise InputError(problem, where=recording.id, remedy="name it there, or leave the recording out")
        for name in set(recording.detections) & set(self.detections):
            shapes = {field: values.shape[1:] for field, values in self.detections[name][0][1].fields().items()}
            self._check_shapes(f"{recording.id}, detections {name}", recording.detections[name].fields(), shapes)
        earlier = {name: rows.shape for name, rows in self._arrays.items() if name not in ROW_NUMBERS}
        if earlier:
            self._check_shapes(recording.id, recording.tracks[0].fields(), earlier)

    @staticmethod
    def _check_shapes(where: str, fields: dict[str, np.ndarray], earlier: dict[str, tuple[int, ...]]) -> None:
        here = {name: values.shape[1:] for name, values in fields.items()}
        if differing := sorted(name for name in here | earlier if here.get(name) != earlier.get(name)):
            now, before = (", ".join(str(each.get(name, "none")) for name in differing) for each in (here, earlier))
            problem = f"{', '.join(differing)} of shape {now}, the recordings before it have {before}"
            raise InputError(problem, where=where, remedy="give every recording the same fields")

    def assigned(self) -> dict[str, list[str]]:
        """Split -> "train", "validation", "test" or "" for each recording so far."""
        recordings, columns = list(zip(self.recordings["id"], self.recordings["subject"], strict=True)), {}
        for name, split in self.splits.items():
            place = {key: part for part, keys in split.items() for key in keys}
            columns[name] = [place.get(id, place.get(subject, "")) for id, subject in recordings]
        return columns

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                if not self.rows:
                    reasons = "".join(f"\n  {what}: {why}" for what, why in self.left_out[:10])
                    problem = f"nothing to write, no recording was kept; left out:{reasons or ' -'}"
                    raise InputError(problem, where=self.path)
                with replaced(self.path) as temporary:
                    self._write(temporary)
        finally:
            for rows in self._arrays.values():
                rows.file.close()

    def _write(self, path: Path) -> None:
        if self._all_valid:
            self._arrays.pop("valid").file.close()
        detections = {
            f"detections/{name}/{column}": values
            for name, detections in self.detections.items()
            for column, values in joined(detections).items()
        }
        digests = {name: rows.digest.hexdigest() for name, rows in self._arrays.items()}
        digests |= {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in detections.items()}
        skeleton, recordings, (frames, stride) = self.skeleton, self.recordings, self.windows
        tracks = {name: np.concatenate(values).astype(np.int64) for name, values in self.tracks.items()}
        tables = {
            "skeleton/names": text_column(skeleton.names),
            **{
                f"skeleton/{name}": np.array(getattr(skeleton, name), np.int32) for name in ("parents", "left", "right")
            },
            **{f"recordings/{name}": text_column(recordings[name]) for name in RECORDING_TEXT},
            **{f"recordings/{name}": np.array(recordings[name], kind) for name, kind in RECORDING_NUMBERS.items()},
            **{f"tracks/{name}": values for name, values in tracks.items()},
            **{f"splits/{name}": text_column(column) for name, column in self.assigned().items()},
            **detections,
        }
        with h5py.File(path, "w", libver="latest") as file:
            file.attrs.update(
                format=FORMAT,
                version=VERSION,
                source=whole_text(self.source),
                terms=whole_text(self.terms),
                units=UNITS,
                created_by=whole_text(f"{self.created_by} (stgraph {__version__})"),
                inputs=json.dumps(hashes(list(self.inputs))),
                left_out=json.dumps(self.left_out),
                notes=json.dumps(self.notes),
                classes=json.dumps(list(self.classes)),
                synthetic=self.synthetic,
                rows=json.dumps(dict(sorted(digests.items()))),
            )
            for name, values in tables.items():
                file.create_dataset(name, data=values)
            write_windows(file, f"windows/{frames}x{stride}", tracks["rows"], frames, stride)
            file["skeleton"].attrs.update(name=skeleton.name, centre=skeleton.centre)
            for name, rows in self._arrays.items():
                rows.copy_to(file, f"rows/{name}", self.rows)


def joined(numbered: Sequence[tuple[int, Detections]]) -> dict[str, np.ndarray]:
    """Detections of several recordings, with the recordings' numbers, as the columns of one table."""
    fields = [detections.fields() for _, detections in numbered]
    number = np.repeat([number for number, _ in numbered], [len(detections) for _, detections in numbered])
    table = {"recording": number.astype(np.int64)}
    for name in fields[0]:
        table[name] = np.concatenate([each[name] for each in fields]).astype(ROW_NUMBERS.get(name, np.float32))
    return dict(sorted(table.items()))


def whole_text(text: str) -> str:
    """Text in which a lone surrogate, as names of files may have it, is its number."""
    return text.encode(errors="backslashreplace").decode()


def write_windows(file: h5py.File, path: str, rows: Shaped[np.ndarray, " track"], frames: int, stride: int) -> None:
    """The table of all windows of tracks of so many rows, some tracks at a time."""
    ends = np.cumsum(-(-rows // stride))
    target = file.create_dataset(path, (ends[-1], 2), np.int32)
    for first in range(0, len(rows), TRACKS_AT_ONCE):
        table = window_table(rows[first : first + TRACKS_AT_ONCE], frames, stride) + [first, 0]
        end = ends[min(first + TRACKS_AT_ONCE, len(rows)) - 1]
        target[end - len(table) : end] = table


def text_column(values: Sequence[str]) -> np.ndarray:
    """Text as UTF-8 of the length of the longest."""
    encoded = [whole_text(value).encode() for value in values]
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(map(len, encoded), default=0) or 1))
