"""python -m stgraph.compare EXP EXP ...: train what is untrained, score all alike, write one table and one plot."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options, positive
from stgraph.settings.places import REPORTS


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.compare", description=__doc__)
    arguments.add_argument(
        "exps",
        nargs="+",
        metavar="EXP",
        help="folder in params/, perhaps with its own overrides (tcn:optim.lr=1e-4,data.stride=9), or a trained run",
    )
    arguments.add_argument("--data", type=Path, help="one dataset file for all, with the subjects of its split")
    arguments.add_argument("--detector", help="2D detections of the file to train and score on")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override in every one")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[], help="train each so often (its own seed)")
    budget = arguments.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="training of each; on a CPU the processor's time for each thread")
    budget.add_argument("--epochs", type=int, help="epochs of each")
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", help="how to score, of the task's protocols (standard)")
    arguments.add_argument("--conditions", action="store_true", help="score lifters under other cameras and so on too")
    arguments.add_argument("--out", type=Path, default=REPORTS / "compare", help="the table's folder (%(default)s)")
    engine_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.training.comparison import COMPARISON, compare, entries
    from stgraph.training.engine import Engine
    from stgraph.training.progress import Terminal

    positive("minutes", args.minutes)
    positive("epochs", args.epochs)
    overrides = [*([f"optim.epochs={args.epochs}"] if args.epochs else []), *args.set]
    chosen = entries(args.exps, args.data, args.detector, overrides, args.seeds)
    scoring = {"protocol": args.protocol, "detector": args.detector, "subjects": args.subjects}
    scoring["conditions"] = args.conditions
    engine = Engine(args.device, precision=args.precision)
    report = compare(chosen, engine, Terminal(), data=args.data, minutes=args.minutes, **scoring)
    budget = f"{args.minutes:g} minutes each" if args.minutes else "as long as the settings say"
    report["training"] = f"{args.epochs} epochs each" if args.epochs else budget
    paths = COMPARISON.write(report, args.out)
    print(COMPARISON.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
