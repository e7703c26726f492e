"""Maps of joints against the formula written out, joints back from them, and crops there and back."""

import math

import pytest
import torch
from torch.testing import assert_close

from stgraph.errors import InputError
from stgraph.tracking.heatmaps import (
    REFINEMENTS,
    apply,
    crop,
    crop_transform,
    decode,
    encode,
    heatmap_loss,
    heatmap_transform,
    invert,
    poses,
    smooth,
)

SIZE = (96, 72)
CROP = (384, 288)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def places(count, inset, seed=0, size=SIZE):
    """(count 2) x and y at least `inset` pixels within the outermost pixels' centres."""
    height, width = size
    return inset + random(count, 2, seed=seed) * (torch.tensor([width, height]) - 1 - 2 * inset)


def boxes(count, seed=0):
    """(count 4) people in an image of 1920 x 1080, from 40 to 900 pixels tall."""
    left, top, tall, slim = random(4, count, seed=seed)
    tall = 40 + 860 * tall
    left, top = left * 1500, top * 180
    return torch.stack([left, top, left + tall * (0.2 + 1.5 * slim), top + tall], -1).float()


def test_maps_are_the_formula_pixel_by_pixel():
    joints = torch.tensor([[[2.25, 4.0], [6.5, 0.1]], [[-1.0, 3.0], [0.0, 0.0]]])
    seen = torch.tensor([[True, True], [True, False]])
    maps = encode(joints, seen, (6, 8))
    assert maps.shape == (2, 2, 6, 8)
    for person in range(2):
        for joint in range(2):
            for y in range(6):
                for x in range(8):
                    a, b = joints[person, joint].tolist()
                    value = math.exp(-((x - a) ** 2 + (y - b) ** 2) / 3.0**2) * float(seen[person, joint])
                    assert maps[person, joint, y, x].item() == pytest.approx(value, abs=1e-6)
    narrow = encode(joints, seen, (6, 8), sigma=1.0)
    assert narrow[0, 0, 4, 3].item() == pytest.approx(math.exp(-(0.75**2)), abs=1e-6)


def test_an_unseen_joint_has_no_map_whatever_its_coordinates():
    joints = torch.tensor([[math.nan, 3.0], [math.inf, -math.inf]], requires_grad=True)
    maps = encode(joints, torch.tensor([False, False]), (4, 5))
    assert (maps == 0).all()
    maps.sum().backward()
    assert (joints.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_the_second_order_step_finds_gaussians_anywhere(sigma, dtype):
    joints = places(500, inset=-0.4).to(dtype)  # also beyond the outermost pixels' centres
    found = decode(encode(joints[:, None], torch.ones(500, 1, dtype=torch.bool), SIZE, sigma))[:, 0]
    assert found.dtype == dtype
    assert_close(found[:, :2], joints, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-9)


def test_the_step_follows_a_slanted_hill():
    down, across = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    offset = torch.stack([across - 12.3, down - 8.6], -1)
    precision = torch.tensor([[0.10, 0.06], [0.06, 0.08]])
    hill = 0.7 * torch.exp(-torch.einsum("hwa,ab,hwb->hw", offset, precision, offset))
    assert_close(decode(hill[None])[0, :2], torch.tensor([12.3, 8.6]), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_pixels_are_within_half_and_quarters_closer():
    joints = places(2000, inset=3)
    maps = encode(joints[:, None], torch.ones(2000, 1, dtype=torch.bool), SIZE)
    off = {how: (decode(maps, how)[:, 0, :2] - joints).abs() for how in ("none", "quarter")}
    assert off["none"].max() <= 0.5 + 1e-9
    assert off["none"].max() > 0.49, "not worth a test unless some are as far"
    assert off["quarter"].max() <= 0.25 + 1e-9
    quarters = decode(maps, "quarter")[:, 0, :2] * 4
    assert (quarters % 2 == 1).all(), "moved by a quarter along each axis"


@pytest.mark.parametrize("how", REFINEMENTS)
def test_a_maximum_on_the_edge_stays_at_it(how):
    """In every corner and amid every side, of maps as small as 3 x 3 too."""
    for height, width in ((3, 3), (5, 4), SIZE):
        for x in (0, width // 2, width - 1):
            for y in (0, height // 2, height - 1):
                joint = torch.tensor([[float(x), float(y)]])
                found = decode(encode(joint, torch.tensor([True]), (height, width)), how)[0]
                near = 1e-4 if how == "taylor" or x in (0, width - 1) or y in (0, height - 1) else 0.25
                assert (found[:2] - joint[0]).abs().max() <= near
                assert found[2] == 1


def test_a_joint_outside_is_placed_at_most_a_pixel_from_the_map():
    found = decode(encode(torch.tensor([[-5.0, 40.0]]), torch.tensor([True]), SIZE))[0]
    assert_close(found[:2], torch.tensor([-1.0, 40.0]), rtol=0, atol=1e-4)


def test_the_confidence_is_the_maximum():
    maps = torch.rand(2, 3, 4, 12, 9, generator=torch.Generator().manual_seed(1)) - 0.3
    found = decode(maps, "none")
    for index in torch.cartesian_prod(*map(torch.arange, maps.shape[:3])):
        here, (x, y, confidence) = maps[tuple(index)], found[tuple(index)]
        assert confidence == here.max() == here[int(y), int(x)]
    assert_close(decode(maps)[..., 2], found[..., 2], rtol=0, atol=0)


@pytest.mark.parametrize("how", REFINEMENTS)
@pytest.mark.parametrize("value", [0.0, -0.5, math.nan])
def test_a_map_without_anything_positive_is_no_joint(how, value):
    maps = torch.full((2, 5, 6), value)
    maps[1, 3, 2] = 0.25
    found = decode(maps, how)
    assert (found[0] == 0).all()
    if not math.isnan(value):
        assert found[1].tolist() == [2, 3, 0.25], "neighbours alike, so no step, and no logarithm of nothing"


def test_the_steps_are_bounded_and_finite_on_any_map():
    maps = torch.randn(50, 10, 9, 8, generator=torch.Generator().manual_seed(2))
    pixel, step = decode(maps, "none"), decode(maps, "taylor")
    assert step.isfinite().all()
    assert (step - pixel).abs().max() <= 1
    flat = decode(torch.ones(1, 6, 5))
    assert flat.tolist() == [[0, 0, 1]], "no hill, no step"


def test_scale_and_half_precision_do_not_move_the_joint():
    joints = places(50, inset=2).float()
    maps = encode(joints[:, None], torch.ones(50, 1, dtype=torch.bool), SIZE)
    assert_close(decode(1e-6 * maps)[:, 0, :2], joints, rtol=0, atol=1e-4)
    half = decode(maps.half())
    assert half.dtype == torch.float32
    assert_close(half[:, 0, :2], joints, rtol=0, atol=0.02)


def test_smoothing_keeps_gaussians_where_they_are_and_rids_of_specks():
    joints = places(100, inset=15)
    maps = encode(joints[:, None], torch.ones(100, 1, dtype=torch.bool), SIZE)
    assert_close(decode(maps, blur=2.0)[:, 0, :2], joints, rtol=0, atol=2e-3)
    maps[:, 0, 5, 5] = 1.2  # a speck higher than the joint
    assert (decode(maps)[:, 0, :2] - 5).abs().max() <= 1
    found = decode(maps, blur=2.0)[:, 0]
    assert_close(found[:, :2], joints, rtol=0, atol=2e-3)
    assert (found[:, 2] == 1.2).all(), "the confidence is that of the map as it is"


def test_smoothing_convolves_gaussians():
    """exp(-d^2 / 9) has the variance 4.5; with 4 more it is as wide, and lower by the ratio of the variances."""
    joint = torch.tensor([[30.0, 40.0]], dtype=torch.float64)
    smoothed = smooth(encode(joint, torch.tensor([True]), SIZE), 2.0)
    wide = encode(joint, torch.tensor([True]), SIZE, sigma=math.sqrt(2 * 8.5)) * 4.5 / 8.5
    assert_close(smoothed, wide, rtol=0, atol=2e-3)


def test_what_cannot_be_decoded_is_refused():
    with pytest.raises(InputError, match=r"'dark'.*none, quarter, taylor"):
        decode(torch.rand(1, 5, 5), "dark")
    with pytest.raises(InputError, match="2 x 7.*expected 3 x 3"):
        decode(torch.rand(1, 2, 7))
    assert decode(torch.tensor([[[1.0, 2.0]]]), "none").tolist() == [[1, 0, 2]]


@pytest.mark.parametrize("how", REFINEMENTS)
def test_without_people_there_are_no_joints(how):
    assert decode(torch.rand(0, 4, 8, 6), how).shape == (0, 4, 3)
    assert decode(torch.rand(0, 4, 8, 6), how, blur=1.0).shape == (0, 4, 3)
    assert poses(torch.rand(0, 4, *SIZE), torch.rand(0, 4), subpixel=how).shape == (0, 4, 3)
    assert crop(torch.rand(3, 20, 30), crop_transform(torch.rand(0, 4))).shape == (0, 3, *CROP)


def test_unseen_joints_add_nothing_to_the_loss():
    pred, target = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    seen = torch.tensor([[True, False, True], [False, False, True]])
    total = 0.0
    for person, joint in seen.nonzero().tolist():
        total += (pred[person, joint] - target[person, joint]).square().sum().item()
    assert heatmap_loss(pred, target, seen).item() == pytest.approx(total / pred.numel(), rel=1e-5)
    pred[0, 1] = math.nan
    pred.requires_grad_()
    heatmap_loss(pred, target, seen).backward()
    assert (pred.grad[~seen] == 0).all()
    assert (pred.grad[seen] != 0).all()


def test_a_box_of_the_crops_shape_is_the_crop():
    box = torch.tensor([100.0, 50.0, 172.0, 146.0])  # 72 x 96: enlarged four times
    matrix = crop_transform(box, margin=1.0)
    corners = apply(matrix, torch.tensor([[100.0, 50.0], [172.0, 146.0], [136.0, 98.0]]))
    assert_close(corners, torch.tensor([[-0.5, -0.5], [287.5, 383.5], [143.5, 191.5]]))


def test_boxes_are_extended_to_the_shape_and_by_the_margin():
    matrix = crop_transform(torch.tensor([[0.0, 0.0, 90.0, 20.0], [10.0, 0.0, 10.0, 96.0]]), margin=1.25)
    scale = matrix[:, 0, 0]
    assert_close(scale, torch.tensor([288 / (90 * 1.25), 384 / (96 * 1.25)], dtype=torch.float64))
    assert_close(matrix[:, 1, 1], scale)
    assert_close(
        apply(matrix, torch.tensor([[[45.0, 10.0]], [[10.0, 48.0]]])), torch.tensor([143.5, 191.5]).expand(2, 1, 2)
    )


def test_rotation_turns_clockwise_about_the_centre():
    box = torch.tensor([0.0, 0.0, 72.0, 96.0])
    matrix = crop_transform(box.expand(3, 4), margin=1.0, rotation=torch.tensor([0.0, 90.0, 360.0]))
    right_of_centre = apply(matrix, torch.tensor([46.0, 48.0]).expand(3, 1, 2))[:, 0]
    assert_close(right_of_centre[1], torch.tensor([143.5, 191.5 + 40]))  # down, with y down: clockwise
    assert_close(right_of_centre[0], torch.tensor([143.5 + 40, 191.5]))
    assert_close(right_of_centre[2], right_of_centre[0])


@pytest.mark.parametrize("rotation", [0.0, 33.0])
def test_points_return_to_a_ten_thousandth_of_a_pixel_in_float32(rotation):
    box = boxes(200)
    points = box[:, None, :2] + random(200, 15, 2).float() * (box[:, None, 2:] - box[:, None, :2])
    matrix = crop_transform(box, rotation=rotation)
    for there in (matrix, heatmap_transform(matrix), heatmap_transform(matrix, first=0.0)):
        mapped = apply(there, points)
        assert mapped.dtype == torch.float32
        assert (apply(invert(there), mapped) - points).abs().max() <= 2**-13  # 1.2e-4: float32's step above 1024
        assert (apply(invert(there), mapped) - points).abs().mean() <= 1e-5
        assert_close(apply(there, apply(invert(there), mapped)), mapped, rtol=0, atol=2e-3)
    near = points - points.floor() + 100
    back = apply(invert(matrix), apply(matrix, near))
    assert (back - near).abs().max() <= 1e-4


def test_a_heatmaps_pixel_lies_amid_the_crops_pixels_that_it_covers():
    crop_is_image = torch.eye(3, dtype=torch.float64)[:2]
    for stride in (1.0, 2.0, 4.0):
        pixels = torch.arange(5, dtype=torch.float64)
        in_crop = apply(invert(heatmap_transform(crop_is_image, stride)), torch.stack([pixels, pixels], -1))
        covered = [[i * stride + k for k in range(int(stride))] for i in range(5)]
        assert_close(in_crop[:, 0], torch.tensor(covered, dtype=torch.float64).mean(1))
        assert_close(in_crop[:, 1], in_crop[:, 0])
    published = apply(invert(heatmap_transform(crop_is_image, 4.0, first=0.0)), torch.tensor([[3.0, 7.0]]))
    assert published.tolist() == [[12, 28]]


def bilinear(image, x, y):
    """Of one point, outside zeros."""
    value = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < len(image) and 0 <= column < len(image[0]):
                value += (1 - abs(x - column)) * (1 - abs(y - row)) * image[row][column]
    return value


@pytest.mark.parametrize("rotation", [0.0, -25.0])
def test_crops_are_sampled_pixel_by_pixel(rotation):
    image = random(2, 13, 17)
    box = torch.tensor([[3.0, 2.0, 9.5, 11.0], [-6.0, -4.0, 5.0, 3.0]])
    size = (8, 6)
    matrix = crop_transform(box, size, rotation=rotation)
    crops = crop(image, matrix, size)
    assert crops.shape == (2, 2, 8, 6)
    for person in range(2):
        for y in range(8):
            for x in range(6):
                (u, v) = apply(invert(matrix[person]), torch.tensor([[x, y]], dtype=torch.float64))[0].tolist()
                for channel in range(2):
                    expected = bilinear(image[channel].tolist(), u, v)
                    assert crops[person, channel, y, x].item() == pytest.approx(expected, abs=1e-9)
    assert_close(crop(image, matrix[0], size), crops[0])


def test_a_crop_of_the_image_itself_is_the_image():
    image = torch.randint(0, 256, (3, 24, 18), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    matrix = crop_transform(torch.tensor([-0.5, -0.5, 17.5, 23.5]), (24, 18), margin=1.0)
    same = crop(image, matrix, (24, 18))
    assert same.dtype == torch.float32
    assert_close(same, image.float(), rtol=0, atol=1e-3)


def test_a_dot_in_the_image_is_found_through_crop_and_map():
    """What a backbone sees and where its joint is put back agree: the crop itself serves as a map of stride 1."""
    dots = encode(torch.tensor([[211.3, 143.8], [180.0, 120.2]]), torch.tensor([True, True]), (300, 400), sigma=4.0)
    box = torch.tensor([150.0, 80.0, 250.0, 210.0])
    for rotation in (0.0, 20.0):
        crops = crop(dots, crop_transform(box, rotation=rotation))
        found = poses(crops[None], box[None], rotation=rotation, blur=2.0)[0]
        assert_close(found[:, :2], torch.tensor([[211.3, 143.8], [180.0, 120.2]]), rtol=0, atol=0.03)


@pytest.mark.parametrize("first", [None, 0.0])
@pytest.mark.parametrize("rotation", [0.0, 40.0])
def test_poses_return_from_their_targets(rotation, first):
    """Joints within the box, drawn as a backbone's targets and read again; unseen ones are at nothing."""
    box = boxes(40, seed=3)
    joints = box[:, None, :2] + (0.1 + 0.8 * random(40, 15, 2, seed=4).float()) * (box[:, None, 2:] - box[:, None, :2])
    seen = random(40, 15, seed=5) > 0.2
    to_map = heatmap_transform(crop_transform(box, rotation=rotation), 4.0, first)
    maps = encode(apply(to_map, joints), seen, SIZE)
    inside = seen & (maps.amax((-2, -1)) > 0.9)
    assert inside.sum() > 300
    found = poses(maps, box, rotation=torch.full((40,), rotation), first=first)
    map_pixels = torch.linalg.det(to_map[..., :2]).sqrt()  # to one of the image
    off = (found[..., :2] - joints).norm(dim=-1) * map_pixels[:, None]
    assert off[inside].max() <= 5e-4
    assert (found[~seen] == 0).all()
    assert (found[..., 2] > 0)[inside].all()


@pytest.mark.parametrize(
    "box", [[0.0, 0.0, 0.0, 0.0], [5.0, 0.0, 4.0, 9.0], [0.0, 5.0, 9.0, 4.0], [0.0, 0.0, math.nan, 9.0]]
)
def test_a_box_of_nothing_is_refused(box):
    good = [0.0, 0.0, 10.0, 20.0]
    with pytest.raises(InputError, match=r"box \[1\].*left <= right"):
        crop_transform(torch.tensor([good, box]))
    with pytest.raises(InputError, match="^box: found"):
        crop_transform(torch.tensor(box))


def test_maps_of_another_shape_than_the_crop_are_refused():
    with pytest.raises(InputError, match="96 x 96 for crops of 384 x 288"):
        poses(torch.rand(1, 2, 96, 96), torch.tensor([[0.0, 0.0, 9.0, 9.0]]))
    assert poses(torch.rand(1, 2, 64, 48), torch.tensor([[0.0, 0.0, 9.0, 9.0]]), (256, 192)).shape == (1, 2, 3)
