"""Conventions of POSEIDON's numbers: the unit, the root and the image, inferred unless stated."""

import numpy as np
from jaxtyping import Float

from data_prep.checks.anatomy import BONE_FACTOR, adult_bones, bone_lengths, fitting_units, person_size
from data_prep.options import UNITS
from data_prep.sources.poseidon.options import CONVENTIONS
from stgraph.errors import InputError
from stgraph.skeleton import H36M16

# A person's size in the image: in pixels and on the normalised screen, which is 2 wide.
PIXEL_SIZE, SCREEN_SIZE = (20.0, 5000.0), (0.02, 3.0)


def infer_root(pose: Float[np.ndarray, "t j 3"], where: str) -> str:
    """The convention by the bones at the root, which are a person's in one and metres long in the other."""
    root, adult = pose[:, H36M16.root], adult_bones(H36M16)
    if np.abs(root).max() < 1e-4 * np.abs(pose).max():
        return "relative"
    at_root = np.array([parent == H36M16.root for _, parent in H36M16.bones])
    children = np.array(H36M16.bones)[at_root, 0]
    # Whatever the unit: bones at the root beside the other bones.
    expected = adult[at_root] * np.median(bone_lengths(pose, H36M16)) / np.median(adult)

    def fits(origin: np.ndarray) -> bool:
        ratios = np.median(np.linalg.norm(pose[:, children] - origin, axis=-1), axis=0) / expected
        return bool((ratios > 1 / BONE_FACTOR).all() and (ratios < BONE_FACTOR).all())

    fitting = {
        "camera": fits(root[:, None]) and (pose[..., 2] > 0).mean() > 0.5,
        "path": fits(np.zeros(3)) and (root[:, 2] > 0).mean() > 0.5,
    }
    if sum(fitting.values()) != 1:
        joints = ", ".join(H36M16.names)
        readings = " or ".join(f"{CONVENTIONS['root'][name]} (--root {name})" for name in fitting)
        raise InputError(
            f"the root is not at zero, and may be {readings}: "
            f"{'both fit' if any(fitting.values()) else f'neither fits joints in the order {joints}'}, by the bones at "
            "the root and the depth",
            where=where,
            remedy="say which it is, or have the root taken off by --root relative",
        )
    return "camera" if fitting["camera"] else "path"


def infer_unit(pose: Float[np.ndarray, "t j 3"], where: str) -> str:
    """The unit by the bones. Raises InputError with the bones' lengths in each unit."""
    scale = float(np.median(np.median(bone_lengths(pose, H36M16), axis=0) / adult_bones(H36M16)))
    units = [unit for unit in fitting_units(scale, 1 / BONE_FACTOR, BONE_FACTOR) if unit in CONVENTIONS["unit"]]
    if len(units) != 1:
        factors = ", ".join(f"as {name} {scale * UNITS[unit]:.3g}" for unit, name in CONVENTIONS["unit"].items())
        problem = f"in no unit that is read are these an adult's bones: {factors} times as long"
        remedy = "convert them (poses scaled by their spread have lost their size)"
        raise InputError(problem, where=where, expected="metres or millimetres", remedy=remedy)
    return units[0]


def infer_image(pose: Float[np.ndarray, "t j 2"], where: str) -> str:
    """The convention of the 2D by a person's size in it. Raises InputError with the conventions there are."""
    size = person_size(pose)
    actual = f"people {size:.3g} large and at {pose.min():.3g} to {pose.max():.3g}"
    expected = "; ".join(f"{meaning} (--pose2d {name})" for name, meaning in CONVENTIONS["pose2d"].items())
    if not pose[:, H36M16.root].any():
        lost = "all with the root at zero: their place in the image is lost"
        raise InputError(where=where, found=f"{actual}, {lost}", expected=expected)
    if PIXEL_SIZE[0] < size < PIXEL_SIZE[1]:
        return "pixels"
    if SCREEN_SIZE[0] < size < SCREEN_SIZE[1] and (pose[..., 0] < 0).mean() > 0.01:
        return "screen"
    fractions = "; or fractions of the image, which are multiplied by its width and height first"
    expected += fractions if pose.min() >= 0 else ""
    raise InputError(where=where, found=actual, expected=expected, remedy="say which it is")


def placed(pose: Float[np.ndarray, "t j 3"], root: str) -> Float[np.ndarray, "t j 3"]:
    """Poses in camera space as far as the root's place is known, else relative to it."""
    if root == "camera":
        return pose
    origin = pose[:, [H36M16.root]]
    if root == "relative":
        return pose - origin
    pose = pose + origin
    pose[:, [H36M16.root]] = origin
    return pose


def check_upright(pose: Float[np.ndarray, "t j 3"], where: str) -> None:
    """Raises InputError where heads are not towards the image's top, -y of the camera."""
    feet = np.mean([pose[:, H36M16.index(f"{side}Foot")] for side in "LR"], axis=0)
    up = pose[:, H36M16.index("Head")] - feet
    up = np.mean(up / np.linalg.norm(up, axis=-1, keepdims=True).clip(1e-12), axis=0)
    if up[1] > -0.5:
        axis = int(np.abs(up).argmax())
        raise InputError(
            f"heads are towards {'-' if up[axis] < 0 else '+'}{'xyz'[axis]}, so these are not camera axes but the "
            "world's or others",
            where=where,
            expected="x right, y down, z away from the camera",
            remedy="turn them first",
        )
