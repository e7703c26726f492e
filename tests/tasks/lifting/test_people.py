"""Other people: what is changed is as stated, and all else stays."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.skeleton import H36M17, HAND21
from stgraph.tasks.lifting.people import OtherPeople

TRUNK = [H36M17.names.index(name) for name in H36M17.names if not name[1:].startswith(("Kn", "Fo", "El", "Wr"))]


def poses(dataset: Dataset) -> Tensor:
    return torch.from_numpy(np.array(dataset.rows("pose3d")[:90])).view(10, 9, 17, 3)


def bones(pose: Tensor) -> Tensor:
    joints, parents = (list(side) for side in zip(*H36M17.bones, strict=True))
    return pose[:, :, joints] - pose[:, :, parents]


def test_another_body_has_symmetric_bones_and_the_same_directions(dataset):
    pose = poses(dataset)
    torch.manual_seed(0)
    other = OtherPeople(H36M17).resized(pose, 0.1)
    joints, parents = (list(side) for side in zip(*H36M17.bones, strict=True))
    before, after = (values[:, :, joints] - values[:, :, parents] for values in (pose, other))
    ratio = after.norm(dim=-1) / before.norm(dim=-1)
    torch.testing.assert_close(after, before * ratio[..., None], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4, rtol=0)  # the same in every frame
    twins = [joints.index(int(H36M17.mirror[joint])) for joint in joints]
    torch.testing.assert_close(ratio, ratio[:, :, twins], atol=1e-4, rtol=0)
    assert ratio.min() >= 0.81 and ratio.max() <= 1.21 and ratio.std() > 0.02
    torch.testing.assert_close(other[:, :, 0], pose[:, :, 0])


def test_limbs_move_in_the_trunk_as_those_of_another_window(dataset):
    pose, trunk = poses(dataset), OtherPeople(H36M17)
    torch.manual_seed(0)
    other = trunk.recombined(pose, 1.0)
    torch.testing.assert_close(bones(other).norm(dim=-1), bones(pose).norm(dim=-1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(other[:, :, TRUNK], pose[:, :, TRUNK])
    # Every forearm's direction in the axes of the trunk is that of the same frame of some window of the batch.
    elbow, wrist = H36M17.names.index("LElbow"), H36M17.names.index("LWrist")

    def direction(pose: Tensor) -> Tensor:
        forearm = pose[:, :, wrist] - pose[:, :, elbow]
        return (trunk.axes(pose) @ (forearm / forearm.norm(dim=-1, keepdim=True))[..., None])[..., 0]

    distance = (direction(other)[:, None] - direction(pose)[None]).norm(dim=-1).amax(-1)
    assert distance.amin(1).max() < 1e-4
    assert (distance.argmin(1) != torch.arange(10)).any()


def test_so_many_windows_take_limbs_of_another_as_stated(dataset):
    pose, trunk = torch.randn(4000, 1, 17, 3), OtherPeople(H36M17)
    torch.manual_seed(0)
    changed = (trunk.recombined(pose, 0.6) - pose).norm(dim=-1)[:, 0] > 1e-4
    left, right = (changed[:, H36M17.names.index(name)].float() for name in ("LWrist", "RWrist"))
    assert left.maximum(right).mean() == pytest.approx(0.6, abs=0.03)
    assert (left * right).mean() == pytest.approx(0.4, abs=0.03)


def test_joints_of_the_trunk_are_moved_and_limbs_stay(dataset):
    pose, trunk = poses(dataset), OtherPeople(H36M17)
    torch.manual_seed(0)
    shift = trunk.moved(pose, 0.02) - pose
    moved = (shift.norm(dim=-1) > 1e-6).all(1).all(0)
    assert moved.nonzero()[:, 0].tolist() == [joint for joint in TRUNK if joint != H36M17.root]
    along = shift @ trunk.axes(pose).mT  # (b t j 3): up, forward, across
    torch.testing.assert_close(along, along[:, :1].expand_as(along), atol=1e-6, rtol=1e-4)  # throughout a window
    # Across, left and right move apart or together as far as each other, and what is between them stays.
    mirrored = along[:, :, list(H36M17.mirror)] * torch.tensor([1, 1, -1])
    torch.testing.assert_close(along, mirrored, atol=1e-6, rtol=1e-4)
    pairs = [H36M17.names.index(name) for name in ("RHip", "LShoulder")]
    assert along[:, 0, TRUNK[1:], :2].std() == pytest.approx(0.02, rel=0.3)
    assert along[:, 0, pairs, 2].square().mean().sqrt() == pytest.approx(0.02, rel=0.4)


def test_turned_parts_keep_the_lengths_of_bones_and_rigid_ones_their_shape(dataset):
    pose, trunk = poses(dataset), OtherPeople(H36M17)
    torch.manual_seed(0)
    other = trunk.turned(pose, 20.0)
    torch.testing.assert_close(bones(other).norm(dim=-1), bones(pose).norm(dim=-1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(other[:, :, 0], pose[:, :, 0])
    for part in (["Spine", "Thorax", "Neck/Nose", "Head", "LShoulder", "RShoulder"], ["Hip", "RHip", "LHip"]):
        joints = [H36M17.names.index(name) for name in part]
        torch.testing.assert_close(
            *(torch.cdist(x[:, :, joints], x[:, :, joints]) for x in (other, pose)), atol=1e-4, rtol=0
        )
    angle = torch.rad2deg(torch.acos(torch.cosine_similarity(bones(other), bones(pose), dim=-1).clamp(-1, 1)))
    assert 5 < angle.mean() < 30 and angle.amax(1).amin() > 0


def test_how_far_a_part_is_turned_sways_in_time(dataset):
    pose, trunk = poses(dataset)[:, :1].expand(-1, 80, -1, -1), OtherPeople(H36M17)
    torch.manual_seed(0)
    step = trunk.turned(pose, 20.0).diff(dim=1).norm(dim=-1)[:, :, 1:]
    assert 0 < step.mean() < 0.02 and step.max() < 0.1  # metres a frame: no flicker


def test_so_many_windows_are_turned_any_way_as_stated(dataset):
    pose, trunk = poses(dataset)[:1, :1].expand(3000, -1, -1, -1), OtherPeople(H36M17)
    torch.manual_seed(0)
    other = trunk.tumbled(pose, 0.3)
    up, before = (trunk.axes(values)[:, 0, 0] for values in (other, pose))
    cosine = (up * before).sum(-1)
    assert (cosine < 0.9999).float().mean() == pytest.approx(0.3, abs=0.03)
    assert cosine[cosine < 0.9999].mean().abs() < 0.1
    torch.testing.assert_close(
        torch.cdist(other[:, 0], other[:, 0]), torch.cdist(pose[:, 0], pose[:, 0]), atol=1e-4, rtol=0
    )


def test_axes_of_the_trunk_are_square_and_of_length_one(dataset):
    axes = OtherPeople(H36M17).axes(poses(dataset))
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).expand_as(axes), atol=1e-5, rtol=0)


def test_a_skeleton_without_legs_is_left_as_it_is():
    trunk = OtherPeople(HAND21)
    pose = torch.randn(3, 2, len(HAND21), 3)
    assert trunk.moved(pose, 0.1) is pose and trunk.recombined(pose, 1.0) is pose and trunk.turned(pose, 20.0) is pose
