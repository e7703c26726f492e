"""Bodies in a scene: PoseTrack's joints of captured motion, limbs as capsules, and occlusion."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float

from stgraph.formats.posetrack import HEAD_SIZE
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17, POSETRACK15

# A captured head is a bone that ends at 0.94 of the stature. Its base is at 0.885, hip to ankle 0.491 of the stature
# (Drillis and Contini 1964, as in Winter's Biomechanics), so that the top is this share of thigh and shank above it.
HEAD = (1 - 0.885) / 0.491
NOSE_UP, NOSE_FORWARD = 0.45, 0.10  # of the head's length above its base; metres in front of the head's axis
RENAMED = {"HeadBottom": "Neck/Nose", "HeadTop": "Head", "Nose": "Neck/Nose", "LAnkle": "LFoot", "RAnkle": "RFoot"}
FROM_H36M = np.array([H36M17.index(RENAMED.get(name, name)) for name in POSETRACK15.names])
NOSE, BOTTOM, TOP = (POSETRACK15.index(name) for name in ("Nose", "HeadBottom", "HeadTop"))

Point = dict[str, float]
SHOULDERS, HIPS = {"LShoulder": 0.5, "RShoulder": 0.5}, {"LHip": 0.5, "RHip": 0.5}
# Capsules: both ends as weighted joints, and a radius in metres. The torso comes first. A head reaches from the chin to
# the top with the half spheres at its ends.
CAPSULES: tuple[tuple[Point, Point, float], ...] = (
    (SHOULDERS, HIPS, 0.15),
    ({"LShoulder": 1}, {"RShoulder": 1}, 0.08),
    ({"LHip": 1}, {"RHip": 1}, 0.12),
    (SHOULDERS, {"HeadBottom": 1}, 0.06),
    ({"HeadBottom": 0.6, "HeadTop": 0.4}, {"HeadBottom": 0.45, "HeadTop": 0.55}, 0.10),
    *(
        ({f"{side}{upper}": 1}, {f"{side}{lower}": 1}, radius)
        for side in "LR"
        for upper, lower, radius in (
            ("Hip", "Knee", 0.08),
            ("Knee", "Ankle", 0.06),
            ("Shoulder", "Elbow", 0.05),
            ("Elbow", "Wrist", 0.04),
        )
    ),
)
RADII = np.array([radius for *_, radius in CAPSULES])
# Joints that a person's own torso hides too; it is taken thinner for that, so that a hand on the belly is not hidden.
BEHIND_TORSO = np.array([name[1:] in ("Elbow", "Wrist") for name in POSETRACK15.names])
OWN_TORSO = 0.12  # metres


def _weights(points: Iterable[Point]) -> Float[np.ndarray, "k j"]:
    """Weights of every joint, for each point."""
    return np.array([[point.get(name, 0.0) for name in POSETRACK15.names] for point in points])


# Both ends of the capsules.
ENDS = np.stack([_weights(first for first, _, _ in CAPSULES), _weights(second for _, second, _ in CAPSULES)])


def posetrack_joints(pose: Float[np.ndarray, "t j 3"]) -> Float[np.ndarray, "t joint 3"]:
    """PoseTrack's 15 joints of motion in H36M17's, metres in any space.

    Limbs are captured, and the base of the head, which is taken for PoseTrack's upper neck. The top of the head lies on
    the captured axis of the head at a length that belongs to the stature; the nose, which is not captured, at 0.45 of
    it and 0.10 m forward: the head's axis x the line from the left to the right shoulder and hip.
    """
    body = pose[:, FROM_H36M]
    at = {name: body[:, joint] for joint, name in enumerate(POSETRACK15.names)}
    bones = [(side + a, side + b) for side in "LR" for a, b in (("Hip", "Knee"), ("Knee", "Ankle"))]
    # Of both legs, hence the half; of the whole motion, since a head does not change its length.
    length = HEAD * sum(np.linalg.norm(at[a] - at[b], axis=-1).mean() for a, b in bones) / 2
    up = unit(at["HeadTop"] - at["HeadBottom"])
    right = at["RShoulder"] - at["LShoulder"] + at["RHip"] - at["LHip"]
    forward = unit(np.cross(up, right))
    body[:, TOP] = at["HeadBottom"] + length * up
    body[:, NOSE] = at["HeadBottom"] + NOSE_UP * length * up + NOSE_FORWARD * forward
    return body


def unit(vector: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Vectors of length one in the same directions."""
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def surface_gap(a: Float[np.ndarray, "t j 3"], b: Float[np.ndarray, "t j 3"]) -> float:
    """Metres between the bodies of two people where they come nearest, by three points on every capsule's axis."""
    shares = np.array([0.0, 0.5, 1.0])
    points = []
    for body in (a, b):
        first, second = (ends @ body for ends in ENDS)
        points.append(np.concatenate([first + share * (second - first) for share in shares], axis=1))
    radii = np.tile(RADII, len(shares))
    # By the matrix product, which is many times faster than differences.
    square = np.square(points[0]).sum(-1)[:, :, None] + np.square(points[1]).sum(-1)[:, None]
    square -= 2 * points[0] @ points[1].transpose(0, 2, 1)
    return float((np.sqrt(np.maximum(square, 0)) - radii[:, None] - radii).min())


def hidden(bodies: Float[np.ndarray, "p t j 3"]) -> Bool[np.ndarray, "p t j"]:
    """Joints that a camera does not see: the line from it to the joint runs through another person's body.

    Elbows and wrists are hidden by the own torso too. Joints that are seen beside or in front of a body are not hidden
    by it, since the line ends at the joint. Poses are in camera space, NaN where a person is not there.

    For each joint at distance S in direction d and each capsule from a to a + u, the points s d (0 <= s <= S) and
    a + k u (0 <= k <= 1) that are nearest to each other are found (Ericson, Real-Time Collision Detection, 5.1.9).
    """
    people, frames, joints, _ = bodies.shape
    by_frame = bodies.transpose(1, 0, 2, 3)
    a, b = ((ends @ by_frame).reshape(frames, -1, 3) for ends in ENDS)
    u = b - a
    target = by_frame.reshape(frames, people * joints, 3)
    far = np.linalg.norm(target, axis=-1)[:, :, None]
    d = target / np.maximum(far, 1e-9)
    uu, ua, aa = ((x * y).sum(-1)[:, None] for x, y in ((u, u), (u, a), (a, a)))
    du, da = d @ u.transpose(0, 2, 1), d @ a.transpose(0, 2, 1)
    uu = np.maximum(uu, 1e-9)
    k = np.clip((da * du - ua) / np.maximum(uu - du**2, 1e-9), 0, 1)
    s = np.clip(da + k * du, 0, far)
    k = np.clip((s * du - ua) / uu, 0, 1)
    s = np.clip(da + k * du, 0, far)
    distance = np.sqrt(np.maximum(s**2 + aa + k**2 * uu - 2 * s * da - 2 * s * k * du + 2 * k * ua, 0))
    return (distance < _reach(people)).any(-1).reshape(frames, people, joints).transpose(1, 0, 2)


def _reach(people: int) -> Float[np.ndarray, "n k"]:
    """Radius within which each person's capsules hide each person's joints; below 0 where they never do."""
    reach = np.broadcast_to(RADII, (people, len(POSETRACK15), people, len(CAPSULES))).copy()
    for person in range(people):
        reach[person, :, person] = -1
        reach[person, BEHIND_TORSO, person, 0] = OWN_TORSO
    return reach.reshape(people * len(POSETRACK15), people * len(CAPSULES))


def body_boxes(body: Float[np.ndarray, "t j 3"], camera: Camera) -> Float[np.ndarray, "t 4"]:
    """Left, top, right, bottom in pixels around a body's capsules (camera space), cut off at the image's edges."""
    ends = np.concatenate([ends @ body for ends in ENDS], axis=1)
    focal, centre = camera.intrinsics[:2], camera.intrinsics[2:4]
    scale = focal / np.maximum(ends[..., 2:], 1e-3)
    middle, radius = ends[..., :2] * scale + centre, np.tile(RADII, 2)[:, None] * scale
    box = np.concatenate([(middle - radius).min(axis=1), (middle + radius).max(axis=1)], axis=-1)
    return np.clip(box, 0, np.tile([camera.width, camera.height], 2))


def head_boxes(body: Float[np.ndarray, "t j 3"], camera: Camera) -> Float[np.ndarray, "t 4"]:
    """Squares around the heads' middles; 0.6 of the diagonal is the head's length at its depth. Pixels.

    The length is not foreshortened: a head that looks down is as large as one that looks ahead.
    """
    middle = (body[:, BOTTOM] + body[:, TOP]) / 2
    scale = camera.intrinsics[:2].mean() / np.maximum(middle[:, 2:], 1e-3)
    pixels = middle[:, :2] * scale + camera.intrinsics[2:4]
    length = np.linalg.norm(body[:, TOP] - body[:, BOTTOM], axis=-1, keepdims=True) * scale
    half = length / HEAD_SIZE / np.sqrt(2) / 2
    return np.concatenate([pixels - half, pixels + half], axis=-1)
