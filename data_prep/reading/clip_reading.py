"""What the numbers of clips are: which joints, depth or confidence, what x and y are counted in.

It is told by some clips for all of them, unless options say it, and stated in the notes; what can be several things is
refused.
"""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import minimum_spanning_tree

from data_prep.checks.anatomy import UNIT_NAMES, UNITS
from data_prep.reading.clip_poses import AXES, PIXELS, SCALES, Poses, Reading, Unusable, layouts_of, spelling
from data_prep.reading.rigs import metres
from stgraph.cli.numbers import two_numbers
from stgraph.data.recording import BONE_METRES
from stgraph.errors import InputError
from stgraph.skeleton import SKELETONS, Skeleton, skeleton_from

TERMS = "not stated in the files: ask whose the clips are before you pass anything on"
SAMPLED = 50  # clips by which all are told
NOMINAL = (340, 256)  # pixels; the shape of Kinetics' videos
THIRD = {"confidence": "xyc", "z": "xyz"}
# Bones of a layout that fits are together 1.1 to 1.6 times as long as the shortest tree over the joints, the most where
# hands hang beside the hips, and 2.0 from the side alone; of joints in another order, 2.5 to 7 times.
MISFIT = 2.3
# Parts of joints' names by which it is told what is up: from the lowest that a layout has to these.
HIGH, LOW = ("head", "nose", "neck", "shoulder"), (("foot", "ankle", "toe", "heel"), ("hip", "pelvis", "spinebase"))
ONE_WAY = 0.5  # length of the mean of directions, 1 if all are the same; below, they tell nothing


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
    channels = channels_told(samples, args.third)
    samples = [one for one in samples if channels.startswith(one.channels) and one.values.shape[3] == len(channels)]
    given = Reading(SKELETONS["coco17"], channels, "pixels", size, unit, "camera", args.detector, bool(args.third))
    samples = [one for one in samples if not given.contradicts(one)]
    skeleton = skeleton_told(samples, len(channels) - (channels == "xyc"), args.skeleton, where)
    axes = args.axes or ("kinect" if skeleton.name == "ntu25" else "camera")
    reading = replace(given, skeleton=skeleton, axes=axes)
    if channels == "xyz":
        poses = bodies(samples, reading)
        check_unit(poses, reading, where)
        return replace(reading, doubts=doubted_axes(poses, reading, bool(args.axes), where))
    if any(one.size is None for one in samples):
        scale = args.scale or scale_told(samples, channels, where)
        if scale == "pixels" and size is None:
            right, bottom = np.concatenate([seen(one, channels) for one in samples]).max(0)
            raise InputError(
                f"{where}: joints reach to {right:.0f}, {bottom:.0f} pixels; say how large the images are by --size "
                "WIDTHxHEIGHT, or what else x and y are by --scale"
            )
        reading = replace(reading, scale=scale, size=size or NOMINAL)
    return reading


def channels_told(samples: Sequence[Poses], third: str | None) -> str:
    """Those of most clips; an unknown third channel is confidence where it is from 0 to 1."""

    def channels(poses: Poses) -> str:
        if poses.channels or poses.values.shape[3] == 2:
            return poses.channels or "xy"
        return THIRD[third] if third else "xyc" if poses.confident else "xyz"

    somebody = [one for one in samples if one.values.any()] or samples
    return Counter(map(channels, somebody)).most_common(1)[0][0]


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
    if high > PIXELS:
        return "pixels"
    if low >= -0.05 and high <= 1.1:
        return "fractions"
    if low >= -0.6 and high <= 0.6:
        return "centred"
    raise InputError(
        f"{where}: x and y are {low:.3g} to {high:.3g}, which can be several things; say which by --scale: "
        + "; ".join(f"{name}: {text}" for name, text in SCALES.items())
        + ("; or --third z, if the third channel is none of confidence" if channels == "xyc" else "")
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
        return named_layout(joints, where)
    counts = Counter(one.values.shape[2] for one in samples)
    count = max(counts, key=lambda joints: (counts[joints], len(layouts_of(joints))))
    fitting = [SKELETONS[one] for one in layouts_of(count)]
    if not fitting:
        raise InputError(
            f"{where}: {count} joints in {counts[count]} of {len(samples)} clips; the known layouts are {known}; give "
            "the layout by --skeleton FILE.json, with names and parents of the joints"
        )
    poses = np.concatenate([whole(one.values, axes) for one in samples if one.values.shape[2] == count])
    fits = {one.name: misfit(poses, one) for one in fitting}
    best = min(fits, key=fits.__getitem__)
    if fits[best] > MISFIT:
        raise InputError(
            f"{where}: {count} joints, and taken as {' or '.join(fits)} their bones are {fits[best]:.1f} times as "
            f"long as need be, so they are in another order; expected {', '.join(SKELETONS[best].names)}; give the "
            "layout by --skeleton FILE.json, or name this one if it is right"
        )
    return SKELETONS[best]


def named_layout(joints: Sequence[str], where: str) -> Skeleton:
    """The largest layout all of whose joints are there by name. Raises InputError with the names of the nearest."""
    there = {spelling(joint) for joint in joints}
    wanted = {one.name: {spelling(joint) for joint in one.names} for one in SKELETONS.values()}
    fitting = [one for one in SKELETONS.values() if wanted[one.name] <= there]
    if fitting:
        return max(fitting, key=len)
    nearest = max(SKELETONS.values(), key=lambda one: len(wanted[one.name] & there) / len(wanted[one.name] | there))
    lacking = [joint for joint in nearest.names if spelling(joint) not in there]
    missing = ", ".join(lacking) if 2 * len(lacking) < len(nearest) else f"{len(lacking)} of {len(nearest)}"
    raise InputError(
        f"{where}: joints {', '.join(joints)}; no layout has all its joints among them; the nearest is {nearest.name}: "
        f"{', '.join(nearest.names)}; missing: {missing}; name the columns so, or give the layout by --skeleton "
        "FILE.json, with names and parents of the joints"
    )


def whole(values: np.ndarray, axes: int) -> Float[np.ndarray, "n j a"]:
    """Poses (m t j c) with all their joints, whoever's and whenever; in 3D one may be the origin."""
    values = np.asarray(values, np.float64).reshape(-1, *values.shape[2:])
    absent = (~values.any(2)).sum(1)
    return values[np.isfinite(values).all((1, 2)) & (absent <= (axes == 3)), :, :axes]


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


def bodies(samples: Sequence[Poses], reading: Reading) -> list[Float[np.ndarray, "_ j 3"]]:
    """The whole poses of every clip in 3D that does not say its unit and axes, as the files have them."""
    found = []
    for one in samples:
        if not one.axes:
            with suppress(Unusable):
                found.append(whole(reading.chosen(one, ""), 3))
    return [poses for poses in found if len(poses)]


def check_unit(poses: Sequence[Float[np.ndarray, "_ j 3"]], reading: Reading, where: str) -> None:
    """Raises InputError where the bones are no human's in this unit, naming those in which they are."""
    if not reading.skeleton.bones or not poses:
        return
    joint, parent = np.array(reading.skeleton.bones).T
    values = np.concatenate(poses)
    bone = float(np.median(np.linalg.norm(values[:, joint] - values[:, parent], axis=-1)))
    low, high = BONE_METRES
    if not low <= bone * reading.unit <= high:
        fits = [f"--unit {name} ({UNIT_NAMES[name]})" for name, metre in UNITS.items() if low <= bone * metre <= high]
        # A confidence, be it in other numbers than from 0 to 1.
        hint = "; or give --third confidence, if the third channel is one" if values[..., 2].min() >= 0 else ""
        raise InputError(
            f"{where}: the median bone is {bone * reading.unit:.3g} m long, expected {low} to {high}; "
            + (f"it would be right with {' or '.join(fits)}" if fits else "say the metres of one unit by --unit")
            + (hint if not reading.stated else "")
        )


def doubted_axes(
    poses: Sequence[Float[np.ndarray, "_ j 3"]], reading: Reading, stated: bool, where: str
) -> tuple[str, ...]:
    """Notes, if it is doubtful that bodies are upright in the axes.

    Raises:
        InputError: they are along another axis, and no option stated the axes; names the option in which they are up.
    """
    up = upward(poses, reading.skeleton)
    if up is None:
        return ()
    found = f"mean direction from feet to head x {up[0]:.2f}, y {up[1]:.2f}, z {up[2]:.2f} (1 if all are the same)"
    if np.linalg.norm(up) < ONE_WAY:
        return (f"axes {reading.axes}: not told by the numbers, {found}",)
    most = int(np.abs(up).argmax())
    # What is up in the camera's axes is -y.
    right = [name for name, (_, turn) in AXES.items() if np.isclose(-(np.array(turn) @ up)[1], abs(up[most]))]
    if reading.axes in right:
        return ()
    along = f"bodies are along {'+' if up[most] > 0 else '-'}{'xyz'[most]}, {found}"
    if stated:
        return (f"axes {reading.axes}: as --axes states, though {along}",)
    raise InputError(
        f"{where}: {along}; expected them upright in axes {reading.axes} ({AXES[reading.axes][0]}); give "
        + (f"--axes {right[0]} ({AXES[right[0]][0]})" if right else f"clips in one of the axes {', '.join(AXES)}")
        + f", or --axes {reading.axes} if they all lie"
    )


def upward(poses: Sequence[Float[np.ndarray, "_ j 3"]], skeleton: Skeleton) -> Float[np.ndarray, "3"] | None:
    """Mean over the clips of the unit directions from feet to head, in the files' axes.

    None where there are no poses, or no such names in the layout.
    """

    def joints(parts: Sequence[str]) -> list[int]:
        return [j for j, name in enumerate(skeleton.names) if any(part in spelling(name) for part in parts)]

    high, low = joints(HIGH), next((found for parts in LOW if (found := joints(parts))), [])
    if not poses or not high or not low:
        return None
    spans = [clip[:, high].mean(1) - clip[:, low].mean(1) for clip in poses]
    lengths = [np.linalg.norm(span, axis=1, keepdims=True) for span in spans]
    return np.mean([(span / np.maximum(n, 1e-9)).mean(0) for span, n in zip(spans, lengths, strict=True)], axis=0)
