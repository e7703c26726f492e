"""A jointed human figure: bone lengths, forward kinematics, and two-bone inverse kinematics for arms and legs.

World: metres, x and y on the floor, z up. Body frames: x forward, y left, z up. Axis `s` is the side: 0 left, 1 right.
Angles are radians. A movement is a set of curves over time (`Movement`); `perform` turns it into joints. Legs are
led by their feet, so that a foot that stands does not slide, and arms by shoulder angles or by a place to touch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from stgraph.skeleton import H36M32

Array = np.ndarray
SIDES = ("L", "R")
OUTWARD = np.array([1.0, -1.0])  # sign of y away from the body, by side
UP = np.array([0.0, 0.0, 1.0])

# Offsets from the parent in the parent's frame, metres, for a stature of 1.75 m: arms and legs hang straight down.
# The lengths are near those of Human3.6M's skeletons, whose hip and shoulder joints are set wide and narrow.
STATURE = 1.75
TRUNK = {
    "Spine": (-0.01, 0, 0.235),
    "Thorax": (0.005, 0, 0.255),
    "Neck/Nose": (0.045, 0, 0.11),
    "Head": (-0.03, 0, 0.115),
}
LIMBS = {
    "Hip": (0, 0.130, 0),
    "Knee": (0, 0, -0.445),
    "Foot": (0, 0, -0.445),
    "ToeBase": (0.145, 0, -0.06),
    "ToeSite": (0.07, 0, -0.005),
    "ShoulderBase": TRUNK["Thorax"],
    "Shoulder": (0, 0.150, -0.03),
    "Elbow": (0, 0, -0.280),
    "Wrist": (0, 0, -0.250),
    "Thumb": (0, 0, -0.1),
    "HandSite": (0.05, 0, -0.06),
}
BALL, INSTEP = LIMBS["ToeBase"][0], -LIMBS["ToeBase"][2]  # the ball ahead of the ankle, and below it
HEEL, SOLE = 0.05, 0.085  # the heel behind the ankle, and the ankle above the floor
BEHIND = -1.75  # no arm goes back further than this flexion


@dataclass(frozen=True)
class Body:
    """One person's bones: offsets (32, 3) from every joint's parent, metres, and the scale of the feet."""

    offsets: Float[Array, "32 3"]
    scale: float

    @classmethod
    def of(cls, stature: float, rng: np.random.Generator) -> "Body":
        """A body of this stature (metres) with proportions of its own: limbs +-2 %, widths +-6 %."""
        scale = stature / STATURE
        legs, arms, hips, shoulders = scale * (1 + rng.uniform(-1, 1, 4) * (0.02, 0.025, 0.06, 0.06))
        size = {"Hip": hips, "Knee": legs, "Foot": legs, "Shoulder": shoulders, "Elbow": arms, "Wrist": arms}
        offsets = np.zeros((len(H36M32), 3))
        for name, offset in TRUNK.items():
            offsets[H36M32.index(name)] = scale * np.array(offset)
        for name, offset in LIMBS.items():
            for side, sign in zip(SIDES, OUTWARD, strict=True):
                offsets[H36M32.index(side + name)] = size.get(name, scale) * np.array(offset) * (1, sign, 1)
        return cls(offsets, scale)

    def length(self, name: str) -> float:
        """Length of the bone that ends in a joint of the left (or the only) side, metres."""
        return float(np.linalg.norm(self.offsets[H36M32.index(name if name in H36M32.names else "L" + name)]))

    @property
    def leg(self) -> float:
        """Hip to ankle, straight, metres."""
        return self.length("Knee") + self.length("Foot")

    @property
    def arm(self) -> float:
        """Shoulder to wrist, straight, metres."""
        return self.length("Elbow") + self.length("Wrist")

    @property
    def sole(self) -> float:
        """Height of the ankle of a flat foot, metres."""
        return SOLE * self.scale


@dataclass
class Movement:
    """What a body does, as curves over t frames.

    Attributes:
        pelvis: hip centre in the world, as wished; it is lowered where the feet cannot be reached otherwise.
        tilt: pelvis yaw (about z, the heading), pitch (forwards) and roll (to the right).
        spine, head: twist (left), bend (forwards) and lean (to the right) of trunk over pelvis, of head over trunk.
        ankles: where the feet want the ankles, in the world.
        feet: yaw in the world and pitch (toes down) of the feet.
        splay: how far the knees turn out of the heading.
        arms: given the frames of the trunk and the places that a hand can touch, the arms' angles: flexion
            (forwards), abduction (outwards), bend of the elbow, swivel (elbow outwards).
    """

    pelvis: Float[Array, "t 3"]
    tilt: Float[Array, "t 3"]
    spine: Float[Array, "t 3"]
    head: Float[Array, "t 3"]
    ankles: Float[Array, "t 2 3"]
    feet: Float[Array, "t 2 2"]
    splay: Float[Array, "t 2"]
    arms: Callable[[dict[str, Array]], Float[Array, "t 2 4"]]


def turn(angles: Float[Array, "... 3"]) -> Float[Array, "... 3 3"]:
    """Rotation by yaw about z, then pitch about the turned y, then roll about the turned x."""
    return Rotation.from_euler("ZYX", angles.reshape(-1, 3)).as_matrix().reshape(*angles.shape, 3)


def apply(rotation: Float[Array, "... 3 3"], vector: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """Rotate vectors; both broadcast."""
    return (rotation @ vector[..., None])[..., 0]


def unit(vector: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """Scaled to length one."""
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def across(vector: Float[Array, "... 3"], axis: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """The unit vector of what is left of a vector without its part along a unit axis."""
    return unit(vector - (vector * axis).sum(-1, keepdims=True) * axis)


def reach(distance: Array, length: float, soft: float = 0.99) -> Array:
    """Bound a distance by a limb's length without a kink: exact up to `soft`, then nearing the length slowly."""
    over = np.maximum(distance / length - soft, 0) / (1 - soft)
    return np.where(over > 0, length * (soft + (1 - soft) * 0.9 * (1 - np.exp(-over / 0.9))), distance)


def two_bones(
    start: Float[Array, "t 3"], end: Float[Array, "t 3"], upper: float, lower: float, pole: Float[Array, "t 3"]
) -> tuple[Float[Array, "t 3 3"], Float[Array, "t 3 3"]]:
    """World rotations of a limb's two bones (each hanging along -z) that bring its end nearest to `end`.

    The middle joint lies towards `pole`. Law of cosines in the plane of pole and line from start to end.
    """
    axis = unit(end - start)
    side = across(pole, axis)
    distance = np.maximum(reach(np.linalg.norm(end - start, axis=-1), upper + lower), 0.25 * (upper + lower))
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    along = upper * np.clip(cosine, -1, 1)
    middle = along[:, None] * axis + np.sqrt(upper**2 - along**2)[:, None] * side
    last = distance[:, None] * axis - middle
    return hanging(middle, side), hanging(last, side)


def hanging(bone: Float[Array, "t 3"], front: Float[Array, "t 3"]) -> Float[Array, "t 3 3"]:
    """The frame whose -z runs along a bone and whose x looks to the front as far as that allows."""
    z = -unit(bone)
    x = across(front, z)
    return np.stack([x, np.cross(z, x), z], -1)


def forward_kinematics(
    root: Float[Array, "t 3"], rotations: Float[Array, "t 32 3 3"], offsets: Float[Array, "32 3"]
) -> Float[Array, "t 32 3"]:
    """Joints from the root's place and the world rotation of every joint's frame: x_j = x_p + R_p offset_j."""
    joints = np.empty((len(root), len(offsets), 3))
    joints[:, H36M32.root] = root
    for joint, parent in H36M32.bones:
        joints[:, joint] = joints[:, parent] + rotations[:, parent] @ offsets[joint]
    return joints


def foot_roll(pitch: Array, scale: float) -> tuple[Array, Array, Array]:
    """A foot that rolls over its ball (pitch > 0, toes down) or its heel (< 0): pitch, and forward and up of the ankle.

    The pitch leaves zero with no speed, or the ankle of a foot that swings through zero would jerk from one pivot to
    the other. Metres.
    """
    soft = 0.15
    rise, drop = ((1 + soft) * np.maximum(p, 0) ** 2 / (np.maximum(p, 0) + soft) for p in (pitch, -pitch))
    forward = BALL * (1 - np.cos(rise)) + INSTEP * np.sin(rise) - HEEL * (1 - np.cos(drop)) - SOLE * np.sin(drop)
    up = BALL * np.sin(rise) - INSTEP * (1 - np.cos(rise)) + HEEL * np.sin(drop) - SOLE * (1 - np.cos(drop))
    return rise - drop, scale * forward, scale * up


def lower_to_reach(body: Body, hips: Float[Array, "t 2 3"], ankles: Float[Array, "t 2 3"], straight: float) -> Array:
    """How far (metres, smooth) the pelvis must come down for no leg to exceed `straight` times its length."""
    level = np.linalg.norm((hips - ankles)[..., :2], axis=-1)
    highest = ankles[..., 2] + np.sqrt(np.maximum((straight * body.leg) ** 2 - level**2, 0.01))
    drop = np.maximum(hips[..., 2] - highest, 0).max(-1)
    return gaussian_filter1d(drop, 3, mode="nearest")


def perform(body: Body, move: Movement, straight: float = 0.992) -> Float[Array, "t 32 3"]:
    """World positions of the 32 joints for every frame of a movement."""
    n = len(move.pelvis)
    rotations = np.broadcast_to(np.eye(3), (n, len(H36M32), 3, 3)).copy()
    joint = H36M32.index

    pelvis = turn(move.tilt)
    lumbar = pelvis @ turn(move.spine / 2)
    chest = lumbar @ turn(move.spine / 2)
    neck = chest @ turn(move.head / 2)
    rotations[:, joint("Hip")], rotations[:, joint("SpineBase")] = pelvis, lumbar
    rotations[:, joint("Spine")], rotations[:, joint("Thorax")] = chest, neck
    rotations[:, joint("Neck/Nose")] = neck @ turn(move.head / 2)

    hip_offsets = body.offsets[[joint("LHip"), joint("RHip")]]
    hips = move.pelvis[:, None] + apply(pelvis[:, None], hip_offsets)
    root = move.pelvis - lower_to_reach(body, hips, move.ankles, straight)[:, None] * UP
    hips += (root - move.pelvis)[:, None]
    for s, side in enumerate(SIDES):
        yaw, pitch = move.feet[:, s].T
        way = (move.tilt[:, 0] + yaw) / 2 + OUTWARD[s] * move.splay[:, s]
        pole = np.stack([np.cos(way), np.sin(way), np.full(n, 0.6)], -1)
        thigh, shin = two_bones(hips[:, s], move.ankles[:, s], body.length("Knee"), body.length("Foot"), pole)
        rotations[:, joint(f"{side}Hip")], rotations[:, joint(f"{side}Knee")] = thigh, shin
        rotations[:, joint(f"{side}Foot")] = turn(np.stack([yaw, pitch, np.zeros(n)], -1))
        rotations[:, joint(f"{side}ToeBase")] = turn(np.stack([yaw, np.minimum(pitch, 0), np.zeros(n)], -1))

    joints = forward_kinematics(root, rotations, body.offsets)
    for side in SIDES:
        rotations[:, joint(f"{side}ShoulderBase")] = chest
    joints = forward_kinematics(root, rotations, body.offsets)
    angles = move.arms(places(body, joints, rotations))
    for s, side in enumerate(SIDES):
        bones = arm(body, angles[:, s], OUTWARD[s])
        shrug = shoulder_lift(angles[:, s], OUTWARD[s])
        rotations[:, joint(f"{side}ShoulderBase")] = chest @ shrug
        rotations[:, joint(f"{side}Shoulder")], rotations[:, joint(f"{side}Elbow")] = chest @ bones[0], chest @ bones[1]
        for end in ("Wrist", "WristSite", "ThumbSite"):
            rotations[:, joint(side + end)] = chest @ bones[1]
    return forward_kinematics(root, rotations, body.offsets)


def shoulder_lift(angles: Float[Array, "t 4"], outward: float) -> Float[Array, "t 3 3"]:
    """The collar bone goes along when the upper arm is raised: up to 25 degrees, in the chest's frame."""
    raised = (1 - np.cos(angles[:, 0]) * np.cos(angles[:, 1])) / 2
    zero = np.zeros(len(angles))
    return turn(
        np.stack(
            [zero - outward * 0.25 * np.sin(np.clip(angles[:, 0], 0, 1.6)) * raised, zero, outward * 0.45 * raised], -1
        )
    )


def arm(body: Body, angles: Float[Array, "t 4"], outward: float) -> tuple[Array, Array]:
    """Chest-frame rotations of upper arm and forearm from flexion, abduction, elbow bend and swivel."""
    flexion, abduction, bend, swivel = angles.T
    upper, lower = body.length("Elbow"), body.length("Wrist")
    distance = np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(bend))
    level = np.cos(abduction)
    axis = np.stack([level * np.sin(flexion), outward * np.sin(abduction), -level * np.cos(flexion)], -1)
    level_pole = np.full(len(axis), 0.4 * outward)
    pole = np.stack([0.8 * axis[:, 2] - 0.5, level_pole, np.full(len(axis), -0.8)], -1)  # back of a hanging arm,
    pole = across(unit(pole), axis)  # below and outside a raised one
    pole = Rotation.from_rotvec(axis * (-outward * swivel)[:, None]).apply(pole)
    target = distance[:, None] * axis
    return two_bones(np.zeros_like(axis), target, upper, lower, pole)


def arm_angles(body: Body, target: Float[Array, "t 3"], outward: float) -> Float[Array, "t 3"]:
    """Flexion, abduction and elbow bend that bring the wrist to a place given from the shoulder, in chest axes."""
    distance = np.linalg.norm(target, axis=-1)
    upper, lower = body.length("Elbow"), body.length("Wrist")
    held = np.clip(reach(distance, upper + lower), 0.35 * (upper + lower), None)
    bend = np.arccos(np.clip((held**2 - upper**2 - lower**2) / (2 * upper * lower), -1, 1))
    abduction = np.arcsin(np.clip(outward * target[:, 1] / distance, -1, 1))
    flexion = np.arctan2(target[:, 0], -target[:, 2])
    flexion = (flexion - BEHIND) % (2 * np.pi) + BEHIND  # over the head is forwards and up, and never the way round
    return np.stack([flexion, abduction, bend], -1)


# Where a wrist is when the hand touches a place: (frame, side of the place, offset in that frame with y outwards).
PLACES = {
    "ear": ("Neck/Nose", "", (0.04, 0.13, -0.08)),
    "mouth": ("Neck/Nose", "", (0.15, 0.05, -0.10)),
    "chin": ("Neck/Nose", "", (0.13, 0.05, -0.13)),
    "eyes": ("Neck/Nose", "", (0.22, 0.11, -0.03)),
    "brow": ("Neck/Nose", "", (0.11, 0.15, 0.05)),
    "head": ("Neck/Nose", "", (0.02, 0.17, 0.10)),
    "chest": ("Spine", "", (0.24, 0.06, 0.10)),
    "belly": ("SpineBase", "", (0.24, 0.07, 0.10)),
    "waist": ("Hip", "", (0.02, 0.25, 0.08)),
    "back": ("SpineBase", "", (-0.16, 0.10, 0.02)),
    "pocket": ("Hip", "", (0.10, 0.22, -0.06)),
    "folded": ("Spine", "", (0.22, -0.09, 0.10)),
    "thigh": ("Hip", "same", (0.04, 0.02, -0.30)),
    "knee": ("Hip", "same", (0.08, 0.0, -0.40)),
    "shin": ("Knee", "same", (0.09, 0.03, -0.14)),
    "table": ("Hip", "", (0.42, 0.20, 0.24)),
    "plate": ("Hip", "", (0.40, 0.06, 0.26)),
    "ground": ("Hip", "", (-0.24, 0.26, -0.01)),
    "armrest": ("Hip", "", (0.22, 0.32, 0.20)),
}


def places(body: Body, joints: Float[Array, "t 32 3"], rotations: Float[Array, "t 32 3 3"]) -> dict[str, Array]:
    """Flexion, abduction and bend (t, 2, 3) that bring each hand to its own side of each of PLACES."""
    chest = rotations[:, H36M32.index("Spine")]

    def angles(world: Float[Array, "t 3"], s: int) -> Float[Array, "t 3"]:
        shoulder = joints[:, H36M32.index(f"{SIDES[s]}Shoulder")]
        return arm_angles(body, apply(chest.swapaxes(-1, -2), world - shoulder), OUTWARD[s])

    def place(name: str, s: int) -> Float[Array, "t 3"]:
        joint, side, offset = PLACES[name]
        origin = H36M32.index(SIDES[s] + joint if side else joint)
        offset = body.scale * np.array(offset) * (1, OUTWARD[s], 1)
        return angles(joints[:, origin] + rotations[:, origin] @ offset, s)

    return {name: np.stack([place(name, s) for s in range(2)], 1) for name in PLACES}
