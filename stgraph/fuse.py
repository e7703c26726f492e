"""python -m stgraph.fuse EXP:2 EXP:2 EXP:1 EXP:1: several runs' scores of the same clips as one, by the clips' ids."""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.tasks.action.report import CLIPS
from stgraph.tasks.action.run import SCORES
from stgraph.tasks.action.scores import ClipScores, aligned, fuse
from stgraph.training.report import write_json
from stgraph.training.run import REPORTS, evaluation_folder

MOST_CHOSEN = 6
CHOICES = (0.0, 1.0, 2.0, 3.0)  # weights that are tried on the validation part


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.fuse", description=__doc__)
    arguments.add_argument("runs", nargs="+", metavar="EXP[:WEIGHT]", help="evaluated runs with their weights (1)")
    arguments.add_argument("--choose", action="store_true", help="choose the weights on the validation part's scores")
    arguments.add_argument("--out", type=Path, default=REPORTS / "fused", help="folder of the report (%(default)s)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    return arguments


def named(runs: Sequence[str]) -> dict[str, float]:
    """Weights by run: ["a:2", "b"] -> {"a": 2, "b": 1}."""
    weights = {}
    for text in runs:
        name, colon, weight = text.rpartition(":")
        name, weight = (name, weight) if colon else (weight, "1")
        try:
            value = float(weight)
        except ValueError:
            value = -1.0
        if not name or not 0 <= value < float("inf"):
            raise InputError(f"{text}: expected EXP or EXP:WEIGHT with a weight of 0 or more, such as action_small:2")
        if name in weights:
            raise InputError(f"{name}: named twice; give each run once, with its weight")
        weights[name] = value
    if not any(weights.values()):
        raise InputError("all weights are 0; give at least one run a weight")
    return weights


def read(names: Sequence[str], scored: str) -> dict[str, ClipScores]:
    """The scores that evaluations left. Raises InputError where there are none, or those of other clips."""
    scores = {}
    for name in names:
        option = "" if scored == "test" else f" --scored {scored}"
        remedy = f"make it with `python -m stgraph.evaluate --exp {name}{option}`"
        path = evaluation_folder(name, scored) / SCORES
        scores[name] = ClipScores.load(path, remedy)
        if not (found := str(scores[name].about.get("scored"))).startswith(f"part {scored}"):
            raise InputError(f"{path}: its last evaluation scored {found}, not the part {scored}; {remedy}")
    return scores


def best_weights(scores: dict[str, ClipScores]) -> list[float]:
    """The weights of 0 to 3 with the most clips right; of equals the most even ones, then the larger first."""

    probabilities, label = aligned(scores), next(iter(scores.values())).label

    def rank(weights: tuple[float, ...]) -> tuple:
        right = (np.tensordot(weights, probabilities, 1).argmax(1) == label).sum()
        even = max(weights) - min(weights)
        return -right, even, sum(weights), [-weight for weight in weights]

    return list(min((w for w in itertools.product(CHOICES, repeat=len(scores)) if any(w)), key=rank))


def main(args: argparse.Namespace) -> None:
    weights = named(args.runs)
    if args.choose:
        if set(weights.values()) != {1.0}:
            raise InputError("--choose: chooses the weights itself; leave them out")
        if len(weights) > MOST_CHOSEN:
            raise InputError(
                f"--choose: {len(weights)} runs; every weight is tried with every other, of {MOST_CHOSEN} at most"
            )
        weights = dict(zip(weights, best_weights(read(list(weights), "validation")), strict=True))
    scores = read(list(weights), "test")
    parts = ", ".join(f"{name} x {weight:g}" for name, weight in weights.items())
    how = "chosen on the validation part" if args.choose else "as given"
    about = {"experiment": "fused runs", "fused": parts, "weights": how, "of": "the mean of their probabilities"}
    about["synthetic"] = any(each.about.get("synthetic") for each in scores.values())
    about |= {name: next(iter(scores.values())).about.get(name) for name in ("data", "source", "terms", "scored")}
    report = replace(fuse(scores, list(weights.values())), about=about).report()
    report["alone"] = {name: each.report()["metrics"]["top1"] for name, each in scores.items()}
    paths = CLIPS.write(report, args.out)
    paths += [write_json(report, args.json)] if args.json else []
    print(CLIPS.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
