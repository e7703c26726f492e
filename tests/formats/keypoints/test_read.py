"""Every format in a small file of its official form becomes the same thing."""

import json

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.read import read_all_keypoints, read_keypoints
from tests.formats.keypoints.people import SIZE, walker


def dump(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))
    return path


def openpose(folder, pose, people=None, name="clip", numbers=None):
    """A folder as OpenPose writes it; `people` of each frame are its one person, unless given."""
    for place, one in enumerate(pose):
        number = place if numbers is None else numbers[place]
        there = [one] if people is None else people[place]
        tree = {
            "version": 1.3,
            "people": [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in there],
        }
        dump(folder / f"{name}_{number:012d}_keypoints.json", tree)
    return folder


def coco(path, pose):
    entries = [
        {"image_id": number, "category_id": 1, "keypoints": one.ravel().tolist(), "score": 0.75}
        for number, one in enumerate(pose)
    ]
    return dump(path, entries)


def alphapose(path, pose):
    entries = [
        {
            **{"image_id": f"{number}.jpg", "category_id": 1, "keypoints": one.ravel().tolist(), "score": 2.5},
            **{"box": [400.0, 100.0, 300.0, 500.0], "idx": 3},
        }
        for number, one in enumerate(pose)
    ]
    return dump(path, entries)


@pytest.mark.parametrize("layout", ["body25", "openpose18"])
def test_openpose(tmp_path, layout):
    pose = walker(layout)
    found = read_keypoints(openpose(tmp_path / "clip", pose))
    np.testing.assert_allclose(found.pose, pose)
    assert (found.layout, found.joints, found.name) == (layout, LAYOUTS[layout], "clip")
    assert found.frames == (0, 6) and found.person.tolist() == [-1] * 6 and found.size is None


def test_coco_results(tmp_path):
    pose = walker("coco17")
    found = read_keypoints(coco(tmp_path / "results.json", pose))
    np.testing.assert_allclose(found.pose, pose)
    assert (found.layout, found.format, found.score.tolist()) == ("coco17", "COCO results", [0.75] * 6)


@pytest.mark.parametrize("layout", ["coco17", "halpe26", "halpe136"])
def test_alphapose(tmp_path, layout):
    pose = walker(layout)
    found = read_keypoints(alphapose(tmp_path / "alphapose-results.json", pose))
    np.testing.assert_allclose(found.pose, pose)
    assert (found.layout, found.format) == (layout, "AlphaPose")
    assert found.person.tolist() == [3] * 6 and found.score.tolist() == [2.5] * 6
    assert found.box is not None and found.box[0].tolist() == [400, 100, 700, 600]


@pytest.mark.parametrize("layout", ["coco17", "h36m17", "posetrack17", "halpe26", "body25", "ntu25"])
@pytest.mark.parametrize("unseen", [0, np.nan])
def test_arrays_are_known_by_their_positions(tmp_path, layout, unseen):
    """With a joint that is never seen, too."""
    pose = walker(layout, 8)
    pose[:, 9] = unseen
    np.save(tmp_path / "a.npy", pose)
    found = read_keypoints(tmp_path / "a.npy")
    assert found.layout == layout and len(found) == 8
    assert not found.pose[:, 9].any()
    np.testing.assert_allclose(np.delete(found.pose, 9, 1), np.delete(pose, 9, 1))


def test_an_array_that_shows_too_little_is_refused(tmp_path):
    pose = walker("coco17")
    pose[:, :9] = 0
    np.save(tmp_path / "a.npy", pose)
    with pytest.raises(InputError, match=r"17 joints may be.*--layout coco17\|h36m17\|posetrack17"):
        read_keypoints(tmp_path / "a.npy")
    assert read_keypoints(tmp_path / "a.npy", layout="coco17").layout == "coco17"


def test_several_videos(tmp_path):
    openpose(tmp_path / "all" / "one", walker("body25"))
    openpose(tmp_path / "all" / "two", walker("body25"), name="other")
    assert [video.name for video in read_all_keypoints(tmp_path / "all")] == ["clip", "other"]
    with pytest.raises(InputError, match="found the videos clip, other; expected one"):
        read_keypoints(tmp_path / "all")
    assert read_keypoints(tmp_path / "all", video="other").name == "other"


def test_fractions_need_the_size(tmp_path):
    pose = walker("body25")
    fractions = pose / [*SIZE, 1]
    folder = openpose(tmp_path / "clip", fractions)
    with pytest.raises(InputError, match="give it by --image-size"):
        read_keypoints(folder)
    np.testing.assert_allclose(read_keypoints(folder, size=SIZE).pose, pose)
    signed = pose / [SIZE[0] / 2, SIZE[1] / 2, 1] - [1, 1, 0]
    found = read_keypoints(openpose(tmp_path / "signed", signed), size=SIZE)
    np.testing.assert_allclose(found.pose, pose)
