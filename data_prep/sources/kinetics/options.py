"""Options of `python -m data_prep kinetics`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import KINETICS_FRAMES, classes_argument


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of clips, or of such folders")
    text = "their labels: a file for every folder of clips in turn, or one for all (FOLDER_label.json)"
    parser.add_argument("--labels", nargs="+", type=Path, default=[], metavar="FILE", help=text)
    text = "frames numbered so or higher are left out (%(default)s)"
    parser.add_argument("--frames", type=int, default=KINETICS_FRAMES, metavar="N", help=text)
    classes_argument(parser)
