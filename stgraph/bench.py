"""python -m stgraph.bench --exp NAME: how fast an experiment trains and predicts, beside what the machine can do."""

import argparse
import tempfile
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import process_options
from stgraph.settings.hardware import DEVICES, PRECISIONS


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.bench", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: optim.lr=3e-4")
    arguments.add_argument("--device", default="auto", choices=DEVICES, help="%(default)s")
    arguments.add_argument("--precision", default="32", choices=PRECISIONS[:2], help="beside bf16 (%(default)s)")
    process_options(arguments)
    arguments.add_argument("--rounds", type=int, default=5, help="best of so many, taken in turn (%(default)s)")
    arguments.add_argument("--recordings", type=int, default=40, help="made-up ones (%(default)s)")
    arguments.add_argument("--compile", action="store_true", help="time training steps of the compiled model")
    text = "time the module of build(skeleton, in_channels, heads) in this file as well, on the same batch in turn"
    arguments.add_argument("--against", type=Path, metavar="FILE.py", help=text)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file as well")
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.settings.params import load

    settings = load(args.exp, args.set)
    from stgraph.training.bench import measure, random_dataset, table
    from stgraph.training.engine import Engine
    from stgraph.training.report import write_json

    engine = Engine(args.device, args.devices, args.nodes, args.precision)
    engine.launch()

    with tempfile.TemporaryDirectory() as folder:
        dataset = random_dataset(Path(folder) / "random.h5", settings, args.recordings)
        options = {"compile": args.compile, "against_file": args.against}
        numbers, speeds = measure(args.exp, settings, dataset, engine, args.rounds, **options)
    engine.print(table(args.exp, numbers, speeds, "tf32" if args.precision == "tf32" else "fp32"))
    if args.json and engine.is_global_zero:
        write_json(numbers, args.json)


if __name__ == "__main__":
    run_command(parser(), main)
