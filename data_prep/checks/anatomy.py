"""Whether poses can be a person's: units, joint order, sides, and that the 2D shows the 3D."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from data_prep.cameras.projection import image, to_camera
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
# Metres of a unit of length, by its symbol; CMU's skeletons are scaled inches.
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
UNIT_NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "inch": "inches", "cmu": "CMU's scaled inches"}
# Knees that bend the wrong way by this much on average cannot be straight legs alone.
BACKWARDS = -0.2
# Of a person's size in the image: how far detections may be off their joint. Further off, and three times nearer to
# another joint than to their own, they are that joint's.
MISPLACED, NEARER = 0.04, 3
# Frames that the places of joints are compared in; a median needs no more.
COMPARED = 500


def check_finite(values: Float[np.ndarray, "t j c"], names: tuple[str, ...], where: str) -> None:
    """Raises InputError that names the first frame and joint with NaN or an infinite value, and counts the frames."""
    bad = ~np.isfinite(values).all(-1)
    if bad.any():
        t, j = np.argwhere(bad)[0]
        raise InputError(
            f"{where}: {values[t, j]} at frame {t}, joint {names[j]} (in {bad.any(1).sum()} of {len(values)} frames); "
            "expected finite numbers, get the file again or leave the take out"
        )


def adult_bones(skeleton: Skeleton) -> Float[np.ndarray, " bone"]:
    """An adult's bones, metres, of Human3.6M's skeleton or one with some of its joints, along the joints between."""

    def length(joint: int, end: int) -> float:
        return 0.0 if joint == end else ADULT_BONES[H36M17.names[joint]] + length(H36M17.parents[joint], end)

    place = skeleton.select_from(H36M17)
    return np.array([length(place[joint], place[parent]) for joint, parent in skeleton.bones])


def check_person(
    pose: Float[np.ndarray, "t j 3"],
    where: str,
    unit: str,
    skeleton: Skeleton = H36M17,
    order: Sequence[str] = (),
) -> None:
    """Raises InputError where 3D poses, in metres, came in another unit, are out of order or mirrored.

    Args:
        unit: what the file was taken to hold, a key of UNITS.
        skeleton: Human3.6M's joints or some of them.
        order: of the joints in the file, for the message, where it is not the skeleton's.
    """
    expected = ", ".join(order or skeleton.names)
    bones = np.median(bone_lengths(pose, skeleton), axis=0)
    ratios = bones / adult_bones(skeleton)
    scale = float(np.median(ratios))
    if not 1 / BONE_FACTOR < scale < BONE_FACTOR:
        # Which unit would make these numbers an adult's.
        fits = {name: scale * metres / UNITS[unit] for name, metres in UNITS.items()}
        looks = [UNIT_NAMES[name] for name, ratio in fits.items() if 1 / BONE_FACTOR < ratio < BONE_FACTOR]
        remedy = f"they seem to be {looks[0]}, convert them" if looks else "check what the file holds"
        raise InputError(
            f"{where}: taken as {UNIT_NAMES[unit]}, as this layout has them, bones are {scale:.3g} times an adult's; "
            f"{remedy}"
        )
    wrong = [
        f"{skeleton.names[parent]}-{skeleton.names[joint]} is {bone:.2f} m"
        for (joint, parent), bone, ratio in zip(skeleton.bones, bones, ratios / scale, strict=True)
        if not 1 / BONE_FACTOR < ratio < BONE_FACTOR
    ]
    if wrong:
        raise InputError(
            f"{where}: {', '.join(wrong)}, which is no person's; the joints seem to be in another order than the one "
            f"expected ({expected}); reorder them"
        )
    if knee_flexion(pose, skeleton) < BACKWARDS:
        raise InputError(
            f"{where}: knees bend backwards, so left and right joints are swapped or an axis is mirrored; "
            f"expected the joints in the order {expected}, and right-handed axes"
        )


def check_bones(pose: Float[np.ndarray, "t j 3"], where: str, skeleton: Skeleton = H36M17) -> None:
    """Raises InputError where a joint is far from its place in any frame: a bone 2.5 times its usual or adult length.

    Metres. What `check_person` says of a take as a whole need not be true of every frame.
    """
    lengths, adult = bone_lengths(pose, skeleton), adult_bones(skeleton)
    usual = np.median(lengths, axis=0).clip(adult, BONE_FACTOR * adult)
    wrong = lengths > BONE_FACTOR * usual
    if wrong.any():
        t, bone = np.argwhere(wrong)[0]
        joint, parent = (skeleton.names[j] for j in skeleton.bones[bone])
        raise InputError(
            f"{where}: {parent}-{joint} is {lengths[t, bone]:.2f} m at frame {t} ({wrong.any(1).sum()} of {len(pose)} "
            f"frames have such a bone), {usual[bone]:.2f} m is usual; a joint is not in its place, "
            "mend these frames or leave the take out"
        )


def bone_lengths(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton = H36M17) -> Float[np.ndarray, "t bone"]:
    """Distance of every joint but the root from its parent."""
    joint, parent = np.array(skeleton.bones).T
    return np.linalg.norm(pose[:, joint] - pose[:, parent], axis=-1)


def knee_flexion(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton = H36M17) -> float:
    """The mean of `knee_sines`."""
    return float(knee_sines(pose, skeleton).mean())


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
    images and joints in each other's place are found by fitting better.

    Args:
        pose3d: camera space of `camera`, metres.
        cameras: all that filmed the take.
    """
    seen = pose2d[..., 2] > 0
    if not seen.any():
        raise InputError(f"{where}: no joint is seen in any frame (all confidences are 0); leave the file out")
    some = seen.sum(1) > 1  # one joint has no size
    if not some.any():
        raise InputError(f"{where}: no frame has two joints that are seen; leave the file out")
    found = np.where(seen[..., None], pose2d[..., :2], np.nan)[some]
    true = np.where(seen[..., None], image(pose3d, camera), np.nan)[some]
    # Far beside the image all joints are projected to one point, which is smaller than any person.
    size = max(1.0, float(np.median(np.linalg.norm(np.nanmax(true, 1) - np.nanmin(true, 1), axis=-1))))

    place, shape = median_distance(found, true) / size, shape_error(found, true) / size
    if place < 0.25:
        check_sides(found, true, size, where)
    if place > 0.1:
        world = camera_to_world(torch.from_numpy(pose3d), camera.rotation, camera.translation).numpy()
        for other in cameras:
            if median_distance(found, image(to_camera(world, other), other)[some]) < place * size / 3:
                raise InputError(
                    f"{where}: these 2D poses were seen by camera {other.name}, not {camera.name}; expected the "
                    f"cameras in the order {', '.join(camera.name for camera in cameras)}"
                )
    if shape > 0.15 or place > 0.75:
        small = np.nanmax(np.abs(found)) < 10
        hint = " (the values are small: pixels are expected, not normalised coordinates)" if small else ""
        raise InputError(
            f"{where}: the 2D does not show the 3D poses: joints are off by {place * size:.0f} pixels, "
            f"{shape * size:.0f} within the pose, for a person of {size:.0f}{hint}; expected pixels of this take and "
            f"camera, in the joint order {', '.join(H36M17.names)}"
        )
    check_order(found, true, size, where)


def median_distance(a: Float[np.ndarray, "t j 2"], b: Float[np.ndarray, "t j 2"]) -> float:
    """Between joints that are not NaN."""
    return float(np.nanmedian(np.linalg.norm(a - b, axis=-1)))


def shape_error(a: Float[np.ndarray, "t j 2"], b: Float[np.ndarray, "t j 2"]) -> float:
    """The same of centred poses."""
    return median_distance(*(pose - np.nanmean(pose, axis=1, keepdims=True) for pose in (a, b)))


def check_sides(
    found: Float[np.ndarray, "t j 2"],
    true: Float[np.ndarray, "t j 2"],
    size: float,
    where: str,
    skeleton: Skeleton = H36M17,
) -> None:
    """Raises InputError where 2D poses fit the true ones far better with their sides swapped (see `misplaced`)."""
    shape = shape_error(found, true)
    if shape > MISPLACED * size and shape_error(found[:, skeleton.mirror], true) < shape / NEARER:
        raise InputError(
            f"{where}: left and right joints are swapped against the 3D poses; expected the joints in the order "
            f"{', '.join(skeleton.names)}"
        )


def check_order(
    found: Float[np.ndarray, "t j 2"],
    true: Float[np.ndarray, "t j 2"],
    size: float,
    where: str,
    skeleton: Skeleton = H36M17,
) -> None:
    """Raises InputError that names the 2D joints in another's place."""
    joints = misplaced(found, true, size, skeleton)
    if joints:
        raise InputError(
            f"{where}: 2D joints are where the 3D has others: "
            + ", ".join(f"{skeleton.names[j]} at {skeleton.names[k]}" for j, k in joints)
            + f"; expected the joints in the order {', '.join(skeleton.names)}"
        )


def misplaced(
    found: Float[np.ndarray, "t j 2"], true: Float[np.ndarray, "t j 2"], size: float, skeleton: Skeleton = H36M17
) -> list[tuple[int, int]]:
    """(joint, other): joints whose 2D is off, and much nearer to the true place of another, in the median over frames.

    Detectors do put the arm or leg that they cannot see on that of the other side. So a joint at the place of its
    mirror image counts only where this one is off its place, too.

    Args:
        found, true: poses, NaN for what is not seen; where they are in the image does not matter.
        size: of the person; what "off" is measured by.
    """
    few = slice(None, None, max(len(found) // COMPARED, 1))
    found, true = found[few], true[few]
    # The median joint's offset, as the mean would move with those that are misplaced.
    found = found - np.nanmedian(found - true, axis=1, keepdims=True)
    apart = np.linalg.norm(found[:, :, None] - true[:, None], axis=-1)
    apart[0, np.isnan(apart).all(axis=0)] = np.inf  # never seen together: no median
    errors = np.nanmedian(apart, axis=0)
    own = errors.diagonal()
    off = np.isfinite(own) & (own > MISPLACED * size)
    wrong = []
    for joint in np.flatnonzero(off):
        other = int(errors[joint].argmin())
        if errors[joint, other] < own[joint] / NEARER and (other != skeleton.mirror[joint] or off[other]):
            wrong.append((int(joint), other))
    return wrong
