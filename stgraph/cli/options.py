"""Options that commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stgraph.errors import InputError
from stgraph.settings.hardware import DEVICES, PRECISIONS

if TYPE_CHECKING:
    from stgraph.data.dataset import Dataset
    from stgraph.training.task_run import TaskRun


def engine_options(arguments: argparse.ArgumentParser) -> None:
    """Where and how precisely to compute."""
    arguments.add_argument("--device", default="auto", choices=DEVICES, help="%(default)s")
    arguments.add_argument("--precision", default="32", choices=PRECISIONS, help="%(default)s")


def process_options(arguments: argparse.ArgumentParser) -> None:
    """How many processes share the work."""
    arguments.add_argument("--devices", type=int, default=1, help="processes on this machine (torchrun sets its own)")
    arguments.add_argument("--nodes", type=int, default=1, help="machines")


def run_options(arguments: argparse.ArgumentParser) -> None:
    """Which trained run, on which data."""
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--data", type=Path, help="dataset file (the one it was trained on)")
    arguments.add_argument("--detector", help="2D detections of the file to use (those it was trained on)")
    engine_options(arguments)


def open_run(args: argparse.Namespace, devices: int = 1, nodes: int = 1) -> tuple[TaskRun, Dataset]:
    """The run and the dataset that the options of `run_options` name, in each of so many processes."""
    from stgraph.settings.places import data_file, weights_file

    weights_file(args.exp)  # a wrong name is refused before torch is loaded
    from stgraph.data.dataset import Dataset
    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    engine = Engine(args.device, devices, nodes, args.precision)
    engine.launch()
    run = TaskRun.load(args.exp, engine)
    return run, Dataset(args.data or data_file(run.data.dataset))


def positive(option: str, value: float | int | None) -> None:
    """Raises InputError where an option has a value that is not above 0 and finite."""
    if value is not None and not 0 < value < float("inf"):
        raise InputError(where=f"--{option}", found=f"{value:g}", expected="a finite number above 0")
