"""Everything about a skeleton follows from names and parents."""

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17, H36M32, Skeleton


def test_the_published_selection_and_tables_are_derived():
    assert H36M17.select_from(H36M32).tolist() == [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    assert H36M16.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14)
    assert H36M16.left == (4, 5, 6, 10, 11, 12)
    assert H36M17.depths.tolist() == [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 3, 4, 5, 3, 4, 5]


@pytest.mark.parametrize("skeleton", [H36M32, H36M17, H36M16], ids=lambda skeleton: skeleton.name)
def test_a_mirror_undoes_itself_and_keeps_the_tree(skeleton):
    mirror = skeleton.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(skeleton)))
    for joint, parent in skeleton.bones:
        assert skeleton.parents[mirror[joint]] == mirror[parent]
    for left, right in zip(skeleton.left, skeleton.right, strict=True):
        assert skeleton.names[left][1:] == skeleton.names[right][1:]


def test_removing_a_joint_hangs_its_children_on_its_parent():
    less = H36M17.without("Thorax", "LElbow", name="less")
    assert less.names[less.parents[less.index("Neck/Nose")]] == "Spine"
    assert less.names[less.parents[less.index("LWrist")]] == "LShoulder"
    assert len(less.left) == len(less.right) == 5


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
    with pytest.raises(InputError, match=r"'h36m16' \(16 joints\) lacks Neck/Nose of 'h36m17' \(17 joints\)"):
        H36M17.select_from(H36M16)
