"""Options of `python -m data_prep motionbert`."""

from argparse import ArgumentParser
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="FILE", help="h36m_*_cam_source_final.pkl")
    text = "what to call its 2D detections (by default as the file's name does: sh for h36m_sh_...)"
    parser.add_argument("--detector", metavar="NAME", help=text)
