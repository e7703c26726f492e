"""python -m stgraph.folds EXP ... --data FILE: leave one subject out, for small sets; counts beside shares."""

import argparse
import json
import math
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options
from stgraph.errors import InputError
from stgraph.settings.places import REPORTS


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.folds", description=__doc__)
    text = "folder in params/, perhaps with its own overrides (action_small:model.name=ctrgcn,data.stream=bone)"
    arguments.add_argument("exps", nargs="+", metavar="EXP", help=text)
    arguments.add_argument("--data", type=Path, required=True, help="dataset file")
    arguments.add_argument("--detector", help="2D detections of the file to use")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override in every one")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[], help="train each so often (its own seed)")
    arguments.add_argument("--subjects", nargs="+", help="leave these out in turn (all)")
    arguments.add_argument("--fuse", type=float, nargs="+", metavar="WEIGHT", help="and fuse them, with these weights")
    arguments.add_argument("--views", type=int, default=1, help="samples of each clip that is scored (%(default)s)")
    arguments.add_argument("--out", type=Path, default=REPORTS / "folds", help="folder of the table (%(default)s)")
    engine_options(arguments)
    return arguments


def check(args: argparse.Namespace) -> None:
    """Raises InputError for options that cannot work."""
    if doubled := sorted({exp for exp in args.exps if args.exps.count(exp) > 1}):
        remedy = "give each once, and --seeds to train it more often"
        raise InputError("named twice", where=", ".join(doubled), remedy=remedy)
    if args.views < 1:
        raise InputError(where=f"--views {args.views}", expected="1 or more")
    weights = args.fuse or [1.0] * len(args.exps)
    if len(weights) != len(args.exps) or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        expected = f"a weight of 0 or more for each of {len(args.exps)} experiments"
        raise InputError(where=f"--fuse {' '.join(f'{weight:g}' for weight in weights)}", expected=expected)


def main(args: argparse.Namespace) -> None:
    from stgraph.data.dataset import Dataset
    from stgraph.formats.files import replaced
    from stgraph.training import cross_validation as folding
    from stgraph.training.comparison import entries
    from stgraph.training.engine import Engine
    from stgraph.training.progress import Terminal

    check(args)
    dataset, folds = Dataset(args.data), {}
    engine = Engine(args.device, precision=args.precision)
    validation = folding.CrossValidation(dataset, engine, Terminal(), args.views)
    for subject in folding.subjects_of(dataset, args.subjects):  # before anything is trained
        overrides = [f"data.test={json.dumps([subject])}", *args.set]
        trainings = entries(args.exps, args.data, args.detector, overrides, args.seeds)
        folds[subject] = folding.fold(trainings, subject, dataset)
    rows, bases = {exp: folding.Row(exp) for exp in args.exps}, {}
    for subject, chosen in folds.items():
        for exp, row in rows.items():
            print(f"{exp} without {subject}", flush=True)
            validation.train(row, [training for training in chosen if training.exp == exp], subject)
        validation.add_baselines(bases, chosen[0], rows[args.exps[0]].scores[subject][0], subject)
    table = [*bases.values(), *rows.values()]
    table += [folding.fused(list(rows.values()), args.fuse)] if args.fuse else []
    facts = folding.folds_facts(table, dataset, args.exps[0], len(args.seeds) or 1)
    text, path = folding.folds_markdown(table, facts), args.out / "folds.md"
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {path}")


if __name__ == "__main__":
    run_command(parser(), main)
