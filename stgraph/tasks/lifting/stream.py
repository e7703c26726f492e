"""A lifter as a stream of frames: people by identity in, their 3D as JSON out."""

from collections import deque
from typing import Any

import numpy as np

from stgraph.tasks.lifting.live import LiveFrame, LiveLifter
from stgraph.training.stream import Identity, People, Places, Stream

AXES = "x right, y away from the camera, z up as a level camera has it, the camera at the origin"
DIGITS = 5  # of metres


class LifterStream(Stream):
    """See `LiveLifter`, whose places are given to people by identity."""

    def __init__(self, live: LiveLifter) -> None:
        self.live, self.gap = live, live.gap
        skeleton = live.run.skeleton
        tree = {name: getattr(skeleton, name) for name in ("name", "names", "parents", "left", "right")}
        self.header = {"unit": "metre", "axes": AXES, "skeleton": tree, "look_ahead": live.look_ahead}
        self.begin()

    def begin(self) -> None:
        """Forget all people."""
        self.places = Places(self.live.persons, self.gap + self.live.look_ahead + 1)
        self.names: deque[dict[Identity, int]] = deque()
        self.live.reset()

    def update(self, people: People) -> list[dict[str, Any]]:
        """See `Stream`; an answer is {"people": [{"person", "pose", "guessed", "uncertainty"}]}."""
        before, places = self.places.place, self.places.update(people)
        for person in places.keys() - before.keys():
            self.live.forget(places[person])
        poses = np.zeros((self.live.persons, self.live.joints, 3), np.float32)
        for person, pose in people.items():
            poses[places[person]] = pose
        self.names.append(places)
        return [self.answer(frame) for frame in self.live.update(poses)]

    def finish(self) -> list[dict[str, Any]]:
        """See `Stream`."""
        answers = [self.answer(frame) for frame in self.live.finish()]
        self.begin()
        return answers

    def answer(self, frame: LiveFrame) -> dict[str, Any]:
        """A frame as JSON."""
        people = []
        for person, place in self.names.popleft().items():
            if not frame.present[place]:
                continue
            entry: dict[str, Any] = {"person": person, "pose": rounded(frame.pose[place])}
            entry["guessed"] = frame.guessed[place].tolist()
            if np.isfinite(frame.uncertainty[place]).all():
                entry["uncertainty"] = rounded(frame.uncertainty[place])
            people.append(entry)
        return {"people": people}


def rounded(values: np.ndarray) -> list:
    """Metres with so many digits as are written."""
    return np.round(values.astype(np.float64), DIGITS).tolist()
