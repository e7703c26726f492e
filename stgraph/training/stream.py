"""A run that is given a video frame by frame: what commands and programs share, whatever the task."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError

Identity = int | str
People = Mapping[Identity, Float[np.ndarray, "j 3"]]
MOST_PEOPLE = 8  # in a frame, unless said otherwise


class Stream(ABC):
    """A run frame by frame: people by their identities go in, answers that can be written as JSON come out.

    Attributes:
        header: what holds for all answers.
        gap: frames for which a person who is not seen is remembered.
    """

    header: dict[str, Any]
    gap: int

    @abstractmethod
    def update(self, people: People) -> list[dict[str, Any]]:
        """Add a frame; returns the answers that are ready, one a frame, in order.

        Args:
            people: pixels and confidence of each, zeros where a joint is not seen.

        Raises:
            InputError: more people than the stream takes; it goes on as if the frame had not been there.
        """

    def finish(self) -> list[dict[str, Any]]:
        """The answers that are left once no frame follows; afterwards the stream begins anew."""
        return []


class Places:
    """Fixed places of people who come and go: a person keeps one until it has not been seen for some frames.

    Args:
        most: places.
        frames: for which a place is kept.
    """

    def __init__(self, most: int, frames: int) -> None:
        self.most, self.frames, self.number = most, frames, 0
        self.place: dict[Identity, int] = {}
        self.last: dict[Identity, int] = {}

    def update(self, people: Iterable[Identity]) -> dict[Identity, int]:
        """The places of a frame's people, and of those who are remembered. Raises InputError for too many people."""
        people = list(people)
        kept = {person: last for person, last in self.last.items() if self.number + 1 - last <= self.frames}
        kept |= dict.fromkeys(people, self.number + 1)
        if len(people) > self.most:
            raise InputError(found=f"{len(people)} people", expected=f"at most {self.most}", remedy="leave some out")
        # Of more than there are places for, those who have not been seen for longest are forgotten.
        kept = dict(sorted(kept.items(), key=lambda entry: -entry[1])[: self.most])
        self.number, self.last = self.number + 1, kept
        self.place = {person: place for person, place in self.place.items() if person in kept}
        free = deque(sorted({*range(self.most)} - {*self.place.values()}))
        for person in people:
            if person not in self.place:
                self.place[person] = free.popleft()
        return dict(self.place)
