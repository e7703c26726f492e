"""Keypoint files that are cut short, contradict themselves or claim too much: a message or a stated, right result."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints.read import read_all_keypoints, read_keypoints
from tests.formats.keypoints import files
from tests.formats.keypoints.people import SIZE, walker

WRITERS = {
    "alphapose": (files.alphapose, "a.json"),
    "mmpose": (files.mmpose, "a.json"),
    "mmpose demo": (files.mmpose_demo, "a.json"),
    "coco": (files.coco, "a.json"),
    "posetrack": (files.posetrack, "a.json"),
    "unnamed": (lambda path, pose: files.posetrack(path, pose, joints=()), "a.json"),
    "detectron": (files.detectron, "a.npz"),
    "videopose3d": (files.videopose3d, "a.npz"),
    "rtmlib": (files.rtmlib, "a.npz"),
    "array": (files.array, "a.npy"),
    "csv": (files.table, "a.csv"),
    "openpose": (lambda path, pose: files.openpose(path.parent / "o", pose) / "clip_000000000000_keypoints.json", "a"),
    "ultralytics": (lambda path, pose: files.ultralytics(path.parent / "u", pose) / "clip_1.txt", "a"),
    "mediapipe": (lambda path, _: files.mediapipe(path, walker("mediapipe33")), "a.json"),
    "mediapipe csv": (lambda path, _: files.mediapipe_csv(path, walker("mediapipe33")), "a.csv"),
    "sleap": (lambda path, pose: files.sleap(path, pose[:, :3]), "a.h5"),
    "sleap csv": (lambda path, pose: files.sleap_csv(path, pose[:, :3]), "a.csv"),
    "deeplabcut csv": (lambda path, pose: files.deeplabcut_csv(path, pose[:, :3]), "a.csv"),
    "deeplabcut table": (lambda path, pose: files.deeplabcut_h5(path, pose[:, :3]), "a.h5"),
    "deeplabcut fixed": (lambda path, pose: files.deeplabcut_h5(path, pose[:, :3], fixed=True), "a.h5"),
}
ODD = (
    *(None, True, -1, 0, 3.5, 10**9, 10**400, 1e308, float("nan"), float("-inf"), "", "a/7.jpg", [], {}, [[]], [None]),
    *([1, 2], [[1, 2, 3]], {"a": 1}, {"keypoints": [1, 2, 3]}, [{"image_id": 1, "keypoints": [0, 0, 0]}], "9" * 5000),
)


def written(tmp_path, form):
    write, name = WRITERS[form]
    return write(tmp_path / name, walker("coco17", 3))


@pytest.mark.parametrize("form", WRITERS)
def test_one_frame(tmp_path, form):
    write, name = WRITERS[form]
    path = write(tmp_path / name, walker("coco17", 1))
    assert len(read_keypoints(path, size=SIZE)) >= 1


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_cut_short_is_refused_or_read_as_far_as_it_is_whole(tmp_path, form):
    path = written(tmp_path, form)
    content = path.read_bytes()
    for share in (0, 0.3, 0.6, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        try:
            assert len(read_all_keypoints(path, size=SIZE)[0]) <= 3
            assert share and path.suffix in (".csv", ".txt")
        except InputError as error:
            assert path.name in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITERS)
def test_random_bytes_raise_nothing_but_input_errors(tmp_path, form):
    path, rng = written(tmp_path, form), np.random.default_rng(0)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(25):
        changed = content.copy()
        places = rng.integers(0, len(changed), rng.integers(1, 6))
        changed[places] = rng.integers(0, 256, len(places))
        path.write_bytes(changed.tobytes())
        read_or_refused(path)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form, (_, name) in WRITERS.items() if name == "a.json"] + ["openpose"])
def test_odd_values_raise_nothing_but_input_errors(tmp_path, form):
    path, rng = written(tmp_path, form), np.random.default_rng(0)
    content = path.read_text()
    for _ in range(60):
        tree = json.loads(content)
        node = tree
        while True:  # a random way down
            keys = [*node] if isinstance(node, dict) else [*range(len(node))]
            key = keys[rng.integers(len(keys))]
            if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.2:
                break
            node = node[key]
        if rng.random() < 0.2 and isinstance(node, dict):
            del node[key]
        else:
            node[key] = ODD[rng.integers(len(ODD))]
        path.write_text(json.dumps(tree))
        read_or_refused(path)


def read_or_refused(path):
    try:
        for found in read_all_keypoints(path, size=SIZE):
            assert np.isfinite(found.pose).all() and found.frames[1] <= 1_000_000
            found.skeleton  # noqa: B018
    except InputError:
        pass


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"people": ' * 50_000, "[" + "9" * 10_000 + "]", "NaN", "[NaN]", "[[[[[[[[1]]]]]]]]"]
)
def test_json_that_is_no_keypoints(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        read_keypoints(tmp_path / "a.json")


def entries(**changes):
    one = {"image_id": 0, "category_id": 1, "keypoints": walker("coco17", 1).ravel().tolist(), "score": 1}
    return {**one, **changes}


def refused(path, tree, message):
    with pytest.raises(InputError, match=message):
        read_keypoints(files.dump(path, tree))


@pytest.mark.slow
def test_claims_of_much_are_refused_before_memory_is_taken(tmp_path):
    tracemalloc.start()
    refused(tmp_path / "a.json", [entries(), entries(image_id=10**9)], "frame number 1000000000; expected 0 to 999999")
    refused(tmp_path / "a.json", [entries(image_id=10**200)], "a frame number of more than 30 digits")
    refused(tmp_path / "a.json", [entries(image_id=-1)], "found frame number -1")
    refused(
        tmp_path / "a.json",
        [entries(keypoints=[1.0] * 30_000)],
        r"poses of shape \(1, 10000, 3\); expected 1 to 1000",
    )
    (tmp_path / "a.csv").write_text("frame,Nose_x,Nose_y\n1000000000,1,1\n")
    with pytest.raises(InputError, match="frame '1000000000'"):
        read_keypoints(tmp_path / "a.csv")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_frames_out_of_order_are_sorted_and_gaps_stay(tmp_path):
    pose = walker("coco17", 3)
    tree = [
        entries(image_id=number, keypoints=one.ravel().tolist()) for number, one in zip((9, 2, 4), pose, strict=True)
    ]
    found = read_keypoints(files.dump(tmp_path / "a.json", tree))
    assert found.frame.tolist() == [2, 4, 9] and found.frames == (2, 10)
    np.testing.assert_allclose(found.pose, pose[[1, 2, 0]])
    assert found.notes == ("frames were not in order: sorted",)
    folder = files.openpose(tmp_path / "o", walker("body25", 3), numbers=(0, 7, 3))
    assert read_keypoints(folder).frame.tolist() == [0, 3, 7]


def test_a_person_twice_in_a_frame(tmp_path):
    refused(tmp_path / "a.json", [entries(idx=3), entries(idx=3)], "person 3 is 2 times in frame 0; expected once")
    found = read_keypoints(files.dump(tmp_path / "a.json", [entries(), entries()]))
    assert found.frame.tolist() == [0, 0] and found.people == []


def test_a_wrong_number_of_joints(tmp_path):
    few = walker("coco17", 1)[0, :5].ravel().tolist()
    refused(
        tmp_path / "a.json", [entries(), entries(keypoints=few)], r"\[1\]: found 5 joints; expected \d+, as .*\[0\] has"
    )
    refused(tmp_path / "a.json", [entries(keypoints=few)], "found 5 joints; expected a known layout: coco17")
    refused(tmp_path / "a.json", [entries(keypoints=few[:-1])], "expected x, y and confidence of every joint")
    with pytest.raises(InputError, match="found 17 joints; expected 26, as the layout halpe26 has"):
        read_keypoints(files.dump(tmp_path / "a.json", [entries()]), layout="halpe26")


@pytest.mark.parametrize(
    ("tree", "message"),
    {
        "boxes": ([entries(box=[[1, 2, 3, 4]] * 2)], r"\[0\]\.box: found 8 numbers; expected 4 numbers"),
        "scores": (
            [{"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [[0.5] * 17] * 2}],
            r"keypoint_scores: found 34 numbers; expected 17 numbers",
        ),
        "frames": ({"landmarks": [], "frames": 5}, "frames: found a int; expected a list"),
        "width": (
            {"images": [{"id": 1, "width": 0.5}], "annotations": []},
            r"width: found 0\.5; expected greater than",
        ),
    }.values(),
    ids=["boxes", "scores", "frames", "width"],
)
def test_json_of_other_shapes(tmp_path, tree, message):
    refused(tmp_path / "a.json", tree, message)


def held(value):
    """An array that holds an object, as numpy.savez makes one of a dictionary."""
    array = np.empty((), object)
    array[()] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "message"),
    {
        "people": ({"keypoints": [[[], 5]], "boxes": [[[], 5]], "metadata": {}}, "no class of people"),
        "boxes": ({"keypoints": [[[], []]], "boxes": 3, "metadata": {}}, "unlike lengths of boxes and keypoints"),
        "cameras": ({"positions_2d": {"S1": {"walk": None}}}, "S1/walk: found none; expected an array of poses"),
        "scalar": ({"positions_2d": {"S1": {"walk": [np.array(3)]}}}, "S1/walk/0: found 1 numbers; expected 2 or 3"),
        "size": ({"keypoints": [[[0.5, 0.5]]], "size": [0.5, 0.5]}, "size: found .*; expected width and height"),
    }.values(),
    ids=["people", "boxes", "cameras", "scalar", "size"],
)
def test_npz_of_other_shapes(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **{name: held(value) for name, value in arrays.items()})
    with pytest.raises(InputError, match=message):
        read_keypoints(tmp_path / "a.npz")


def test_text_that_begins_with_nan_is_no_line_of_ultralytics(tmp_path):
    (tmp_path / "a.txt").write_text("nan 0.5 0.5 0.5 0.5 0.1 0.1 0.1\n")
    with pytest.raises(InputError, match="a file of no known format"):
        read_keypoints(tmp_path / "a.txt")


def test_a_dataset_of_the_toolkit_names_the_commands_that_read_it(dataset):
    with pytest.raises(
        InputError, match=rf"dataset of this toolkit.*evaluate --exp lifter --data {dataset.path}.*render"
    ):
        read_keypoints(dataset.path)


@pytest.mark.parametrize("tree", [[], {}, {"people": []}, [{"frame_id": 0, "instances": []}], [[], []]])
def test_no_people(tmp_path, tree):
    refused(tmp_path / "a.json", tree, "no people in it")


def test_frames_without_people_count(tmp_path):
    pose = walker("body25", 3)
    folder = files.openpose(tmp_path / "o", pose, people=[[], [pose[1]], []])
    found = read_keypoints(folder)
    assert found.frames == (0, 3) and found.frame.tolist() == [1]


def test_a_portrait_is_as_its_size_says(tmp_path):
    pose = walker("coco17")
    found = read_keypoints(files.ultralytics(tmp_path / "u", pose), size=SIZE[::-1])
    np.testing.assert_allclose(found.pose[..., :2], pose[..., :2] / SIZE * SIZE[::-1], atol=1e-2)
    assert found.size == SIZE[::-1]


def test_what_is_unseen_is_zero_and_costs_nothing_else(tmp_path):
    pose = walker("coco17")
    for place, value in enumerate(([0, 0, 0.9], [5, 5, 0], [np.nan, 5, 1], [5, np.inf, 1], [5, 5, np.nan], [5, 5, -1])):
        pose[place, 3] = value
    found = read_keypoints(files.coco(tmp_path / "a.json", pose))
    assert len(found) == 6 and not found.pose[:, 3].any()
    assert (np.delete(found.pose, 3, axis=1)[..., 2] > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    {
        "layout": ({"layout": "coco71"}, "--layout coco71: no such file and no known layout; expected one of coco17"),
        "size": ({"size": (0, 7)}, "size: found .*expected width and height"),
        "fps": ({"fps": -1}, "fps: found -1; expected a finite number above 0"),
        "joints": ({"joints": -17}, "joints: found -17; expected 1 to 1000"),
        "order": ({"order": "abc"}, "order: found abc; expected one of tjc"),
        "scale": ({"scale": "metres"}, "scale: found metres; expected one of pixels"),
        "video": ({"video": "b"}, "found the videos a; expected b"),
    }.values(),
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options(tmp_path, options, message):
    files.array(tmp_path / "a.npy", walker("coco17"))
    with pytest.raises(InputError, match=message):
        read_keypoints(tmp_path / "a.npy", **options)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such file or folder"):
        read_keypoints(tmp_path / "none.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no file of a known format in this folder"):
        read_keypoints(tmp_path / "folder")


@pytest.mark.parametrize("kind", ["link", "storage"])
def test_hdf5_takes_no_numbers_from_other_files(tmp_path, kind):
    path = written(tmp_path, "sleap")
    (tmp_path / "other.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        shape = file["tracks"].shape
        del file["tracks"]
        if kind == "link":
            file["tracks"] = h5py.ExternalLink("other.h5", "tracks")
        else:
            file.create_dataset("tracks", shape, "f8", external=[("other.h5", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(InputError, match="tracks: found a link to another file"):
        read_keypoints(path, size=SIZE)
