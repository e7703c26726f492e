"""python -m stgraph.evaluate --exp NAME: score a trained experiment and write reports/NAME/."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import open_run, run_options
from stgraph.errors import InputError
from stgraph.settings.registry import TASKS, TaskEntry


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.evaluate", description=__doc__)
    run_options(arguments)
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    text = "folder of the report (reports/NAME, and reports/NAME/PART for another split than test)"
    arguments.add_argument("--out", type=Path, help=text)
    text = "split to score, for tasks whose data are divided by the file's splits (test)"
    arguments.add_argument("--scored", choices=("train", "validation", "test"), help=text)
    for name in TASKS.names():
        entry = TASKS.get(name)
        entry.options(arguments.add_argument_group(entry.title))
    return arguments


def task_options(entry: TaskEntry) -> list[str]:
    """Names of the options of one task."""
    alone = argparse.ArgumentParser(add_help=False)
    entry.options(alone.add_argument_group())
    return list(vars(alone.parse_args([])))


def options(args: argparse.Namespace, task: TaskEntry) -> dict:
    """Keyword arguments for `evaluate` of the run. Raises InputError for an option of another task."""
    chosen = {"subjects": args.subjects, "detector": args.detector, "scored": args.scored}
    for name in TASKS.names():
        for option in task_options(TASKS.get(name)):
            if (value := getattr(args, option)) is None:
                continue
            if name != task.name:
                where, found = f"--{option.replace('_', '-')}", f"an experiment of task {task.name!r}"
                raise InputError(where=where, found=found, expected=f"one of task {name!r}", remedy="leave it out")
            chosen[option] = value
    return chosen


def main(args: argparse.Namespace) -> None:
    run, dataset = open_run(args)
    folder = args.out or run.report_folder(args.subjects, args.scored)
    report, paths = run.write_evaluation(dataset, folder, **options(args, run.entry))
    if args.json:
        from stgraph.training.report import write_json

        paths.append(write_json(report, args.json))
    print(run.report_kind.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
