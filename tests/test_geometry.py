"""Cameras, rotations and alignment, against their own inverses, scipy and reference values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.testing import assert_close

from stgraph import geometry
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

GOLDEN = Path(__file__).parent / "golden"
PIXELS = np.array([1145.05, 1143.78, 512.54, 515.45, -0.2071, 0.2478, -0.0031, -0.00098, -0.00142])
NORMALISED = np.array([2.2901, 2.2876, 0.0251, 0.0289, *PIXELS[4:]])


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def golden():
    return {key: torch.from_numpy(value) for key, value in np.load(GOLDEN / "camera.npz").items() if value.ndim}


def pose(rng, *shape):
    """Random bodies about five metres in front of a camera."""
    return torch.randn(*shape, 17, 3, generator=rng, dtype=torch.float64) * 0.5 + torch.tensor([0.0, 0.0, 5.0])


def test_image_space_is_seen_with_the_scale_of_the_roots_plane(rng):
    points, root = pose(rng, 4, 3), 0
    pinhole = np.concatenate([PIXELS[:4], np.zeros(5)])
    image, scale = geometry.image_space(points, pinhole, root)
    assert_close(image[..., :2], geometry.project(points, pinhole))
    assert_close(scale, points[..., root, 2] / PIXELS[:2].mean())
    assert_close(image[..., 2] * scale[..., None], points[..., 2] - points[..., root, 2:])
    flat = points.clone()
    flat[..., 2] = points[..., root, 2:]  # all joints in the root's plane: the scale makes metres of pixels
    image, scale = geometry.image_space(flat, np.concatenate([[1000, 1000], PIXELS[2:4], np.zeros(5)]), root)
    moved = (image - image[..., root, None, :]) * scale[..., None, None]
    near = (flat[..., :2].abs() < flat[..., 2:]).all(dim=(-2, -1))  # within what a projection does not clamp
    assert near.any()
    assert_close(moved[near], (flat - flat[..., root, None, :])[near])


def quaternions(rng, *shape):
    return torch.nn.functional.normalize(torch.randn(*shape, 4, generator=rng, dtype=torch.float64), dim=-1)


def scipy_rotation(quaternion):
    return Rotation.from_quat(quaternion.numpy(), scalar_first=True)


def test_camera_functions_match_reference(golden):
    close = {"rtol": 1e-6, "atol": 1e-6}
    assert_close(geometry.world_to_camera(golden["X_world"], golden["R"], golden["t"]), golden["X_cam"], **close)
    assert_close(geometry.camera_to_world(golden["X_cam"], golden["R"], golden["t"]), golden["X_world_back"], **close)
    normalised = geometry.screen_normalise(golden["kp"].double(), 1000, 1002)
    assert_close(normalised, golden["norm_1000x1002"], **close)
    assert_close(geometry.screen_denormalise(golden["norm_1000x1002"], 1000, 1002), golden["image_back"], **close)


def test_projection_matches_reference(golden):
    for unit in ("px", "norm"):
        projected = geometry.project(golden["Z"], golden[f"cam_{unit}"])
        assert_close(projected, golden[f"proj_{unit}"], rtol=1e-6, atol=1e-6)


def test_world_and_camera_are_inverse_per_clip(rng):
    points, rotation = pose(rng, 4, 6), quaternions(rng, 4)
    translation = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    seen = geometry.world_to_camera(points, rotation, translation)
    assert_close(geometry.camera_to_world(seen, rotation, translation), points)
    one = geometry.world_to_camera(points[2], rotation[2].numpy(), translation[2].numpy())
    assert_close(seen[2], one)


def test_the_camera_centre_is_the_origin_of_its_space(rng):
    centre = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    assert_close(geometry.world_to_camera(centre, quaternions(rng), centre), torch.zeros(3, dtype=torch.float64))


def test_normalised_intrinsics_project_to_the_normalised_image(rng):
    points, normalised = pose(rng, 5), torch.from_numpy(NORMALISED)
    expected = geometry.screen_denormalise(geometry.project(points, normalised), 1000, 1002)
    assert_close(geometry.project(points, geometry.denormalise_intrinsics(normalised, 1000, 1002)), expected)


def test_image_sizes_may_differ_by_clip():
    x = torch.rand(2, 7, 17, 2, dtype=torch.float64) * 1000
    width, height = torch.tensor([1000, 720]), torch.tensor([1002, 1280])
    both = geometry.screen_normalise(x, width, height)
    for clip in range(2):
        assert_close(both[clip], geometry.screen_normalise(x[clip], width[clip].item(), height[clip].item()))
    assert_close(geometry.screen_denormalise(both, width, height), x)


@pytest.mark.parametrize("width", [0, 1000], ids=["normalised", "pixels"])
def test_mirrored_camera_sees_the_mirrored_pose(rng, width):
    intrinsics = torch.from_numpy(PIXELS if width else NORMALISED)
    points = pose(rng, 3)
    mirrored = (points * torch.tensor([-1.0, 1, 1], dtype=torch.float64))[:, H36M17.mirror]
    image = geometry.project(points, intrinsics)
    expected = torch.stack([width - image[..., 0], image[..., 1]], -1)[:, H36M17.mirror]
    assert_close(geometry.project(mirrored, geometry.mirror_intrinsics(intrinsics, width)), expected)
    assert not torch.allclose(geometry.project(mirrored, intrinsics), expected, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"intrinsics": np.ones(8)},
        {"rotation": np.array([1.0, 1, 0, 0])},
        {"translation": np.array([0, np.nan, 0])},
        {"width": 0},
    ],
)
def test_impossible_cameras_are_refused(change):
    good = {
        "intrinsics": PIXELS,
        "rotation": np.array([1.0, 0, 0, 0]),
        "translation": np.zeros(3),
        "width": 1000,
    }
    Camera("cam7", height=1002, **good)
    with pytest.raises(InputError, match="cam7"):
        Camera("cam7", height=1002, **(good | change))


def test_quaternions_match_scipy(rng):
    q = torch.cat([quaternions(rng, 50), torch.eye(4, dtype=torch.float64)])  # the half turns are the hard ones
    assert_close(geometry.quaternion_to_matrix(q), torch.from_numpy(scipy_rotation(q).as_matrix()))


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "ZYX", "YZ", "X"])
def test_euler_angles_match_scipy(rng, order):
    degrees = torch.randn(8, len(order), generator=rng, dtype=torch.float64) * 90
    oracle = Rotation.from_euler(order, degrees.numpy(), degrees=True).as_matrix()  # capitals: moving axes
    assert_close(geometry.euler_to_matrix(degrees, order), torch.from_numpy(oracle).reshape(8, 3, 3))


def test_fixed_axes_are_the_reversed_order(rng):
    degrees = torch.randn(8, 3, generator=rng, dtype=torch.float64) * 90
    fixed = Rotation.from_euler("xyz", degrees.numpy(), degrees=True).as_matrix()  # ASF: about x first, fixed axes
    assert_close(geometry.euler_to_matrix(degrees.flip(-1), "ZYX"), torch.from_numpy(fixed))


@pytest.mark.parametrize("order", ["ZX", "ABC", ""])
def test_euler_order_must_fit(order):
    with pytest.raises(InputError, match="expected one of X, Y and Z"):
        geometry.euler_to_matrix(torch.zeros(2, 3), order)


def test_procrustes_undoes_any_similarity(rng):
    target, rotation = pose(rng, 4, 6), geometry.quaternion_to_matrix(quaternions(rng, 4, 6))
    assert_close(geometry.procrustes(2.5 * target @ rotation.mT + 1.0, target), target)


def test_procrustes_does_not_reflect(rng):
    target = pose(rng, 8)
    mirrored = target * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    aligned = geometry.procrustes(mirrored, target)
    assert (aligned - target).norm(dim=-1).mean() > 0.1
    chirality = [torch.linalg.det(p[..., 1:4, :] - p[..., :1, :]).sign() for p in (mirrored, aligned)]
    assert_close(*chirality)


def test_procrustes_is_the_best_similarity(rng):
    pred, target = pose(rng, 8), pose(rng, 8)
    aligned = geometry.procrustes(pred, target)
    best = (aligned - target).square().sum((-2, -1))
    centre = aligned.mean(-2, keepdim=True)
    for _ in range(50):
        turn = torch.from_numpy(Rotation.from_rotvec(0.02 * torch.randn(3, generator=rng).numpy()).as_matrix())
        size = 1 + 0.02 * torch.randn(1, generator=rng).item()
        other = size * (aligned - centre) @ turn + centre + 0.01 * torch.randn(3, generator=rng)
        assert ((other - target).square().sum((-2, -1)) >= best).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_procrustes_of_degenerate_poses_is_finite(rng, dtype):
    target = pose(rng, 1).to(dtype)
    point = torch.ones_like(target)
    line = torch.arange(17, dtype=dtype)[:, None] * torch.tensor([1.0, 2, 3], dtype=dtype) + torch.zeros_like(target)
    mean = target.mean(-2, keepdim=True).expand_as(target)
    assert_close(geometry.procrustes(point, target), mean)
    assert_close(geometry.procrustes(target, point), point)
    assert_close(geometry.procrustes(line, 2 * line + 1), 2 * line + 1)
    assert geometry.procrustes(line, target).isfinite().all()


def test_a_point_at_the_camera_has_a_finite_image_and_gradient():
    points = torch.zeros(2, 3, requires_grad=True)
    image = geometry.project(points, torch.tensor([1000.0, 1000, 500, 500, -0.2, 0.2, 0, 0, 0]))
    image.sum().backward()
    assert image.isfinite().all() and points.grad.isfinite().all()


@pytest.mark.parametrize("size", [(0, 1000), 1000, None, (1000, float("nan")), (1, 2, 3), "big"])
def test_the_size_of_an_image_is_two_numbers_above_0(size):
    assert geometry.check_size((1920, 1080)) == (1920, 1080)
    with pytest.raises(InputError, match="size: found .*; expected width and height of the image in pixels"):
        geometry.check_size(size)
