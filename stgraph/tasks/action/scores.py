"""Scores of recognised clips: kept by the clips' ids, so that whatever was scored in whatever order goes together."""

import csv
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Int

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.scoring.classification import shares

GROUPS = ("subject", "camera")


@dataclass(frozen=True)
class ClipScores:
    """Probabilities of every clip's classes, of its persons', and what its frames were recognised as.

    Attributes:
        classes: names, in the order of the probabilities.
        id, action, subject, camera: of every clip. label: (clip) its class, -1 where it is none of them.
        probabilities: (clip, class), the mean over the clip's views.
        person_clip, person, person_probabilities: the clip, the number within it and the probabilities of every person.
        frames: (clip, class) frames recognised as each class.
        joints: names. contributions: (clip, joint) of the features before the head, 0 to 1, mean over frames and
            persons; no joint where they belong to none.
        about: what the reader should know of the run: experiment, data, source, ...
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

    def report(self) -> dict:
        """All results as a dictionary that JSON can hold; shares in percent.

        Keys: `kind` ("clips"), `about`, `scored` (clips, persons, frames), `metrics` (top1, top5, class_accuracy,
        largest_class, chance), `recognition` (as `ActionScores.report`: of clips, frames, and of
        persons where there are several), `by` (subject, camera -> name -> clips, right, top1), `contributions`
        (joints; class -> mean of each joint; or None) and `confused` (true class, recognised class, clips; the most
        frequent first).

        Raises:
            InputError: no clip's action is one of the classes.
        """
        known = self.label >= 0
        if not known.any():
            raise InputError(
                f"none of the {len(known)} clips has one of the classes {', '.join(self.classes)}; their actions are "
                f"{', '.join(sorted(set(self.action)))}; score other data"
            )
        label, n = self.label[known], len(self.classes)
        found = self.probabilities.argmax(1)
        by_clips, by_persons, by_frames = (np.zeros((n, n), np.int64) for _ in range(3))
        np.add.at(by_clips, (label, found[known]), 1)
        np.add.at(by_frames, label, self.frames[known])
        owner = self.label[self.person_clip]
        np.add.at(by_persons, (owner[owner >= 0], self.person_probabilities.argmax(1)[owner >= 0]), 1)
        parts = {"clips": shares(by_clips), "frames": shares(by_frames)}
        if len(self.person) > len(self.id):  # otherwise the clips say it
            parts["persons"] = shares(by_persons)
        right = found == self.label
        wrong = Counter((int(a), int(b)) for a, b in zip(self.label, found, strict=True) if 0 <= a != b)
        unknown = Counter(map(str, self.action[~known]))
        clips = parts["clips"]
        return {
            "kind": "clips",
            "about": self.about,
            "scored": {"clips": len(label), "persons": int((owner >= 0).sum()), "frames": int(by_frames.sum())},
            "metrics": {
                "top1": clips["accuracy"],
                "top5": 100 * float(top(self.probabilities[known], label, 5).mean()) if n > 5 else None,
                "class_accuracy": clips["class_accuracy"],
                "largest_class": clips["largest_class"],
                "chance": 100 / n,
            },
            "recognition": {"classes": self.classes, **parts, "unknown": dict(sorted(unknown.items()))},
            "by": {
                group: {
                    str(name): _right(right[known & (getattr(self, group) == name)])
                    for name in dict.fromkeys(getattr(self, group)[known])
                }
                for group in GROUPS
            },
            "contributions": self._by_class(),
            "confused": [[self.classes[a], self.classes[b], count] for (a, b), count in wrong.most_common(20)],
        }

    def _by_class(self) -> dict | None:
        """Names of joints, and what each contributes to the clips of every class; None where features have none."""
        if not self.contributions.size:
            return None
        found = {
            name: np.round(self.contributions[self.label == number].mean(0), 4).tolist()
            for number, name in enumerate(self.classes)
            if (self.label == number).any()
        }
        return {"joints": list(map(str, self.joints)), "classes": found}

    def save(self, path: Path) -> Path:
        """Write what `load` reads."""
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("classes", "about")}
        columns = {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}
        with replaced(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, classes=np.array(self.classes), about=np.array(json.dumps(self.about)), **columns)
        return path

    def write_csv(self, path: Path) -> Path:
        """A line for every clip, and for each of its persons where there are several, a spreadsheet's way."""
        head = ("id", "person", "action", "recognised", "probability", "second", "probability of the second")
        several = np.bincount(self.person_clip, minlength=len(self.id)) > 1
        lines = [(clip, "all", self.probabilities[clip]) for clip in range(len(self.id))]
        persons = zip(self.person_clip, self.person, self.person_probabilities, strict=True)
        lines += [(clip, number, probabilities) for clip, number, probabilities in persons if several[clip]]
        lines.sort(key=lambda line: line[0])  # stable: a clip before its persons
        with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            for clip, person, probabilities in lines:
                best = np.argsort(-probabilities, kind="stable")[:2]
                found = [text for k in best for text in (self.classes[k], f"{probabilities[k]:.4f}")]
                writer.writerow([self.id[clip], person, self.action[clip], *found])
        return path

    @classmethod
    def load(cls, path: Path, remedy: str) -> "ClipScores":
        """Read what `save` wrote. Raises InputError with the remedy where there is none."""
        try:
            with np.load(path) as file:
                values = {name: file[name] for name in file.files}
            lists = {"classes": [str(name) for name in values["classes"]], "about": json.loads(str(values["about"]))}
            return cls(**values | lists)
        except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile, zlib.error) as error:
            why = getattr(error, "strerror", None) or error  # without the path again
            raise InputError(f"{path}: no scores of clips can be read from it ({why}); {remedy}") from error


def top(probabilities: Float[np.ndarray, "clip n"], label: Int[np.ndarray, " clip"], k: int) -> np.ndarray:
    """Whether each clip's class is among its k most probable."""
    return (np.argsort(-probabilities, axis=1, kind="stable")[:, :k] == label[:, None]).any(1)


def _right(right: np.ndarray) -> dict:
    return {"clips": len(right), "right": int(right.sum()), "top1": 100 * float(right.mean())}


def aligned(parts: Mapping[str, ClipScores]) -> Float[np.ndarray, "run clip n"]:
    """Several runs' probabilities of the same clips, brought together by the ids and classes of the first.

    Raises:
        InputError: other classes, or clips that one of them lacks.
    """
    names, all_scores = list(parts), list(parts.values())
    first, together = all_scores[0], []
    for name, scores in zip(names, all_scores, strict=True):
        if set(scores.classes) != set(first.classes):
            differing = ", ".join(sorted(set(scores.classes) ^ set(first.classes))[:8])
            raise InputError(f"{name} and {names[0]} have other classes ({differing}); fuse runs of the same classes")
        missing = sorted(set(first.id) ^ set(scores.id))
        if missing:
            raise InputError(
                f"{names[0]} has {len(first.id)} clips and {name} {len(scores.id)}; {len(missing)} are in one of them "
                f"alone: {'; '.join(missing[:5])}; evaluate both on the same clips"
            )
        place = {id: number for number, id in enumerate(scores.id)}
        rows = np.array([place[id] for id in first.id])
        columns = [scores.classes.index(name) for name in first.classes]
        together.append(scores.probabilities[rows][:, columns].astype(np.float64))
    return np.stack(together)


def fuse(parts: Mapping[str, ClipScores], weights: Sequence[float]) -> ClipScores:
    """Weighted mean of several runs' probabilities of the same clips. Raises InputError as `aligned`."""
    first, nobody = next(iter(parts.values())), np.zeros(0, np.int64)
    return ClipScores(
        first.classes,
        first.id,
        first.action,
        first.subject,
        first.camera,
        first.label,
        np.average(aligned(parts), axis=0, weights=weights).astype(np.float32),
        nobody,
        nobody,
        np.zeros((0, len(first.classes)), np.float32),
        np.zeros_like(first.frames),
        np.zeros(0, str),
        np.zeros((len(first.id), 0), np.float32),
        {},
    )
