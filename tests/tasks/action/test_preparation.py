"""The input of a recogniser: centred on each person, augmented alike for all persons, streams as stated."""

import numpy as np
import pytest
import torch

from stgraph.errors import InputError
from stgraph.skeleton import COCO17, H36M17, HAND21, NTU25, Skeleton
from stgraph.tasks.action.augmentation import rotation
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.settings import ClipSettings
from tests.conftest import standing


def settings(**changes):
    return ClipSettings(dataset="x", **({"detector": None, "normalise": "body"} | changes))


def sample(pose, seen=None, clip=None, size=(640, 480)):
    """Of poses (p t j 3)."""
    pose = torch.as_tensor(pose, dtype=torch.float32)
    clip = torch.arange(len(pose)) if clip is None else torch.tensor(clip)
    clips = int(clip.max()) + 1
    seen = torch.ones(pose.shape[:3], dtype=torch.bool) if seen is None else seen
    person = torch.zeros(len(pose), dtype=torch.int64)
    return Sample(pose * seen[..., None], seen, clip, person, torch.tensor([size] * clips).float())


def prepare(pose, training=False, skeleton=H36M17, seen=None, clip=None, **changes):
    return Preparation(skeleton, settings(**changes), training)(sample(pose, seen, clip))


def flat(frames=6, seed=0):
    """(1 t j 3) pixels and confidence."""
    random = np.random.default_rng(seed)
    return random.uniform(50, 400, (1, frames, len(H36M17), 3)).astype(np.float32) * [1, 1, 1 / 400]


def test_body_does_not_see_where_a_person_stands_or_looks():
    pose = torch.from_numpy(standing(20, 3))[None].double()
    turn = rotation(torch.tensor([[0.3, -2.0, 0.8]]).double())[0]
    moved = pose @ turn.T + torch.tensor([1.0, -2, 3])
    found = prepare(pose)
    torch.testing.assert_close(prepare(moved), found, rtol=1e-4, atol=1e-5)
    first = found[0, :, 0].T
    up = first[H36M17.index("LShoulder")] + first[H36M17.index("RShoulder")]
    up = up - first[H36M17.index("LHip")] - first[H36M17.index("RHip")]
    assert up[:2].abs().max() < 1e-5 < 0.1 < up[2]  # the spine points to z
    side = first[H36M17.index("RShoulder")] - first[H36M17.index("LShoulder")]
    assert side[1].abs() < 1e-5 < 0.1 < side[0]  # and the shoulders to x
    assert not first[H36M17.root].any()
    bones = [(pose[0, :, a] - pose[0, :, b]).norm(dim=-1) for a, b in H36M17.bones]
    kept = [(found[0, :, :, a] - found[0, :, :, b]).norm(dim=0) for a, b in H36M17.bones]
    torch.testing.assert_close(torch.stack(kept).double(), torch.stack(bones), rtol=1e-4, atol=1e-5)


def test_body_keeps_the_path_and_where_the_second_person_is():
    a, b = torch.from_numpy(standing(9, 1)), torch.from_numpy(standing(9, 2)) + torch.tensor([0.7, 0, 0.4])
    found = prepare(torch.stack([a, b]), clip=[0, 0])
    between = found[1] - found[0]
    torch.testing.assert_close(between.norm(dim=0), (b - a).norm(dim=-1), rtol=1e-4, atol=1e-5)
    path = found[0, :, :, H36M17.root].norm(dim=0)
    torch.testing.assert_close(path, (a - a[0])[:, H36M17.root].norm(dim=-1), rtol=1e-4, atol=1e-5)


def test_body_waits_for_the_first_frame_with_a_person():
    pose = torch.from_numpy(standing(8, 5))[None]
    seen = torch.ones(1, 8, len(H36M17), dtype=torch.bool)
    seen[:, :3] = False
    late = prepare(pose, seen=seen)
    assert not late[:, :, :3].any()
    torch.testing.assert_close(late[:, :, 3:], prepare(pose[:, 3:]), rtol=1e-4, atol=1e-5)
    assert prepare(pose, seen=torch.zeros_like(seen)).isfinite().all()


def test_body_in_2d_does_not_see_place_and_size():
    pose = torch.from_numpy(flat()).float()
    moved = pose * torch.tensor([2.5, 2.5, 1]) + torch.tensor([40.0, -90, 0])
    a, b = (prepare(p, detector="cpn", confidence=True) for p in (pose, moved))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(a[0, 2], pose[0, ..., 2])


def test_body_in_2d_needs_neither_the_root_nor_the_first_person():
    pose = torch.from_numpy(flat()).float()
    shifted = pose + torch.tensor([200.0, 30, 0])
    seen = torch.ones(1, 6, len(H36M17), dtype=torch.bool)
    seen[..., H36M17.root] = False
    a, b = (prepare(p, detector="cpn", seen=seen) for p in (pose, shifted))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    unseen = torch.cat([torch.zeros_like(seen), torch.ones_like(seen)])
    second = prepare(pose.repeat(2, 1, 1, 1), detector="cpn", seen=unseen, clip=[0, 0])
    torch.testing.assert_close(second[1:], prepare(pose, detector="cpn"), rtol=1e-4, atol=1e-4)
    single = torch.zeros_like(seen)
    single[..., 3] = True
    for hidden in (torch.zeros_like(seen), single):
        assert prepare(pose, detector="cpn", seen=hidden).abs().max() < 10


@pytest.mark.parametrize(("normalise", "signs"), [("camera", (1, 1, 1)), ("kinect", (-1, -1, 1))])
def test_metres_as_they_are_or_as_the_sensor_has_them(normalise, signs):
    pose = torch.from_numpy(standing(4, 3))[None]
    found = prepare(pose, normalise=normalise)
    torch.testing.assert_close(found[0].permute(1, 2, 0), pose[0] * torch.tensor(signs))


def test_bodies_without_shoulders_are_refused_with_what_would_do():
    for skeleton in (H36M17, NTU25, COCO17):
        Preparation(skeleton, settings(), training=False)
    with pytest.raises(InputError, match=r'"shoulder" in its name.*use "camera"'):
        Preparation(HAND21, settings(), training=False)


def streams(pose, seen=None, after=None, **changes):
    """Of every kind; for a change, the poses after these follow them."""
    found = []
    for kind in ("joint", "bone", "joint_motion", "bone_motion"):
        both = kind.endswith("motion")
        poses = torch.cat([pose, pose if after is None else after], 1) if both else pose
        there = seen if seen is None or not both else torch.cat([seen, seen], 1)
        found.append(prepare(poses, seen=there, stream=kind, **changes)[0])
    return found


@pytest.mark.parametrize("skeleton", [H36M17, NTU25], ids=["root first", "root elsewhere"])
def test_streams_are_what_their_names_say(skeleton):
    pose, after = torch.randn(2, 1, 7, len(skeleton), 3, generator=torch.Generator().manual_seed(0))
    joint, bone, joint_motion, bone_motion = streams(pose, after=after, normalise="camera", skeleton=skeleton)
    next_joint, next_bone, *_ = streams(after, normalise="camera", skeleton=skeleton)
    for child, parent in skeleton.bones:
        torch.testing.assert_close(bone[..., child], joint[..., child] - joint[..., parent])
    assert not bone[..., skeleton.root].any()
    torch.testing.assert_close(joint_motion, next_joint - joint)
    torch.testing.assert_close(bone_motion, next_bone - bone)


def test_what_is_not_seen_is_zero_in_every_stream():
    pose, seen = torch.from_numpy(flat()), torch.ones(1, 6, len(H36M17), dtype=torch.bool)
    after = torch.from_numpy(flat(seed=1))
    knee, foot = H36M17.index("RKnee"), H36M17.index("RFoot")
    seen[0, 2, knee] = False
    options = {"detector": "cpn", "confidence": True, "normalise": "image"}
    joint, bone, joint_motion, bone_motion = streams(pose, seen, after, **options)
    assert not joint[:, 2, knee].any() and joint[:, 2, foot].any()
    assert not bone[:, 2, knee].any() and not bone[:, 2, foot].any() and bone[:, 1, foot].any()
    assert not joint_motion[:, 2, knee].any() and joint_motion[:, 1, knee].any() and joint_motion[:, 2, foot].any()
    assert not bone_motion[:, 2, foot].any()
    confidence = pose[0, ..., 2].float()
    parents = torch.tensor([max(parent, 0) for parent in H36M17.parents])
    both = (confidence + confidence[:, parents]) / 2
    torch.testing.assert_close(bone[2][:, 1:][[0, 1, 3, 4, 5]], both[:, 1:][[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("detector", [None, "cpn"])
def test_augmentation_treats_the_persons_of_a_clip_alike_and_clips_apart(detector):
    pose = torch.from_numpy(flat() if detector else standing(6, 1)[None]).float().repeat(4, 1, 1, 1)
    torch.manual_seed(0)
    changes = {"rotate": 20.0, "scale": 0.2, "shift": 0.1, "flip": True}
    found = prepare(pose, training=True, clip=[0, 0, 1, 1], detector=detector, **changes)
    torch.testing.assert_close(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 0.01
    torch.testing.assert_close(
        prepare(pose, clip=[0, 0, 1, 1], detector=detector, **changes)[0], prepare(pose[:1], detector=detector)[0]
    )


def test_a_rotation_keeps_lengths_and_a_flip_swaps_the_sides():
    pose = torch.from_numpy(standing(6, 1))[None]
    plain = prepare(pose)
    torch.manual_seed(0)
    turned = prepare(pose, training=True, rotate=30.0)
    torch.testing.assert_close(turned.norm(dim=1), plain.norm(dim=1), rtol=1e-4, atol=1e-5)
    assert (turned - plain).abs().max() > 0.01
    while torch.equal(twin := prepare(pose, training=True, flip=True), plain):
        pass
    torch.testing.assert_close(
        twin, plain[..., torch.from_numpy(H36M17.mirror)] * torch.tensor([-1.0, 1, 1])[:, None, None]
    )


def test_any_skeleton_that_names_its_girdles_is_turned():
    own = Skeleton(
        "own",
        ("mid", "left hip", "right hip", "neck", "left_shoulder", "right_shoulder"),
        (-1, 0, 0, 0, 3, 3),
        (1, 4),
        (2, 5),
    )
    pose = torch.randn(1, 3, 6, 3, generator=torch.Generator().manual_seed(0))
    found = prepare(pose, skeleton=own)[0, :, 0]
    up = found[:, 4] + found[:, 5] - found[:, 1] - found[:, 2]
    torch.testing.assert_close(up[:2], torch.zeros(2), rtol=0, atol=1e-5)
