"""Options that commands share."""

import argparse
from pathlib import Path

from stgraph.io.dataset import Dataset
from stgraph.run import Run, data_file
from stgraph.run.engine import DEVICES, PRECISIONS, Engine


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
