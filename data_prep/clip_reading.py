"""What the numbers of clips are: which joints, depth or confidence, what x and y are counted in.

It is told by some clips for all of them, unless options say it, and stated in the notes; what can be several things is
refused.
"""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import minimum_spanning_tree

from data_prep.anatomy import UNIT_NAMES, UNITS
from data_prep.clip_poses import AXES, SCALES, Poses, Reading, layouts_of
from data_prep.rigs import metres
from data_prep.source import two_numbers
from stgraph.errors import InputError
from stgraph.io.recording import BONE_METRES
from stgraph.skeleton import SKELETONS, Skeleton, skeleton_from

TERMS = "not stated in the files: ask whose the clips are before you pass anything on"
SAMPLED = 50  # clips by which all are told
NOMINAL = (340, 256)  # pixels; the shape of Kinetics' videos
THIRD = {"confidence": "xyc", "z": "xyz"}
SURE = 1.1  # some detectors' confidences go a little beyond 1
# Bones of a layout that fits are together 1.1 to 1.6 times as long as the shortest tree over the joints, the most where
# hands hang beside the hips, and 2.0 from the side alone; of joints in another order, 2.5 to 7 times.
MISFIT = 2.3


def reading_arguments(parser: ArgumentParser) -> None:
    """The options that `told` reads."""
    add = parser.add_argument_group("what the clips hold", "told by the numbers where no option says it").add_argument
    add("--skeleton", metavar="NAME|FILE.json", help=f"{', '.join(SKELETONS)}, or names and parents as JSON")
    add("--third", choices=list(THIRD), help="what the third of three channels is")
    add("--scale", choices=list(SCALES), help="; ".join(f"{name}: {text}" for name, text in SCALES.items()))
    add("--size", metavar="WIDTHxHEIGHT", help="of the images, pixels; for 2D that does not say it")
    add("--unit", default="m", help=f"of 3D: {', '.join(UNITS)} or the metres of one unit (%(default)s)")
    text = "; ".join(f"{name}: {what}" for name, (what, _) in AXES.items())
    add("--axes", choices=list(AXES), help=f"of 3D: {text} (kinect for ntu25, camera for others)")
    add("--detector", default="keypoints", metavar="NAME", help="what 2D is called in the dataset (%(default)s)")
    add("--terms", default=TERMS, help="what may be done with the clips")
    add("--fps", type=float, default=30.0, help="frames per second (%(default)g)")


def told(samples: Sequence[Poses], args: Namespace, where: str) -> Reading:
    """What all clips hold, by some of them.

    Raises:
        InputError: options that cannot be, or numbers that can be several things or nothing that is known.
    """
    if not 0 < args.fps < np.inf:
        raise InputError(f"--fps {args.fps:g}: expected frames per second, above 0")
    size = two_numbers("--size", args.size, "WIDTHxHEIGHT in pixels, such as 1920x1080") if args.size else None
    unit = metres(args.unit, "--unit")
    samples = [one for one in samples if 0 not in one.values.shape and one.values.shape[3] in (2, 3)]
    if not samples:
        raise InputError(
            f"{where}: none of the clips has persons, frames and joints; expected poses of 2 or 3 channels"
        )
    channels = channels_told(samples, args.third, where)
    samples = [one for one in samples if channels.startswith(one.channels) and one.values.shape[3] == len(channels)]
    skeleton = skeleton_told(samples, len(channels) - (channels == "xyc"), args.skeleton, where)
    axes = args.axes or ("kinect" if skeleton.name == "ntu25" else "camera")
    scale = "pixels"
    if channels == "xyz":
        check_unit(samples, skeleton, unit, where)
    elif any(one.size is None for one in samples):
        scale = args.scale or scale_told(samples, channels, where)
        if scale == "pixels" and size is None:
            right, bottom = np.concatenate([seen(one, channels) for one in samples]).max(0)
            raise InputError(
                f"{where}: joints reach to {right:.0f}, {bottom:.0f} pixels; say how large the images are by --size "
                "WIDTHxHEIGHT, or what else x and y are by --scale"
            )
        size = size or NOMINAL
    return Reading(skeleton, channels, scale, size, unit, axes, args.detector)


def channels_told(samples: Sequence[Poses], third: str | None, where: str) -> str:
    """Those of most clips; an unknown third channel is confidence where it is from 0 to 1 in all of them."""
    unknown = [one.values[..., 2] for one in samples if not one.channels and one.values.shape[3] == 3]
    meaning = THIRD[third] if third else ""
    if unknown and not meaning:
        values = np.concatenate([one[np.isfinite(one)] for one in unknown])
        meaning = "xyc" if len(values) and values.min() >= 0 and values.max() <= SURE else "xyz"
    counts = Counter(one.channels or ("xy" if one.values.shape[3] == 2 else meaning) for one in samples)
    return counts.most_common(1)[0][0]


def seen(poses: Poses, channels: str) -> Float[np.ndarray, "n a"]:
    """Coordinates of all joints that are anywhere, of all persons and frames."""
    values = np.asarray(poses.values, np.float64).reshape(-1, poses.values.shape[3])
    there = np.isfinite(values).all(axis=1) & values.any(axis=1)
    if channels == "xyc":
        there &= values[:, 2] > 0
    return values[there, : 3 if channels == "xyz" else 2]


def scale_told(samples: Sequence[Poses], channels: str, where: str) -> str:
    """By how far x and y reach. Raises InputError where that is nothing that is known."""
    values = np.concatenate([seen(one, channels) for one in samples if one.size is None])
    if not len(values):
        return "fractions"
    low, high = np.percentile(values, [0.5, 99.5])
    if high > 20:
        return "pixels"
    if low >= -0.05 and high <= 1.1:
        return "fractions"
    if low >= -0.6 and high <= 0.6:
        return "centred"
    raise InputError(
        f"{where}: x and y are {low:.3g} to {high:.3g}, which can be several things; say which by --scale: "
        + "; ".join(f"{name}: {text}" for name, text in SCALES.items())
    )


def named_skeleton(name: str) -> Skeleton:
    """A layout by name or from a JSON file. Raises InputError with the names there are."""
    if name in SKELETONS:
        return SKELETONS[name]
    path = Path(name)
    if not path.is_file():
        raise InputError(
            f"--skeleton {name}: no such file and no known layout; there are {', '.join(SKELETONS)}, and JSON such as "
            '{"name": "arm", "names": ["Elbow", "Wrist"], "parents": [null, "Elbow"]}'
        )
    try:
        tree = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; expected JSON with names and parents of the joints") from error
    return skeleton_from(tree, str(path))


def skeleton_told(samples: Sequence[Poses], axes: int, name: str | None, where: str) -> Skeleton:
    """By the joints' names, else by their number: of several layouts, by their bones.

    Raises:
        InputError: no layout has these joints, or their bones are so long that the joints are in another order.
    """
    if name:
        return named_skeleton(name)
    known = ", ".join(f"{skeleton.name} ({len(skeleton)})" for skeleton in SKELETONS.values())
    joints = Counter(one.joints for one in samples).most_common(1)[0][0]
    if joints:
        names = {joint.lower() for joint in joints}
        fitting = [one for one in SKELETONS.values() if {joint.lower() for joint in one.names} <= names]
        if not fitting:
            raise InputError(
                f"{where}: joints {', '.join(joints)}; none of the layouts {known} has them all; give theirs by "
                "--skeleton FILE.json, with names and parents"
            )
        return max(fitting, key=len)
    count = Counter(one.values.shape[2] for one in samples).most_common(1)[0][0]
    fitting = [SKELETONS[one] for one in layouts_of(count)]
    if not fitting:
        raise InputError(
            f"{where}: {count} joints; the known layouts are {known}; give the layout by --skeleton FILE.json, with "
            "names and parents of the joints"
        )
    poses = np.concatenate([whole(one, axes) for one in samples if one.values.shape[2] == count])
    fits = {one.name: misfit(poses, one) for one in fitting}
    best = min(fits, key=fits.__getitem__)
    if fits[best] > MISFIT:
        raise InputError(
            f"{where}: {count} joints, and taken as {' or '.join(fits)} their bones are {fits[best]:.1f} times as "
            f"long as need be, so they are in another order; expected {', '.join(SKELETONS[best].names)}; give the "
            "layout by --skeleton FILE.json, or name this one if it is right"
        )
    return SKELETONS[best]


def whole(poses: Poses, axes: int) -> Float[np.ndarray, "n j a"]:
    """Poses with all their joints, whoever's and whenever."""
    values = np.asarray(poses.values, np.float64).reshape(-1, *poses.values.shape[2:])
    return values[np.isfinite(values).all((1, 2)) & values.any(2).all(1), :, :axes]


def misfit(poses: Float[np.ndarray, "n j a"], skeleton: Skeleton) -> float:
    """Length of all bones, and by how much left ones differ from right ones, of the length of the shortest tree.

    1 where there is nothing to tell by.
    """
    if not len(poses) or not skeleton.bones:
        return 1.0
    few = poses[:: max(len(poses) // 200, 1)]
    distances = np.linalg.norm(few[:, :, None] - few[:, None], axis=-1).mean(axis=0)
    # Zeros would be no edges.
    shortest = minimum_spanning_tree(distances + 1e-12 * distances.max()).sum()
    joint, parent = np.array(skeleton.bones).T
    bones, others = distances[joint, parent], distances[skeleton.mirror[joint], skeleton.mirror[parent]]
    return float((bones + np.abs(bones - others)).sum() / shortest) if shortest > 0 else 1.0


def check_unit(samples: Sequence[Poses], skeleton: Skeleton, unit: float, where: str) -> None:
    """Raises InputError where the bones are no human's in this unit, naming those in which they are."""
    poses = [whole(one, 3) for one in samples if not one.axes and one.values.shape[2] == len(skeleton)]
    if not skeleton.bones or not sum(map(len, poses)):
        return
    joint, parent = np.array(skeleton.bones).T
    values = np.concatenate(poses)
    bone = float(np.median(np.linalg.norm(values[:, joint] - values[:, parent], axis=-1)))
    low, high = BONE_METRES
    if not low <= bone * unit <= high:
        fits = [f"--unit {name} ({UNIT_NAMES[name]})" for name, metre in UNITS.items() if low <= bone * metre <= high]
        raise InputError(
            f"{where}: the median bone is {bone * unit:.3g} m long, expected {low} to {high}; "
            + (f"it would be right with {' or '.join(fits)}" if fits else "say the metres of one unit by --unit")
        )
