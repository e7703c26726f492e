"""Options of `python -m data_prep clips`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import CLIP_FORMS, ORDERS, clip_arguments


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help=f"with a folder for each class; clips: {CLIP_FORMS}"
    )
    text = (
        "regular expression for the files' paths below FOLDER; its first group, or all that it matches, is the subject"
    )
    parser.add_argument("--subject", default="", metavar="REGEX", help=text)
    text = "of an array's axes: m persons, t frames, j joints, c channels (by their lengths)"
    parser.add_argument("--order", choices=ORDERS, default="", help=text)
    parser.add_argument("--strict", action="store_true", help="write nothing if any clip cannot be used")
    clip_arguments(parser)
