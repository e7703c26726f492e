"""Options of `python -m data_prep mocap`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.cameras.options import StudioOptions, h36m_subjects
from data_prep.options import motion_arguments

EXAMPLE = '{"35_01": "walk"}'


def arguments(parser: ArgumentParser) -> None:
    motion_arguments(parser)
    add, studio = parser.add_argument, StudioOptions()
    add("--cameras", choices=("h36m", "random"), default="h36m", help="Human3.6M's four, or drawn for every take")
    text = f"whose cameras: {', '.join(h36m_subjects())} (%(default)s)"
    add("--camera-subject", default=studio.subject, help=text)
    add("--views", type=int, default=studio.random, help="random cameras a take (%(default)s)")
    add("--seed", type=int, default=studio.seed, help="of random cameras and the simulated detector (%(default)s)")
    add("--fps", type=float, default=studio.fps, help="frames per second of the dataset (%(default)g)")
    add("--actions", type=Path, help=f"JSON: file name without ending -> action, {EXAMPLE}")
    add("--validation", nargs="+", default=[], metavar="SUBJECT", help="subjects of the split `standard`")
    add("--test", nargs="+", default=[], metavar="SUBJECT", help="subjects of the split `standard`")
    text = "how far outside a joint may be, of the longer side (%(default)g)"
    add("--margin", type=float, default=studio.margin, help=text)
    add("--min-depth", type=float, default=studio.nearest, help="metres of a joint from the camera (%(default)g)")
    add("--min-frames", type=int, default=studio.shortest, help="shortest run of frames that is kept (%(default)s)")
