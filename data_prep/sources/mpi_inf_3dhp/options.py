"""Options of `python -m data_prep 3dhp`."""

from argparse import ArgumentParser
from pathlib import Path

ANNOTATIONS = ("univ_annot3", "annot3")
LAYOUTS = (
    "the official folders S<k>/Seq<n> with annot.mat and TS<k> with annot_data.mat, or data_train_3dhp.npz and "
    "data_test_3dhp.npz"
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=f"files or folders: {LAYOUTS}")
    parser.add_argument(
        "--annotation",
        choices=ANNOTATIONS,
        default=ANNOTATIONS[0],
        help="3D of the official files: rescaled to a universal skeleton, as most papers score, or the person's own; "
        "an .npz file has one of them and does not say which (%(default)s)",
    )
