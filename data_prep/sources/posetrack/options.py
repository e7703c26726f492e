"""Options of `python -m data_prep posetrack`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import TERMS


def arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    text = "files or folders of annotations; in them all files are read"
    add("paths", nargs="+", type=Path, metavar="PATH", help=text)
    add("--detections", nargs="+", type=Path, default=[], metavar="PATH", help="result files of a detector")
    add("--detector", default="", metavar="NAME", help="what the detector is called in the dataset")
    add("--fps", type=float, default=25.0, help="frames per second where a file says none (%(default)g)")
    add("--size", metavar="WxH", help="pixels of the images where a file says none, such as 1280x720")
    add("--terms", default=TERMS, help="what may be done with the annotations")
