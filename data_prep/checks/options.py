"""Options of `python -m data_prep summary`."""

from argparse import ArgumentParser
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="FILE", help="a dataset, data/NAME.h5")
    parser.add_argument("--out", type=Path, help="folder for summary.md, summary.json and figures (reports/data/NAME)")
