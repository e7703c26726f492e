"""Recognised actions against true ones: exact counts over frames and over recordings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def class_labels(names: Iterable[str], classes: Sequence[str]) -> Int[np.ndarray, " recording"]:
    """The number of each name's class, -1 for a name that is none.

    >>> class_labels(["Sitting", "Dancing"], ["Walking", "Sitting"])
    array([ 1, -1])
    """
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number.get(name, -1) for name in names], dtype=np.int64)


class ActionScores:
    """Collects the scores of every frame that counts. A recording's class has the largest mean over its frames.

    Args:
        classes: names, in the order of the scores.
        recordings: columns id and action, an entry per recording.
    """

    def __init__(self, classes: Sequence[str], recordings: Mapping[str, Any]) -> None:
        self.classes, self.actions = list(classes), [str(name) for name in recordings["action"]]
        self.labels = torch.from_numpy(class_labels(self.actions, self.classes))
        shape = (len(self.labels), len(self.classes))
        self.sums = torch.zeros(shape, dtype=torch.float64)
        self.frames = torch.zeros(shape, dtype=torch.int64)  # recognised as each class

    def add(self, recording: Int[Tensor, " b"], scores: Float[Tensor, "b n s _"], counted: Bool[Tensor, "b s"]) -> None:
        """Hand in windows of some recordings; frames that are not counted do not matter."""
        recording, scores, counted = recording.cpu(), scores.detach().cpu().double().mean(-1), counted.cpu()
        self.sums.index_add_(0, recording, (scores * counted[:, None]).sum(-1))
        window, _ = counted.nonzero(as_tuple=True)
        found = scores.argmax(1)[counted]
        self.frames.index_put_((recording[window], found), torch.ones_like(found), accumulate=True)

    def report(self) -> dict:
        """All scores as a dictionary that JSON can hold.

        Keys: `classes`; `frames` and `recordings`, each with `count`, `accuracy`, `class_accuracy` (the mean of the
        recalls), `largest_class` (what naming the most frequent class would give), all in percent, and `confusion`
        (true class, recognised class); `unknown` (action -> recordings that are none of the classes and are left out
        of all of this). Shares of nothing are None.
        """
        seen = self.frames.sum(1) > 0
        known = seen & (self.labels >= 0)
        labels = self.labels[known]
        by_frames, by_recordings = (torch.zeros(len(self.classes), len(self.classes), dtype=torch.int64) for _ in "fr")
        by_frames.index_add_(0, labels, self.frames[known])
        by_recordings.index_put_((labels, self.sums[known].argmax(1)), torch.ones_like(labels), accumulate=True)
        unknown = Counter(self.actions[number] for number in (seen & (self.labels < 0)).nonzero()[:, 0].tolist())
        return {
            "classes": self.classes,
            "frames": shares(by_frames.numpy()),
            "recordings": shares(by_recordings.numpy()),
            "unknown": dict(sorted(unknown.items())),
        }


def shares(confusion: Int[np.ndarray, "n n"]) -> dict:
    """Counts and shares, in percent, of a confusion matrix (true class, recognised class). Shares of nothing: None."""
    total, of_class = int(confusion.sum()), confusion.sum(1)
    recall = 100 * confusion.diagonal()[of_class > 0] / of_class[of_class > 0]
    return {
        "count": total,
        "accuracy": 100 * int(confusion.trace()) / total if total else None,
        "class_accuracy": float(recall.mean()) if total else None,
        "largest_class": 100 * int(of_class.max()) / total if total else None,
        "confusion": confusion.tolist(),
    }
