"""python -m stgraph.evaluate --exp NAME: score a trained experiment and write reports/NAME/."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import open_run, process_options, run_options
from stgraph.cli.task_options import add_task_options, chosen_options


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.evaluate", description=__doc__)
    run_options(arguments)
    process_options(arguments)
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    text = "folder of the report (reports/NAME, and reports/NAME/PART for another split than test)"
    arguments.add_argument("--out", type=Path, help=text)
    text = "split to score, for tasks whose data are divided by the file's splits (test)"
    arguments.add_argument("--scored", choices=("train", "validation", "test"), help=text)
    add_task_options(arguments, "options")
    return arguments


def main(args: argparse.Namespace) -> None:
    run, dataset = open_run(args, args.devices, args.nodes)
    folder = args.out or run.report_folder(args.subjects, args.scored)
    shared = {"subjects": args.subjects, "detector": args.detector, "scored": args.scored}
    report, paths = run.write_evaluation(dataset, folder, **shared, **chosen_options(args, run.entry, "options"))
    if not run.engine.is_global_zero:
        return
    if args.json:
        from stgraph.training.report import write_json

        paths.append(write_json(report, args.json))
    print(run.report_kind.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
