"""python -m stgraph.evaluate --exp NAME: score a trained experiment and write reports/NAME/."""

import argparse
from pathlib import Path

from stgraph.command import run_command
from stgraph.io.dataset import Dataset
from stgraph.protocols import PROTOCOLS, find_protocol
from stgraph.report import report_markdown, write_json, write_report
from stgraph.run import PRECISIONS, REPORTS, Engine, Run, data_file


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.evaluate", description=__doc__)
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--data", type=Path, help="dataset file (the one it was trained on)")
    arguments.add_argument("--detector", help="2D detections of the file to use (those that it was trained on)")
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", default="standard", help=f"{', '.join(PROTOCOLS)} (%(default)s)")
    arguments.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored input (as the protocol says)",
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    arguments.add_argument("--out", type=Path, help="folder of the report (reports/NAME)")
    arguments.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    arguments.add_argument("--precision", default="32", choices=list(PRECISIONS))
    return arguments


def main(args: argparse.Namespace) -> None:
    run = Run.load(args.exp, Engine(args.device, precision=args.precision))
    dataset = Dataset(args.data or data_file(run.settings))
    options = {"subjects": args.subjects, "detector": args.detector, "flip": args.flip}
    report = run.evaluate(dataset, find_protocol(args.protocol), **options)
    paths = write_report(report, args.out or REPORTS / run.name)
    paths += [write_json(report, args.json)] if args.json else []
    print(report_markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
