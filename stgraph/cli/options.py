"""Options that commands share."""

import argparse
from pathlib import Path

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import Settings
from stgraph.training.engine import DEVICES, PRECISIONS, Engine
from stgraph.training.run import Run, data_file


def engine_options(arguments: argparse.ArgumentParser) -> None:
    """Where and how precisely to compute."""
    arguments.add_argument("--device", default="auto", choices=DEVICES, help="%(default)s")
    arguments.add_argument("--precision", default="32", choices=list(PRECISIONS), help="%(default)s")


def run_options(arguments: argparse.ArgumentParser) -> None:
    """Which trained run, on which data."""
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--data", type=Path, help="dataset file (the one it was trained on)")
    arguments.add_argument("--detector", help="2D detections of the file to use (those it was trained on)")
    engine_options(arguments)


def open_run(args: argparse.Namespace) -> tuple[Run, Dataset]:
    """The run and the dataset that `run_options` asked for."""
    run = Run.load(args.exp, Engine(args.device, precision=args.precision))
    return run, Dataset(args.data or data_file(run.settings))


# What shows the results of an experiment of each task.
INSTEAD = {
    "lifting": "score and draw lifters with `python -m stgraph.evaluate` and `python -m stgraph.render`",
    "action": "score and draw recognisers with `python -m stgraph.evaluate` and `python -m stgraph.render`",
    "dynamics": "follow people with `python -m stgraph.track`, and score it with `python -m stgraph.evaluate`",
}


def check_task(exp: str, settings: Settings, *served: str) -> None:
    """Raises InputError for an experiment of a task that a command does not serve."""
    if (task := settings.task["name"]) not in served:
        raise InputError(
            f"{exp}: is an experiment of task {task!r}; this command takes those of {' and '.join(map(repr, served))}; "
            f"{INSTEAD[task]}"
        )
