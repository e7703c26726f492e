"""Options of `python -m data_prep pyskl`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import clip_arguments


def arguments(parser: ArgumentParser) -> None:
    text = "pickles of annotations; of several, each is a part of the split (..._train.pkl, ..._val.pkl)"
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help=text)
    clip_arguments(parser)
