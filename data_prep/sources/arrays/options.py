"""Options of `python -m data_prep arrays`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import LABEL_FORMS, ORDERS, clip_arguments
from stgraph.formats.keypoints.choices import CSV_FORM


def arguments(parser: ArgumentParser) -> None:
    text = f".npy (N, C, T, V, M) or as --order says, or .csv: {CSV_FORM}"
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA", help=text)
    parser.add_argument("--labels", type=Path, help=f"of DATA: {LABEL_FORMS}")
    text = "a part of the split with its labels (none for .csv); once for train, test and maybe validation"
    parser.add_argument("--part", nargs="+", action="append", default=[], metavar="PART DATA LABELS", help=text)
    text = "of a clip's axes: m persons, t frames, j joints, c channels (by their lengths; ctjm is ST-GCN's)"
    parser.add_argument("--order", choices=ORDERS, default="", help=text)
    clip_arguments(parser)
