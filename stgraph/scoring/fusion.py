"""Late fusion: the weighted mean of several runs' probabilities of the same clips."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.scoring.clip_scores import SCORES, ClipScores
from stgraph.settings.places import evaluation_folder

CHOICES = (0.0, 1.0, 2.0, 3.0)  # weights tried on the validation clips


def run_weights(texts: Sequence[str]) -> dict[str, float]:
    """Weights by run: ["a:2", "b"] -> {"a": 2, "b": 1}. Raises InputError for a wrong weight or a repeated run."""
    weights = {}
    for text in texts:
        name, colon, weight = text.rpartition(":")
        name, weight = (name, weight) if colon else (weight, "1")
        try:
            value = float(weight)
        except ValueError:
            value = -1.0
        if not name or not 0 <= value < float("inf"):
            expected = "EXP or EXP:WEIGHT with a weight of 0 or more, such as action_small:2"
            raise InputError(where=text, expected=expected)
        if name in weights:
            raise InputError("named twice", where=name, remedy="give each run once, with its weight")
        weights[name] = value
    if not any(weights.values()):
        raise InputError("all weights are 0", remedy="give at least one run a weight")
    return weights


def read_scores(names: Iterable[str], part: str) -> dict[str, ClipScores]:
    """The scores of the runs' evaluations. Raises InputError where they are missing or of other clips."""
    scores = {}
    for name in names:
        option = "" if part == "test" else f" --scored {part}"
        remedy = f"make it with `python -m stgraph.evaluate --exp {name}{option}`"
        path = evaluation_folder(name, part) / SCORES
        scores[name] = ClipScores.load(path, remedy)
        if not (scored := str(scores[name].about.get("scored"))).startswith(f"part {part}"):
            raise InputError(f"its last evaluation scored {scored}, not the part {part}", where=path, remedy=remedy)
    return scores


def aligned(runs: Mapping[str, ClipScores]) -> Float[np.ndarray, "run clip n"]:
    """Several runs' probabilities of the same clips, matched by the ids and classes of the first.

    Raises:
        InputError: other classes, or clips that one of them lacks.
    """
    (first_name, first), *_ = runs.items()
    together = []
    for name, scores in runs.items():
        if differing := sorted(set(scores.classes) ^ set(first.classes)):
            raise InputError(
                f"{name} and {first_name} have other classes ({', '.join(differing[:8])})",
                remedy="fuse runs of the same classes",
            )
        if missing := sorted(set(first.id) ^ set(scores.id)):
            raise InputError(
                f"{first_name} has {len(first.id)} clips and {name} {len(scores.id)}; {len(missing)} are in one of "
                f"them alone: {'; '.join(missing[:5])}",
                remedy="evaluate both on the same clips",
            )
        row_of = {id: row for row, id in enumerate(scores.id)}
        columns = [scores.classes.index(name) for name in first.classes]
        together.append(scores.probabilities[[row_of[id] for id in first.id]][:, columns].astype(np.float64))
    return np.stack(together)


def fuse(runs: Mapping[str, ClipScores], weights: Sequence[float]) -> ClipScores:
    """Weighted mean of several runs' probabilities of the same clips, without persons, frames and contributions.

    Raises:
        InputError: as `aligned`.
    """
    first, empty = next(iter(runs.values())), np.zeros(0, np.int64)
    return replace(
        first,
        probabilities=np.average(aligned(runs), axis=0, weights=weights).astype(np.float32),
        person_clip=empty,
        person=empty,
        person_probabilities=np.zeros((0, len(first.classes)), np.float32),
        frames=np.zeros_like(first.frames),
        joints=np.zeros(0, str),
        contributions=np.zeros((len(first.id), 0), np.float32),
        about={},
    )


def best_weights(runs: Mapping[str, ClipScores]) -> list[float]:
    """The weights of 0 to 3 with the most clips right; of equals the most even ones, then the larger first.

    Raises:
        InputError: as `aligned`.
    """
    probabilities, label = aligned(runs), next(iter(runs.values())).label

    def rank(weights: tuple[float, ...]) -> tuple:
        correct = (np.tensordot(weights, probabilities, 1).argmax(1) == label).sum()
        return -correct, max(weights) - min(weights), sum(weights), [-weight for weight in weights]

    return list(min(filter(any, itertools.product(CHOICES, repeat=len(runs))), key=rank))
