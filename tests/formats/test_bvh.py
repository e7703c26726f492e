"""BVH: forward kinematics against a second implementation, and messages for damaged files."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stgraph.errors import InputError
from stgraph.formats.bvh import read_bvh

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 1.0 2.0 3.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT Spine {
    OFFSET 0 5 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    JOINT Head
    {
      OFFSET 0 3 0.5
      CHANNELS 4 Zrotation Xrotation Yposition Yrotation
      End Site
      {
        OFFSET 0 1 0
      }
    }
  }
  JOINT Leg
  {
    OFFSET 0 -4 0
    End Site
    {
      OFFSET 0 0 1
    }
  }
}
MOTION
Frames: 2
Frame Time: .0083333
10 20 30 0 0 0 0 0 0 0 0 3 0
11 21 31 40 50 60 10 20 30 -5 15 3.5 25
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        (tmp_path / "a.bvh").write_text(text, newline="\r\n")
        return tmp_path / "a.bvh"

    return write


def test_forward_kinematics_equals_the_definition(write):
    """Channels in any order, a position channel below the root, and joints without channels."""
    bvh = read_bvh(write(BVH))
    assert bvh.names == ("Hips", "Spine", "Head", "Head end", "Leg", "Leg end")
    assert bvh.fps == 120
    hips = Rotation.from_euler("ZYX", [40, 50, 60], degrees=True)
    spine = hips * Rotation.from_euler("YXZ", [10, 20, 30], degrees=True)
    head = spine * Rotation.from_euler("ZXY", [-5, 15, 25], degrees=True)
    root = np.array([11, 21, 31])
    at_spine = root + hips.apply([0, 5, 0])
    at_head = at_spine + spine.apply([0, 3.5, 0.5])
    at_leg = root + hips.apply([0, -4, 0])
    expected = [root, at_spine, at_head, at_head + head.apply([0, 1, 0]), at_leg, at_leg + hips.apply([0, 0, 1])]
    np.testing.assert_allclose(bvh.positions()[1], expected, atol=1e-12)


def test_rest_pose_in_front_is_noticed(write):
    assert read_bvh(write(BVH)).starts_at_rest
    assert not read_bvh(write(BVH.replace("10 20 30 0 0 0 0 0 0", "10 20 30 0 0 0 0 1 0"))).starts_at_rest
    assert not read_bvh(write(BVH.replace("10 20 30 -5 15 3.5 25", "0 0 0 0 0 3 0"))).starts_at_rest


def test_rates_that_are_no_whole_number_stay(write):
    assert read_bvh(write(BVH.replace(".0083333", "0.03337"))).fps == pytest.approx(29.967, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BVH[:300], "without HIERARCHY in the first and MOTION"),
        ("nonsense", "1 lines without HIERARCHY"),
        (BVH.replace("Xposition Yposition", "Xposition"), "line 5: 'CHANNELS 6"),
        (BVH.replace("CHANNELS 3 Y", "CHANNELS 3 Q"), "line 8: .*Qrotation"),
        (BVH.replace("    OFFSET 0 5 0\n", ""), "joint 'Spine' has no OFFSET"),
        (BVH.replace("\n}\nMOTION", "\nMOTION"), "1 braces are not closed"),
        (BVH.replace("  JOINT Leg", "  ROOT Leg"), "line 19: found ROOT here; expected one ROOT"),
        (BVH.replace("  JOINT Leg", "  BONE Leg"), "line 19: 'BONE Leg'; expected ROOT, JOINT"),
        (BVH.replace("Frames: 2", "Frames: two"), "line 29: found 'two'; expected 1 numbers"),
        (BVH.replace("Frame Time: .0083333\n", ""), "line 30: found '10 20 30 .*expected 'Frame Time:'"),
        (BVH.replace(".0083333", "0"), "line 30: found frame time 0.0"),
        (BVH.replace(".0083333", "1e-320"), r"line 30: found frame time 1e-320; expected 0\.0001 to 10 s"),
        (BVH.replace(".0083333", "120"), "line 30: found frame time 120.0"),
        (BVH.replace("Frames: 2", "Frames: 3"), "line 32: the file ends after 2 frames, its header says 3"),
        (BVH.replace("3.5 25", "3.5"), "line 32: found 12 numbers; expected 13"),
        (BVH.replace("3.5 25", "3.5 nan"), "line 32: found nan; expected finite"),
        (BVH.replace("3.5 25", "3.5 2,5"), "line 32: .*expected 13 numbers"),
        (BVH.replace("ROOT", "{\nROOT", 1), "line 2: found { here; expected one brace after each ROOT"),
        ("HIERARCHY\n{\nEnd Site\n{\nOFFSET 0 0 0\n}\n}\nMOTION\nFrames: 0\nFrame Time: 0.01\n", "line 2: found {"),
        (BVH.replace("Frames: 2", "Frames: 2.5"), "line 32: the file ends after 2 frames, its header says 2.5"),
        (BVH.replace("Frames: 2", f"Frames: {'9' * 5000}"), "line 29: "),
    ],
)
def test_damage_is_named_with_its_place(write, text, message):
    with pytest.raises(InputError) as error:
        read_bvh(write(text))
    assert re.search(message, str(error.value)), error.value


@pytest.mark.slow
def test_a_header_does_not_take_memory_before_the_numbers_are_there(write):
    """30,000 channels and 40,000 lines of one number would be 9 GiB."""
    channels = f"CHANNELS 30000 {' '.join(['Xposition'] * 30000)}"
    header = f"HIERARCHY\nROOT Hip\n{{\nOFFSET 0 0 0\n{channels}\n}}\nMOTION\nFrames: 40000\nFrame Time: 0.01\n"
    with pytest.raises(InputError, match="line 10: found 1 numbers; expected 30000"):
        read_bvh(write(header + "0\n" * 40000))
    with pytest.raises(InputError, match="20001 joints with 1 channels in 40000 frames"):
        ends = "End Site\n{\nOFFSET 0 0 0\n}\n" * 20000
        read_bvh(write(header.replace(channels, f"CHANNELS 1 Xposition\n{ends}") + "0\n" * 40000))
