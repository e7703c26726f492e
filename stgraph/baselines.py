"""python -m stgraph.baselines --exp NAME: score the baselines of an experiment on its data and protocol.

For lifters: the mean training pose, and a ridge regression from the joints of one frame to their places in space.
"""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.settings.places import REPORTS, data_file


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.baselines", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/ that gives data and task")
    arguments.add_argument("--data", type=Path, help="dataset file (data/NAME.h5 by params.json)")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: data.detector=gt")
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", help="how to score, of the task's protocols (standard)")
    arguments.add_argument("--ridge", type=float, default=1e-4, help="share of the inputs' variance (%(default)s)")
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.data.dataset import Dataset
    from stgraph.settings.params import load
    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    settings = load(args.exp, args.set)
    dataset = Dataset(args.data or data_file(settings.data.dataset))
    run = TaskRun.create(args.exp, settings, dataset, Engine("cpu"))
    options = {"protocol": args.protocol} if args.protocol else {}
    for name, model in run.baselines(dataset, args.ridge).items():
        run.name, run.model = f"{args.exp}: {name}", model.eval()
        report = run.evaluate(dataset, subjects=args.subjects, **options)
        folder = REPORTS / f"{args.exp}-{name.replace(' ', '-')}-{report['about']['detector']}"
        run.report_kind.write(report, folder)
        print(run.report_kind.markdown(report).split("\n## ")[0], f"\nwritten to {folder}\n", sep="")


if __name__ == "__main__":
    run_command(parser(), main)
