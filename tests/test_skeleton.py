"""Everything about a skeleton follows from names and parents."""

import json

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.skeleton import (
    COCO17,
    H36M16,
    H36M17,
    H36M32,
    HAND21,
    NTU25,
    OPENPOSE18,
    SKELETONS,
    Skeleton,
    shared_layouts,
    skeleton_from,
)


def test_the_published_selection_and_tables_are_derived():
    assert H36M17.select_from(H36M32).tolist() == [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    assert H36M16.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14)
    assert H36M16.left == (4, 5, 6, 10, 11, 12)
    assert H36M17.depths.tolist() == [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 3, 4, 5, 3, 4, 5]


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_a_mirror_undoes_itself_and_keeps_the_tree(skeleton):
    mirror = skeleton.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(skeleton)))
    for joint, parent in skeleton.bones:
        assert skeleton.parents[mirror[joint]] == mirror[parent]
    for left, right in zip(skeleton.left, skeleton.right, strict=True):
        assert (skeleton.names[left][0], skeleton.names[right][0]) == ("L", "R")
        assert skeleton.names[left][1:] == skeleton.names[right][1:]
    sided = [name for name in skeleton.names if name[0] in "LR" and name[1:2].isupper()]
    assert len(sided) == 2 * len(skeleton.left), "every joint of a side has its twin"


def test_removing_a_joint_hangs_its_children_on_its_parent():
    less = H36M17.without("Thorax", "LElbow", name="less")
    assert less.names[less.parents[less.index("Neck/Nose")]] == "Spine"
    assert less.names[less.parents[less.index("LWrist")]] == "LShoulder"
    assert len(less.left) == len(less.right) == 5


def test_distances_are_from_the_centre_which_is_the_root_unless_given():
    assert {name: skeleton.names[skeleton.centre] for name, skeleton in SKELETONS.items()} == {
        **dict.fromkeys(("h36m32", "h36m17", "h36m16"), "Hip"),
        **{"openpose18": "Neck", "ntu25": "SpineShoulder", "coco17": "Nose", "hand21": "Wrist"},
        "posetrack15": "HeadBottom",
    }
    other = Skeleton(H36M17.name, H36M17.names, H36M17.parents, H36M17.left, H36M17.right, 8)
    assert other != H36M17
    assert other == Skeleton("h36m17", H36M17.names, H36M17.parents, H36M17.left, H36M17.right, other.centre)
    assert other.without("Spine").centre == other.without("Spine").index("Thorax")
    assert other.without("Thorax").names[other.without("Thorax").centre] == "Spine"
    with pytest.raises(InputError, match="centre 17; give one of its 17 joints"):
        Skeleton("far", H36M17.names, H36M17.parents, centre=17)


def test_openpose_has_cocos_joints_and_one_more():
    assert shared_layouts(OPENPOSE18, OPENPOSE18) == ["openpose18", "coco17"]
    assert [OPENPOSE18.names[joint] for joint in COCO17.select_from(OPENPOSE18)] == [*COCO17.names]
    assert HAND21.depths.tolist() == [0, *[1, 2, 3, 4] * 5]


ARM = {"names": ["Elbow", "Shoulder", "Wrist"], "parents": ["Shoulder", None, 0], "centre": "Elbow"}


def test_a_layout_may_come_as_json_by_names_or_indices():
    arm = skeleton_from(ARM, "arm.json")
    assert arm == Skeleton("arm.json", ("Elbow", "Shoulder", "Wrist"), (1, -1, 0), centre=0)
    assert skeleton_from({**ARM, "name": "arm", "centre": None}, "arm.json").centre == 1
    tree = {key: getattr(NTU25, key) for key in ("name", "names", "parents", "left", "right", "centre")}
    assert skeleton_from(json.loads(json.dumps(tree)), "ntu.json") == NTU25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": [0]}, "unknown key 'parent'; expected names, parents"),
        ({"parents": ["Sholder", None, 0]}, "parents: found joint 'Sholder'; expected one of Elbow, Shoulder, Wrist"),
        ({"parents": [1, -1, 3]}, "parents: found joint 3; .* from -1 to 2"),
        ({"parents": [1, -1, True]}, "parents: found joint True"),
        ({"parents": [1, -1]}, "skeleton 'arm.json': 3 names .* and 2 parents"),
        ({"parents": 5}, "parents: found 5; expected a list"),
        ({"names": ["Elbow", 2, "Wrist"]}, "names: found .*2.*; expected text"),
        ({"name": 3}, "names: found"),
        ({"left": ["Elbow"], "right": [-1]}, "right: found joint -1; .* from 0 to 2"),
        ({"centre": "Hip"}, "centre: found joint 'Hip'"),
    ],
)
def test_what_is_no_layout_is_refused_with_its_place(change, message):
    with pytest.raises(InputError, match=f"^arm.json: .*{message}"):
        skeleton_from({**ARM, **change}, "arm.json")


def test_a_layout_that_is_no_object_or_lacks_its_tree_is_refused():
    with pytest.raises(InputError, match="arm.json: found list; expected an object with names, parents"):
        skeleton_from([1, 2], "arm.json")
    with pytest.raises(InputError, match="arm.json: parents missing"):
        skeleton_from({"names": ["a"]}, "arm.json")


@pytest.mark.parametrize(
    ("names", "parents", "sides", "message"),
    [
        (("a", "b"), (-1,), ((), ()), "2 names.*1 parents"),
        (("a", "a"), (-1, 0), ((), ()), "1 different"),
        (("a", "b"), (-1, -1), ((), ()), r"roots \['a', 'b'\]"),
        (("a", "b", "c"), (-1, 2, 1), ((), ()), "'b' never leads to the root"),
        (("a", "b"), (-1, 5), ((), ()), "'b' never leads to the root"),
        (("a", "b", "c"), (-1, 0, 0), ((1,), ()), "left"),
        (("a", "b", "c"), (-1, 0, 0), ((1,), (1,)), "left"),
    ],
)
def test_what_is_no_tree_is_refused(names, parents, sides, message):
    with pytest.raises(InputError, match=message):
        Skeleton("broken", names, parents, *sides)


def test_unknown_joints_list_the_known_ones():
    with pytest.raises(InputError, match="'Nose'; its joints are Hip, RHip"):
        H36M17.index("Nose")
    with pytest.raises(InputError, match=r"'h36m16' \(16 joints\): lacks Neck/Nose of 'h36m17' \(17 joints\)"):
        H36M17.select_from(H36M16)
