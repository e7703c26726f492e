"""Where cameras look, random cameras, and which frames are visible to a camera."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from data_prep.cameras.projection import image, to_camera
from stgraph.geometry import IMAGE_SIZES, Camera

FOCAL = (0.8, 1.8)  # of the image's longer side: 64 to 31 degrees across it
CAMERA_HEIGHT = (0.3, 3.0)  # metres above the floor
DISTANCES = np.geomspace(2, 20, 48)  # metres from the camera to the middle of the motion, on the floor
STEP_BACK = (1.0, 1.5)  # times the distance from which the whole motion just fits
SMALLEST = (0.3, 0.6)  # of the image's height: a person is not made smaller than this to see all of the path
NEAREST = 1.0  # metres from the camera to any joint
AIM, ROLL = 0.15, 2.0  # standard deviations: metres beside the middle of the motion, degrees
BORDER = 0.05  # of the image's longer side: what "just fits" leaves free


def common_look_at(cameras: Sequence[Camera]) -> Float[np.ndarray, "3"]:
    """The point nearest to the optical axes of two or more cameras (least squares), metres in the world."""
    matrix, vector = np.zeros((3, 3)), np.zeros(3)
    for camera in cameras:
        axis = Rotation.from_quat(camera.rotation, scalar_first=True).as_matrix()[:, 2]
        across = np.eye(3) - np.outer(axis, axis)
        matrix += across
        vector += across @ camera.translation
    return np.linalg.solve(matrix, vector)


def look_at(centre: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], roll: float) -> Float[np.ndarray, "3 3"]:
    """Camera-to-world rotation of a camera at `centre` that looks at `target`, its top up, then rolled by degrees."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=1)


def random_camera(rng: np.random.Generator, pose: Float[np.ndarray, "t j 3"], name: str) -> Camera:
    """A camera without distortion that sees a motion (metres, world, z up) from somewhere around it.

    Drawn: image size, focal length, direction, height, aim (hence the tilt), roll, and a distance: from just far enough
    for all joints in all frames up to half as far again. Where that would make the person small in the image (a long
    walk), the camera is nearer and looks at the person in some frame instead; the rest of the path leaves the image.
    """
    width, height = IMAGE_SIZES[rng.integers(len(IMAGE_SIZES))]
    focal = rng.uniform(*FOCAL) * max(width, height)
    direction, above = rng.uniform(0, 2 * np.pi), rng.uniform(*CAMERA_HEIGHT)
    aim, roll, back = rng.normal(0, AIM, 3), rng.normal(0, ROLL), rng.uniform(*STEP_BACK)
    smallest, frame = rng.uniform(*SMALLEST), rng.integers(len(pose))
    few = pose[:: max(len(pose) // 100, 1)]
    half = np.array([width, height]) / 2 - BORDER * max(width, height)

    def placed(seen: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
        joints = seen.reshape(-1, 3)
        target = (joints.min(axis=0) + joints.max(axis=0)) / 2 + aim
        centre = beside(target, distance, direction, above)
        return centre, look_at(centre, target, roll)

    def fits(distance: float) -> bool:
        centre, rotation = placed(few, distance)
        seen = (few - centre) @ rotation
        return bool((seen[..., 2] > NEAREST).all() and (focal * np.abs(seen[..., :2]) < half * seen[..., 2:]).all())

    size = np.median(np.linalg.norm(few.max(axis=1) - few.min(axis=1), axis=-1))
    farthest = focal * size / (smallest * height)
    distance = back * next((distance for distance in DISTANCES if fits(distance)), np.inf)
    centre, rotation = placed(few, distance) if distance < farthest else placed(pose[frame], farthest)
    return pinhole(name, (width, height), focal, rotation, centre)


def beside(target: Float[np.ndarray, "3"], distance: float, direction: float, above: float) -> Float[np.ndarray, "3"]:
    """The point at a distance on the floor from a target, in a direction (radians), and a height above the floor."""
    return np.array([*(target[:2] + distance * np.array([np.cos(direction), np.sin(direction)])), above])


def pinhole(
    name: str, size: tuple[int, int], focal: float, rotation: Float[np.ndarray, "3 3"], centre: Float[np.ndarray, "3"]
) -> Camera:
    """A camera without distortion, of a focal length in pixels, by its camera-to-world rotation and its centre."""
    width, height = size
    return Camera(
        name=name,
        width=width,
        height=height,
        intrinsics=np.array([focal, focal, width / 2, height / 2, 0, 0, 0, 0, 0]),
        rotation=Rotation.from_matrix(rotation).as_quat(canonical=True, scalar_first=True),
        translation=centre,
    )


def see(
    pose: Float[np.ndarray, "t j 3"], camera: Camera, margin: float, nearest: float
) -> tuple[Float[np.ndarray, "t j 3"], Float[np.ndarray, "t j 2"], Bool[np.ndarray, " t"]]:
    """A motion through a camera: poses in camera space, pixels, and whether the frame is visible.

    A frame is visible when every joint is at least `nearest` metres in front of the camera and at most `margin`
    (of the image's longer side) outside the image. Beyond a slope of 1 the projection is clamped, so that counts as
    outside too.
    """
    camera_pose = to_camera(pose, camera)
    pixels, depth = image(camera_pose, camera), camera_pose[..., 2]
    size = np.array([camera.width, camera.height])
    outside = np.maximum(-pixels, pixels - size).max(-1)
    steep = np.abs(camera_pose[..., :2]).max(-1) >= depth
    seen = (depth >= nearest) & (outside <= margin * size.max()) & ~steep
    return camera_pose, pixels, seen.all(-1)
