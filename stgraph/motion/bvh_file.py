"""A person's motion as BVH."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stgraph.errors import InputError
from stgraph.formats.bvh import CHANNELS, Bvh, Joint, write_bvh
from stgraph.motion.motion import Motion
from stgraph.motion.rigid import RigidMotion, children_of, fit_rigid
from stgraph.skeleton import Skeleton

TURNS = ("Zrotation", "Xrotation", "Yrotation")
AT_ONCE = 10_000  # frames whose rotations are made angles at a time
TIP = 0.25  # of the bone before a joint at the end: how far its end site is


def write(motion: Motion, path: Path) -> str:
    """Write constant bones in metres, y up, as `fit_rigid` fits them to the motion.

    The rest pose is a T-pose that faces z with its left on x, as in other BVH files. The root has a position, every
    joint rotations in the order Z, X, Y: R = R_z R_x R_y. In frames without the person the nearest earlier pose is
    held, or the first one. The line that is returned says how far the constant bones are from the motion.

    Raises:
        InputError: the person is in no frame.
    """
    present = np.flatnonzero(motion.present[:, 0])
    if not len(present):
        raise InputError(f"person {motion.person[0]} is in no frame", where=path, remedy="leave the person out")
    pose = motion.y_up[present, 0]
    rigid = fit_rigid(pose, motion.skeleton, motion.rate)
    held = np.searchsorted(present, np.arange(len(motion)), side="right").clip(1) - 1
    write_bvh(as_bvh(rigid, motion.skeleton, motion.joint_labels, motion.rate, held), path)
    distance = 1000 * np.linalg.norm(rigid.positions - pose, axis=-1)
    lines = [f"constant bones move joints by {distance.mean():.1f} mm on average, {distance.max():.1f} mm at most"]
    if gaps := len(motion) - len(present):
        lines.append(f"the pose is held in {gaps:,} frames without the person")
    return "; ".join([*lines, *filter(None, [motion.guessed_text])])


def as_bvh(rigid: RigidMotion, skeleton: Skeleton, names: list[str], rate: float, frames: Int[np.ndarray, " s"]) -> Bvh:
    """The joints and channels of some frames of a person of constant bones; names are those of the joints."""
    joints: list[Joint] = []
    numbers: dict[int, int] = {-1: -1}
    order = nested_order(skeleton)
    for joint in order:
        parent = skeleton.parents[joint]
        numbers[joint] = len(joints)
        channels = TURNS if parent >= 0 else (*CHANNELS[:3], *TURNS)
        joints.append(Joint(names[joint], numbers[parent], rigid.offsets[joint], channels))
        if not children_of(skeleton, joint):
            joints.append(Joint(f"{names[joint]} end", numbers[joint], TIP * rigid.offsets[joint], ()))
    values = np.empty((len(rigid.positions), 3 + 3 * len(order)))
    values[:, :3] = rigid.positions[:, skeleton.root]
    last = np.zeros((len(order), 3))
    for begin in range(0, len(values), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        local = rigid.rotations[part][:, order]  # from here on relative to the parent
        for place, joint in enumerate(order):
            if (parent := skeleton.parents[joint]) >= 0:
                local[:, place] = np.swapaxes(rigid.rotations[part, parent], -1, -2) @ rigid.rotations[part, joint]
        angles = euler_zxy(local, last)
        values[part, 3:], last = angles.reshape(len(angles), -1), angles[-1]
    whole = len(frames) == len(values)  # and in order
    return Bvh(tuple(joints), 1 / rate, values if whole else values[frames])


def nested_order(skeleton: Skeleton) -> list[int]:
    """Joints from the root, each followed by all that hangs on it."""

    def below(joint: int) -> list[int]:
        return [joint, *(lower for child in children_of(skeleton, joint) for lower in below(child))]

    return below(skeleton.root)


def euler_zxy(
    rotation: Float[np.ndarray, "t *j 3 3"], before: Float[np.ndarray, "*j 3"] | None = None
) -> Float[np.ndarray, "t *j 3"]:
    """Degrees about z, x and y with R = R_z R_x R_y, continuous over the frames, and with those of the frame before.

    Of the two triples that give the same rotation, (z, x, y) and (z + 180, 180 - x, y + 180), and their full turns,
    each frame has the nearest to the frame before.
    """
    r = np.moveaxis(rotation, (-2, -1), (0, 1))
    z = np.arctan2(-r[0, 1], r[1, 1])
    cosine, sine = np.cos(z), np.sin(z)
    x = np.arctan2(r[2, 1], cosine * r[1, 1] - sine * r[0, 1])
    # From what R_z and R_x leave, so that the product is right where x is 90 degrees and z is anything.
    y = np.arctan2(cosine * r[0, 2] + sine * r[1, 2], cosine * r[0, 0] + sine * r[1, 0])
    first = np.degrees(np.stack([z, x, y], axis=-1))
    second = first * (1, -1, 1) + 180
    angles, last = np.empty_like(first), np.zeros(first.shape[1:]) if before is None else before
    for t in range(len(first)):
        one, other = (triple - 360 * np.round((triple - last) / 360) for triple in (first[t], second[t]))
        nearer = np.abs(one - last).sum(-1, keepdims=True) <= np.abs(other - last).sum(-1, keepdims=True)
        last = angles[t] = np.where(nearer, one, other)
    return angles
