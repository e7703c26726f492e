"""Options of `python -m data_prep h36m`."""

from argparse import ArgumentParser
from pathlib import Path

LAYOUTS = (
    "official archives, extracted (S<k>/MyPoseFeatures/D3_Positions_mono, D3_Positions and D2_Positions, "
    ".cdf or .mat), or VideoPose3D's data_3d_h36m.npz and data_2d_h36m_<detector>.npz"
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=f"files or folders: {LAYOUTS}")
