"""python -m stgraph.evaluate --exp NAME: score a trained experiment and write reports/NAME/."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import open_run, run_options
from stgraph.errors import InputError
from stgraph.scoring.tracking import MODES
from stgraph.tasks.lifting.protocols import PROTOCOLS, find_protocol
from stgraph.training.report import write_json
from stgraph.training.run import evaluation_folder


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.evaluate", description=__doc__)
    run_options(arguments)
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    arguments.add_argument(
        "--out",
        type=Path,
        help="folder of the report (reports/NAME, and reports/NAME/PART for what is not the test part)",
    )
    text = "part of the split, of recognisers and pose dynamics (test)"
    arguments.add_argument("--scored", choices=("train", "validation", "test"), help=text)
    lifting = arguments.add_argument_group("lifters")
    lifting.add_argument("--protocol", help=f"{', '.join(PROTOCOLS)} (standard)")
    lifting.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored input (as the protocol says)",
    )
    action = arguments.add_argument_group("recognisers")
    action.add_argument("--views", type=int, help="samples of each clip, whose probabilities are averaged (1)")
    text = "write what each frame was taken for to frames.csv as well"
    action.add_argument("--per-frame", action="store_true", default=None, help=text)
    dynamics = arguments.add_argument_group("pose dynamics")
    dynamics.add_argument("--mode", choices=MODES, help="how tracking is scored (strict)")
    return arguments


MOST_VIEWS = 100
OPTIONS = {
    "lifting": ("protocol", "flip"),
    "action": ("views", "scored", "per_frame"),
    "dynamics": ("scored", "mode"),
}


def options(args: argparse.Namespace, task: str) -> dict:
    """What was asked for, as the run takes it. Raises InputError for an option of another task."""
    given = {name: getattr(args, name) for names in OPTIONS.values() for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    if foreign := [f"--{name.replace('_', '-')}" for name in given if name not in OPTIONS[task]]:
        raise InputError(f"{', '.join(foreign)}: {args.exp} is an experiment of task {task!r}; leave it out")
    if not 1 <= given.get("views", 1) <= MOST_VIEWS:
        raise InputError(f"--views {given['views']}: expected 1 to {MOST_VIEWS}")
    if "protocol" in given:
        given["protocol"] = find_protocol(given["protocol"])
    return given | {"subjects": args.subjects, "detector": args.detector}


def main(args: argparse.Namespace) -> None:
    run, dataset = open_run(args)
    task = run.settings.task["name"]
    part = "-".join(args.subjects)[:60] if task != "lifting" and args.subjects else args.scored
    folder = args.out or evaluation_folder(run.name, part)
    report, paths = run.write_evaluation(dataset, folder, **options(args, task))
    paths += [write_json(report, args.json)] if args.json else []
    print(run.report_kind.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
