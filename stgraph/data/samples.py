"""Samples of a dataset's recordings, for training and scoring, gathered a batch at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.skeleton import Skeleton


class Batch(TypedDict):
    """The fields that every batch has; each task's samples add their own."""

    x: Float[Tensor, "n c t j"]  # the model's input
    recording: Int[Tensor, " b"]  # row in the dataset's table
    label: Int[Tensor, " b"]  # class of the recording, -1 where it has none
    inside: Bool[Tensor, "b s"]  # whether the frame is one that errors are averaged over


class Samples(ABC):
    """Samples of some recordings. Every field is one tensor over all rows of the file; a batch is one gather.

    Args:
        dataset: an opened file.
        fields: name -> row array of the file, memory-mapped unless `place` moves it.
        skeleton: joints to take from the file, looked up by their names; by default all.
        labels: class of every recording of the dataset; by default none has one.

    Attributes:
        frames: length of a sample.

    Raises:
        InputError: a row array or a joint that the file lacks.
    """

    frames: int

    def __init__(
        self,
        dataset: Dataset,
        fields: Mapping[str, str],
        skeleton: Skeleton | None = None,
        labels: Int[np.ndarray, " recording"] | None = None,
    ) -> None:
        self.dataset, self.skeleton = dataset, skeleton or dataset.skeleton
        self.fields = {name: torch.from_numpy(dataset.rows(array)) for name, array in fields.items()}
        order = self.skeleton.select_from(dataset.skeleton)
        everything = np.array_equal(order, np.arange(len(dataset.skeleton)))
        self.joints = None if everything else torch.from_numpy(order)
        self.labels = torch.from_numpy(np.full(len(dataset), -1) if labels is None else labels)

    @abstractmethod
    def __len__(self) -> int:
        """Samples."""

    @abstractmethod
    def batch(self, index: Int[Tensor, " b"]) -> Batch:
        """Gather samples."""

    def place(self, move: Callable[[Tensor], Tensor]) -> None:
        """Move the fields and tables with `move`, e.g. to the device that trains."""
        self.fields = {name: move(values) for name, values in self.fields.items()}
        for name, values in vars(self).items():
            if isinstance(values, Tensor):
                setattr(self, name, move(values))

    def take(self, field: str, rows: Int[Tensor, "n t"]) -> Shaped[Tensor, "n t *values"]:
        """Some rows of a field, of its joints those of the skeleton alone."""
        self.dataset.check_whole()
        values = self.fields[field]
        taken = values.index_select(0, rows.flatten()).view(*rows.shape, *values.shape[1:])
        return taken if self.joints is None or taken.ndim == 2 else taken[:, :, self.joints]

    def ids(self, recording: Int[Tensor, " b"]) -> list[str]:
        """Ids of recordings, each once, in order."""
        return list(dict.fromkeys(self.dataset.recordings["id"][recording.cpu().numpy()]))


class TrackSamples(Samples):
    """Samples each of which lies in one track, as a table of (kept track, first frame, ...).

    Attributes:
        tracks: numbers of the kept tracks in the dataset's table. frame_step: every n-th frame of them is used.
        lengths: frames of each kept track, after `frame_step`. last: number of its last frame.
        first_rows, recording: first row and recording of each kept track.
    """

    table: Int[Tensor, "sample _"]

    def keep_tracks(self, tracks: Int[np.ndarray, " track"], frame_step: int = 1) -> None:
        """Set the attributes to these tracks."""
        table = {name: values[tracks] for name, values in self.dataset.tracks.items()}
        self.tracks, self.frame_step, self.lengths = tracks, frame_step, -(-table["rows"] // frame_step)
        self.last = torch.from_numpy(self.lengths - 1)
        self.first_rows, self.recording = torch.from_numpy(table["first_row"]), torch.from_numpy(table["recording"])
        self.mirror_order = torch.from_numpy(self.skeleton.mirror)

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, track: Int[Tensor, " b"], frame: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        """The rows of some frames of kept tracks; frames outside a track are clamped to its ends."""
        return self.first_rows[track, None] + self.frame_step * frame.clamp_min(0).minimum(self.last[track, None])
