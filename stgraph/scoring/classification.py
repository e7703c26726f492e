"""Recognised against true classes: confusion matrices and accuracies over frames and recordings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def class_labels(names: Iterable[str], classes: Sequence[str]) -> Int[np.ndarray, " recording"]:
    """The number of each name's class, -1 for a name that is not a class.

    >>> class_labels(["Sitting", "Dancing"], ["Walking", "Sitting"])
    array([ 1, -1])
    """
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number.get(name, -1) for name in names], dtype=np.int64)


class ActionScores:
    """Collects the scores of all scored frames. A recording's class has the largest mean over its frames.

    Args:
        classes: names, in the order of the scores.
        recordings: columns id and action, an entry per recording.
    """

    def __init__(self, classes: Sequence[str], recordings: Mapping[str, Iterable]) -> None:
        self.classes, self.actions = list(classes), [str(name) for name in recordings["action"]]
        self.labels = class_labels(self.actions, self.classes)
        shape = (len(self.labels), len(self.classes))
        self.sums = torch.zeros(shape, dtype=torch.float64)
        self.frames = torch.zeros(shape, dtype=torch.int64)  # recognised as each class

    def add(self, recording: Int[Tensor, " b"], scores: Float[Tensor, "b n s _"], counted: Bool[Tensor, "b s"]) -> None:
        """Add windows of some recordings; only frames that are `counted` are used."""
        recording, scores, counted = recording.cpu(), scores.detach().cpu().double().mean(-1), counted.cpu()
        self.sums.index_add_(0, recording, (scores * counted[:, None]).sum(-1))
        window, _ = counted.nonzero(as_tuple=True)
        recognised = scores.argmax(1)[counted]
        self.frames.index_put_((recording[window], recognised), torch.ones_like(recognised), accumulate=True)

    def report(self) -> dict:
        """All scores as a dictionary for JSON.

        Keys: `classes`; `frames` and `recordings`, each of `shares`; `unknown` (action -> number of recordings; actions
        that are not classes and are not scored).
        """
        scored = (self.frames.sum(1) > 0).numpy()
        labelled = scored & (self.labels >= 0)
        labels, recognised = self.labels[labelled], self.sums.argmax(1).numpy()[labelled]
        return {
            "classes": self.classes,
            "frames": shares(summed_by_class(labels, self.frames.numpy()[labelled])),
            "recordings": shares(confusion_matrix(labels, recognised, len(self.classes))),
            "unknown": counts_by_name(np.array(self.actions)[scored & (self.labels < 0)]),
        }


def confusion_matrix(
    labels: Int[np.ndarray, " clip"], recognised: Int[np.ndarray, " clip"], classes: int
) -> Int[np.ndarray, "n n"]:
    """Counts of (true class, recognised class).

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    array([[1, 0],
           [1, 1]])
    """
    return np.bincount(labels * classes + recognised, minlength=classes**2).reshape(classes, classes)


def summed_by_class(labels: Int[np.ndarray, " clip"], counts: Int[np.ndarray, "clip n"]) -> Int[np.ndarray, "n n"]:
    """The confusion matrix of counts (clip, recognised class): sums over the clips of each true class."""
    total = np.zeros((counts.shape[1], counts.shape[1]), np.int64)
    np.add.at(total, labels, counts)
    return total


def counts_by_name(names: Iterable[object]) -> dict[str, int]:
    """How often each name occurs, sorted by name."""
    return dict(sorted(Counter(map(str, names)).items()))


def shares(confusion: Int[np.ndarray, "n n"]) -> dict:
    """Count and accuracies in percent of a confusion matrix (true class, recognised class).

    Keys: `count`, `accuracy`, `class_accuracy` (the mean of the recalls), `largest_class` (the accuracy of always
    predicting the most frequent class) and `confusion`. Accuracies of an empty matrix are None.
    """
    total, of_class = int(confusion.sum()), confusion.sum(1)
    recall = 100 * confusion.diagonal()[of_class > 0] / of_class[of_class > 0]
    return {
        "count": total,
        "accuracy": 100 * int(confusion.trace()) / total if total else None,
        "class_accuracy": float(recall.mean()) if total else None,
        "largest_class": 100 * int(of_class.max()) / total if total else None,
        "confusion": confusion.tolist(),
    }
