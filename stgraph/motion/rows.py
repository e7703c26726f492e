"""The rows of a motion: a pose for each person and frame, of those frames alone in which the person may be."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """The poses of people in frames, n of them, in order of the frames, and of the people within one.

    People who come and go take the memory of their own frames, not of all frames. Compared by identity, because its
    fields are arrays, which cannot be written to.

    Attributes:
        frame, person: places in the frames and the people of the motion.
        pose: metres, NaN where the person is absent.
        guessed, keypoints, uncertainty: as in `stgraph.motion.motion.Motion`, a row each.
    """

    frame: Int[np.ndarray, " n"]
    person: Int[np.ndarray, " n"]
    pose: Float[np.ndarray, "n j 3"]
    guessed: Bool[np.ndarray, "n j"]
    keypoints: Float[np.ndarray, "n j 3"]
    uncertainty: Float[np.ndarray, "n j"] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                value = value.view()  # the caller's own array stays as it is
                value.setflags(write=False)
                object.__setattr__(self, field.name, value)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def there(self) -> Bool[np.ndarray, " n"]:
        """Whether the person is present."""
        return np.asarray(np.isfinite(self.pose).all((-2, -1)))

    @cached_property
    def seen(self) -> Bool[np.ndarray, "n j"]:
        """Keypoints that the detector saw."""
        return np.isfinite(self.keypoints).all(-1) & (self.keypoints[..., 2] > 0)

    @cached_property
    def spanned(self) -> Bool[np.ndarray, " n"]:
        """Rows from the first to the last frame in which their person is present."""
        people = int(self.person.max(initial=-1)) + 1
        first, last = np.full(people, np.iinfo(np.int64).max), np.full(people, -1)
        np.minimum.at(first, self.person[self.there], self.frame[self.there])
        np.maximum.at(last, self.person[self.there], self.frame[self.there])
        return (self.frame >= first[self.person]) & (self.frame <= last[self.person])

    def taken(self, kept: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"] | slice) -> "Rows":
        """Some of the rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: None if value is None else value[kept] for name, value in columns.items()})


def all_rows(
    pose: Float[np.ndarray, "t m j 3"],
    guessed: Bool[np.ndarray, "t m j"],
    keypoints: Float[np.ndarray, "t m j 3"],
    uncertainty: Float[np.ndarray, "t m j"] | None,
) -> Rows:
    """A row for each person in each frame, without copying."""
    frames, people, joints, _ = pose.shape
    return Rows(
        np.repeat(np.arange(frames), people),
        np.tile(np.arange(people), frames),
        pose.reshape(-1, joints, 3),
        guessed=guessed.reshape(-1, joints),
        keypoints=keypoints.reshape(-1, joints, 3),
        uncertainty=None if uncertainty is None else uncertainty.reshape(-1, joints),
    )


def check_rows(rows: Rows, frames: int, people: int, joints: int) -> None:
    """Raises InputError for rows of other shapes, out of order, or with some joints of a pose alone."""
    n = len(rows)
    shapes = {"pose": (n, joints, 3), "guessed": (n, joints), "keypoints": (n, joints, 3), "uncertainty": (n, joints)}
    for name, shape in {"frame": (n,), "person": (n,), **shapes}.items():
        value = getattr(rows, name)
        if value is not None and value.shape != shape:
            raise InputError(where=f"motion, {name}", found=str(value.shape), expected=str(shape))
    for name, count in (("frame", frames), ("person", people)):
        places = getattr(rows, name)
        if places.dtype.kind not in "iu" or (n and not 0 <= places.min() <= places.max() < count):
            raise InputError(where=f"motion, rows' {name}", found=str(places), expected=f"places from 0 to {count - 1}")
    if (np.diff(rows.frame.astype(np.int64) * people + rows.person) <= 0).any():
        remedy = "sort them, and leave out what is twice"
        raise InputError("are not in order of frames and people", where="motion, rows", remedy=remedy)


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of several people, in order."""
    parts = [*parts]
    if len(parts) == 1:
        return parts[0]
    frame, person = (np.concatenate([getattr(part, name) for part in parts]) for name in ("frame", "person"))
    order = np.lexsort((person, frame))
    columns = {}
    for name in ("pose", "guessed", "keypoints", "uncertainty"):
        values = [getattr(part, name) for part in parts]
        columns[name] = None if values[0] is None else np.concatenate(values)[order]
    return Rows(frame[order], person[order], **columns)
