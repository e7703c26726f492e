"""Keypoints: joints by name, derived ones, frames, people and trees."""

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import Keypoints, joint_sources
from stgraph.formats.keypoints.layouts import LAYOUTS, known_skeleton, layouts_of
from stgraph.skeleton import COCO17, H36M16, H36M17, OPENPOSE18
from tests.formats.keypoints.people import walker

# As the formats' documentation has it: the places of COCO's joints in other layouts.
TO_COCO = {
    "body25": [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11],
    "openpose18": [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
    "mediapipe33": [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28],
    **{name: [*range(len(COCO17))] for name in ("coco17", "halpe26", "halpe136", "coco23", "wholebody133")},
}
# The places of what Human3.6M's joints are made of.
OF_COCO = [[11, 12], 12, 14, 16, 11, 13, 15, [5, 5, 6, 6, 11, 11, 12, 12], [5, 6], 0, [1, 2], 5, 7, 9, 6, 8, 10]
TO_H36M = {
    "coco17": OF_COCO,
    "wholebody133": OF_COCO,
    "halpe26": [19, 12, 14, 16, 11, 13, 15, [18, 19], 18, 0, 17, 5, 7, 9, 6, 8, 10],
    "body25": [8, 9, 10, 11, 12, 13, 14, [1, 8], 1, 0, [15, 16], 5, 6, 7, 2, 3, 4],
    "mpii16": [6, 2, 1, 0, 3, 4, 5, [6, 7], 7, [8, 9], 9, 13, 14, 15, 12, 11, 10],
}


def keypoints(layout, frames=5, **others):
    pose = walker(layout, frames)
    count = np.arange(frames)
    values = {"frame": count, "person": np.zeros(frames, int), "score": pose[..., 2].mean(axis=1), **others}
    return Keypoints("a", LAYOUTS[layout], pose=pose, frames=(0, frames), layout=layout, **values)


@pytest.mark.parametrize("layout", TO_COCO)
def test_coco_of_others(layout):
    one = keypoints(layout)
    np.testing.assert_array_equal(one.to(COCO17).pose, one.pose[:, TO_COCO[layout]])


@pytest.mark.parametrize("layout", TO_H36M)
def test_human36m_of_others(layout):
    one = keypoints(layout)
    found = one.to(H36M17)
    assert found.joints == H36M17.names and found.layout == "h36m17"
    for joint, places in enumerate(TO_H36M[layout]):
        places = np.atleast_1d(places)
        np.testing.assert_allclose(found.pose[:, joint, :2], one.pose[:, places, :2].mean(axis=1))
        np.testing.assert_array_equal(found.pose[:, joint, 2], one.pose[:, places, 2].min(axis=1))
    np.testing.assert_array_equal(one.to(H36M16).pose, np.delete(found.pose, 9, axis=1))


def test_a_joint_made_of_an_unseen_one_is_unseen():
    one = keypoints("coco17")
    one.pose[2, 11] = 0
    found = one.to(H36M17).pose
    unseen = [H36M17.index(name) for name in ("Hip", "LHip", "Spine")]
    assert not found[2, unseen].any() and (np.delete(found, unseen, 1)[2, :, 2] > 0).all()
    assert (found[[0, 1, 3, 4], :, 2] > 0).all()
    assert one.to(OPENPOSE18).pose[0, 1, :2].tolist() == one.pose[0, [5, 6], :2].mean(axis=0).tolist()


def test_human36ms_foot_is_the_ankle():
    names = ("LHip", "LAnkle", "LFoot")
    assert joint_sources(names, ("LFoot", "LHip")) == [{2: 1.0}, {0: 1.0}]  # a skeleton that has both
    assert joint_sources((*names, "RHip"), ("Hip", "LFoot")) == [{0: 0.5, 3: 0.5}, {1: 1.0}]
    assert joint_sources(H36M17.names, ("LAnkle", "Neck/Nose")) == [{6: 1.0}, {9: 1.0}]


def test_joints_that_cannot_be_made_are_named():
    with pytest.raises(InputError, match="a: no LEye, REye, LEar, REar among the joints Hip, .*--layout coco17|h36m17"):
        keypoints("h36m17").to(COCO17)


def test_every_layout_is_a_tree_by_its_names():
    for name, joints in LAYOUTS.items():
        skeleton = known_skeleton(joints, name)
        assert skeleton is not None and skeleton.names == joints and name in layouts_of(len(joints))
        assert all(joint[0] in "Ll" or "Left" in joint for joint in map(joints.__getitem__, skeleton.left))


def test_other_joints_are_a_tree_by_their_bones_or_their_distances():
    line = np.zeros((4, 4, 3))
    line[..., 0], line[..., 1:] = [10, 30, 20, 40], 1
    one = Keypoints("a", tuple("acbd"), np.arange(4), np.zeros(4, int), line, np.ones(4), (0, 4))
    assert one.skeleton.parents == (-1, 2, 0, 1)
    tied = Keypoints("a", tuple("acbd"), one.frame, one.person, line, one.score, (0, 4), bones=((0, 3), (0, 1), (1, 2)))
    assert tied.skeleton.parents == (-1, 0, 1, 0)


def test_frames_and_people():
    frame, person = np.array([2, 2, 5, 9]), np.array([0, 7, 0, -1])
    one = keypoints("coco17", 4, frame=frame, person=person)
    assert one.people == [0, 7] and len(one.of(0)) == 2
    dense = one.of(0).dense((2, 7))
    np.testing.assert_array_equal(dense[[0, 3]], one.pose[[0, 2]])
    assert not dense[[1, 2, 4]].any()
    with pytest.raises(InputError, match="a: found the people 0, 7; expected person 3"):
        one.of(3)
    with pytest.raises(InputError, match="a, frame 2: two poses in one frame; take one person"):
        one.dense((0, 10))
