"""Whether poses can be a person's: units, joint order, sides, and that the 2D shows the 3D."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Bool, Float

from data_prep.cameras.projection import image, to_camera
from data_prep.options import UNIT_NAMES, UNITS
from stgraph.errors import InputError
from stgraph.geometry import Camera, camera_to_world
from stgraph.skeleton import H36M17, Skeleton

# Bones of an adult, metres, by the joint at their end (Human3.6M's subjects, rounded to a centimetre).
ADULT_BONES = {
    **{"RHip": 0.13, "RKnee": 0.44, "RFoot": 0.45, "LHip": 0.13, "LKnee": 0.44, "LFoot": 0.45},
    **{"Spine": 0.23, "Thorax": 0.26, "Neck/Nose": 0.12, "Head": 0.12},
    **{"LShoulder": 0.15, "LElbow": 0.28, "LWrist": 0.25, "RShoulder": 0.15, "RElbow": 0.28, "RWrist": 0.25},
}
# Motion-capture rigs place joints differently, the hips most, but within this; a joint in another's place is not.
BONE_FACTOR = 2.5
# Knees that bend the wrong way by this much on average cannot be straight legs alone.
BACKWARDS = -0.2
# Of a person's size in the image: how far detections may be off their joint. Further off, and three times nearer to
# another joint than to their own, they are that joint's.
MISPLACED, NEARER = 0.04, 3
# Frames that the places of joints are compared in; a median needs no more.
COMPARED = 500


def check_finite(values: Float[np.ndarray, "t j c"], names: Sequence[str], where: str) -> None:
    """Raises InputError that names the first frame and joint with NaN or an infinite value, and counts the frames."""
    bad = np.asarray(~np.isfinite(values).all(axis=-1))
    if bad.any():
        t, j = np.argwhere(bad)[0]
        problem, expected = f"{values[t, j]} at frame {t}, joint {names[j]} (in {in_frames(bad)})", "finite numbers"
        raise InputError(problem, where=where, expected=expected, remedy="get the file again or leave the take out")


def in_frames(wrong: Bool[np.ndarray, "t n"]) -> str:
    """How many of the frames have something wrong, for messages."""
    return f"{np.count_nonzero(wrong.any(axis=-1))} of {len(wrong)} frames"


def fitting_units(size: float, low: float, high: float) -> list[str]:
    """Units, of UNITS, in which a size lies between two in metres; the one nearest the middle, by factors, first."""
    fitting = [unit for unit, metres in UNITS.items() if low < size * metres < high]
    return sorted(fitting, key=lambda unit: abs(np.log(size * UNITS[unit] / np.sqrt(low * high))))


def adult_bones(skeleton: Skeleton) -> Float[np.ndarray, " bone"]:
    """An adult's bones, metres, of Human3.6M's skeleton or one with some of its joints, along the joints between."""

    def length(joint: int, end: int) -> float:
        return 0.0 if joint == end else ADULT_BONES[H36M17.names[joint]] + length(H36M17.parents[joint], end)

    place = skeleton.select_from(H36M17)
    return np.array([length(place[joint], place[parent]) for joint, parent in skeleton.bones])


def check_person(
    pose: Float[np.ndarray, "t j 3"], where: str, unit: str, skeleton: Skeleton = H36M17, order: Sequence[str] = ()
) -> None:
    """Raises InputError where 3D poses, in metres, came in another unit, are out of order or mirrored.

    Args:
        unit: what the file was taken to hold, a key of UNITS.
        skeleton: Human3.6M's joints or some of them.
        order: of the joints in the file, for the message, where it is not the skeleton's.
    """
    joints = ", ".join(order or skeleton.names)
    bones = np.median(bone_lengths(pose, skeleton), axis=0)
    ratios = bones / adult_bones(skeleton)
    scale = float(np.median(ratios))
    if not 1 / BONE_FACTOR < scale < BONE_FACTOR:
        units = fitting_units(scale / UNITS[unit], 1 / BONE_FACTOR, BONE_FACTOR)
        problem = f"taken as {UNIT_NAMES[unit]}, as this layout has them, bones are {scale:.3g} times an adult's"
        remedy = f"they seem to be {UNIT_NAMES[units[0]]}, convert them" if units else "check what the file holds"
        raise InputError(problem, where=where, remedy=remedy)
    wrong = [
        f"{name} is {bone:.2f} m"
        for name, bone, ratio in zip(bone_names(skeleton), bones, ratios / scale, strict=True)
        if not 1 / BONE_FACTOR < ratio < BONE_FACTOR
    ]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)}, which is no person's; the joints seem to be in another order than the one expected "
            f"({joints})",
            where=where,
            remedy="reorder them",
        )
    if knee_sines(pose, skeleton).mean() < BACKWARDS:
        problem = "knees bend backwards, so left and right joints are swapped or an axis is mirrored"
        raise InputError(problem, where=where, expected=f"the joints in the order {joints}, and right-handed axes")


def check_bones(pose: Float[np.ndarray, "t j 3"], where: str, skeleton: Skeleton = H36M17) -> None:
    """Raises InputError where a joint is far from its place in any frame: a bone 2.5 times its usual or adult length.

    Metres. What `check_person` says of a take as a whole need not be true of every frame.
    """
    lengths, adult = bone_lengths(pose, skeleton), adult_bones(skeleton)
    usual = np.median(lengths, axis=0).clip(adult, BONE_FACTOR * adult)
    wrong = lengths > BONE_FACTOR * usual
    if wrong.any():
        t, bone = np.argwhere(wrong)[0]
        raise InputError(
            f"{bone_names(skeleton)[bone]} is {lengths[t, bone]:.2f} m at frame {t} ({in_frames(wrong)} have such a "
            f"bone), {usual[bone]:.2f} m is usual",
            where=where,
            remedy="a joint is not in its place, mend these frames or leave the take out",
        )


def bone_names(skeleton: Skeleton) -> list[str]:
    """Of every bone, "Hip-RHip": the joint that it hangs on, and the one at its end."""
    return [f"{skeleton.names[parent]}-{skeleton.names[joint]}" for joint, parent in skeleton.bones]


def bone_lengths(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton = H36M17) -> Float[np.ndarray, "t bone"]:
    """Distance of every joint but the root from its parent."""
    joint, parent = np.array(skeleton.bones, int).reshape(-1, 2).T
    return np.linalg.norm(pose[:, joint] - pose[:, parent], axis=-1)


def knee_sines(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton = H36M17) -> Float[np.ndarray, " t"]:
    """Sine of the knees' flexion about the hip axis: thigh x shank points to the person's left when a knee bends.

    The mean of both knees. Right-handed coordinates, any orientation. Standing straight gives about 0, walking 0.3,
    sitting 0.9.
    """
    at = {name: pose[:, joint] for joint, name in enumerate(skeleton.names)}
    left = at["LHip"] - at["RHip"]
    sines = []
    for side in "LR":
        thigh, shank = at[f"{side}Knee"] - at[f"{side}Hip"], at[f"{side}Foot"] - at[f"{side}Knee"]
        lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shank, axis=-1)
        sines.append((np.cross(thigh, shank) * left).sum(-1) / np.maximum(lengths, 1e-12))
    return np.mean(sines, axis=0)


def head_angles(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton = H36M17) -> Float[np.ndarray, " t"]:
    """Degrees between the head, from Neck/Nose to Head, and the trunk, from Hip to Thorax; NaN where one has no length.

    In motion capture the mean over a take is about 17 degrees, and at most 65, in dances.
    """
    at = {name: pose[:, joint] for joint, name in enumerate(skeleton.names)}
    head, trunk = at["Head"] - at["Neck/Nose"], at["Thorax"] - at["Hip"]
    lengths = np.linalg.norm(head, axis=-1) * np.linalg.norm(trunk, axis=-1)
    cosine = (head * trunk).sum(-1) / np.where(lengths > 0, lengths, np.nan)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def check_image(
    pose2d: Float[np.ndarray, "t j 3"],
    pose3d: Float[np.ndarray, "t j 3"],
    camera: Camera,
    cameras: Sequence[Camera],
    where: str,
) -> None:
    """Raises InputError where 2D poses (pixels and confidence) cannot be images of the 3D poses.

    Compared with the projection of the 3D, in units of the person's size in the image. Shape and place are judged
    loosely, as detectors err and the 3D of some takes is known to be off by decimetres; swapped sides, another camera's
    images and joints in each other's place are those that fit better.

    Args:
        pose3d: camera space of `camera`, metres.
        cameras: all that filmed the take.
    """
    rows = frames_with_shape(pose2d, where)
    seen = pose2d[rows, :, 2:] > 0
    pixels = np.where(seen, pose2d[rows, :, :2], np.nan)
    true = np.where(seen, image(pose3d, camera)[rows], np.nan)
    # Far beside the image all joints are projected to one point, which is smaller than any person.
    shown = Shown(pixels, true, max(1.0, person_size(true)), H36M17, where)
    size, place, shape = shown.size, median_distance(pixels, true) / shown.size, shown.shape_error
    if place < 0.25:
        shown.check_sides()
    if place > 0.1:
        world = camera_to_world(torch.from_numpy(pose3d), camera.rotation, camera.translation).numpy()
        for other in cameras:
            if median_distance(pixels, image(to_camera(world, other), other)[rows]) < place * size / NEARER:
                problem = f"these 2D poses were seen by camera {other.name}, not {camera.name}"
                expected = f"the cameras in the order {', '.join(camera.name for camera in cameras)}"
                raise InputError(problem, where=where, expected=expected)
    if shape > 0.15 or place > 0.75:
        small = np.nanmax(np.abs(pixels)) < 10
        hint = " (the values are small: pixels are expected, not normalised coordinates)" if small else ""
        raise InputError(
            f"the 2D does not show the 3D poses: joints are off by {place * size:.0f} pixels, {shape * size:.0f} "
            f"within the pose, for a person of {size:.0f}{hint}",
            where=where,
            expected=f"pixels of this take and camera, in the joint order {', '.join(H36M17.names)}",
        )
    shown.check_order()


def frames_with_shape(pose2d: Float[np.ndarray, "t j 3"], where: str) -> Bool[np.ndarray, " t"]:
    """Frames with two joints or more that are seen. Raises InputError where there is none."""
    seen = (pose2d[..., 2] > 0).sum(axis=1)
    if seen.max() < 2:
        problem = "no frame has two joints that are seen" if seen.any() else "no joint is seen in any frame"
        raise InputError(f"{problem} (with confidence above 0)", where=where, remedy="leave the file out")
    return seen > 1


def person_size(pixels: Float[np.ndarray, "t j 2"]) -> float:
    """Median diagonal of the box around the joints that are not NaN."""
    return float(np.median(np.linalg.norm(np.nanmax(pixels, axis=1) - np.nanmin(pixels, axis=1), axis=-1)))


def median_distance(a: Float[np.ndarray, "t j 2"], b: Float[np.ndarray, "t j 2"]) -> float:
    """Between joints that are not NaN."""
    return float(np.nanmedian(np.linalg.norm(a - b, axis=-1)))


@dataclass(frozen=True)
class Shown:
    """2D poses beside the images of their 3D, where both are seen, else NaN; sides and order are checked by shape.

    Attributes:
        pixels, true: the 2D of the file and the image of the 3D; where they are in the image does not matter.
        size: of the person, in the same unit; what "off" is measured by.
        where: for messages.
    """

    pixels: Float[np.ndarray, "t j 2"]
    true: Float[np.ndarray, "t j 2"]
    size: float
    skeleton: Skeleton
    where: str

    @cached_property
    def shape_error(self) -> float:
        """Median distance of joints in centred poses, of the person's size."""
        return self._shape_error(self.pixels)

    def _shape_error(self, pixels: Float[np.ndarray, "t j 2"]) -> float:
        centred = (pose - np.nanmean(pose, axis=1, keepdims=True) for pose in (pixels, self.true))
        return median_distance(*centred) / self.size

    def check_sides(self) -> None:
        """Raises InputError where the 2D fits far better with its sides swapped."""
        swapped = self._shape_error(self.pixels[:, self.skeleton.mirror])
        if self.shape_error > MISPLACED and swapped < self.shape_error / NEARER:
            self._refuse("left and right joints are swapped against the 3D poses")

    def check_order(self) -> None:
        """Raises InputError that names the 2D joints in another's place: off their own, and much nearer to the other.

        The median over frames counts. Detectors do put the arm or leg that they cannot see on that of the other side,
        so a joint at the place of its mirror image counts only where this one is off its place, too.
        """
        few = slice(None, None, max(len(self.pixels) // COMPARED, 1))
        pixels, true = self.pixels[few], self.true[few]
        # The median joint's offset, as the mean would move with those that are misplaced.
        pixels = pixels - np.nanmedian(pixels - true, axis=1, keepdims=True)
        apart = np.linalg.norm(pixels[:, :, None] - true[:, None], axis=-1)
        apart[0, np.isnan(apart).all(axis=0)] = np.inf  # never seen together: no median
        errors = np.nanmedian(apart, axis=0)
        own_error, nearest = errors.diagonal(), errors.argmin(axis=1)
        off = np.isfinite(own_error) & (own_error > MISPLACED * self.size)
        names, mirror = self.skeleton.names, self.skeleton.mirror
        wrong = [
            f"{names[joint]} at {names[other]}"
            for joint, other in enumerate(nearest)
            if off[joint]
            and errors[joint, other] < own_error[joint] / NEARER
            and (other != mirror[joint] or off[other])
        ]
        if wrong:
            self._refuse(f"2D joints are where the 3D has others: {', '.join(wrong)}")

    def _refuse(self, problem: str) -> NoReturn:
        expected = f"the joints in the order {', '.join(self.skeleton.names)}"
        raise InputError(problem, where=self.where, expected=expected)
