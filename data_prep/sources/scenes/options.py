"""Options of `python -m data_prep scenes`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import PARTS, motion_arguments


def arguments(parser: ArgumentParser) -> None:
    motion_arguments(parser)
    add = parser.add_argument
    add("--scenes", type=int, default=20, help="for training, of subjects in no other part (%(default)s)")
    for part, count in zip(PARTS[1:], (10, 20), strict=True):
        add(f"--{part}", nargs="+", default=[], metavar="SUBJECT", help=f"subjects of the scenes for {part}")
        add(f"--{part}-scenes", type=int, default=count, help="where subjects are named (%(default)s)")
    add("--people", default="2x6", help="fewest and most people in a scene (%(default)s)")
    add("--seconds", type=float, default=10.0, help="longest scene (%(default)g)")
    add("--fps", type=float, default=25.0, help="frames per second (%(default)g)")
    add("--seed", type=int, default=0, help="of the first scene of each part, the next has the next (%(default)s)")
    add(
        "--json", type=Path, metavar="FOLDER", help="also write truth/NAME.json and detections/NAME.json as PoseTrack18"
    )
