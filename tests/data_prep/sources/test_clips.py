"""One's own clips: the same clips in every form give the same dataset, and every problem is listed at once."""

import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.skeleton import COCO17, NTU25, OPENPOSE18
from tests.data_prep.clip_people import (
    annotation,
    dump,
    kinect,
    moving,
    pixels,
    tracks,
    write_csv,
    write_kinetics,
    write_skeleton,
)
from tests.formats.keypoints import files
from tests.formats.keypoints.people import walker

CLASSES = ("sitting", "waving")
CLIPS = {f"{name}/clip {number}": 2 * number + place for place, name in enumerate(CLASSES) for number in range(3)}
TURN = np.array([-1, -1, 1])


def convert(*words):
    args = parser().parse_args([*map(str, words)])
    return commands()[args.command].run(args)


def converted(folder, *words):
    out = folder.parent / f"{folder.name}.h5"
    text = convert("clips", folder, *words, "--out", out)
    return Dataset(out), text


def folder_of(folder, write, suffix, make):
    for clip, seed in CLIPS.items():
        path = folder / f"{clip}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, make(seed))
    return folder


POSES_2D = {
    "mtjc": (np.save, ".npy"),
    "st-gcn's ctjm": (lambda path, values: np.save(path, values.transpose(3, 1, 2, 0)), ".npy"),
    "npz": (lambda path, values: np.savez(path, clip=values), ".npz"),
    "csv": (lambda path, values: write_csv(path, [("a", "", values)], ["x", "y", "score"], OPENPOSE18), ".csv"),
    "pyskl": (lambda path, values: dump(path, annotation("a", 0, values)), ".pkl"),
    "kinetics": (write_kinetics, ".json"),
}
POSES_3D = {
    "mtjc": (np.save, ".npy"),
    "csv": (lambda path, values: write_csv(path, [("a", "", values)], ["x", "y", "z"], NTU25), ".csv"),
    "pyskl": (lambda path, values: dump(path, annotation("a", 0, values, None)), ".pkl"),
    "ntu": (write_skeleton, ".skeleton"),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", POSES_2D)
def test_every_form_of_2d_gives_the_same_dataset(tmp_path, form):
    data, _ = converted(folder_of(tmp_path / "mine", *POSES_2D[form], pixels), "--size", "340x256")
    assert data.skeleton == OPENPOSE18 and data.detectors == ["keypoints"] and not data.has("pose3d")
    assert data.classes == sorted({*data.recordings["action"]}) == list(CLASSES)
    assert list(data.recordings["id"]) == [f"clips/{clip}/unknown" for clip in CLIPS]
    runs = [(0, 0, 12), (1, 0, 4), (1, 5, 5)]  # the second person is gone in frames 4, 10 and 11
    assert sorted(tracks(data)) == [(clip, *run) for clip in CLIPS for run in runs]
    expected = [pixels(seed)[person, first : first + n] for seed in CLIPS.values() for person, first, n in runs]
    np.testing.assert_allclose(data.rows("pose2d/keypoints"), np.concatenate(expected), atol=1e-4)
    assert set(zip(data.recordings["width"], data.recordings["height"], strict=True)) == {(340, 256)}


@pytest.mark.parametrize("form", POSES_3D)
def test_every_form_of_3d_gives_the_same_dataset_in_camera_axes(tmp_path, form):
    data, _ = converted(folder_of(tmp_path / "mine", *POSES_3D[form], kinect))
    assert data.skeleton == NTU25 and data.detectors == []
    # Where bodies have numbers, the more active comes first: persons are compared without their order.
    found = sorted((take, first, n) for take, _, first, n in tracks(data))
    assert found == [(clip, *run) for clip in CLIPS for run in ((0, 4), (0, 12), (5, 5))]
    expected = np.concatenate(
        [kinect(seed)[m][kinect(seed)[m].any((1, 2))] for seed in CLIPS.values() for m in range(2)]
    )
    found, expected = (np.sort(rows.reshape(-1, 3), axis=0) for rows in (data.rows("pose3d"), TURN * expected))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def with_number(make, number):
    """Clips of which one joint has this number in one channel."""

    def made(seed):
        values = make(seed)
        values[0, 3, 5] = number if np.isfinite(number) else [values[0, 3, 5, 0], number, values[0, 3, 5, 2]]
        return values

    return made


@pytest.mark.slow
@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("form", [*((form, "2D") for form in POSES_2D), *((form, "3D") for form in POSES_3D)], ids=str)
def test_a_joint_with_a_number_that_is_not_finite_is_unseen(tmp_path, form, number):
    form, kind = form
    way, make, words = {"2D": (POSES_2D, pixels, ("--size", "340x256")), "3D": (POSES_3D, kinect, ())}[kind]
    field = "pose2d/keypoints" if kind == "2D" else "pose3d"
    found, expected = (
        converted(folder_of(tmp_path / name, *way[form], with_number(make, value)), *words)[0]
        for name, value in (("broken", number), ("zero", 0.0))
    )
    assert tracks(found) == tracks(expected) and not found.left_out
    np.testing.assert_array_equal(found.rows(field), expected.rows(field))
    assert any("not finite is unseen" in note for note in found.notes)


def test_without_confidence_and_around_the_middle_it_is_unseen_too(tmp_path):
    def centred(seed):
        return with_number(pixels, np.nan)(seed)[..., :2] / (340, 256) - 0.5

    data, _ = converted(folder_of(tmp_path / "mine", np.save, ".npy", centred), "--size", "340x256", "--order", "mtjc")
    pose = data.rows("pose2d/keypoints")
    assert len(data) == len(CLIPS) and not pose[3, 5].any() and (pose[3, :5, 2] == 1).all()


@pytest.mark.slow
def test_a_small_file_cannot_ask_for_all_memory(tmp_path):
    """Frames far apart, and so many people that an array of all would not fit."""
    people = (tmp_path / "mine/waving/people.csv", tmp_path / "mine/waving/frames.csv")
    folder_of(tmp_path / "mine", np.save, ".npy", pixels)
    header = "frame,person," + ",".join(f"{name}_{c}" for name in OPENPOSE18.names for c in ("x", "y", "score"))
    cells = ",".join(["7", "8", "0.5"] * len(OPENPOSE18))
    people[0].write_text(
        "\n".join([header, *(f"{person % 2},{person},{cells}" for person in range(500)), f"99999,0,{cells}"])
    )
    people[1].write_text("\n".join([header, f"0,0,{cells}", f"1,0,{cells}", f"999999,0,{cells}"]))
    write_kinetics(tmp_path / "mine/waving/late.json", pixels(0))
    text = (tmp_path / "mine/waving/late.json").read_text()
    (tmp_path / "mine/waving/late.json").write_text(text.replace('"frame_index": 5', '"frame_index": 999999'))
    data, _ = converted(tmp_path / "mine", "--size", "340x256")
    left = dict(map(tuple, data.left_out))
    for name, count in (
        ("people.csv", "500 persons in 100000"),
        ("frames.csv", "1 persons in 1000000"),
        ("late.json", "2 p"),
    ):
        assert left[f"waving/{name}"].startswith(f"shape: found {count}"), left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "message"),
    [("9" * 5000 + ",0", "frame '99"), ("0," + "9" * 5000, "person '99"), ("1000000,0", "frames below 1000000")],
)
def test_numbers_of_frames_and_persons_are_bounded(tmp_path, row, message):
    folder_of(tmp_path / "mine", np.save, ".npy", pixels)
    header = "frame,person," + ",".join(f"{name}_{c}" for name in OPENPOSE18.names for c in ("x", "y", "score"))
    (tmp_path / "mine/waving/big.csv").write_text(f"{header}\n{row}," + ",".join(["7", "8", "0.5"] * len(OPENPOSE18)))
    data, _ = converted(tmp_path / "mine", "--size", "340x256")
    ((_, why),) = data.left_out
    assert message in why and len(why) < 300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axes", "turn"),
    {"camera": np.eye(3), "kinect": np.diag(TURN), "z-up": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]}.items(),
)
def test_axes_and_units(tmp_path, axes, turn):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", lambda seed: 1000 * kinect(seed))
    with pytest.raises(InputError, match=r"median bone is .* --unit mm \(millimetres\)"):
        converted(folder)
    data, _ = converted(folder, "--unit", "mm", "--axes", axes)
    first = kinect(0)[0] @ np.transpose(turn)
    np.testing.assert_allclose(data.rows("pose3d")[:12], first, atol=1e-5)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_clip_in_another_unit_is_left_out(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", kinect)
    np.save(folder / "waving/clip 0.npy", 1000 * kinect(0))
    data, _ = converted(folder)
    assert len(data) == len(CLIPS) - 1
    ((what, why),) = data.left_out
    assert what == "waving/clip 0.npy" and why.startswith("implausible: the median bone is") and "millimetres" in why


SCALES = {
    "fractions": lambda xy: xy / (340, 256),
    "centred": lambda xy: xy / (340, 256) - 0.5,
    "screen": lambda xy: xy / 170 - (1, 256 / 340),
}


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("axes", [2, 3])
def test_scales_are_inferred_and_give_pixels(tmp_path, scale, axes):
    def make(seed):
        values = pixels(seed)
        scaled = np.concatenate([SCALES[scale](values[..., :2]), values[..., 2:]], axis=-1)
        return np.where(values[..., 2:] > 0, scaled, 0)[..., :axes].astype(np.float32)

    folder = folder_of(tmp_path / "mine", np.save, ".npy", make)
    options = ["--order", "mtjc", "--size", "340x256"]
    if scale == "screen":
        with pytest.raises(InputError, match="which is ambiguous; say which by --scale"):
            converted(folder, *options)
        options += ["--scale", "screen"]
    data, text = converted(folder, *options)
    first = pixels(0)[0].copy()
    first[..., 2] = np.where(first[..., 2] > 0, 1, 0) if axes == 2 else first[..., 2]
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:12], first, atol=1e-3)
    assert ("no confidence" in text) == (axes == 2)


def test_pixels_need_the_size_of_the_images(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", pixels)
    with pytest.raises(InputError, match=r"joints reach to \d+, \d+ pixels; say .* --size WIDTHxHEIGHT"):
        converted(folder)


@pytest.mark.slow
def test_layouts_of_one_size_are_inferred_from_their_bones(tmp_path):
    def make(seed):
        return moving(COCO17, seed, persons=1)[0] * (-60, -110) + (150, 235)

    data, _ = converted(folder_of(tmp_path / "coco", np.save, ".npy", make), "--size", "340x256")
    assert data.skeleton == COCO17
    order = np.random.default_rng(0).permutation(len(COCO17))
    shuffled = folder_of(tmp_path / "shuffled", np.save, ".npy", lambda seed: make(seed)[:, order])
    with pytest.raises(InputError, match=r"17 joints, and taken as .* bones are .* in another order.*--skeleton"):
        converted(shuffled, "--size", "340x256")
    tree = {
        "name": "mine",
        "names": [COCO17.names[joint] for joint in order],
        "parents": [None if COCO17.parents[j] < 0 else COCO17.names[COCO17.parents[j]] for j in order],
    }
    (tmp_path / "mine.json").write_text(json.dumps(tree))
    data, _ = converted(shuffled, "--size", "340x256", "--skeleton", tmp_path / "mine.json")
    assert data.skeleton.names == tuple(tree["names"])


def test_csv_joints_are_found_by_name_in_any_order(tmp_path):
    order = np.random.default_rng(1).permutation(len(OPENPOSE18))
    folder = tmp_path / "mine"

    def write(path, values):
        text = path.with_suffix(".csv")
        write_csv(text, [("a", "b", values)], ["x", "y", "score"], OPENPOSE18)
        lines = [line.split(",") for line in text.read_text().splitlines()]
        columns = [0, 1, 2, 3, *(4 + 3 * joint + axis for joint in order for axis in range(3))]
        text.write_text("\n".join(",".join(line[c] for c in columns).replace("Nose", "nose") for line in lines))

    data, _ = converted(folder_of(folder, write, ".csv", pixels), "--size", "340x256")
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:12], pixels(0)[0], atol=1e-4)


SPELLINGS = {
    "coco": lambda joint: ("left_" if joint[0] == "L" else "right_") + joint[1:].lower(),
    "short": lambda joint: f"{joint[0].lower()}_{joint[1:].lower()}",
    "behind": lambda joint: joint[1:] + ("Left" if joint[0] == "L" else "Right"),
    "dotted": lambda joint: f"{joint[1:]}.{joint[0]}",
}


@pytest.mark.slow
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_joints_are_known_however_their_names_are_written(tmp_path, spell):
    def write(path, values):
        names = tuple(name.lower() if name == "Nose" else spell(name) for name in COCO17.names)
        write_csv(path, [("a", "", values)], ["x", "y", "confidence"], replace(COCO17, names=names))

    folder = folder_of(tmp_path / "mine", write, ".csv", lambda seed: pixels(seed, COCO17))
    data, _ = converted(folder, "--size", "340x256")
    assert data.skeleton == COCO17
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:12], pixels(0, COCO17)[0], atol=1e-4)


def test_the_nearest_layout_is_shown(tmp_path):
    def write(path, values):
        write_csv(path, [("a", "", values)], ["x", "y", "score"], COCO17)
        path.write_text(path.read_text().replace("LEar_", "Ohr_"))

    folder = folder_of(tmp_path / "mine", write, ".csv", lambda seed: pixels(seed, COCO17))
    with pytest.raises(InputError, match=f"the nearest is coco17: {', '.join(COCO17.names)}; missing: LEar;"):
        converted(folder, "--size", "340x256")


def test_columns_that_are_twice_the_same_are_refused(tmp_path):
    def write(path, values):
        write_csv(path, [("a", "", values)], ["x", "y", "score"], OPENPOSE18)
        path.write_text(path.read_text().replace("LEar_x", "right_ear_x"))

    folder = folder_of(tmp_path / "mine", write, ".csv", pixels)
    with pytest.raises(InputError, match="header: columns REar_x and right_ear_x are of one joint"):
        converted(folder, "--size", "340x256")


ROOT = NTU25.index("SpineShoulder")


@pytest.mark.slow
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("axes", ["z-up", "camera", "kinect"])
def test_axes_that_are_not_upright_are_refused_with_those_that_are(tmp_path, axes, centred):
    """Kinect's y is up, and is the layout's default; the files have their numbers in other axes."""
    turn = {"camera": np.diag(TURN), "kinect": np.eye(3), "z-up": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])}[axes]

    def make(seed):
        pose = kinect(seed) @ turn.T.astype(np.float32)
        return np.where(pose.any((2, 3), keepdims=True), pose - centred * pose[:, :, ROOT, None], 0)

    folder = folder_of(tmp_path / "mine", np.save, ".npy", make)
    wrong = {"camera": "kinect", "kinect": "z-up", "z-up": "camera"}[axes]
    if axes != "kinect":
        with pytest.raises(InputError, match=rf"bodies are along .*mean direction .*; give --axes {axes} .* all lie"):
            converted(folder)
    else:
        assert not any(note.startswith("axes") for note in converted(folder)[0].notes)
    data, _ = converted(folder, "--axes", axes)
    assert not any(note.startswith("axes") for note in data.notes)
    head, foot = (data.rows("pose3d")[:, data.skeleton.index(name), 1] for name in ("Head", "LFoot"))
    assert (head < foot).all()  # y is down
    data, text = converted(folder, "--axes", wrong)
    assert f"axes {wrong}: as --axes states, though bodies are along " in text


def test_bodies_without_a_common_direction_are_a_note(tmp_path):
    """Half of the clips are upside down."""
    folder = folder_of(tmp_path / "mine", np.save, ".npy", lambda seed: kinect(seed) * (1, (-1) ** seed, 1))
    data, _ = converted(folder)
    assert any(note.startswith("axes kinect: cannot be inferred from the numbers, mean") for note in data.notes)


@pytest.mark.slow
def test_the_convention_is_that_of_most_clips(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", lambda seed: pixels(seed, COCO17))
    np.save(folder / "sitting/few.npy", pixels(1, COCO17)[:, :, :7])
    np.save(folder / "sitting/solid.npy", kinect(1, COCO17))
    data, text = converted(folder, "--size", "340x256")
    assert data.skeleton == COCO17 and len(data) == len(CLIPS)
    reasons = dict(data.left_out)
    assert reasons.keys() == {"sitting/few.npy", "sitting/solid.npy"}
    assert reasons["sitting/few.npy"].startswith("joint count: 7 joints")
    assert reasons["sitting/solid.npy"].startswith("channels: a third channel of ") and "as 3D has" in text

    folder = folder_of(tmp_path / "solid", np.save, ".npy", kinect)
    np.save(folder / "sitting/flat.npy", pixels(1, NTU25))
    data, text = converted(folder)
    assert data.has("pose3d") and len(data) == len(CLIPS)
    assert [what for what, _ in data.left_out] == ["sitting/flat.npy"] and "as pixels with confidence are" in text


def test_confidences_beyond_1_can_be_stated(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", lambda seed: pixels(seed) * (1, 1, 100))
    with pytest.raises(InputError, match="median bone .*or give --third confidence, if the third channel is one"):
        converted(folder, "--size", "340x256")
    data, _ = converted(folder, "--size", "340x256", "--third", "confidence")
    assert len(data) == len(CLIPS) and not data.left_out


@pytest.mark.slow
def test_one_reason_of_many_files_is_listed_once(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", pixels)
    with pytest.raises(InputError) as error:
        converted(folder, "--size", "340x256", "--subject", "unknown")
    assert len(str(error.value).splitlines()) == 2
    assert "  6 (sitting/clip 0.npy, " in str(error.value) and "...): subject: --subject unknown" in str(error.value)
    for number in range(33):
        (folder / f"waving/{number}.csv").write_text("frame,a,b\n0,1,2\n")
    data, text = converted(folder, "--size", "340x256")
    assert sum("header: joints have no columns" in line for line in text.splitlines()) == 1
    assert len(data.left_out) == 33
    with pytest.raises(InputError, match=r"without --strict, the file that is written lists all 33\):\n  33 \(waving"):
        converted(folder, "--size", "340x256", "--strict")


def test_classes_of_one_clip_leave_none_to_test(tmp_path):
    folder = folder_of(tmp_path / "mine", np.save, ".npy", pixels)
    for name in CLASSES:
        for number in (1, 2):
            (folder / name / f"clip {number}.npy").unlink()
    data, text = converted(folder, "--size", "340x256")
    assert list(data.splits["standard"]) == ["train", "train"]
    assert any("no test recordings" in note and "--subjects" in note for note in data.notes)
    assert "  split       standard: 2 train\n" in text


def broken(folder):
    """A folder with clips, and one of every problem."""
    folder_of(folder, np.save, ".npy", pixels)
    one = pixels(0)
    bad = {
        "empty.npy": b"",
        "text.npy": b"hello",
        "film.mp4": b"\0\0\0 ftypmp42",
        "cut.npy": (folder / "waving/clip 0.npy").read_bytes()[:-100],
        "cut.json": b'{"data": [',
        "header.csv": b"a,b,c\n1,2,3\n",
        "code.pkl": b"\x80\x04c__main__\nsomething\n.",
    }
    arrays = {"absent": 0 * one, "joints": pixels(0, COCO17), "flat": one[0, 0]}
    arrays["one"] = one[0, :, :, :2]
    for name, content in bad.items():
        (folder / "waving" / name).write_bytes(content)
    for name, values in arrays.items():
        np.save(folder / f"waving/{name}.npy", values)
    (folder / "jumping").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "waving/.DS_Store").write_bytes(b"x")
    np.save(folder / "loose.npy", one)
    return folder, {
        "waving/empty.npy": "empty: an empty file",
        "waving/text.npy": "unreadable: begins with b'hello'",
        "waving/film.mp4": "unreadable: is a video; expected",
        "waving/cut.npy": "unreadable: ",
        "waving/cut.json": "unreadable: ",
        "waving/header.csv": "header: no column `frame`",
        "waving/code.pkl": "unreadable: ",
        "waving/absent.npy": "no person: no person in 12 frames",
        "waving/joints.npy": "joint count: 17 joints (h36m17, coco17); expected 18, openpose18",
        "waving/flat.npy": "shape: shape (18, 3) fits no order of axes; expected",
        "waving/one.npy": "channels: 2 channels; expected x, y, c",
        "jumping": "class without clips: no files in it",
        "loose.npy": "place: in no class's folder",
    }


def test_every_problem_is_listed_at_once(tmp_path):
    folder, problems = broken(tmp_path / "mine")
    data, text = converted(folder, "--size", "340x256")
    assert len(data) == len(CLIPS) and data.classes == list(CLASSES)
    found = dict(map(tuple, data.left_out))
    assert found.keys() == problems.keys()
    for name, what in problems.items():
        assert found[name].startswith(what), found[name]
        assert f"left out    {name}: {what}" in text
        assert str(tmp_path) not in found[name]
    counted = next(note for note in data.notes if note.startswith("left out"))
    assert counted.startswith("left out: 13 (5 unreadable, ") and "1 joint count" in counted


def test_strict_writes_nothing_and_lists_everything(tmp_path):
    folder, problems = broken(tmp_path / "mine")
    with pytest.raises(InputError) as error:
        converted(folder, "--size", "340x256", "--strict")
    assert all(f"  {name}: {what}" in str(error.value) for name, what in problems.items())
    assert not (tmp_path / "mine.h5").exists()


def test_nothing_usable_lists_everything(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "x.npy").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"none can be used, and 2 cannot \(2 empty\)(.|\n)*  2 \(a/x.npy, b/x.npy\): empty: an empty"
    ):
        converted(tmp_path / "mine")


@pytest.mark.slow
def test_folders_can_name_parts_and_files_subjects(tmp_path):
    for part in ("train", "val", "test"):
        folder_of(tmp_path / "mine" / part, np.save, ".npy", pixels)
    data, _ = converted(tmp_path / "mine", "--size", "340x256", "--subject", r"clip (?P<subject>\d)")
    assert [id.split("/")[1] for id in data.recordings["id"]] == 6 * ["test"] + 6 * ["train"] + 6 * ["val"]
    assert list(data.splits["standard"]) == 6 * ["test"] + 6 * ["train"] + 6 * ["validation"]
    assert set(data.recordings["subject"]) == {"0", "1", "2"}
    data, _ = converted(tmp_path / "mine", "--size", "340x256", "--subject", r"\d", "--test-subjects", "1")
    assert {*data.recordings["subject"][data.splits["standard"] == "test"]} == {"1"}


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        converted(tmp_path / "none")
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="no folders in it; expected a folder for each class"):
        converted(tmp_path / "mine")


@pytest.mark.parametrize("frames", [1, 12])
def test_a_joint_that_is_never_seen_makes_no_other_layout(tmp_path, frames):
    """Not of COCO's 17 joints, which are as many as Human3.6M's."""

    def write(path, seed):
        pose = walker("coco17", frames, seed=seed)
        pose[:, 15] = 0
        np.save(path, pose)

    data, _ = converted(folder_of(tmp_path / "mine", write, ".npy", lambda seed: seed), "--size", "1280x720")
    assert data.skeleton == COCO17
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:, 15], 0)

    def write_limbs(path, seed):
        pose = walker("coco17", frames, seed=seed)
        pose[:, :9] = 0
        np.save(path, pose)

    limbs = folder_of(tmp_path / "limbs", write_limbs, ".npy", lambda seed: seed)
    with pytest.raises(InputError, match=r"too few of the trunk and the head.*--skeleton h36m17\|coco17"):
        converted(limbs, "--size", "1280x720")


def test_folders_of_frames_are_clips(tmp_path):
    """As OpenPose writes them, with the joints that a known skeleton has among BODY_25."""
    poses = {}
    for clip, seed in CLIPS.items():
        poses[clip] = walker("body25", 5, seed=seed)
        files.openpose(tmp_path / "mine" / clip, poses[clip])
    data, _ = converted(tmp_path / "mine", "--size", "1280x720")
    assert data.skeleton == OPENPOSE18 and len(data) == len(CLIPS)
    expected = np.concatenate([pose[:, OPENPOSE18_OF_BODY25] for pose in poses.values()])
    np.testing.assert_allclose(data.rows("pose2d/keypoints"), expected, rtol=1e-6)


def test_remedies_of_the_reader_of_keypoints_are_options_of_this_command(tmp_path):
    files.openpose(tmp_path / "waving" / "clip", walker("body25") / [1e4, 1e4, 1])
    with pytest.raises(InputError, match=r"image size: .*; give it by --size WIDTHxHEIGHT"):
        converted(tmp_path, "--skeleton", "openpose18")


OPENPOSE18_OF_BODY25 = [LAYOUTS["body25"].index(name) for name in OPENPOSE18.names]


def test_a_clip_of_three_frames_has_the_axes_of_the_others(tmp_path):
    folder = folder_of(tmp_path / "mine", lambda path, values: np.save(path, values[0]), ".npy", pixels)
    np.save(folder / "waving/short.npy", pixels(0)[0, :3])
    data, _ = converted(folder, "--size", "340x256")
    assert [path for path in data.recordings["id"] if "short" in path] and not data.left_out
    track = [*data.recordings["id"]].index("clips/waving/short/unknown")
    assert data.recordings["frames"][track] == 3
    alone = tmp_path / "alone"
    (alone / "waving").mkdir(parents=True)
    np.save(alone / "waving/short.npy", pixels(0)[0, :3])
    with pytest.raises(InputError, match="fits tjc and ctj; .*choose one by --order"):
        converted(alone, "--size", "340x256")


def test_poses_relative_to_the_person_have_a_scale(tmp_path):
    def centred(seed):
        values = pixels(seed)
        values[..., :2] = (values[..., :2] - [170, 128]) / 40
        return values * (values[..., 2:] > 0)

    folder = folder_of(tmp_path / "mine", np.save, ".npy", centred)
    with pytest.raises(InputError, match="which is ambiguous; say which by --scale: .*person: relative to the person"):
        converted(folder)
    data, _ = converted(folder, "--scale", "person", "--size", "600x600")
    pose = data.rows("pose2d/keypoints")
    clips = [centred(seed) for seed in CLIPS.values()]
    expected = np.concatenate([values[..., :2][values[..., 2] > 0] for values in clips]) * 100 + 300
    np.testing.assert_allclose(np.sort(pose[..., :2][pose[..., 2] > 0], 0), np.sort(expected, 0), atol=1e-2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
def test_names_of_files_that_are_no_text(tmp_path):
    strange = os.fsdecode(b"in \xff")
    for clip, seed in CLIPS.items():
        path = tmp_path / strange / f"{clip}{os.fsdecode(bytes([0xFE]))}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pixels(seed))
    out = tmp_path / "out.h5"
    text = convert("clips", tmp_path / strange, "--size", "340x256", "--out", out)
    data = Dataset(out)
    assert len(data) == len(CLIPS) and all("\\udcfe" in name for name in data.recordings["id"])
    assert "\\udcff" in data.source and text
