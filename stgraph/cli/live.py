"""The loop of `predict --live`: a frame in each line of standard input, an answer in each line of standard output."""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import BufferedIOBase, TextIOBase
from typing import Any

import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.json_lines import LONGEST, Line, read_line
from stgraph.formats.keypoints.layouts import LAYOUTS, find_layout, known_skeleton, layouts_of
from stgraph.skeleton import Skeleton
from stgraph.tracking.options import TrackerOptions
from stgraph.tracking.predictors import find_predictor
from stgraph.tracking.tracker import Tracker
from stgraph.training.stream import Identity, Stream

UNKNOWN_JOINTS = "unknown joints"  # kind of an error after which no line can be answered
Opened = Callable[[tuple[str, ...]], Stream]  # a stream for joints of these names


class LiveLines:
    """Frames by their lines, in order, and the answers to them.

    Args:
        opened: makes the stream, once the joints are known.
        layout: of the joints; None: the only one that has as many as the first person.
        fps: frames per second.
    """

    def __init__(self, opened: Opened, layout: str | None, fps: float) -> None:
        self.opened, self.fps = opened, fps
        self.joints: tuple[str, ...] = find_layout(layout)[1] if layout else ()
        self.stream = opened(self.joints) if layout else None
        self.begun = False
        self.tracker: Tracker | None = None
        self.last = -1  # the number of the last frame
        self.missed = 0  # refused lines since then, which were a frame each
        self.given: deque[tuple[int, bool]] = deque()  # the frames that wait for an answer, and whether they had a line

    def answers(self, text: bytes, where: str) -> Iterator[dict[str, Any]]:
        """The answers that a line makes ready; before the first one the header. Raises InputError for a bad line."""
        try:
            line = read_line(text, where, len(self.joints) or None)
            number = self.last + 1 + self.missed if line.frame is None else line.frame
            if number <= self.last:
                raise InputError(where=where, found=f"frame {number} after {self.last}", expected="ascending numbers")
            if self.stream is None:
                self.open(line, where)
            if self.stream is not None and not self.begun:
                self.begun = True
                yield {**self.stream.header, "fps": self.fps}
            if self.stream is None:  # the first frame with people
                yield self.answer(number, {"people": []})
            else:
                yield from self.frame(self.stream, line, number, where)
        except InputError:
            self.missed += 1
            raise
        self.last, self.missed = number, 0

    def open(self, line: Line, where: str) -> None:
        """Make the stream once the joints are known. Raises InputError of the kind `UNKNOWN_JOINTS`."""
        try:
            self.joints = the_layout(line, where)
            self.stream = self.opened(self.joints) if self.joints else None
        except InputError as error:
            raise InputError(str(error), kind=UNKNOWN_JOINTS) from error

    def frame(self, stream: Stream, line: Line, number: int, where: str) -> Iterator[dict[str, Any]]:
        """The answers once a frame is known, and those of the frames before it that no line had."""
        named = zip(self.identities(line, number, where), line.pose.astype(np.float32), strict=True)
        people = {identity: pose for identity, pose in named if identity is not None}
        if number - self.last - 1 > stream.gap:  # longer than an identity is kept
            yield from self.finish()
        else:
            for between in range(self.last + 1, number):
                answers = stream.update({})
                self.given.append((between, False))
                yield from self.ready(answers)
        self.last, self.missed = number - 1, 0
        try:
            answers = stream.update(people)
        except InputError as error:
            raise InputError(str(error), where=where) from error
        self.given.append((number, True))
        yield from self.ready(answers)

    def identities(self, line: Line, number: int, where: str) -> Sequence[Identity | None]:
        """Of the line's people: as it says, or by the tracker where lines have none."""
        if line.person is not None:
            if self.tracker is not None:
                raise InputError(where=where, found="people with an identity", expected="none, as in earlier lines")
            return line.person
        if not len(line.pose) and self.tracker is None:
            return []
        if self.tracker is None:
            skeleton = known_skeleton(self.joints) or Skeleton(
                "joints", self.joints, (-1, *(0 for _ in self.joints[1:])), (), ()
            )
            options = TrackerOptions(min_hits=1, birth_score=0.0, nms_oks=1.0)
            self.tracker = Tracker(find_predictor("kalman"), skeleton, size=None, options=options)
        people = self.tracker.update(line.pose[..., :2], line.pose[..., 2], number / self.fps)
        found: list[Identity | None] = [None] * len(line.pose)
        for identity, detection in zip(people.id.tolist(), people.detection.tolist(), strict=True):
            if detection >= 0:
                found[detection] = identity
        return found

    def ready(self, answers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Those of the next answers whose frames had a line."""
        for answer in answers:
            answered, had_line = self.given.popleft()
            if had_line:
                yield self.answer(answered, answer)

    def answer(self, number: int, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer with its frame."""
        return {"frame": number, "time": round(number / self.fps, 6), **answer}

    def finish(self) -> Iterator[dict[str, Any]]:
        """The answers that are left."""
        yield from self.ready(self.stream.finish() if self.stream is not None else [])


def the_layout(line: Line, where: str) -> tuple[str, ...]:
    """The joints of the only layout with so many; none for a line without people. Raises InputError for several."""
    if not len(line.pose):
        return ()
    count = line.pose.shape[1]
    named = layouts_of(count)
    if len(named) != 1:
        remedy = f"start it again with --layout {'|'.join(named) or 'FILE.json'}"
        raise InputError("their order is not known", where=where, found=f"{count} joints", remedy=remedy)
    return LAYOUTS[named[0]]


def read_lines(source: BufferedIOBase) -> Iterator[bytes]:
    """Lines, of each at most one byte more than the longest that is read."""
    while line := source.readline(LONGEST + 1):
        rest = line
        while not rest.endswith(b"\n") and (rest := source.readline(LONGEST)):
            pass
        yield line


def run_lines(lines: LiveLines, source: BufferedIOBase, out: TextIOBase) -> None:
    """Answer every line; bad ones are refused on standard error, and the next goes on.

    Raises:
        InputError: no line could be used, or none can be because of the joints.
    """
    number = refused = 0
    first = ""
    for number, text in enumerate(read_lines(source), start=1):
        if not text.strip():
            continue
        try:
            for answer in lines.answers(text, f"line {number}"):
                write(answer, out)
        except InputError as error:
            if error.kind == UNKNOWN_JOINTS:
                raise
            refused, first = refused + 1, first or str(error)
            print(error, file=sys.stderr, flush=True)
    for answer in lines.finish():
        write(answer, out)
    if lines.last < 0:
        problem = f"none of {refused} lines could be used; the first: {first}" if refused else "no lines"
        raise InputError(problem, where="standard input", expected="a frame as JSON in each line")
    if refused:
        print(f"{refused:,} of {number:,} lines were refused", file=sys.stderr)


def write(answer: dict[str, Any], out: TextIOBase) -> None:
    """A line that is there at once."""
    out.write(json.dumps(answer, allow_nan=False) + "\n")
    out.flush()
