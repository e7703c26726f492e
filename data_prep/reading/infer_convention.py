"""The convention of a set of clips: stated by options, else inferred from some of the clips.

The notes state what is inferred; ambiguous numbers are refused.
"""

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import numpy as np
from jaxtyping import Float, Shaped

from data_prep.checks.anatomy import bone_lengths
from data_prep.options import AXES, THIRD, UNIT_NAMES, UNITS, check_fps
from data_prep.reading.conventions import Convention
from data_prep.reading.poses import Poses
from data_prep.reading.rigs import metres
from stgraph.cli.numbers import picture_size
from stgraph.data.recording import BONE_METRES
from stgraph.errors import InputError
from stgraph.formats.keypoints.fit import layout_by_content
from stgraph.formats.keypoints.layouts import layouts_of, skeleton_file
from stgraph.formats.keypoints.names import spelling
from stgraph.formats.keypoints.scales import inferred_scale
from stgraph.skeleton import SKELETONS, Skeleton

SAMPLED = 50  # clips from which the convention of all is inferred
NOMINAL = (340, 256)  # pixels; the shape of Kinetics' videos
# Bones of a layout that fits are together 1.1 to 1.6 times as long as the shortest tree over the joints, the most where
# hands hang beside the hips, and 2.0 from the side alone; of joints in another order, 2.5 to 7 times.
MISFIT = 2.3
# Words in joints' names from which the direction up is inferred: from the lowest that a layout has to these.
HIGH, LOW = ("head", "nose", "neck", "shoulder"), (("foot", "ankle", "toe", "heel"), ("hip", "pelvis", "spinebase"))
ONE_WAY = 0.5  # length of the mean of directions, 1 if all are the same; below, there is no common direction
OWN_LAYOUT = "give the layout by --skeleton FILE.json, with names and parents of the joints"


def sample_poses(readers: Sequence[Callable[[], Poses]]) -> list[Poses]:
    """Poses of clips spread over a set; if none of those is readable, of the first readable ones."""

    def readable(some: Sequence[Callable[[], Poses]]) -> Iterator[Poses]:
        for read in some:
            with suppress(InputError):
                yield read()

    spread = readers[:: max(len(readers) // SAMPLED, 1)]
    return list(readable(spread)) or list(islice(readable(readers), SAMPLED))


def infer_convention(samples: Sequence[Poses], args: Namespace, where: str) -> Convention:
    """The convention of all clips, from some of them and the options of `clip_arguments`.

    Raises:
        InputError: invalid options, or numbers that are ambiguous or fit no known convention.
    """
    check_fps(args.fps)
    size = image_size(args.size)
    unit = metres(args.unit, "--unit")
    samples = [poses for poses in samples if 0 not in poses.values.shape and poses.values.shape[3] in (2, 3)]
    if not samples:
        problem = "none of the clips has persons, frames and joints"
        raise InputError(problem, where=where, expected="poses of 2 or 3 channels")
    channels = infer_channels(samples, args.third)
    samples = [s for s in samples if channels.startswith(s.channels) and s.values.shape[3] == len(channels)]
    stated = bool(args.third)
    convention = Convention(SKELETONS["coco17"], channels, size=size, unit=unit, detector=args.detector, stated=stated)
    samples = [poses for poses in samples if not convention.contradiction(poses)]
    skeleton = infer_skeleton(samples, len(channels) - (channels == "xyc"), args.skeleton, where)
    axes = args.axes or ("kinect" if skeleton.name == "ntu25" else "camera")
    convention = replace(convention, skeleton=skeleton, axes=axes)
    if channels == "xyz":
        # The whole poses of every clip that does not state its unit and axes, as the files have them.
        bodies = [whole_poses(poses.values, 3) for poses in selected(samples, convention) if not poses.axes]
        bodies = [body for body in bodies if len(body)]
        check_unit(bodies, convention, where)
        return replace(convention, doubts=check_axes(bodies, convention, bool(args.axes), where))
    if any(poses.size is None for poses in samples):
        scale = args.scale or infer_scale(samples, channels, where)
        if scale == "pixels" and size is None:
            right, bottom = np.concatenate([seen(poses, channels) for poses in samples]).max(0)
            remedy = "say how large the images are by --size WIDTHxHEIGHT, or what else x and y are by --scale"
            raise InputError(f"joints reach to {right:.0f}, {bottom:.0f} pixels", where=where, remedy=remedy)
        convention = replace(convention, scale=scale, size=size or NOMINAL)
    return convention


def image_size(text: str | None) -> tuple[int, int] | None:
    """Width and height of the option --size. Raises InputError."""
    return picture_size(text, example="1920x1080") if text else None


def selected(samples: Sequence[Poses], convention: Convention) -> Iterator[Poses]:
    """The samples that have the convention's joints, with these alone."""
    for poses in samples:
        with suppress(InputError):
            yield replace(poses, values=convention.selected(poses), joints=())


def infer_channels(samples: Sequence[Poses], third: str | None) -> str:
    """The channels of most clips; an unknown third channel is confidence where it is from 0 to 1."""

    def channels(poses: Poses) -> str:
        if poses.channels or poses.values.shape[3] == 2:
            return poses.channels or "xy"
        return THIRD[third] if third else "xyc" if poses.confident else "xyz"

    with_persons = [poses for poses in samples if poses.values.any()] or samples
    return Counter(map(channels, with_persons)).most_common(1)[0][0]


def seen(poses: Poses, channels: str) -> Float[np.ndarray, "n a"]:
    """Coordinates of all joints that are present, of all persons and frames."""
    values = np.asarray(poses.values, np.float64).reshape(-1, poses.values.shape[3])
    present = np.isfinite(values).all(axis=1) & values.any(axis=1)
    if channels == "xyc":
        present &= values[:, 2] > 0
    return values[present, : 3 if channels == "xyz" else 2]


def infer_scale(samples: Sequence[Poses], channels: str, where: str) -> str:
    """The scale by the range of x and y. Raises InputError for an ambiguous range."""
    values = np.concatenate([seen(poses, channels) for poses in samples if poses.size is None])
    no_confidence = "; or --third z, if the third channel is no confidence" if channels == "xyc" else ""
    return inferred_scale(values, where, no_confidence)


def infer_skeleton(samples: Sequence[Poses], axes: int, name: str | None, where: str) -> Skeleton:
    """The layout by the joints' names, else by their number: of several layouts, by their bones.

    Args:
        axes: 2 or 3.
        name: the value of --skeleton, which overrides the inference.

    Raises:
        InputError: no layout has these joints, or bones too long for joints in its order.
    """
    if name:
        return SKELETONS[name] if name in SKELETONS else skeleton_file("--skeleton", name, SKELETONS)
    joints = Counter(poses.joints for poses in samples).most_common(1)[0][0]
    if joints:
        return layout_with(joints, where)
    counts = Counter(poses.values.shape[2] for poses in samples)
    count = max(counts, key=lambda joints: (counts[joints], len(layouts_of(joints, SKELETONS))))
    candidates = [SKELETONS[layout] for layout in layouts_of(count, SKELETONS)]
    if not candidates:
        known = ", ".join(f"{skeleton.name} ({len(skeleton)})" for skeleton in SKELETONS.values())
        problem = f"{count} joints in {counts[count]} of {len(samples)} clips; the known layouts are {known}"
        raise InputError(problem, where=where, remedy=OWN_LAYOUT)
    own = [poses.values for poses in samples if poses.values.shape[2] == count]
    whole = np.concatenate([whole_poses(values, axes) for values in own])
    lengths = {skeleton: relative_length(whole, skeleton) for skeleton in candidates}
    best = min(candidates, key=lengths.__getitem__)
    if len(candidates) > 1 and not len(whole):
        best = by_seen_joints(own, axes, where)
    if lengths[best] > MISFIT:
        raise InputError(
            f"{count} joints, and taken as {' or '.join(skeleton.name for skeleton in candidates)} their bones are "
            f"{lengths[best]:.1f} times as long as need be, so they are in another order",
            where=where,
            expected=", ".join(best.names),
            remedy=f"{OWN_LAYOUT}, or name this one if it is right",
        )
    return best


def by_seen_joints(values: Sequence[Shaped[np.ndarray, "m t j c"]], axes: int, where: str) -> Skeleton:
    """The layout whose trunk and head fit the joints that are seen. Raises InputError where several fit."""
    poses = np.concatenate([np.asarray(one, np.float64).reshape(-1, *one.shape[2:]) for one in values])
    seen = np.isfinite(poses).all(axis=2) & poses[..., :axes].any(axis=2)
    if axes == 2 and poses.shape[2] == 3:
        seen &= poses[..., 2] > 0
    possible = layouts_of(poses.shape[1], SKELETONS)
    remedy = f"say which by --skeleton {'|'.join(possible)}"
    return SKELETONS[layout_by_content(poses[..., :axes], np.asarray(seen), where, possible, remedy)]


def layout_with(joints: Sequence[str], where: str) -> Skeleton:
    """The largest layout whose joints are all among these. Raises InputError with the names of the nearest."""
    present = {spelling(joint) for joint in joints}
    wanted = {skeleton: {spelling(joint) for joint in skeleton.names} for skeleton in SKELETONS.values()}
    fitting = [skeleton for skeleton, names in wanted.items() if names <= present]
    if fitting:
        return max(fitting, key=len)
    nearest = max(wanted, key=lambda skeleton: len(wanted[skeleton] & present) / len(wanted[skeleton] | present))
    lacking = [joint for joint in nearest.names if spelling(joint) not in present]
    missing = ", ".join(lacking) if 2 * len(lacking) < len(nearest) else f"{len(lacking)} of {len(nearest)}"
    raise InputError(
        f"joints {', '.join(joints)}; no layout has all its joints among them; the nearest is {nearest.name}: "
        f"{', '.join(nearest.names)}; missing: {missing}",
        where=where,
        remedy=f"name the columns so, or {OWN_LAYOUT}",
    )


def whole_poses(values: Shaped[np.ndarray, "m t j c"], axes: int) -> Float[np.ndarray, "n j a"]:
    """Poses with all their joints, of any person and frame; in 3D one joint may be the origin."""
    values = np.asarray(values, np.float64).reshape(-1, *values.shape[2:])
    absent = (~values.any(2)).sum(1)
    return values[np.isfinite(values).all((1, 2)) & (absent <= (axes == 3)), :, :axes]


def relative_length(poses: Float[np.ndarray, "n j a"], skeleton: Skeleton) -> float:
    """Length of all bones, and by how much left ones differ from right ones, of the length of the shortest tree.

    1 where there are no poses or no bones.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(poses) or not skeleton.bones:
        return 1.0
    few = poses[:: max(len(poses) // 200, 1)]
    distances = np.linalg.norm(few[:, :, None] - few[:, None], axis=-1).mean(axis=0)
    # Zeros would be no edges.
    shortest = minimum_spanning_tree(distances + 1e-12 * distances.max()).sum()
    joint, parent = np.array(skeleton.bones).T
    bones, mirrored = distances[joint, parent], distances[skeleton.mirror[joint], skeleton.mirror[parent]]
    return float((bones + np.abs(bones - mirrored)).sum() / shortest) if shortest > 0 else 1.0


def check_unit(bodies: Sequence[Float[np.ndarray, "_ j 3"]], convention: Convention, where: str) -> None:
    """Raises InputError where the bones are no human's in this unit, naming those in which they are."""
    if not convention.skeleton.bones or not bodies:
        return
    values = np.concatenate(bodies)
    bone = float(np.median(bone_lengths(values, convention.skeleton)))
    low, high = BONE_METRES
    if not low <= bone * convention.unit <= high:
        fits = [f"--unit {name} ({UNIT_NAMES[name]})" for name, metre in UNITS.items() if low <= bone * metre <= high]
        # A confidence, be it in other numbers than from 0 to 1.
        confidence = values[..., 2].min() >= 0 and not convention.stated
        raise InputError(
            f"the median bone is {bone * convention.unit:.3g} m long",
            where=where,
            expected=f"{low} to {high}",
            remedy=(f"it would be right with {' or '.join(fits)}" if fits else "say the metres of one unit by --unit")
            + ("; or give --third confidence, if the third channel is one" if confidence else ""),
        )


def check_axes(
    bodies: Sequence[Float[np.ndarray, "_ j 3"]], convention: Convention, stated: bool, where: str
) -> tuple[str, ...]:
    """Notes, if it is doubtful that bodies are upright in the axes.

    Raises:
        InputError: they are along another axis, and no option stated the axes; names the option in which they are up.
    """
    up, axes = upward(bodies, convention.skeleton), convention.axes
    if up is None:
        return ()
    mean = f"mean direction from feet to head x {up[0]:.2f}, y {up[1]:.2f}, z {up[2]:.2f} (1 if all are the same)"
    if np.linalg.norm(up) < ONE_WAY:
        return (f"axes {axes}: cannot be inferred from the numbers, {mean}",)
    most = int(np.abs(up).argmax())
    # What is up in the camera's axes is -y.
    upright = [name for name, (_, turn) in AXES.items() if np.isclose(-(np.array(turn) @ up)[1], abs(up[most]))]
    if axes in upright:
        return ()
    along = f"bodies are along {'+' if up[most] > 0 else '-'}{'xyz'[most]}, {mean}"
    if stated:
        return (f"axes {axes}: as --axes states, though {along}",)
    other = f"--axes {upright[0]} ({AXES[upright[0]][0]})" if upright else f"clips in one of the axes {', '.join(AXES)}"
    expected = f"them upright in axes {axes} ({AXES[axes][0]})"
    raise InputError(along, where=where, expected=expected, remedy=f"give {other}, or --axes {axes} if they all lie")


def upward(bodies: Sequence[Float[np.ndarray, "_ j 3"]], skeleton: Skeleton) -> Float[np.ndarray, "3"] | None:
    """Mean over the clips of the unit directions from feet to head, in the files' axes.

    None where there are no poses, or no such names in the layout.
    """

    def joints(words: Sequence[str]) -> list[int]:
        return [j for j, name in enumerate(skeleton.names) if any(word in spelling(name) for word in words)]

    high, low = joints(HIGH), next((lowest for words in LOW if (lowest := joints(words))), [])
    if not bodies or not high or not low:
        return None
    spans = [clip[:, high].mean(1) - clip[:, low].mean(1) for clip in bodies]
    lengths = [np.linalg.norm(span, axis=1, keepdims=True) for span in spans]
    return np.mean([(span / np.maximum(n, 1e-9)).mean(0) for span, n in zip(spans, lengths, strict=True)], axis=0)
