"""stgraph.predict with input that is damaged, contradicts itself or says too little, in every format.

Each mistake ends in a message that names the file, the place in it and a remedy, and leaves what is at --out as it is;
or in a stated, right result.
"""

import csv
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from stgraph import predict
from stgraph.errors import InputError
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.numpy_files import load_npz
from stgraph.motion.motion import Motion
from tests.commands.test_predict import call, weights  # noqa: F401 - a fixture
from tests.formats.keypoints import files
from tests.formats.keypoints.people import SIZE, walker

pytestmark = pytest.mark.slow
COCO, FRAMES = LAYOUTS["coco17"], 5
NAMED = {"names": COCO}


def pyskl(path, pose):
    tree = {"keypoint": pose[None, ..., :2], "keypoint_score": pose[None, ..., 2], "img_shape": SIZE[::-1]}
    path.write_bytes(pickle.dumps(tree))
    return path


def numbers(path, pose):
    np.savetxt(path, pose.reshape(len(pose), -1), delimiter=",")
    return path


def numbered(path, pose):
    np.savez(path, keypoints=pose, frame=np.arange(len(pose)), person=np.zeros(len(pose), int))
    return path


class Form(NamedTuple):
    """A format: its writer, the name of its file or folder, its joints, and options that it needs."""

    write: Callable[..., Path]
    name: str
    layout: str = "coco17"
    options: tuple = ()


FORMS = {
    "openpose": Form(files.openpose, "clip", "body25"),
    "coco": Form(files.coco, "a.json"),
    "alphapose": Form(files.alphapose, "a.json"),
    "mmpose": Form(files.mmpose, "a.json"),
    "mmpose images": Form(files.mmpose_images, "clip"),
    "mmpose demo": Form(files.mmpose_demo, "a.json"),
    "detectron": Form(files.detectron, "a.npz"),
    "videopose3d": Form(files.videopose3d, "a.npz"),
    "ultralytics": Form(files.ultralytics, "labels"),
    "mediapipe": Form(files.mediapipe, "a.json", "mediapipe33"),
    "mediapipe csv": Form(files.mediapipe_csv, "a.csv", "mediapipe33"),
    "mediapipe npy": Form(files.mediapipe_npy, "a.npy", "mediapipe33"),
    "rtmlib": Form(files.rtmlib, "a.npz"),
    "array": Form(files.array, "a.npy"),
    "numbered": Form(numbered, "a.npz"),
    "csv": Form(files.table, "a.csv"),
    "numbers": Form(numbers, "a.csv", options=("--joints", 17)),
    "pyskl": Form(pyskl, "a.pkl"),
    "sleap": Form(lambda path, pose: files.sleap(path, pose, **NAMED), "a.h5"),
    "sleap csv": Form(lambda path, pose: files.sleap_csv(path, pose, **NAMED), "a.csv"),
    "deeplabcut csv": Form(lambda path, pose: files.deeplabcut_csv(path, pose, **NAMED), "a.csv"),
    "deeplabcut table": Form(lambda path, pose: files.deeplabcut_h5(path, pose, **NAMED), "a.h5"),
    "deeplabcut fixed": Form(lambda path, pose: files.deeplabcut_h5(path, pose, fixed=True, **NAMED), "a.h5"),
    "posetrack": Form(files.posetrack, "a.json"),
}
SIZED = ("detectron", "videopose3d", "pyskl")  # whose files hold the images' size
FRACTIONS = ("ultralytics", "mediapipe", "mediapipe csv", "mediapipe npy")


@pytest.fixture
def case(tmp_path, weights):  # noqa: F811
    """The command on a good file of a format after a change to it: the motion, or the message that refuses it."""

    def run(form, change=lambda path: None, frames=FRAMES, size=SIZE, options=()):
        one, out = FORMS[form], tmp_path / "out.npz"
        folder = tmp_path / "in"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = one.write(folder / one.name, walker(one.layout, frames))
        change(path)
        out.write_text("precious")
        words = [path, "--exp", weights, "--out", out, *one.options, *options]
        words += ["--image-size", f"{size[0]}x{size[1]}"] if size else []
        try:
            predict.main(call(*words))
        except InputError as error:
            assert out.read_text() == "precious", "what is at --out is lost"
            assert [*tmp_path.iterdir()] in ([out, folder], [folder, out])
            assert error.remedy or "layout" in str(error), f"no remedy: {error}"
            assert str(error.where).startswith(str(path)), f"no file: {error}"
            return str(error).replace(str(path), "IN")
        return Motion.load(out)

    return run


def cut(share):
    """Leaves so much of a file, or of one in the middle of a folder."""

    def change(path):
        file = path if path.is_file() else sorted(path.iterdir())[len([*path.iterdir()]) // 2]
        content = file.read_bytes()
        kept = content[: int(share * len(content))]
        # A table that ends with a whole row, or inside its last number, does not show that it was cut.
        file.write_bytes(kept.rsplit(b",", 2)[0] if file.suffix == ".csv" else kept)

    return change


def edited(edit):
    """Changes JSON in place, or to what `edit` returns."""

    def change(path):
        tree = json.loads(path.read_text())
        made = edit(tree)
        path.write_text(json.dumps(tree if made is None else made))

    return change


def rows(edit, header=1):
    """Changes the rows under the header of a CSV file."""

    def change(path):
        with path.open(newline="") as file:
            lines = [*csv.reader(file)]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([*lines[:header], *edit(lines[header:])])

    return change


def hdf5(edit):
    def change(path):
        with h5py.File(path, "r+") as file:
            edit(file)

    return change


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_short(case, form):
    message = case(form, cut(0.65))
    assert "IN" in message and ("cut short" in message or "damaged" in message)


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_file(case, form):
    found = case(form, cut(0))
    if form == "ultralytics":  # a frame without people, whose gap is filled
        assert found.present.all()
    else:
        assert "is empty" in found


@pytest.mark.parametrize("form", FORMS)
def test_one_frame(case, form):
    motion = case(form, frames=1)
    assert motion.pose.shape == (1, 1, 17, 3) and np.isfinite(motion.pose).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_portrait_and_a_size_that_is_missing(case, form):
    found = case(form, size=SIZE[::-1])
    assert found.size == SIZE[::-1]
    assert any("is taken instead" in note for note in found.notes) == (form in SIZED)
    found = case(form, size=None)
    if form in SIZED:
        assert found.size == SIZE
    else:
        assert "--image-size WIDTHxHEIGHT" in found
    if form not in FRACTIONS:
        assert any("check --image-size" in note for note in case(form, size=(300, 200)).notes)


def no_joints(form, path):
    """The same file without a joint that is seen."""
    if form == "ultralytics":
        for file in path.iterdir():
            file.write_text("")
    else:
        FORMS[form].write(path, np.zeros_like(walker(FORMS[form].layout, FRAMES)))


@pytest.mark.parametrize("form", FORMS)
def test_no_people(case, form):
    message = case(form, lambda path: no_joints(form, path))
    assert "no people in it; expected a pose at least; check that the detector found someone" in message


@pytest.mark.parametrize(
    ("form", "edit"),
    {
        "coco": edited(lambda tree: []),
        "mmpose": edited(lambda tree: [frame | {"instances": []} for frame in tree]),
        "mmpose demo": edited(lambda tree: tree["instance_info"].clear()),
        "posetrack": edited(lambda tree: tree["annotations"].clear()),
        "mediapipe": edited(lambda tree: [[]] * len(tree)),
        "deeplabcut csv": rows(lambda lines: [], 3),
        "openpose": lambda path: [file.write_text('{"people": []}') for file in path.iterdir()],
    }.items(),
)
def test_frames_without_people(case, form, edit):
    assert "no people in it" in case(form, edit)


def five(form, path):
    FORMS[form].write(path, walker(FORMS[form].layout, FRAMES)[:, :5])


UNCOUNTED = ("csv", "sleap csv", "posetrack", "deeplabcut csv", "deeplabcut table", "deeplabcut fixed")  # name joints


@pytest.mark.parametrize("form", [form for form in FORMS if form not in UNCOUNTED])
def test_a_wrong_number_of_joints(case, form):
    if form == "sleap":
        message = case(form, lambda path: files.sleap(path, walker("coco17", FRAMES)[:, :5], names=COCO[:5]))
        assert "IN: no Hip, RHip" in message and "--layout" in message
        return
    if form in ("openpose", "ultralytics", "mmpose images"):
        message = case(form, lambda path: (shutil.rmtree(path), five(form, path)))
    else:
        message = case(form, lambda path: five(form, path))
    assert any(text in message for text in ("found 5 joints", "found 5 landmarks", "4 channels", "shape (5, 15)"))


FEW = walker("coco17", 1)[0, :5]


def few_of_detectron(path):
    arrays = dict(load_npz(path))
    keypoints = [*arrays["keypoints"]]
    keypoints[2] = [[], np.asarray(keypoints[2][1])[:, :, :5]]
    np.savez(path, **arrays | {"keypoints": files.objects(keypoints)})


def few_of_rtmlib(path):
    poses = [pose[None, : 5 if place == 2 else None, :2] for place, pose in enumerate(walker("coco17", FRAMES))]
    np.savez(path, keypoints=files.objects(poses))


@pytest.mark.parametrize(
    ("form", "edit", "place"),
    [
        (
            "openpose",
            lambda path: files.openpose(path, walker("openpose18", 1), numbers=[2]),
            "IN/clip_000000000002_keypoints.json: people[0]: found 18 joints; expected 25",
        ),
        ("coco", edited(lambda tree: tree[2].update(keypoints=FEW.ravel().tolist())), "IN: [2]: found 5 joints"),
        ("alphapose", edited(lambda tree: tree[2].update(keypoints=FEW.ravel().tolist())), "IN: [2]: found 5 joints"),
        ("mmpose", edited(lambda tree: tree[2].update(instances=[files.instance(FEW)])), "IN: [2].instances[0]: found"),
        ("mmpose images", lambda path: files.dump(path / "image_002.json", [files.instance(FEW)]), "IN/image_002.json"),
        ("mediapipe", edited(lambda tree: [*tree[:2], tree[2][:5], *tree[3:]]), "IN: frame 2: found 5 landmarks"),
        ("csv", rows(lambda lines: [*lines[:2], lines[2][:9]]), "IN, line 4: 9 cells"),
        ("deeplabcut csv", rows(lambda lines: [*lines[:2], lines[2][:9]], 3), "IN, line 6: found 9 cells"),
        ("sleap csv", rows(lambda lines: [*lines[:2], lines[2][:9]]), "IN, line 4: 9 cells, fewer than the header"),
        ("numbers", rows(lambda lines: [*lines[:2], lines[2][:9]], 0), "IN, row 3: found 9 numbers; expected 51"),
        ("ultralytics", lambda path: (path / "clip_3.txt").write_text("0 .5 .5 .1 .1 .5"), "IN/clip_3.txt, line 1"),
        ("detectron", few_of_detectron, "IN, keypoints[2][1]: found 5 joints; expected 17"),
        ("rtmlib", few_of_rtmlib, "IN, keypoints[2]: found shape (1, 5, 2); expected (people, 17, 2)"),
        (
            "posetrack",
            edited(lambda tree: tree["annotations"][2].update(keypoints=FEW.ravel().tolist())),
            "IN: annotations[2].keypoints: found 15 numbers",
        ),
    ],
)
def test_another_number_of_joints_in_one_frame(case, form, edit, place):
    assert case(form, edit).startswith(place)


def turned(values):
    return [*values[3:], *values[:3]]


def shuffle_table(file):
    table = file["df_with_missing/table"]
    table[...] = table[np.arange(len(table))][turned([*range(len(table))])]


@pytest.mark.parametrize(
    ("form", "edit"),
    {
        "coco": edited(turned),
        "alphapose": edited(turned),
        "mmpose": edited(turned),
        "mmpose demo": edited(lambda tree: tree.update(instance_info=turned(tree["instance_info"]))),
        "posetrack": edited(lambda tree: tree.update(images=turned(tree["images"]))),
        "mediapipe": edited(lambda tree: turned([{"frame": n, "landmarks": one} for n, one in enumerate(tree)])),
        "csv": rows(turned),
        "sleap csv": rows(turned),
        "deeplabcut csv": rows(turned, 3),
        "deeplabcut table": hdf5(shuffle_table),
        "numbered": lambda path: np.savez(
            path, keypoints=walker("coco17", FRAMES)[turned([*range(FRAMES)])], frame=turned([*range(FRAMES)])
        ),
        "openpose": lambda path: (path / "clip_000000000002_keypoints.json").rename(path / "clip_2_keypoints.json"),
    }.items(),
)
def test_frames_out_of_order_give_the_same_motion(case, form, edit):
    expected, found = case(form), case(form, edit)
    np.testing.assert_allclose(found.pose, expected.pose, atol=1e-5)
    if form not in ("posetrack", "openpose"):
        assert "frames were not in order: sorted" in found.notes


def index_twice(file):
    table = file["df_with_missing/table"]
    values = table[...]
    values["index"][3] = 2
    table[...] = values


@pytest.mark.parametrize(
    ("form", "edit", "place"),
    [
        ("alphapose", edited(lambda tree: [*tree, tree[2]]), "IN: person 3 is 2 times in frame 2"),
        (
            "mmpose",
            edited(lambda tree: [one | {"instances": [one["instances"][0] | {"track_id": 5}] * 2} for one in tree]),
            "IN: person 5 is 2 times in frame 0",
        ),
        ("posetrack", edited(lambda tree: tree["annotations"].append(tree["annotations"][2])), "IN: annotations[5]"),
        ("csv", rows(lambda lines: [*lines, lines[2]]), "IN, line 7: person 0 has frame 2 twice"),
        ("sleap csv", rows(lambda lines: [*lines, lines[2]]), "IN: person 0 is 2 times in frame 2"),
        ("deeplabcut csv", rows(lambda lines: [*lines, lines[2]], 3), "IN: person 0 is 2 times in frame 2"),
        ("deeplabcut table", hdf5(index_twice), "IN: person 0 is 2 times in frame 2"),
        (
            "numbered",
            lambda path: np.savez(path, keypoints=walker("coco17", 3), frame=[0, 1, 1], person=[4, 4, 4]),
            "IN: person 4 is 2 times in frame 1",
        ),
        (
            "openpose",
            lambda path: shutil.copy(path / "clip_000000000002_keypoints.json", path / "clip_2_keypoints.json"),
            "IN/clip_2_keypoints.json: found frame 2, as clip_000000000002_keypoints.json has",
        ),
        (
            "openpose",
            lambda path: shutil.copy(path / "clip_000000000002_keypoints.json", path / "clip_2_keypoints (1).json"),
            "IN: found the videos clip, clip_2_keypoints (1)",
        ),
        ("mmpose images", lambda path: shutil.copy(path / "image_002.json", path / "image_2.json"), "IN/image_2.json"),
        ("ultralytics", lambda path: shutil.copy(path / "clip_3.txt", path / "clip_03.txt"), "IN/clip_3.txt"),
    ],
)
def test_a_person_twice_in_a_frame_is_refused(case, form, edit, place):
    assert case(form, edit).startswith(place)


@pytest.mark.parametrize("form", ["coco", "mmpose"])
def test_a_pose_twice_without_identities_is_one_person(case, form):
    expected, found = case(form), case(form, edited(lambda tree: [*tree, tree[2]]))
    assert found.pose.shape == expected.pose.shape
    np.testing.assert_allclose(found.pose, expected.pose, atol=1e-5)


@pytest.mark.parametrize("out", ["folder.csv", "file.txt/walk.csv"])
def test_places_where_no_file_can_be_are_refused_before_anything_is_written(tmp_path, weights, out):  # noqa: F811
    path, first = files.coco(tmp_path / "a.json", walker("coco17", FRAMES)), tmp_path / "walk.npz"
    (tmp_path / "folder.csv").mkdir()
    for file in (first, tmp_path / "file.txt"):
        file.write_text("precious")
    words = (path, "--exp", weights, "--image-size", "1280x720", "--out", first, tmp_path / out)
    with pytest.raises(InputError, match="is a folder; give the name|is no folder; give another place"):
        predict.main(call(*words))
    assert first.read_text() == "precious"


@pytest.mark.parametrize("ending", ["csv", "json", "html", "gif", "bvh", "trc"])
def test_one_frame_in_every_format(tmp_path, weights, ending):  # noqa: F811
    path, out = files.coco(tmp_path / "a.json", walker("coco17", 1)), Path(tmp_path / f"walk.{ending}")
    predict.main(call(path, "--exp", weights, "--image-size", "1280x720", "--out", out))
    assert out.stat().st_size > 500
