"""What a recogniser says of the people in a video over time, and the files that it is saved as."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stgraph.formats.files import Saved, check_endings
from stgraph.formats.markdown import counted

# Ending -> module and function of this package that write it; they import `Actions`, so nothing here may import them.
WRITERS = {".csv": "actions_file:write_csv", ".json": "actions_file:write_json", ".png": "timeline:write_picture"}
SPANS = 8  # of a person in the summary
TOGETHER = "all"  # the identity of all people of a video as one clip


@dataclass(frozen=True, eq=False)
class ActionTrack:
    """The classes of a person over time.

    Attributes:
        person: identity, or `TOGETHER`.
        first, stop: (w) the first frame of each window, and the one after its last.
        probabilities: (w n) of every class, in each window.
    """

    person: int | str
    first: Int[np.ndarray, " w"]
    stop: Int[np.ndarray, " w"]
    probabilities: Float[np.ndarray, "w n"]

    def along(self, first: int, stop: int) -> Float[np.ndarray, "t n"]:
        """The probabilities in each frame, the mean of the windows that it lies in; NaN in frames without one."""
        change, count = np.zeros((stop - first + 1, self.probabilities.shape[1])), np.zeros(stop - first + 1)
        for edge, sign in ((self.first, 1), (self.stop, -1)):
            np.add.at(change, edge - first, sign * self.probabilities)
            np.add.at(count, edge - first, sign)
        count = count.cumsum()[:-1, None]
        return np.where(count > 0.5, change.cumsum(0)[:-1] / count.clip(1), np.nan)


@dataclass(frozen=True, eq=False)
class Actions:
    """What a recogniser says of the people in a video.

    Attributes:
        name: of the video.
        run: of the recogniser.
        classes: names, in the order of the probabilities.
        fps: frame n is at n / fps seconds.
        frames: the first frame, and the one after the last.
        window, step: frames of a window, and from one to the next; stretches shorter than that are a window each.
        people: identities of those with frames enough for a window.
        notes: what was assumed.
    """

    name: str
    run: str
    classes: tuple[str, ...]
    fps: float
    frames: tuple[int, int]
    window: int
    step: int
    people: tuple[ActionTrack, ...]
    notes: tuple[str, ...]

    @cached_property
    def spans(self) -> dict[int | str, list[tuple[int, int, int, float]]]:
        """For each person, stretches of one likeliest class: first frame, the one after the last, class, probability.

        The probability is the mean over the stretch.
        """
        found = {}
        for track in self.people:
            along = track.along(*self.frames)
            there = np.isfinite(along[:, 0])
            best = np.where(there, np.nan_to_num(along).argmax(1), -1)
            edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
            parts = [(a, b, int(best[a])) for a, b in itertools.pairwise(edges) if best[a] >= 0]
            found[track.person] = [
                (a + self.frames[0], b + self.frames[0], number, float(along[a:b, number].mean()))
                for a, b, number in parts
            ]
        return found

    @property
    def summary(self) -> list[str]:
        """The stretches of each person, in words."""
        length = counted(self.frames[1] - self.frames[0], "frame")
        lines = [f"{length} at {self.fps:g} fps, {len(self.classes)} classes"]
        for person, spans in self.spans.items():
            texts = [
                f"{first / self.fps:.1f} to {stop / self.fps:.1f} s {self.classes[number]} ({mean:.0%})"
                for first, stop, number, mean in spans[:SPANS]
            ]
            more = [f"and {len(spans) - SPANS} more"] if len(spans) > SPANS else []
            lines.append(f"{'all together' if person == TOGETHER else f'person {person}'}: {', '.join(texts + more)}")
        return lines

    def save(self, *paths: Path | str, seconds: float | int = 0) -> list[Saved]:
        """Write files, each whole or not at all: .csv, .json, .png.

        Raises:
            InputError: another ending, or a file named twice.
        """
        targets = [Path(path) for path in paths]
        check_endings(targets, WRITERS)
        return [Saved(path, writer(path)(self, path)) for path in targets]


def writer(path: Path) -> "Callable[[Actions, Path], str]":
    """The function that writes a file of this ending."""
    module, _, name = WRITERS[path.suffix.lower()].partition(":")
    return getattr(import_module(f"stgraph.tasks.action.{module}"), name)
