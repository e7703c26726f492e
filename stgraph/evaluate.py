"""python -m stgraph.evaluate --exp NAME: score a trained experiment and write reports/NAME/."""

import argparse
from pathlib import Path

from stgraph.command import run_command
from stgraph.options import open_run, run_options
from stgraph.protocols import PROTOCOLS, find_protocol
from stgraph.report import report_markdown, write_json, write_report
from stgraph.run import REPORTS


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.evaluate", description=__doc__)
    run_options(arguments)
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", default="standard", help=f"{', '.join(PROTOCOLS)} (%(default)s)")
    arguments.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored input (as the protocol says)",
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    arguments.add_argument("--out", type=Path, help="folder of the report (reports/NAME)")
    return arguments


def main(args: argparse.Namespace) -> None:
    run, dataset = open_run(args)
    options = {"subjects": args.subjects, "detector": args.detector, "flip": args.flip}
    report = run.evaluate(dataset, find_protocol(args.protocol), **options)
    paths = write_report(report, args.out or REPORTS / run.name)
    paths += [write_json(report, args.json)] if args.json else []
    print(report_markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
