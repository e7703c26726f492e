"""ASF/AMC: forward kinematics against a second implementation, and messages for damaged files."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stgraph.errors import InputError
from stgraph.formats.amc import bone_ends, read_amc, read_asf

ASF = """# made for a test, caf\xe9
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 1 2 3
  orientation 0 0 0
:bonedata
  begin
    id 1
    name spine
    direction 0 1 0
    length 2
    axis 10 20 30 XYZ
    dof rx ry rz
    limits (-20 45)
           (-30 30)
           (-30 30)
  end
  begin
    id 2
    name arm
    direction 0.6 0 0.8
    length 3.5
    axis -40 5 70 ZYX
    dof rz rx
  end
  begin
    id 3
    name hand
    direction 1 0 0
    length 0.5
    axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root spine
    spine arm
    arm hand
  end
"""
FRAMES = {
    "root": [[1, 2, 3, 10, 20, 30], [0, 0, 0, 90, 0, 0]],
    "spine": [[5, 6, 7], [0, -80, 0]],
    "arm": [[8, 9], [1, 2]],
}


def amc(frames: dict = FRAMES, header: str = ":FULLY-SPECIFIED\n:DEGREES") -> str:
    lines = [header]
    for number in range(len(frames["root"])):
        lines.append(str(number + 1))
        lines += [" ".join([bone, *map(str, rows[number])]) for bone, rows in frames.items()]
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path):
    """Write a skeleton and a motion; returns their paths."""

    def write(asf: str = ASF, motion: str | None = None):
        (tmp_path / "a.asf").write_text(asf, encoding="latin-1")
        (tmp_path / "a.amc").write_text(motion or amc(), newline="\r\n")
        return tmp_path / "a.asf", tmp_path / "a.amc"

    return write


def ends(paths) -> np.ndarray:
    asf = read_asf(paths[0])
    return bone_ends(asf, read_amc(paths[1], asf))


def test_forward_kinematics_equals_the_definition(files):
    """x = x_parent + G_parent C M C^-1 d, with scipy's rotations about fixed axes."""
    found = ends(files())
    for frame in range(2):
        root, spine, arm = (FRAMES[name][frame] for name in ("root", "spine", "arm"))
        turn = Rotation.from_euler("xyz", root[3:], degrees=True)
        expected = [np.array([1, 2, 3]) + root[:3]]
        for axes, local, offset in (
            (Rotation.from_euler("xyz", [10, 20, 30], degrees=True), ("xyz", spine), [0, 2, 0]),
            (Rotation.from_euler("zyx", [-40, 5, 70], degrees=True), ("zx", arm), [2.1, 0, 2.8]),
            (Rotation.identity(), ("x", [0]), [0.5, 0, 0]),
        ):
            turn = turn * axes * Rotation.from_euler(local[0], local[1], degrees=True) * axes.inv()
            expected.append(expected[-1] + turn.apply(offset))
        np.testing.assert_allclose(found[frame], expected, atol=1e-12)


def test_a_turn_worked_out_by_hand(files):
    """The root turned by 90 degrees about x takes the spine from y to z."""
    motion = {"root": [[0, 0, 0, 90, 0, 0]], "spine": [[0, 0, 0]], "arm": [[0, 0]]}
    np.testing.assert_allclose(ends(files(motion=amc(motion)))[0, :2], [[1, 2, 3], [1, 2, 5]], atol=1e-12)


def test_radians_equal_degrees(files):
    degrees = ends(files())
    frames = {
        bone: [row[: len(row) - turns] + [np.radians(angle) for angle in row[len(row) - turns :]] for row in rows]
        for (bone, rows), turns in zip(FRAMES.items(), (3, 3, 2), strict=True)
    }
    np.testing.assert_allclose(ends(files(motion=amc(frames, ":RADIANS"))), degrees, atol=1e-9)


def test_unit_is_inches_over_length(files):
    assert read_asf(files()[0]).metres == pytest.approx(0.056444, abs=1e-6)
    assert read_asf(files(ASF.replace("length 0.45", "length 1.0"))[0]).metres == 0.0254


@pytest.mark.parametrize(
    ("asf", "motion", "message"),
    [
        (ASF.split(":hierarchy")[0], None, "no section :hierarchy.*truncated"),
        (ASF.split("    id 3")[0] + ":hierarchy\n root spine", None, "last bone has no `end`"),
        (ASF.replace("    direction 1 0 0\n", ""), None, "bone hand: no direction"),
        (ASF.replace("arm hand", "leg hand"), None, r"line 43: bone 'hand' below 'leg'"),
        (ASF.replace("    arm hand\n", ""), None, "hand missing"),
        (ASF.replace("dof rz rx", "dof rz l"), None, "bone arm dof: found l; expected only rx, ry, rz"),
        (ASF.replace("dof rz rx", "dof rx rx"), None, "bone arm dof: found rx, rx; expected each at most once"),
        (ASF.replace("length 0.45", "length 1e-320"), None, ":units length: .*; expected 1e-06 to 1e.06"),
        (ASF.replace("  order TX TY TZ RX RY RZ\n", ""), None, ":root: found no order of its numbers"),
        (ASF, amc().replace("\n2\n", "\n²\n"), "line 7: bone '.*' is not in"),
        (ASF.replace("length 3.5", "length long"), None, "bone arm length: found 'long'; expected 1 numbers"),
        (ASF, amc().replace("arm 8", "leg 8"), r"line 6: bone 'leg' is not in .*a\.asf"),
        (ASF, amc().replace("spine 5 6", "spine 5"), "line 5, bone spine: found 2 numbers; expected 3"),
        (ASF, amc().replace("5 6 7", "5 nan 7"), "line 5, bone spine: found nan; expected finite"),
        (ASF, amc().replace("5 6 7", "5 6 7x"), "line 5, bone spine: found '5 6 7x'; expected 3 numbers"),
        (ASF, amc()[: amc().rindex("arm")], "frame 2 ends here without one line each for arm; the file is truncated"),
        (ASF, amc().replace("\n2\n", "\n4\n"), "line 7: frame 4 after frame 1"),
        (ASF, ":DEGREES\n", "no frame in 1 lines"),
    ],
)
def test_damage_is_named_with_its_place(files, asf, motion, message):
    with pytest.raises(InputError) as error:
        ends(files(asf, motion))
    assert re.search(message, str(error.value)), error.value


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"b\.asf: no such file"):
        read_asf(tmp_path / "b.asf")
