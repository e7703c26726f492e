"""A recogniser as a stream of frames: people by identity in, their classes as JSON out."""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stgraph.tasks.action.actions import TOGETHER
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.run import ActionRun
from stgraph.tracking.videos import GAP
from stgraph.training.stream import MOST_PEOPLE, Identity, People, Places, Stream

SHOWN = 5  # classes of an answer


class RecogniserStream(Stream):
    """The class of each person's last frames, or of all people's together.

    Args:
        run: a recogniser of 2D poses.
        fps: frames per second.
        step: frames from one answer to the next; by default each frame has one.
        together: all people are one clip, at most as many as the run takes; otherwise each is one.
        options: of `Live`: size, window, joints.
    """

    def __init__(
        self, run: ActionRun, *, fps: float | int, step: int | None = None, together: bool = False, **options: Any
    ) -> None:
        self.run, self.together, self.options, self.step = run, together, options, step or 1
        self.gap = round(GAP * fps)
        live = Live(run, **options)
        self.joints, most = live.joints, live.persons if together else MOST_PEOPLE
        self.most = most
        self.header = {"classes": run.task.classes, "window": live.window, "step": self.step}
        self.begin()

    def begin(self) -> None:
        """Forget all people."""
        self.places = Places(self.most, self.gap + 1)
        self.lives: dict[Identity, Live] = {}
        self.count = 0

    def update(self, people: People) -> list[dict[str, Any]]:
        """See `Stream`; an answer is {"people": [{"person", "class", "probability", "probabilities"}]}."""
        places = self.places.update(people)
        poses, shown = np.zeros((self.most, self.joints, 3), np.float32), dict[Identity, np.ndarray]()
        if self.together:
            for person, pose in people.items():
                poses[places[person]] = pose
            shown |= {TOGETHER: poses} if places else {}
        else:
            shown |= {person: people[person][None] if person in people else poses[:0] for person in places}
        self.lives = {person: self.lives.get(person) or Live(self.run, **self.options) for person in shown}
        answers = []
        for person, live in self.lives.items():
            live.add(shown[person])
            if self.count % self.step == 0:
                answers.append({"person": person, **self.answer(live.probabilities())})
        self.count += 1
        return [{"people": answers}]

    def finish(self) -> list[dict[str, Any]]:
        """See `Stream`."""
        self.begin()
        return []

    def answer(self, probabilities: Float[Tensor, " n"]) -> dict[str, Any]:
        """The likeliest classes as JSON."""
        best = probabilities.argsort(descending=True)[:SHOWN].tolist()
        named = {self.run.task.classes[number]: round(float(probabilities[number]), 5) for number in best}
        name = next(iter(named))
        return {"class": name, "probability": named[name], "probabilities": named}
