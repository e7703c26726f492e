"""Mapping tables and what they refuse."""

import json
import re

import numpy as np
import pytest

from data_prep.reading.rigs import array_mapping, check_mapped, find_mapping, known_mappings, read_mapping, with_neck
from data_prep.reading.takes import find_takes, read_take
from stgraph.errors import InputError
from stgraph.skeleton import H36M17
from tests.data_prep.people import squats


def test_every_table_that_comes_along_is_found_by_its_own_joints():
    for table in known_mappings():
        joints = sorted({source for weights in table.joints.values() for source in weights} | set(table.only_with))
        assert find_mapping(joints, "rig") == table
        assert find_mapping([f"mixamorig:{joint}" for joint in joints], "rig") == table


def test_mirrored_joints_of_every_table_are_mirrored_names():
    """A table that takes a left joint from the right side would show here."""
    for table in known_mappings():
        for left, right in zip(H36M17.left, H36M17.right, strict=True):
            a, b = (table.joints[H36M17.names[joint]] for joint in (left, right))
            swap = {name: re.sub("^L(?!eft)", "R", re.sub("^l", "r", name)).replace("Left", "Right") for name in a}
            assert {swap[name]: weight for name, weight in a.items()} == b != a


def test_own_mapping_for_an_array_with_other_joints(tmp_path):
    order = [f"j{joint}" for joint in reversed(range(len(H36M17)))]
    joints = {name: f"j{joint}" for joint, name in enumerate(H36M17.names)} | {"Hip": ["j1", "j4"]}
    (tmp_path / "mine.json").write_text(json.dumps({"unit": "mm", "up": "z", "order": order, "joints": joints}))
    np.savez(tmp_path / "a.npz", **{"S1/squat 1": 1000 * squats()[:, ::-1]})
    motion = read_take(find_takes([tmp_path / "a.npz"])[0], read_mapping(tmp_path / "mine.json"))
    np.testing.assert_allclose(motion.pose, squats(), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["joints"].pop("Head"), "joints: Head missing or unknown"),
        (lambda table: table["joints"].update(Head={"a": 0.5}), "Head: weights .* sum to 0.5; expected 1"),
        (lambda table: table["joints"].update(Head=3), "Head: 3; expected a name"),
        (lambda table: table.update(unit="furlong"), "unit: 'furlong'; expected one of m, cm"),
        (lambda table: table.update(up="x"), "up: 'x'"),
        (lambda table: table.update(color=1), "color: unknown key"),
        (lambda table: table.update(skip_frames="abc"), "skip_frames: 'abc': .*integer"),
        (lambda table: table.update(skip_frames=-1), "skip_frames: -1: .*greater than or equal to 0"),
        (lambda table: table.update(skip_frames=1.5), "skip_frames: 1.5: .*integer"),
        (lambda table: table.update(order=5), "order: 5: "),
        (lambda table: table.update(order=[0, 1]), "order, 0: 0: .*string; order, 1: 1: .*string"),
        (lambda table: table.update(unit=float("nan")), "unit: nan; expected one of m, cm"),
        (lambda table: table.update(unit=True), "unit: True; expected one of m, cm"),
        (lambda table: table["joints"].update(Hip=[1, 2]), r"Hip: \[1, 2\]; expected a name"),
        (lambda table: table["joints"].update(Hip=[["a"]]), r"Hip: \[\['a'\]\]; expected a name"),
        (lambda table: table["joints"].update(Hip=[]), r"Hip: \[\]; expected a name"),
        (lambda table: table["joints"].update(Hip={"a": float("nan")}), "Hip: weights .* sum to nan; expected 1"),
        (lambda table: table["joints"].update(Hip=["a", "a"]), "names a joint twice"),
        (lambda table: table.update(joints=[]), "joints: list; expected an object"),
        (lambda table: table.pop("joints"), "joints: Field required"),
    ],
)
def test_damaged_mappings_are_refused(tmp_path, change, message):
    table = {"joints": dict.fromkeys(H36M17.names, "a")}
    change(table)
    (tmp_path / "m.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=message):
        read_mapping(tmp_path / "m.json")


def test_all_that_is_wrong_with_a_mapping_is_listed_at_once(tmp_path):
    joints = dict.fromkeys(H36M17.names, "a") | {"Hip": 3, "Tail": "b"}
    (tmp_path / "m.json").write_text(json.dumps({"joints": joints, "up": "x", "skip_frames": "2", "color": 1}))
    with pytest.raises(InputError) as error:
        read_mapping(tmp_path / "m.json")
    for problem in (
        "m.json: ",
        "Hip: 3; expected",
        "Tail missing or unknown",
        "up: 'x'",
        "skip_frames: '2'",
        "color: ",
    ):
        assert problem in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"joints": {}, }'])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError, match=r"m\.json: (.|\n)*expected a JSON file such as"):
        read_mapping(tmp_path / "m.json")
    with pytest.raises(InputError, match="No such file"):
        read_mapping(tmp_path / "absent.json")


def test_frames_left_out_leave_something(tmp_path):
    table = {"order": H36M17.names, "joints": {name: name for name in H36M17.names}, "skip_frames": 100}
    (tmp_path / "m.json").write_text(json.dumps(table))
    np.savez(tmp_path / "a.npz", **{"S1/squat 1": squats()})
    [take] = find_takes([tmp_path / "a.npz"])
    with pytest.raises(InputError, match=r"a\.npz, S1/squat 1: 100 frames, the first 100 .*`skip_frames`"):
        read_take(take, read_mapping(tmp_path / "m.json"))
    (tmp_path / "m.json").write_text(json.dumps(table | {"skip_frames": 99}))
    assert len(read_take(take, read_mapping(tmp_path / "m.json")).pose) == 1


def test_array_layouts_of_human36m():
    assert array_mapping(len(H36M17), "a").order == H36M17.names
    with pytest.raises(InputError, match='14 joints; expected 17 or 32 .*"order"'):
        array_mapping(14, "a")


@pytest.mark.parametrize(
    ("factor", "unit"),
    # The last is 1.01 m tall in inches and 2.25 m in CMU's, which is nearer to 1.7 m.
    [(1000, "mm"), (100, "cm"), (1 / 0.0254, "inch"), (0.45 / 0.0254, "cmu"), (24.8, "cmu")],
)
def test_other_units_are_refused_with_the_one_that_fits(factor, unit):
    with pytest.raises(InputError, match=f"expected 1.0 to 2.3 m; `--unit {unit}` would fit"):
        check_mapped(factor * squats(), 1.0, "a")


def test_swapped_sides_and_mirrored_coordinates_are_refused():
    check_mapped(squats(), 1.0, "a")
    for wrong in (squats()[:, H36M17.mirror], squats() * [-1, 1, 1]):
        with pytest.raises(InputError, match="knees bend backwards"):
            check_mapped(wrong, 1.0, "a")


def test_joints_in_each_others_place_are_refused():
    """The 17 joints of COCO's layout, of which only the number is right."""
    order = (9, 9, 9, 10, 10, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3)
    with pytest.raises(InputError, match=r"another order|m tall"):
        check_mapped(squats()[:, order], 1.0, "a")


def test_a_weight_of_too_many_digits_is_named(tmp_path):
    joints = {name: name for name in H36M17.names} | {"Hip": {"Hips": 10**400}}
    (tmp_path / "rig.json").write_text(json.dumps({"joints": joints}))
    with pytest.raises(InputError, match="rig.json: .*Hip: int too large to convert to float"):
        read_mapping(tmp_path / "rig.json")


@pytest.mark.parametrize("neck", [0.0, 0.03])
def test_a_head_at_the_neck_is_refused_with_a_mapping_that_serves(tmp_path, neck):
    """Where the head has no length and the neck hardly one, the weights of the message make a person of the rig."""
    names, joint = ("Hips", *H36M17.names[1:]), dict(zip(H36M17.names, range(len(H36M17)), strict=True))
    joints = dict(zip(H36M17.names, names, strict=True)) | {"Hip": ["RHip", "LHip"]}
    rig = squats()
    up = rig[:, joint["Thorax"]] - rig[:, joint["Hip"]]
    rig[:, joint["Neck/Nose"]] = rig[:, joint["Head"]] = rig[:, joint["Thorax"]] + neck * up
    (tmp_path / "rig.json").write_text(json.dumps({"joints": joints}))
    mapping = read_mapping(tmp_path / "rig.json")
    with pytest.raises(InputError, match=rf"a.bvh: .*by {neck:.0%} of the trunk, .*`--mapping FILE.json`") as caught:
        with_neck(mapping, mapping.apply(rig, names, "a.bvh"), "a.bvh")
    remedy = json.loads(str(caught.value).partition("as by ")[2])
    (tmp_path / "rig.json").write_text(json.dumps({"joints": joints | remedy}))
    mapping = read_mapping(tmp_path / "rig.json")
    check_mapped(with_neck(mapping, mapping.apply(rig, names, "a.bvh"), "a.bvh")[1], 1.0, "a.bvh")


def test_a_head_without_length_on_a_short_neck_is_made_of_what_is_there():
    """A hundredth of a trunk is no head, however short the neck below it is."""
    mapping, pose = array_mapping(len(H36M17), "a"), squats()
    thorax, neck, head = (H36M17.index(name) for name in ("Thorax", "Neck/Nose", "Head"))
    above = pose[:, head] - pose[:, thorax]
    pose[:, neck], pose[:, head] = pose[:, thorax] + 0.9 * above, pose[:, thorax] + 0.92 * above
    found = with_neck(mapping, pose, "a")[1]
    np.testing.assert_allclose(found[:, neck], (pose[:, thorax] + pose[:, head]) / 2)
    check_mapped(found, 1.0, "a")
