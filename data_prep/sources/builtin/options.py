"""Options of `python -m data_prep builtin`."""

from argparse import ArgumentParser

from data_prep.cameras.options import StudioOptions


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--subjects", nargs="+", metavar="SUBJECT", help="these of its subjects alone")
    parser.add_argument("--seed", type=int, default=StudioOptions.seed, help="of the simulated detector (%(default)s)")
