"""What is read is said to be unlikely where a file or an option may mean something else; what is usual is not."""

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.read import read_keypoints
from stgraph.skeleton import H36M17
from tests.formats.keypoints import files
from tests.formats.keypoints.people import SIZE, walker


def upside_down(pose):
    return pose * (1, -1, 1) + (0, SIZE[1], 0)


def lying(pose):
    return pose[..., [1, 0, 2]]


TURNED = {
    "upside down": (upside_down, "shoulders are below the hips in 100% of the poses: where y grows upwards, write"),
    "lying": (lying, "trunks lie in 100% of the poses: if people stand, x and y are swapped"),
}


@pytest.mark.parametrize("layout", ["coco17", "body25", "h36m17", "mediapipe33"])
@pytest.mark.parametrize("name", TURNED)
def test_people_who_all_hang_or_lie(tmp_path, name, layout):
    turn, text = TURNED[name]
    pose = walker(layout)
    upright = read_keypoints(files.array(tmp_path / "a.npy", pose), size=SIZE, layout=layout, scale="pixels")
    assert not any("poses" in note for note in upright.notes)
    found = read_keypoints(files.array(tmp_path / "b.npy", turn(pose)), size=SIZE, layout=layout, scale="pixels")
    assert any(note.startswith(text) for note in found.notes)
    pose[1] = turn(pose)[1]  # one pose of six is a cartwheel
    found = read_keypoints(files.array(tmp_path / "c.npy", pose), size=SIZE, layout=layout, scale="pixels")
    assert not any("poses" in note for note in found.notes)


def test_fractions_that_are_taken_for_pixels(tmp_path):
    pose = walker("coco17")
    assert not any("large" in note for note in read_keypoints(files.coco(tmp_path / "a.json", pose), size=SIZE).notes)
    pose[..., :2] /= SIZE
    notes = read_keypoints(files.coco(tmp_path / "a.json", pose), size=SIZE).notes
    assert any("pixels large: check what x and y are (--scale)" in note for note in notes)
    found = read_keypoints(tmp_path / "a.json", size=SIZE, scale="fractions")
    np.testing.assert_allclose(found.pose, walker("coco17"), atol=1e-9)
    assert not any("large" in note for note in found.notes)


def test_a_layout_that_the_positions_contradict(tmp_path):
    path = files.array(tmp_path / "a.npy", walker("coco17"))
    found = read_keypoints(path, size=SIZE, layout="h36m17")
    assert found.joints == LAYOUTS["h36m17"]
    assert "in the order of h36m17 the joints are no body, in that of coco17 they are (--layout)" in found.notes
    assert not any("order" in note for note in read_keypoints(path, size=SIZE, layout="coco17").notes)


@pytest.mark.parametrize("form", ["coco", "array", "csv"])
def test_people_without_any_confidence(tmp_path, form):
    pose = walker("coco17")
    pose[..., 2] = 0
    write, name = {"coco": (files.coco, "a.json"), "array": (files.array, "a.npy"), "csv": (files.table, "a.csv")}[form]
    with pytest.raises(InputError, match="every joint has confidence 0; give 1 to a joint that is seen") as caught:
        read_keypoints(write(tmp_path / name, pose), size=SIZE)
    assert caught.value.kind == "no person"


def test_a_confidence_in_percent(tmp_path):
    with pytest.raises(InputError, match="which is no confidence; .*divide it by 100 if it is a confidence in percent"):
        read_keypoints(files.array(tmp_path / "a.npy", walker("coco17") * (1, 1, 100)), size=SIZE)
    pose = walker("coco17")
    pose[..., 2] = np.linspace(-900, 900, pose[..., 2].size).reshape(pose.shape[:2])
    with pytest.raises(InputError, match="from -900 to 900, which is no confidence; .*; drop it$"):
        read_keypoints(files.array(tmp_path / "a.npy", pose), size=SIZE)


def test_misspelt_joints_are_named(tmp_path):
    names = [{"LKnee": "LKneee", "RHip": "RHpi"}.get(name, name) for name in LAYOUTS["coco17"]]
    found = read_keypoints(files.table(tmp_path / "a.csv", walker("coco17"), names), size=SIZE)
    with pytest.raises(InputError, match="no Hip, RHip, LKnee.*check the spelling of RHpi, LKneee; if the"):
        found.to(H36M17)


def test_boxes_without_keypoints_are_named(tmp_path):
    path = files.dump(tmp_path / "a.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}])
    with pytest.raises(InputError, match="a list whose first entry is an object with the keys image_id, category_id"):
        read_keypoints(path)
