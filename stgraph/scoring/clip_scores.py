"""Scores of the clips of an evaluation: read, written, and reported."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.formats.numpy_files import load_npz
from stgraph.scoring.classification import confusion_matrix, counts_by_name, shares, summed_by_class

SCORES = "scores.npz"  # in the folder of an evaluation
MOST_CONFUSED = 20  # pairs of classes in a report


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """Class probabilities of every clip and every person in it, and the recognised classes of its frames.

    Attributes:
        classes: names, in the order of the probabilities.
        id, action, subject, camera: of every clip. label: (clip) its class, -1 for an action that is not a class.
        probabilities: (clip, class), the mean over the clip's views.
        person_clip, person, person_probabilities: the clip, the number within it and the probabilities of every person.
        frames: (clip, class) frames recognised as each class.
        joints: names. contributions: (clip, joint) of the features before the head, 0 to 1, mean over frames and
            persons; (clip, 0) where the features have no joints.
        about: facts of the run: experiment, data, source, ...
    """

    classes: list[str]
    id: np.ndarray
    action: np.ndarray
    subject: np.ndarray
    camera: np.ndarray
    label: Int[np.ndarray, " clip"]
    probabilities: Float[np.ndarray, "clip n"]
    person_clip: Int[np.ndarray, " person"]
    person: Int[np.ndarray, " person"]
    person_probabilities: Float[np.ndarray, "person n"]
    frames: Int[np.ndarray, "clip n"]
    joints: np.ndarray
    contributions: Float[np.ndarray, "clip _"]
    about: dict

    @property
    def correct(self) -> Bool[np.ndarray, " clip"]:
        """Whether each clip is recognised as its class."""
        return self.probabilities.argmax(1) == self.label

    def report(self) -> dict:
        """All results as a dictionary for JSON; shares in percent.

        Keys: `kind` ("clips"), `about`, `scored` (clips, persons, frames), `metrics` (top1, top5, class_accuracy,
        largest_class, chance), `recognition` (as `ActionScores.report`: of clips, frames, and
        persons if a clip has several), `by` (subject, camera -> name -> clips, right, top1), `contributions`
        (joints; class -> mean of each joint; or None) and `confused` (true class, recognised class, clips; the most
        frequent first).

        Raises:
            InputError: no clip's action is one of the classes.
        """
        labelled = self.label >= 0
        if not labelled.any():
            raise InputError(
                f"none of the {len(labelled)} clips has one of the classes {', '.join(self.classes)}; "
                f"their actions are {', '.join(sorted(set(self.action)))}",
                remedy="score other data",
            )
        label, recognised, n = self.label[labelled], self.probabilities.argmax(1), len(self.classes)
        likeliest = np.argsort(-self.probabilities[labelled], axis=1, kind="stable")[:, :5]
        owner = self.label[self.person_clip]
        persons = self.person_probabilities.argmax(1)[owner >= 0]
        by_frames = summed_by_class(label, self.frames[labelled])
        accuracy = {"clips": shares(confusion_matrix(label, recognised[labelled], n)), "frames": shares(by_frames)}
        if len(self.person) > len(self.id):  # otherwise as clips
            accuracy["persons"] = shares(confusion_matrix(owner[owner >= 0], persons, n))
        wrong = Counter((int(a), int(b)) for a, b in zip(self.label, recognised, strict=True) if 0 <= a != b)
        return {
            "kind": "clips",
            "about": self.about,
            "scored": {"clips": len(label), "persons": len(persons), "frames": int(by_frames.sum())},
            "metrics": {
                "top1": accuracy["clips"]["accuracy"],
                "top5": 100 * float((likeliest == label[:, None]).any(1).mean()) if n > 5 else None,
                "class_accuracy": accuracy["clips"]["class_accuracy"],
                "largest_class": accuracy["clips"]["largest_class"],
                "chance": 100 / n,
            },
            "recognition": {"classes": self.classes, **accuracy, "unknown": counts_by_name(self.action[~labelled])},
            "by": {
                group: _by_name(getattr(self, group)[labelled], self.correct[labelled])
                for group in ("subject", "camera")
            },
            "contributions": self._contributions_by_class(),
            "confused": [
                [self.classes[a], self.classes[b], count] for (a, b), count in wrong.most_common(MOST_CONFUSED)
            ],
        }

    def _contributions_by_class(self) -> dict | None:
        """Names of joints, and their mean contributions to the clips of every class; None where features have none."""
        if not self.contributions.size:
            return None
        means = {
            name: np.round(self.contributions[self.label == number].mean(0), 4).tolist()
            for number, name in enumerate(self.classes)
            if (self.label == number).any()
        }
        return {"joints": list(map(str, self.joints)), "classes": means}

    def save(self, path: Path) -> Path:
        """Write the scores as an .npz file."""
        columns = vars(self) | {"classes": np.array(self.classes), "about": np.array(json.dumps(self.about))}
        columns = {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}
        with replaced(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **columns)
        return path

    def write_csv(self, path: Path) -> Path:
        """Write a CSV row for every clip, and for each person of a clip of several."""
        several = np.bincount(self.person_clip, minlength=len(self.id)) > 1
        lines = [(clip, "all", self.probabilities[clip]) for clip in range(len(self.id))]
        persons = zip(self.person_clip, self.person, self.person_probabilities, strict=True)
        lines += [(clip, number, probabilities) for clip, number, probabilities in persons if several[clip]]
        lines.sort(key=lambda line: line[0])  # stable: a clip before its persons
        head = ("id", "person", "action", "recognised", "probability", "second", "probability of the second")
        rows = []
        for clip, person, probabilities in lines:
            best = np.argsort(-probabilities, kind="stable")[:2]
            recognised = [text for k in best for text in (self.classes[k], f"{probabilities[k]:.4f}")]
            rows.append((self.id[clip], person, self.action[clip], *recognised))
        return write_csv(path, head, rows)

    @classmethod
    def load(cls, path: Path, remedy: str) -> "ClipScores":
        """Read the file of `save`. Raises InputError with the remedy if it cannot be read."""
        try:
            values = load_npz(path)
            lists = {"classes": [str(name) for name in values["classes"]], "about": json.loads(str(values["about"]))}
            return cls(**values | lists)
        except (InputError, ValueError, RecursionError, TypeError, KeyError) as error:
            reason = (isinstance(error, InputError) and error.problem) or error
            problem = f"no scores of clips can be read from it ({reason})"
            raise InputError(problem, where=path, remedy=remedy) from error


def _by_name(names: np.ndarray, correct: Bool[np.ndarray, " clip"]) -> dict[str, dict]:
    """Counts and top-1 of the clips of each name, in the order in which the names occur."""
    by_name = {str(name): correct[names == name] for name in dict.fromkeys(names)}
    return {
        name: {"clips": len(right), "right": int(right.sum()), "top1": 100 * float(right.mean())}
        for name, right in by_name.items()
    }


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table, atomically."""
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path
