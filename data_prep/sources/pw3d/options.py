"""Options of `python -m data_prep 3dpw`."""

from argparse import ArgumentParser
from pathlib import Path

LAYOUTS = "sequenceFiles with the folders train, validation and test of .pkl files, or TGraphNet's pw3d_test.pkl"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=f"files or folders: {LAYOUTS}")
