"""Options of `python -m data_prep ntu`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import classes_argument


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=".skeleton files, or folders with them")
    text = "text with names of clips not to read, such as the official list of those with missing skeletons"
    parser.add_argument("--leave-out", type=Path, metavar="FILE", help=text)
    text = "take body ids that follow one another at the same place for one person, whose id changed half way"
    parser.add_argument("--join", action="store_true", help=text)
    classes_argument(parser)
