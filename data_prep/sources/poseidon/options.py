"""Options of `python -m data_prep poseidon`."""

from argparse import ArgumentParser
from pathlib import Path

from data_prep.options import UNIT_NAMES

FILES = "{train,test}_2d_poses.npy, _3d_poses.npy and _actions.npy"
CONVENTIONS = {
    "pose2d": {"pixels": "pixels", "screen": "normalised by the image's width, x / w * 2 - (1, h / w)"},
    "unit": {unit: UNIT_NAMES[unit] for unit in ("m", "mm")},
    "root": {
        "relative": "joints relative to the root, which is at zero",
        "camera": "every joint in camera space",
        "path": "joints relative to the root, with its place in camera space in its own entry",
    },
}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=f"with {FILES}")
    for name, choices in CONVENTIONS.items():
        text = f"{'; '.join(f'{choice}: {meaning}' for choice, meaning in choices.items())} (inferred from the numbers)"
        parser.add_argument(f"--{name}", choices=list(choices), help=text)
    parser.add_argument("--image", default="1000x1000", help="width and height of the images, pixels (%(default)s)")
    parser.add_argument("--detector", default="2d_poses", help="what the 2D is called in the file (%(default)s)")
