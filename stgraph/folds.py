"""python -m stgraph.folds EXP ... --data FILE: leave one subject out, for small sets; counts beside shares."""

import argparse
import json
import math
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.tasks.action.cross_validation import (
    Row,
    Trainer,
    baselines,
    chosen_runs,
    folds_markdown,
    fused,
    seen_by,
    subjects_of,
)
from stgraph.training.comparison import entries
from stgraph.training.engine import Engine
from stgraph.training.progress import Terminal
from stgraph.training.run import REPORTS, Run


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.folds", description=__doc__)
    text = "folder in params/, perhaps with overrides of its own (action_small:model.name=ctrgcn,data.stream=bone)"
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
    """Raises InputError for options that cannot be meant."""
    if doubled := sorted({exp for exp in args.exps if args.exps.count(exp) > 1}):
        raise InputError(f"{', '.join(doubled)}: named twice; give each once, and --seeds to train it more often")
    if args.views < 1:
        raise InputError(f"--views {args.views}: expected 1 or more")
    weights = args.fuse or [1.0] * len(args.exps)
    if len(weights) != len(args.exps) or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        found = " ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"--fuse {found}: expected a weight of 0 or more for each of {len(args.exps)} experiments")


def main(args: argparse.Namespace) -> None:
    check(args)
    dataset = Dataset(args.data)
    trainer = Trainer(Engine(args.device, precision=args.precision), Terminal(), args.views)
    rows, bases = {asked: Row(asked) for asked in args.exps}, {}
    folds = {}
    for subject in subjects_of(dataset, args.subjects):  # before anything is trained
        overrides = [f"data.test={json.dumps([subject])}", *args.set]
        fold = entries(args.exps, args.data, args.detector, overrides, args.seeds)
        folds[subject] = chosen_runs(fold, subject, dataset)
    for subject, fold in folds.items():
        for asked, row in rows.items():
            print(f"{asked} without {subject}", flush=True)
            mine = [(entry.name, entry.settings) for entry in fold if entry.exp == asked]
            trainer.leave_out(row, mine, subject, dataset)
        first = Run.create(fold[0].name, fold[0].settings, dataset, trainer.engine)
        baselines(first, subject, dataset, rows[fold[0].exp].scores[subject][0], bases)
    table = [*bases.values(), *rows.values()]
    table += [fused(list(rows.values()), args.fuse)] if args.fuse else []
    classes = first.task.classes
    about = {
        "data": dataset.path,
        "source": dataset.source,
        "clips": f"{table[0].right()[1]} of {len(classes)} classes; chance {100 / len(classes):.1f} %",
        "seeds": f"{len(args.seeds) or 1}; mean ± standard deviation over them, each over all folds together",
        "nearest neighbour": f"of what {rows[args.exps[0]].name} is fed",
    }
    if (cameras := seen_by(dataset, table[0])) > 1:
        about["cameras"] = f"{cameras} saw the same takes, and each one's clip counts; data.cameras chooses one"
    text, path = folds_markdown(table, about), args.out / "folds.md"
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {path}")


if __name__ == "__main__":
    run_command(parser(), main)
