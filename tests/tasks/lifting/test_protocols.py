"""Protocols by name, and the joints that they score."""

import pytest

from stgraph.errors import InputError
from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.protocols import find_protocol


def test_unknown_protocol_lists_the_known():
    with pytest.raises(InputError, match=r"'stndard'.*standard, videopose3d, tgraphnet, semgcn, mixste, motionbert"):
        find_protocol("stndard")


def test_the_fourteen_joints_of_the_other_benchmarks():
    def scored(name):
        return [joint for joint in H36M17.names if joint not in find_protocol(name).without_joints]

    limbs = ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")
    assert sorted(scored("3dhp14")) == sorted(["Head", "Thorax", *(side + limb for side in "LR" for limb in limbs)])
    assert sorted(scored("3dpw14")) == sorted(["Hip", "Thorax", *(side + limb for side in "LR" for limb in limbs)])
    assert find_protocol("3dhp").mean_over == "recording" and find_protocol("3dpw").mean_over == "frame"
