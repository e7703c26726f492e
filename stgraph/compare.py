"""python -m stgraph.compare EXP EXP ...: train what is untrained, score all alike, write one table and one plot."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options
from stgraph.figures.comparison import plot_comparison
from stgraph.formats.files import replaced
from stgraph.tasks.lifting.protocols import PROTOCOLS, find_protocol
from stgraph.training.comparison import check_budget, compare, comparison_markdown, entries
from stgraph.training.engine import Engine
from stgraph.training.progress import Terminal
from stgraph.training.report import write_json
from stgraph.training.run import REPORTS


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.compare", description=__doc__)
    arguments.add_argument(
        "exps",
        nargs="+",
        metavar="EXP",
        help="folder in params/, perhaps with overrides of its own (tcn:optim.lr=1e-4,data.stride=9), or a trained run",
    )
    arguments.add_argument("--data", type=Path, help="one dataset file for all, with the subjects of its split")
    arguments.add_argument("--detector", help="2D detections of the file to train and score on")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override in every one")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[], help="train each so often (its own seed)")
    arguments.add_argument("--minutes", type=float, help="training time of each")
    arguments.add_argument("--epochs", type=int, help="epochs of each")
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", default="standard", help=f"{', '.join(PROTOCOLS)} (%(default)s)")
    arguments.add_argument("--out", type=Path, default=REPORTS / "compare", help="folder of the table (%(default)s)")
    engine_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    overrides = [*check_budget(args.minutes, args.epochs), *args.set]
    chosen = entries(args.exps, args.data, args.detector, overrides, args.seeds)
    options = {"data": args.data, "detector": args.detector, "subjects": args.subjects, "minutes": args.minutes}
    engine = Engine(args.device, precision=args.precision)
    rows = compare(chosen, find_protocol(args.protocol), engine, Terminal(), **options)
    budget = f"{args.minutes:g} minutes each" if args.minutes else "as long as the settings say"
    text = comparison_markdown(rows, f"{args.epochs} epochs each" if args.epochs else budget)
    paths = [write_json({"rows": rows}, args.out / "comparison.json"), args.out / "comparison.md"]
    with replaced(paths[1]) as temporary:
        temporary.write_text(text, encoding="utf-8")
    paths.append(args.out / "comparison.png")
    with replaced(paths[2]) as temporary:
        plot_comparison(rows).savefig(temporary, dpi=130)
    print(text)
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
