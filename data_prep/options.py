"""Options that several sources share, and what may be chosen. Imports nothing heavy, for `--help`."""

from argparse import ArgumentParser
from pathlib import Path

from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import SCALES
from stgraph.skeleton import SKELETONS

# Metres of a unit of length, by its symbol; CMU's skeletons are scaled inches.
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
UNIT_NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "inch": "inches", "cmu": "CMU's scaled inches"}
# Axes of 3D: a description, and camera axes (x right, y down, z away) from them, a row each.
AXES = {
    "camera": ("x right, y down, z away", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "kinect": ("x left, y up, z away", ((-1, 0, 0), (0, -1, 0), (0, 0, 1))),
    "z-up": ("x right, y away, z up", ((1, 0, 0), (0, 0, -1), (0, 1, 0))),
}
KINETICS_FRAMES = 300  # of a clip
FPS = (0.1, 1000.0)  # frames per second that a dataset may have
THIRD = {"confidence": "xyc", "z": "xyz"}
ORDERS = ("tjc", "ctj", "mtjc", "ctjm")
TERMS = "not stated in the files: ask whose the clips are before you pass anything on"
SPLIT = "standard"
PARTS = ("train", "validation", "test")
TEST_SHARE = 0.2
NAMED = Path(__file__).parent / "mappings" / "classes"
LABEL_FORMS = (
    ".npy (labels), .pkl as ST-GCN's (sample names, labels), .json (labels; sample names and labels; or {sample name: "
    "label}), .csv and .txt (a label a line, or sample name and label)"
)
CLIP_FORMS = (
    ".npy or .npz of one array, .csv, Kinetics' .json, NTU's .skeleton, a .pkl of one annotation, or the keypoints of "
    "OpenPose (a folder), COCO, AlphaPose, MMPose, Detectron2, Ultralytics (a folder), SLEAP, DeepLabCut or PoseTrack"
)


def motion_arguments(parser: ArgumentParser) -> None:
    """Options for files of motion and how they are read."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="files or folders: .asf with .amc, .bvh, .npz")
    add("--rate", type=float, default=0.0, help="frames per second of AMC (as the name says, else 120) and .npz (50)")
    add("--mapping", type=Path, help="JSON: joint names of the rig (an unknown rig shows what to write)")
    add("--unit", help=f"of lengths: {', '.join(UNITS)} or the metres of one unit (by default as the mapping says)")
    add("--up", choices=("y", "z"), help="axis that points up in the files (by default as the mapping says)")
    add("--names", default="", help="regular expression for file names, with groups subject, action, take, rate")
    add("--terms", help="what may be done with the motion (CMU and HDM05 files are known by their names)")


def classes_argument(parser: ArgumentParser) -> None:
    """The option that `class_names` reads."""
    known = ", ".join(sorted(path.stem for path in NAMED.glob("*.json")))
    text = f"names of the classes in their order: text, one a line; a JSON list; or one of {known}"
    parser.add_argument("--classes", metavar="FILE|NAME", help=text)


def split_arguments(parser: ArgumentParser) -> None:
    """The options that `division` reads."""
    group = parser.add_argument_group("split", f"recorded in the file as `{SPLIT}`, where the files have none")
    for part in PARTS[1:]:
        default = f"{TEST_SHARE:g}" if part == "test" else "0"
        group.add_argument(f"--{part}-subjects", nargs="+", default=[], metavar="SUBJECT", help="all of their clips")
        text = f"of every class, one clip at least where it has enough ({default} without subjects)"
        group.add_argument(f"--{part}-share", type=float, metavar="SHARE", help=text)
    group.add_argument("--seed", type=int, default=0, help="of the clips drawn (%(default)s)")


def clip_arguments(parser: ArgumentParser) -> None:
    """Options of every source of clips: what `class_names`, `infer_convention` and `with_splits` read."""
    classes_argument(parser)
    group = parser.add_argument_group("what the clips hold", "inferred from the numbers unless stated")
    add = group.add_argument
    add("--skeleton", metavar="NAME|FILE.json", help=f"{', '.join(SKELETONS)}, or names and parents as JSON")
    add("--third", choices=list(THIRD), help="what the third of three channels is")
    add("--scale", choices=list(SCALES), help="; ".join(f"{name}: {text}" for name, text in SCALES.items()))
    add("--size", metavar="WIDTHxHEIGHT", help="of the images, pixels; for 2D that does not say it")
    add("--unit", default="m", help=f"of 3D: {', '.join(UNITS)} or the metres of one unit (%(default)s)")
    axes = "; ".join(f"{name}: {directions}" for name, (directions, _) in AXES.items())
    add("--axes", choices=list(AXES), help=f"of 3D: {axes} (kinect for ntu25, camera for others)")
    add("--detector", default="keypoints", metavar="NAME", help="what 2D is called in the dataset (%(default)s)")
    add("--terms", default=TERMS, help="what may be done with the clips")
    add("--fps", type=float, default=30.0, help="frames per second (%(default)g)")
    split_arguments(parser)


def check_fps(fps: float) -> None:
    """Raises InputError for a value of the option --fps that no recording has."""
    if not FPS[0] <= fps <= FPS[1]:
        raise InputError(where=f"--fps {fps:g}", expected=f"{FPS[0]:g} to {FPS[1]:g} frames per second")
