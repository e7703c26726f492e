"""Writing the data format that `stgraph.data.dataset` states and reads."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import h5py
import numpy as np

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


@dataclass
class DatasetWriter:
    """Writes a dataset beside its place and renames it when it is whole.

    Args:
        path: the file to write.
        skeleton: of every recording.
        source, terms: where the data comes from and what may be done with it.
        created_by: the command that writes it.
        inputs: files whose sha256 is recorded.
        splits: name -> part -> subjects or recording ids.
        windows: (frames, stride) of the window table that the file carries.
        classes: names of the actions in the order of a recogniser's scores; empty where no order is given.

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

    def __enter__(self) -> "DatasetWriter":
        self.path, self.inputs = Path(self.path), [Path(path) for path in self.inputs]
        make_folder_of(self.path)
        self._check_replaceable()
        if doubled := [name for name, count in Counter(self.classes).items() if count > 1]:
            raise InputError(
                f"{self.path}: classes {', '.join(doubled)} are named twice; give every class its own name"
            )
        self.recordings: dict[str, list] = {name: [] for name in (*RECORDING_TEXT, *RECORDING_NUMBERS)}
        # Arrays, since a source of single frames has millions of tracks.
        self.tracks: dict[str, list[np.ndarray]] = {name: [] for name in TRACK_COLUMNS}
        self.detections: dict[str, list[tuple[int, Detections]]] = {}
        self.rows = 0
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._ids: set[str] = set()
        self._all_valid = True
        # Rows wait in files without a name, which vanish with the process however it ends.
        self._files: dict[str, BinaryIO] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._digests: dict[str, object] = {}
        return self

    def _check_replaceable(self) -> None:
        """Raises InputError where writing would lose what is no dataset, and maybe cannot be made again."""
        if not self.path.exists():
            return
        if any(self.path.samefile(path) for path in self.inputs):
            raise InputError(f"{self.path}: is one of the inputs and would be lost; give another --out")
        if not is_dataset(self.path):
            raise InputError(
                f"{self.path}: is there already and no {FORMAT} dataset; give another --out, or remove it first"
            )

    def add(self, recording: Recording) -> None:
        """Append a recording."""
        check_recording(recording, self.skeleton)
        if recording.id in self._ids:
            raise InputError(f"{recording.id}: two recordings have this id; rename the subject or the take of one")
        if recording.action and self.classes and recording.action not in self.classes:
            raise InputError(
                f"{recording.id}: action {recording.action!r} is none of the {len(self.classes)} classes; name it "
                "there, or leave the recording out"
            )
        fields = set(recording.tracks[0].fields())
        earlier = set(self._files) - set(ROW_NUMBERS)
        if self._files and fields != earlier:
            raise InputError(
                f"{recording.id} has {', '.join(sorted(fields))}, the recordings before it "
                f"{', '.join(sorted(earlier))}; every recording needs the same fields"
            )
        for name, found in recording.detections.items():
            self._check_alike(recording.id, name, found)
        self._ids.add(recording.id)
        number = len(self.recordings["id"])
        for track in recording.tracks:
            frame = track.frame + np.arange(len(track), dtype=np.int32)
            valid = np.ones(len(track), bool) if track.valid is None else track.valid
            self._all_valid &= bool(valid.all())
            for name, values in {"frame": frame, "valid": valid, **track.fields()}.items():
                if name not in self._files:
                    with unharmed(self.path):
                        self._files[name] = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
                    self._digests[name] = hashlib.sha256()
                shape = values.shape[1:]
                if self._shapes.setdefault(name, shape) != shape:
                    raise InputError(
                        f"{recording.id}, {name}: {shape} numbers a row, the recordings before it have "
                        f"{self._shapes[name]}; give every recording as many"
                    )
                data = np.ascontiguousarray(values, dtype=ROW_NUMBERS.get(name, np.float32)).tobytes()
                self._digests[name].update(data)
                with unharmed(self.path):
                    self._files[name].write(data)
            rows = np.ones(len(track), np.int64) if track.apart else np.array([len(track)])
            first = self.rows + np.cumsum(rows) - rows
            for name, values in zip(TRACK_COLUMNS, (number, track.person, first, rows), strict=True):
                self.tracks[name].append(np.broadcast_to(values, rows.shape))
            self.rows += len(track)
        for name, found in recording.detections.items():
            self.detections.setdefault(name, []).append((number, found))
        camera = recording.camera
        values = {
            **{name: getattr(recording, name) for name in ("id", "subject", "action", "take", "label", "fps")},
            **{name: getattr(camera, name) for name in ("width", "height", "intrinsics", "rotation", "translation")},
            "camera": camera.name,
            "frames": sum(map(len, recording.tracks)),
        }
        for name, value in values.items():
            self.recordings[name].append(value)

    def _check_alike(self, id: str, name: str, found: Detections) -> None:
        """Raises InputError where detections have other fields than those of the recordings before, or other widths."""
        if name not in self.detections:
            return
        _, earlier = self.detections[name][0]
        here, there = ({key: values.shape[1:] for key, values in each.fields().items()} for each in (found, earlier))
        if differing := sorted(key for key in here | there if here.get(key) != there.get(key)):
            raise InputError(
                f"{id}, detections {name}: {', '.join(differing)} of shape "
                f"{', '.join(str(here.get(key, 'none')) for key in differing)}, the recordings before it have "
                f"{', '.join(str(there.get(key, 'none')) for key in differing)}; give every recording the same"
            )

    def parts(self) -> dict[str, list[str]]:
        """Of every split the part of each recording so far, "" for none."""
        ids, subjects = self.recordings["id"], self.recordings["subject"]
        found = {}
        for name, parts in self.splits.items():
            part_of = {key: part for part, keys in parts.items() for key in keys}
            found[name] = [part_of.get(id, part_of.get(who, "")) for id, who in zip(ids, subjects, strict=True)]
        return found

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                if not self.rows:
                    reasons = "".join(f"\n  {what}: {why}" for what, why in self.left_out[:10])
                    raise InputError(
                        f"{self.path}: nothing to write, no recording was kept; left out:{reasons or ' -'}"
                    )
                with replaced(self.path) as temporary:
                    self._write(temporary)
        finally:
            for file in self._files.values():
                file.close()

    def _write(self, path: Path) -> None:
        if self._all_valid:
            self._files.pop("valid").close()
            self._digests.pop("valid")
        detections = {name: joined(parts) for name, parts in self.detections.items()}
        for name, fields in detections.items():
            digests = {f"detections/{name}/{key}": hashlib.sha256(values.tobytes()) for key, values in fields.items()}
            self._digests.update(digests)
        with h5py.File(path, "w", libver="latest") as file:
            file.attrs.update(
                format=FORMAT,
                version=VERSION,
                source=self.source,
                terms=self.terms,
                units=UNITS,
                created_by=f"{self.created_by} (stgraph {__version__})",
                inputs=json.dumps(hashes(self.inputs)),
                left_out=json.dumps(self.left_out),
                notes=json.dumps(self.notes),
                classes=json.dumps(list(self.classes)),
                rows=json.dumps({name: digest.hexdigest() for name, digest in sorted(self._digests.items())}),
            )
            group = file.create_group("skeleton")
            group.attrs.update(name=self.skeleton.name, centre=self.skeleton.centre)
            write_text(group, "names", self.skeleton.names)
            for name in ("parents", "left", "right"):
                group.create_dataset(name, data=np.array(getattr(self.skeleton, name), dtype=np.int32))
            for name in RECORDING_TEXT:
                write_text(file, f"recordings/{name}", self.recordings[name])
            for name, shape in RECORDING_NUMBERS.items():
                dtype = np.int32 if name in ("width", "height", "frames") else np.float64
                data = np.array(self.recordings[name], dtype=dtype).reshape(-1, *shape)
                file.create_dataset(f"recordings/{name}", data=data)
            tracks = {name: np.concatenate(parts).astype(np.int64) for name, parts in self.tracks.items()}
            for name, values in tracks.items():
                file.create_dataset(f"tracks/{name}", data=values)
            for name, parts in self.parts().items():
                write_text(file, f"splits/{name}", parts)
            frames, stride = self.windows
            table = window_table(tracks["rows"], frames, stride)
            file.create_dataset(f"windows/{frames}x{stride}", data=table.astype(np.int32))
            for name in self._files:
                self._copy_rows(file, name)
            for name, fields in detections.items():
                for key, values in fields.items():
                    file.create_dataset(f"detections/{name}/{key}", data=values)

    def _copy_rows(self, file: h5py.File, name: str) -> None:
        """From the spilled file into a contiguous array, a piece at a time."""
        shape, dtype = self._shapes[name], ROW_NUMBERS.get(name, np.float32)
        target = file.create_dataset(f"rows/{name}", (self.rows, *shape), dtype)
        self._files[name].flush()
        spilled = np.memmap(self._files[name], dtype, "r", shape=(self.rows, *shape))
        for first in range(0, self.rows, COPIED_AT_ONCE):
            target[first : first + COPIED_AT_ONCE] = spilled[first : first + COPIED_AT_ONCE]


def joined(parts: Sequence[tuple[int, Detections]]) -> dict[str, np.ndarray]:
    """Detections of several recordings, given with their numbers, as the columns of one table."""
    fields = [detections.fields() for _, detections in parts]
    number = np.repeat([number for number, _ in parts], [len(detections) for _, detections in parts])
    table = {"recording": number.astype(np.int64)}
    for name in fields[0]:
        table[name] = np.concatenate([each[name] for each in fields]).astype(ROW_NUMBERS.get(name, np.float32))
    return dict(sorted(table.items()))


def write_text(group: h5py.Group, name: str, values: Sequence[str]) -> None:
    """A column of text, UTF-8 of the length of the longest."""
    encoded = [value.encode() for value in values]
    dtype = h5py.string_dtype("utf-8", max(map(len, encoded), default=0) or 1)
    group.create_dataset(name, data=np.array(encoded, dtype=dtype))
