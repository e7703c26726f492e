"""The body of constant bones that follows a motion best: a rest pose, and every joint's rotation in every frame.

All axes here are y up, x to the left of a person in the rest pose, who faces z.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from stgraph.skeleton import Skeleton

LEGS, ARMS = ("Knee", "Ankle", "Foot", "Heel"), ("Shoulder", "Elbow", "Wrist", "Hand", "Thumb")
ROUNDS = 10  # of the mean shape of a joint's children
MOST_SHAPES = 2000  # frames that the mean shape is taken from
# What the parent's rotation weighs beside the bones, which are fitted to 1e-6 rad: it settles what they leave open.
PRIOR = 1e-6
TWIST_RATE = 2 * np.pi  # rad/s: no bone turns faster about itself


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """A person of constant bones.

    Attributes:
        offsets: from the parent in the rest pose, metres; the root's is 0.
        rotations: of each joint in the world, acting on column vectors; the identity is the rest pose.
        positions: of the joints, by forward kinematics.
    """

    offsets: Float[np.ndarray, "j 3"]
    rotations: Float[np.ndarray, "t j 3 3"]
    positions: Float[np.ndarray, "t j 3"]


def rest_offsets(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton) -> Float[np.ndarray, "j 3"]:
    """A T-pose of mean bones.

    Arms lie along x, legs hang down, toes point forward, the trunk and the head go straight up or down as they do in
    the motion. Where bones part (at the pelvis and the thorax), they keep the mean angles that they have to each other.
    """
    directions, lengths = np.zeros((len(skeleton), 3)), np.zeros(len(skeleton))
    some = pose[:: 1 + len(pose) // MOST_SHAPES]
    for joint, parent in skeleton.bones:
        bone = pose[:, joint] - pose[:, parent]
        lengths[joint] = np.linalg.norm(bone, axis=-1).mean()
        directions[joint] = rest_direction(skeleton, joint, bone[:, 1].mean() / max(lengths[joint], 1e-9))
    for joint in range(len(skeleton)):
        if len(children := children_of(skeleton, joint)) > 1:
            bones = some[:, children] - some[:, [joint]]
            directions[children] = mean_shape(bones, directions[children] * lengths[children, None])
    return directions / np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9) * lengths[:, None]


def rest_direction(skeleton: Skeleton, joint: int, rise: float) -> Float[np.ndarray, "3"]:
    """Where a bone points in the T-pose, given how far up it points on average, -1 to 1."""
    name = skeleton.names[joint]
    side = (joint in skeleton.left) - (joint in skeleton.right)
    if any(word in name for word in LEGS):
        return np.array([0.0, -1, 0])
    if "Toe" in name:
        return np.array([0.0, 0, 1])
    if side and len(children_of(skeleton, skeleton.parents[joint])) > 1:
        return np.array([side, rise, 0])
    if side and any(word in name for word in ARMS):
        return np.array([side, 0.0, 0])
    return np.array([0, 1.0 if rise >= 0 else -1.0, 0])


def mean_shape(bones: Float[np.ndarray, "t k 3"], start: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "k 3"]:
    """The mean of bones from one joint after they are turned onto their mean (generalised Procrustes analysis)."""
    shape = start
    for _ in range(ROUNDS):
        turn = fit_rotation(bones, shape, np.eye(3))
        shape = np.einsum("tji, tkj -> ki", turn, bones) / len(bones)
    return shape


def fit_rotation(
    bones: Float[np.ndarray, "t k 3"], rest: Float[np.ndarray, "k 3"], prior: Float[np.ndarray, "*t 3 3"]
) -> Float[np.ndarray, "t 3 3"]:
    """The rotations that turn rest offsets onto bones best (Kabsch 1976).

    What the bones leave open, as one bone leaves open the twist about itself, is as in `prior`: the turn from there is
    the least.
    """
    weight = PRIOR * max(float(np.square(rest).sum()), 1e-9)
    u, _, vt = np.linalg.svd(np.einsum("tki, kj -> tij", bones, rest) + weight * prior)
    sign = np.ones((len(u), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt


def fit_rigid(pose: Float[np.ndarray, "t j 3"], skeleton: Skeleton, rate: float) -> RigidMotion:
    """Fit constant bones to a motion without gaps.

    The root is where it is in the motion. Each bone points from where the constant bones before it lead to the joint at
    its end, so that their errors do not add up along a limb. Joints with one child turn with their parent and the least
    bit further, and slowly about the bone; joints with several fit all of them at once; those at the ends go along.

    Args:
        pose: metres.
        rate: frames a second.
    """
    pose = pose.astype(np.float64)
    offsets = rest_offsets(pose, skeleton)
    rotations = np.tile(np.eye(3), (*pose.shape[:2], 1, 1))
    positions = pose.copy()
    for joint in np.argsort(skeleton.depths, kind="stable").tolist():
        children, parent = children_of(skeleton, joint), skeleton.parents[joint]
        above = rotations[:, parent] if parent >= 0 else np.eye(3)
        if not children:
            rotations[:, joint] = above
            continue
        turn = fit_rotation(pose[:, children] - positions[:, [joint]], offsets[children], above)
        if len(children) == 1:
            turn = turn @ twists(turn, above, offsets[children[0]], TWIST_RATE / rate)
        rotations[:, joint] = turn
        positions[:, children] = positions[:, [joint]] + np.einsum("tij, kj -> tki", turn, offsets[children])
    return RigidMotion(offsets, rotations, positions)


def twists(
    turn: Float[np.ndarray, "t 3 3"],
    above: Float[np.ndarray, "*t 3 3"],
    bone: Float[np.ndarray, "3"],
    most: float,
) -> Float[np.ndarray, "t 3 3"]:
    """Turns about a bone that keep it from spinning about itself, as the least turn does where it is half a turn.

    From frame to frame, relative to the parent, the bone twists by `most` rad or less; where nothing is fast, not at
    all in addition to the least turn.
    """
    axis = bone / max(float(np.linalg.norm(bone)), 1e-9)
    local = np.swapaxes(above, -1, -2) @ turn
    step = np.swapaxes(local[:-1], -1, -2) @ local[1:]
    # The part of each step that is about the bone: the twist of its quaternion (v, w) is 2 atan2(v . axis, w).
    quaternion = Rotation.from_matrix(step).as_quat(canonical=True)
    twist = 2 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3])
    angles, angle = [0.0], 0.0
    for change in twist.tolist():
        still = (angle - change + np.pi) % (2 * np.pi) - np.pi  # with this one, nothing twists
        angle = still - min(max(still, -most), most)
        angles.append(angle)
    return Rotation.from_rotvec(np.outer(angles, axis)).as_matrix()


def children_of(skeleton: Skeleton, joint: int) -> list[int]:
    """The joints that hang on a joint."""
    return [child for child, parent in skeleton.bones if parent == joint]
