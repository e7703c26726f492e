"""Every format in a small file of its official form becomes the same thing."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints.arrays import of_named
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.poses import Options
from stgraph.formats.keypoints.read import read_all_keypoints, read_keypoints
from stgraph.formats.posetrack import read_videos, write_video
from tests.formats.keypoints import files
from tests.formats.keypoints.people import SIZE, walker

# Format -> its writer, the layouts that it is written with, and the first frame's number.
FORMATS = {
    "OpenPose": (files.openpose, "clip", ("body25", "openpose18", "mpi15"), 0),
    "COCO results": (files.coco, "a.json", ("coco17", "wholebody133"), 0),
    "AlphaPose": (files.alphapose, "a.json", ("coco17", "halpe26", "halpe136"), 0),
    "MMPose": (
        files.mmpose,
        "a.json",
        ("coco17", "h36m17", "mpii16", "crowdpose14", "aic14", "halpe26", "wholebody133"),
        0,
    ),
    "MMPose images": (files.mmpose_images, "clip", ("coco17", "halpe26"), 0),
    "MMPose demo": (files.mmpose_demo, "a.json", ("coco17",), 0),
    "Detectron2": (files.detectron, "a.npz", ("coco17",), 0),
    "Ultralytics": (files.ultralytics, "labels", ("coco17",), 1),
    "MediaPipe": (files.mediapipe, "a.json", ("mediapipe33",), 0),
    "MediaPipe CSV": (files.mediapipe_csv, "a.csv", ("mediapipe33",), 0),
    "MediaPipe array": (files.mediapipe_npy, "a.npy", ("mediapipe33",), 0),
    "rtmlib": (files.rtmlib, "a.npz", ("coco17", "halpe26", "wholebody133"), 0),
    "array": (files.array, "a.npy", ("coco17", "h36m17", "posetrack17", "halpe26", "body25", "ntu25", "mpii16"), 0),
    "CSV": (files.table, "a.csv", ("coco17",), 0),
}
CASES = [(name, layout) for name, (_, _, layouts, _) in FORMATS.items() for layout in layouts]


@pytest.mark.parametrize(("form", "layout"), CASES)
def test_formats(tmp_path, form, layout):
    write, name, _, first = FORMATS[form]
    pose = walker(layout)
    pose[2, 4] = 0  # an ear or an elbow that is not seen once
    found = read_keypoints(write(tmp_path / name, pose), size=SIZE)
    np.testing.assert_allclose(found.pose, pose, atol=1e-3)
    assert (found.layout, found.joints) == (layout, LAYOUTS[layout])
    assert found.frames == (first, first + 6) and found.frame.tolist() == [*range(first, first + 6)]
    assert found.size == SIZE and found.format in (form, form.split()[0], "CSV", "array", "Detectron2 (VideoPose3D)")


def test_what_else_formats_say(tmp_path):
    pose = walker("coco17")
    found = read_keypoints(files.alphapose(tmp_path / "a.json", pose))
    assert found.person.tolist() == [3] * 6 and found.score.tolist() == [2.5] * 6
    assert found.box is not None and found.box[0].tolist() == files.BOX
    found = read_keypoints(files.mmpose(tmp_path / "m.json", pose))
    assert found.people == [] and found.box is not None and found.box[0].tolist() == files.BOX
    assert found.score.tolist() == [0.875] * 6
    found = read_keypoints(files.detectron(tmp_path / "d.npz", pose))
    assert found.size == SIZE and found.box is not None and found.box[0].tolist() == files.BOX
    found = read_keypoints(files.coco(tmp_path / "c.json", pose))
    assert found.size is None and found.person.tolist() == [-1] * 6 and found.name == "c"


def test_videopose3ds_data_sets(tmp_path):
    pose = walker("coco17")
    found = read_keypoints(files.videopose3d(tmp_path / "data_2d_custom_a.npz", pose))
    np.testing.assert_allclose(found.pose[..., :2], pose[..., :2])
    assert (found.name, found.layout, found.size) == ("clip.mp4", "coco17", SIZE)
    assert found.notes == ("confidence is not given: 1 where a joint is seen",)


@pytest.mark.parametrize("rest", [(), (0.9,), (7,), (0.9, 7)], ids=["", "confidence", "identity", "both"])
@pytest.mark.parametrize("confidence", [True, False])
def test_the_lines_of_ultralytics_have_one_reading(tmp_path, confidence, rest):
    pose = walker("coco17")
    found = read_keypoints(files.ultralytics(tmp_path / "labels", pose, confidence, rest), size=SIZE)
    np.testing.assert_allclose(found.pose[..., :2], pose[..., :2], atol=1e-3)
    assert found.layout == "coco17" and found.person.tolist() == ([7] * 6 if 7 in rest else [-1] * 6)
    if 0.9 in rest:
        np.testing.assert_allclose(found.score, 0.9)
    assert read_keypoints(tmp_path / "labels", size=SIZE, joints=len(LAYOUTS["coco17"])).layout == "coco17"
    with pytest.raises(InputError, match="for no possible number of keypoints; expected one reading; .*--joints"):
        read_keypoints(tmp_path / "labels", size=SIZE, joints=5)


@pytest.mark.parametrize("tracks", [("a",), ("a", "b"), ()])
def test_sleap(tmp_path, tracks):
    pose = walker("coco17")[:, :3]
    pose[1, 2] = 0
    found = read_keypoints(files.sleap(tmp_path / "a.h5", pose, tracks))
    assert found.joints == files.NAMES and found.bones == ((0, 1), (1, 2))
    np.testing.assert_allclose(found.pose[:: max(len(tracks), 1)], pose)
    assert found.people == [0, 1][: max(len(tracks), 1)]
    assert found.skeleton.parents == (-1, 0, 1)


@pytest.mark.parametrize("tracks", [("mouse", "rat"), ("rat",), ()])
def test_sleaps_csv(tmp_path, tracks):
    pose = walker("coco17")[:, :3]
    pose[1, 2] = 0
    found = read_keypoints(files.sleap_csv(tmp_path / "a.csv", pose, tracks))
    count = max(len(tracks), 1) if tracks else 2
    assert (found.format, found.joints, found.score.tolist()) == ("SLEAP", files.NAMES, [0.75] * 6 * count)
    np.testing.assert_allclose(found.pose[::count], pose)
    assert found.frame.tolist() == [frame for frame in range(6) for _ in range(count)]
    assert found.people == [*range(len(tracks))]  # without a track, instances have no identity
    assert "people are numbered as mouse, rat" in found.notes or tracks != ("mouse", "rat")


def test_sleaps_csv_of_points_that_a_person_placed(tmp_path):
    """They have no score, and are as certain as can be."""
    path = tmp_path / "a.csv"
    path.write_text("track,frame_idx,instance.score,Nose.x,Nose.y,Nose.score\n,3,,10.5,20,\n,4,,,,\n")
    found = read_keypoints(path)
    assert found.frame.tolist() == [3, 4]
    np.testing.assert_array_equal(found.pose[:, 0], [[10.5, 20, 1], [0, 0, 0]])


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("comma", [True, False], ids=["decimal comma", "decimal point"])
@pytest.mark.parametrize("form", ["CSV", "DeepLabCut", "SLEAP", "numbers"])
def test_csv_as_spreadsheets_save_it(tmp_path, form, comma, separator):
    """Where the comma is the decimal point, a semicolon or a tab separates cells."""
    write = {
        "CSV": lambda path, pose: files.table(path, pose, files.NAMES),
        "DeepLabCut": files.deeplabcut_csv,
        "SLEAP": files.sleap_csv,
        "numbers": lambda path, pose: np.savetxt(path, pose.reshape(len(pose), -1), delimiter=",") or path,
    }[form]
    pose = walker("coco17")
    path = write(tmp_path / "a.csv", pose if form == "numbers" else pose[:, :3])
    options = {"joints": 17} if form == "numbers" else {}
    expected = read_keypoints(path, **options)
    text = path.read_text().replace(",", separator)
    path.write_text(text.replace(".", ",") if comma and form != "SLEAP" else text)
    found = read_keypoints(path, **options)
    assert (found.format, found.joints, found.frames) == (expected.format, expected.joints, expected.frames)
    np.testing.assert_array_equal(found.pose, expected.pose)


def test_a_file_of_prose_between_semicolons_is_no_table(tmp_path):
    files.openpose(tmp_path / "clip", walker("body25"))
    (tmp_path / "clip" / "notes.txt").write_text("one; two; three; four\n")
    assert read_keypoints(tmp_path / "clip").frames == (0, 6)


def test_slp_files_say_what_they_need(tmp_path, monkeypatch):
    import h5py

    with h5py.File(tmp_path / "a.slp", "w") as file:
        file["instances"] = file["pred_points"] = np.zeros(0)
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(InputError, match="need the package sleap-io; pip install sleap-io, or export"):
        read_keypoints(tmp_path / "a.slp")


@pytest.mark.parametrize("individuals", [(), ("one", "two")])
@pytest.mark.parametrize("form", ["csv", "table", "fixed"])
def test_deeplabcut(tmp_path, form, individuals):
    pose = walker("coco17")[:, :3]
    if form == "csv":
        path = files.deeplabcut_csv(tmp_path / "a.csv", pose, individuals)
    else:
        path = files.deeplabcut_h5(tmp_path / "a.h5", pose, individuals, fixed=form == "fixed")
    found = read_keypoints(path)
    assert found.joints == files.NAMES and found.people == [*range(max(len(individuals), 1))]
    np.testing.assert_allclose(found.of(found.people[-1]).pose, pose)


def test_posetrack_and_what_track_writes(tmp_path):
    pose = walker("coco17")
    found = read_keypoints(files.posetrack(tmp_path / "a.json", pose, width=1280, height=720, fps=25))
    np.testing.assert_allclose(found.pose, pose)
    assert (found.layout, found.size, found.fps, found.people) == ("coco17", SIZE, 25, [4])
    (video,) = read_videos(tmp_path / "a.json")
    write_video(video, tmp_path / "b.json")
    np.testing.assert_allclose(read_keypoints(tmp_path / "b.json").pose, pose, atol=1e-4)


@pytest.mark.parametrize("layout", ["coco17", "posetrack17", "h36m17"])
def test_keypoints_without_names_are_no_more_posetracks(tmp_path, layout):
    pose = walker(layout)
    if layout == "posetrack17":
        pose[:, 3:5] = 0  # its ears
    path = files.posetrack(tmp_path / "a.json", pose, joints=())
    found = read_keypoints(path)
    assert found.layout == ("posetrack15" if layout == "posetrack17" else layout)
    assert read_keypoints(path, layout=layout).layout == layout
    limbs = pose.copy()
    limbs[:, :11] = 0
    path = files.posetrack(tmp_path / "b.json", limbs, joints=())
    with pytest.raises(InputError, match="too few of the trunk and the head are seen; .*--layout"):
        read_videos(path)
    assert read_keypoints(path, layout="coco17").layout == "coco17"
    ids = json.loads(path.read_text())  # PoseTrack's own ids say that it is PoseTrack's
    for place, image in enumerate(ids["images"]):
        image["id"] = ids["annotations"][place]["image_id"] = 10003420000 + place
    files.dump(path, ids)
    assert read_keypoints(path).layout == "posetrack15"


def test_motionberts_list_is_frame_after_frame(tmp_path):
    entries = [{"keypoints": one.ravel().tolist(), "category_id": 1} for one in walker("halpe26")]
    found = read_keypoints(files.dump(tmp_path / "a.json", entries))
    assert found.layout == "halpe26" and found.frame.tolist() == [*range(6)]
    assert found.notes == ("poses have no image_id: one frame each, in their order",)


@pytest.mark.parametrize("unseen", [0, np.nan])
def test_a_joint_that_is_never_seen_changes_no_layout(tmp_path, unseen):
    for layout in ("coco17", "h36m17", "posetrack17", "body25", "ntu25"):
        pose = walker(layout, 8)
        pose[:, 9] = unseen
        found = read_keypoints(files.array(tmp_path / "a.npy", pose))
        assert found.layout == layout and len(found) == 8 and not found.pose[:, 9].any()


def test_what_shows_too_little_is_refused(tmp_path):
    pose = walker("coco17")
    pose[:, :9] = 0
    files.array(tmp_path / "a.npy", pose)
    with pytest.raises(InputError, match=r"17 joints may be.*--layout coco17\|h36m17\|posetrack17"):
        read_keypoints(tmp_path / "a.npy")
    assert read_keypoints(tmp_path / "a.npy", layout="coco17").layout == "coco17"
    with pytest.raises(
        InputError, match="the joints are coco17's by the format, but their positions are those of h36m17"
    ):
        read_keypoints(files.coco(tmp_path / "a.json", walker("h36m17")))


def test_several_videos(tmp_path):
    files.openpose(tmp_path / "all" / "one", walker("body25"))
    files.openpose(tmp_path / "all" / "two", walker("body25"), name="other")
    files.openpose(tmp_path / "all" / "three", walker("body25"))
    (tmp_path / "all" / "LICENSE").write_text("text")
    (tmp_path / "all" / "README.md").write_text("Poses, made by hand, of two people\n1,2,3\n")
    assert [video.name for video in read_all_keypoints(tmp_path / "all")] == ["clip", "three/clip", "other"]
    with pytest.raises(InputError, match="found the videos clip, three/clip, other; expected one"):
        read_keypoints(tmp_path / "all")
    assert read_keypoints(tmp_path / "all", video="other").name == "other"


def test_fractions_need_the_size(tmp_path):
    pose = walker("body25")
    folder = files.openpose(tmp_path / "clip", pose / [*SIZE, 1])
    with pytest.raises(InputError, match="give it by --image-size"):
        read_keypoints(folder)
    np.testing.assert_allclose(read_keypoints(folder, size=SIZE).pose, pose)
    signed = pose / [SIZE[0] / 2, SIZE[1] / 2, 1] - [1, 1, 0]
    found = read_keypoints(files.openpose(tmp_path / "signed", signed), size=SIZE)
    np.testing.assert_allclose(found.pose, pose)


def test_frames_beyond_pyskls_total_frames_are_padding():
    pose = np.tile(walker("coco17"), (2, 1, 1))
    annotation = {"keypoint": pose[None, ..., :2], "keypoint_score": pose[None, ..., 2], "total_frames": len(pose) // 2}
    raw = of_named(annotation, Path("a.pkl"), Options())
    assert len(raw.pose) == len(pose) // 2
    for wrong in (0, len(pose) + 1, 2.5, "4"):
        with pytest.raises(InputError, match=rf"found total_frames .*; expected 1 to {len(pose)}, those of keypoint"):
            of_named(annotation | {"total_frames": wrong}, Path("a.pkl"), Options())


def csv_of(path, pose, cell):
    """A file of poses (t j 3), in which one joint's x is something else."""
    lines = ["frame," + ",".join(f"{name}_{channel}" for name in LAYOUTS["coco17"] for channel in "xyc")]
    for frame, values in enumerate(pose):
        cells = [str(value) for value in values.ravel()]
        cells[3 * 9] = cell if frame == 2 else cells[3 * 9]
        lines.append(",".join([str(frame), *cells]))
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "inf", "NA", "null", "None"])
def test_a_cell_without_a_number_is_an_unseen_joint(tmp_path, cell):
    pose = walker("coco17")
    found = read_keypoints(csv_of(tmp_path / "a.csv", pose, cell), size=SIZE)
    expected = pose.copy()
    expected[2, 9] = 0
    np.testing.assert_allclose(found.pose, expected)


def test_a_cell_of_another_kind_is_named_with_its_place(tmp_path):
    name = LAYOUTS["coco17"][9]
    with pytest.raises(InputError, match=rf"a.csv, frame 2, person 0, x of {name}: found 'left'; expected a number"):
        read_keypoints(csv_of(tmp_path / "a.csv", walker("coco17"), "left"), size=SIZE)
