"""The data format: what is written is what is read, and what cannot be right is refused without a trace."""

import hashlib
import json
import resource
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from stgraph.data.dataset import RECORDING_TEXT, Dataset, window_table
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Detections, Track, check_metres
from stgraph.data.windows import Windows
from stgraph.errors import InputError
from stgraph.skeleton import H36M17, HAND21, Skeleton
from tests.conftest import CAMERAS, LENGTHS, recording, standing, write


def test_round_trip(dataset):
    assert dataset.skeleton == H36M17
    assert dataset.detectors == ["gt", "noisy"]
    assert len(dataset) == len(LENGTHS) * 2 * len(CAMERAS)
    number = dataset.find("S5/take 0/right")
    written = recording("S5", 0, CAMERAS[1], 163)
    track = np.flatnonzero(dataset.tracks["recording"] == number)
    first, rows = (int(dataset.tracks[name][track].item()) for name in ("first_row", "rows"))
    for name, values in written.tracks[0].fields().items():
        np.testing.assert_array_equal(dataset.rows(name)[first : first + rows], values)
    np.testing.assert_array_equal(dataset.rows("frame")[first : first + rows], np.arange(rows))
    camera = dataset.camera(number)
    np.testing.assert_array_equal(camera.intrinsics, CAMERAS[1].intrinsics)
    assert (camera.name, camera.width, camera.height) == ("right", 1000, 800)
    parts = dict(zip(dataset.recordings["subject"], dataset.splits["standard"], strict=True))
    assert parts == {"S1": "train", "S5": "train", "S9": "test"}


def with_valid(path, masks):
    """A dataset of one recording per mask."""
    with DatasetWriter(path, H36M17, source="", terms="", created_by="") as writer:
        for take, valid in enumerate(masks):
            good = recording("S1", take, CAMERAS[0], 20)
            writer.add(replace(good, tracks=[replace(good.tracks[0], valid=valid)]))
    return Dataset(path)


def test_frames_that_are_not_valid_are_marked(tmp_path):
    some = np.arange(20) % 3 > 0
    data = with_valid(tmp_path / "some.h5", [None, some])
    np.testing.assert_array_equal(data.rows("valid"), np.concatenate([np.ones(20, bool), some]))
    assert data.rows("valid").dtype == bool
    assert data.hash != with_valid(tmp_path / "others.h5", [None, ~some]).hash
    np.testing.assert_array_equal(data.rows("pose3d")[20:], recording("S1", 1, CAMERAS[0], 20).tracks[0].pose3d)


def test_where_all_are_valid_nothing_is_stored(tmp_path):
    data = with_valid(tmp_path / "all.h5", [None, np.ones(20, bool)])
    assert data.rows("valid").all() and data.rows("valid").shape == (40,)
    with h5py.File(data.path) as file:
        assert sorted(file["rows"]) == ["frame", "pose2d", "pose3d"]
    assert data.hash == with_valid(tmp_path / "none.h5", [None, None]).hash


@pytest.mark.parametrize("valid", [np.ones(19, bool), np.ones(20, int), np.ones((20, 1), bool)])
def test_a_mask_of_another_shape_or_type_is_refused(tmp_path, valid):
    with pytest.raises(InputError, match=r"S1/take 0/left, valid: .*expected \(20 frames\) of bool"):
        with_valid(tmp_path / "wrong.h5", [valid])


def test_a_plain_reader_needs_no_stgraph(dataset):
    with h5py.File(dataset.path) as file:
        assert dict(file.attrs)["format"] == "stgraph"
        for rows in (file["rows/pose3d"], file["rows/pose2d/gt"]):
            assert rows.chunks is None and rows.compression is None and rows.dtype == np.float32
        np.testing.assert_array_equal(file["windows/81x5"][:], window_table(dataset.tracks["rows"], 81, 5))


def test_windows_are_those_of_the_published_generators(golden):
    pairs = golden("tgraphnet_generators")
    lengths = np.array([7, 81, 100, 5, 163])
    for name, frames, stride in (("train5_38_flip", 81, 5), ("eval31_25", 81, 31)):
        expected = pairs[f"{name}/pairs"]
        expected = expected[expected[:, 3] == 0]
        # The reference lists a window by its chunk, without the padding around it.
        padding = (frames - stride) // 2
        np.testing.assert_array_equal(window_table(lengths, frames, stride) + [0, padding], expected[:, :2])


@pytest.mark.parametrize("stride", [1, 5, 27, 81, 100])
def test_chunks_tile_every_track(stride):
    lengths = np.array([1, 3, 80, 81, 82, 250])
    table = window_table(lengths, 81, stride)
    for track, length in enumerate(lengths):
        chunk = table[table[:, 0] == track, 1] + (81 - stride) // 2
        frames = (chunk[:, None] + np.arange(stride)).ravel()
        inside = frames[(frames >= 0) & (frames < length)]
        np.testing.assert_array_equal(inside, np.arange(length))


def broken(**changes):
    good = recording("S1", 0, CAMERAS[0], 20)
    track = good.tracks[0]
    return replace(good, tracks=[replace(track, **changes)])


def pose_with(value):
    pose = standing(20, 1)
    pose[4, 2, 1] = value
    return pose


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pose3d": 1000 * standing(20, 1)}, "millimetres"),
        ({"pose3d": standing(20, 1) / 1000}, "divided by 1000"),
        ({"pose3d": pose_with(np.nan)}, "nan.*frame 4, joint RKnee"),
        ({"pose3d": pose_with(np.inf)}, "inf.*frame 4, joint RKnee"),
        ({"pose3d": standing(20, 1)[:, :16]}, "17 joints of skeleton 'h36m17'"),
        ({"pose3d": standing(19, 1)}, r"pose2d/gt: shape \(20, 17, 3\), expected \(19 frames"),
        ({"pose2d": {"gt": np.zeros((0, 17, 3))}, "pose3d": None}, "no frames"),
    ],
)
def test_what_cannot_be_right_is_refused_and_loses_nothing(tmp_path, changes, message):
    path = write(tmp_path / "old.h5")
    old = path.read_bytes()
    with (
        pytest.raises(InputError, match=message),
        DatasetWriter(path, H36M17, source="", terms="", created_by="") as writer,
    ):
        writer.add(recording("S5", 0, CAMERAS[0], 20))
        writer.add(broken(**changes))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_two_recordings_of_one_name_are_refused(tmp_path):
    with (
        pytest.raises(InputError, match="S1/take 0/left.*two recordings"),
        DatasetWriter(tmp_path / "new.h5", H36M17, source="", terms="", created_by="") as writer,
    ):
        writer.add(recording("S1", 0, CAMERAS[0], 20))
        writer.add(recording("S1", 0, CAMERAS[0], 30))
    assert not list(tmp_path.iterdir())


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to write, no recording was kept"):
        with DatasetWriter(tmp_path / "new.h5", H36M17, source="", terms="", created_by=""):
            pass
    assert not list(tmp_path.iterdir())


def test_damaged_and_foreign_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file.*data_prep"):
        Dataset(tmp_path / "missing.h5")
    path = write(tmp_path / "whole.h5")
    for keep in (0, 1000, path.stat().st_size // 2, path.stat().st_size - 10):
        cut = tmp_path / f"cut{keep}.h5"
        cut.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match="cut short"):
            Dataset(cut)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.attrs["format"] = "other"
    with pytest.raises(InputError, match="other"):
        Dataset(tmp_path / "foreign.h5")


def test_unknown_names_list_the_known_ones(dataset):
    with pytest.raises(InputError, match="gt, noisy"):
        dataset.rows("pose2d/cpn")
    with pytest.raises(InputError, match="S9/take 0/left"):
        dataset.find("S9/take 0/lift")


def test_the_hash_follows_the_content(tmp_path, dataset):
    assert Dataset(write(tmp_path / "same.h5")).hash == dataset.hash
    assert Dataset(write(tmp_path / "other.h5", source="another")).hash != dataset.hash


def test_inputs_are_hashed_by_their_place(tmp_path):
    inputs = [tmp_path / subject / "Walking.cdf" for subject in ("S1", "S5")]
    for number, path in enumerate(inputs):
        path.parent.mkdir()
        path.write_bytes(bytes([number]))
    with h5py.File(write(tmp_path / "new.h5", inputs=iter(inputs))) as file:
        hashes = json.loads(file.attrs["inputs"])
    assert list(hashes) == ["S1/Walking.cdf", "S5/Walking.cdf"]
    assert hashes["S5/Walking.cdf"] == hashlib.sha256(b"\x01").hexdigest()


def test_the_hash_follows_the_rows(tmp_path):
    """Another preparation of the same recordings is other data."""
    hashes = []
    for scale in (1.0, 1.01):
        with DatasetWriter(tmp_path / "new.h5", H36M17, source="", terms="", created_by="") as writer:
            good = recording("S1", 0, CAMERAS[0], 20)
            writer.add(replace(good, tracks=[replace(good.tracks[0], pose3d=scale * good.tracks[0].pose3d)]))
        hashes.append(Dataset(tmp_path / "new.h5").hash)
    assert hashes[0] != hashes[1]


def test_compressed_rows_are_named(tmp_path):
    path = write(tmp_path / "small.h5")
    with h5py.File(path, "a") as file:
        pose = file["rows/pose3d"][:]
        del file["rows/pose3d"]
        file.create_dataset("rows/pose3d", data=pose, compression="gzip")
    with pytest.raises(InputError, match="rows/pose3d are compressed"):
        Dataset(path)


def refusal_to_write(path, inputs=()):
    with pytest.raises(InputError) as error, DatasetWriter(path, H36M17, "", "", "", inputs):
        pass
    return str(error.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """It is the name on the command line that is wrong, not the machine."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "gone").symlink_to(tmp_path / "absent")
    assert f"{tmp_path}: is a folder" in refusal_to_write(tmp_path)
    for path in ("file/a.h5", "file/folder/a.h5", "gone/a.h5"):
        message = refusal_to_write(tmp_path / path)
        assert message.startswith(f"{tmp_path / path}: cannot be written, as {tmp_path / path.split('/')[0]}")
        assert "another place" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_without_permission_names_the_file(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied", "/some/temporary")

    monkeypatch.setattr("stgraph.data.dataset_writer.tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError) as error:
        write(tmp_path / "a.h5")
    assert error.value.filename == str(tmp_path / "a.h5")


@pytest.mark.parametrize("link", [None, Path.symlink_to, Path.hardlink_to], ids=["itself", "symlink", "hard link"])
def test_an_input_is_not_overwritten(tmp_path, link):
    given = write(tmp_path / "given.h5")  # even a dataset
    before, out = given.read_bytes(), tmp_path / "given.h5"
    if link:
        out = tmp_path / "out.h5"
        link(out, given)
    assert f"{out}: is one of the inputs and would be lost; give another --out" in refusal_to_write(out, [given])
    assert given.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"my poses", None], ids=["empty", "text", "another HDF5 file"])
def test_what_is_no_dataset_is_not_overwritten(tmp_path, content):
    path = tmp_path / "mine.h5"
    if content is None:
        with h5py.File(path, "w") as file:
            file["poses"] = np.zeros(3)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    assert f"{path}: is there already and no stgraph dataset; give another --out" in refusal_to_write(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", ".", "a/b", "/"])
def test_detectors_that_no_file_can_hold_are_refused(tmp_path, name):
    track = recording("S1", 0, CAMERAS[0], 20).tracks[0]
    with pytest.raises(InputError, match=f"S1/take 0/left: an array called '{name}'; expected a name without '/'"):
        with DatasetWriter(tmp_path / "new.h5", H36M17, "", "", "") as writer:
            writer.add(broken(pose2d={name: track.pose2d["gt"]}))


def test_a_folder_is_no_dataset(tmp_path):
    with pytest.raises(InputError, match="is no file; give the dataset itself"):
        Dataset(tmp_path)


def test_a_full_disk_keeps_the_old_file_and_names_it(tmp_path):
    path = write(tmp_path / "old.h5")
    old, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (1000, len(old) - 20000):  # while rows are collected, and while the file is put together
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(OSError, match="File too large; what was there before is as it was.*old.h5"):
                write(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_frames_apart_are_tracks_of_one_frame(tmp_path):
    """Nothing is ever taken between two frames that have nothing to do with one another."""
    whole, apart = (recording("S1", take, CAMERAS[0], 20) for take in (0, 1))
    apart = replace(apart, tracks=[replace(track, apart=True) for track in apart.tracks])
    with DatasetWriter(tmp_path / "new.h5", H36M17, source="", terms="", created_by="") as writer:
        writer.add(whole)
        writer.add(apart)
    data = Dataset(tmp_path / "new.h5")
    assert data.tracks["rows"].tolist() == [20] + 20 * [1]
    assert data.tracks["first_row"].tolist() == [0, *range(20, 40)]
    assert data.tracks["recording"].tolist() == [0] + 20 * [1] and not data.tracks["person"].any()
    assert data.recordings["frames"].tolist() == [20, 20]
    np.testing.assert_array_equal(data.rows("pose3d")[20:], apart.tracks[0].pose3d)


def clip(number, person=1, **changes):
    """A short recording of one or more persons, 3D alone."""
    good = recording(f"S{number}", 0, CAMERAS[0], 20)
    tracks = [Track({}, standing(20, number + other), person=other) for other in range(person)]
    return replace(good, **({"tracks": tracks} | changes))


def clips(path, *recordings, skeleton=H36M17, **about):
    with DatasetWriter(path, skeleton, source="", terms="", created_by="", **about) as writer:
        for one in recordings:
            writer.add(one)
    return Dataset(path)


def test_recordings_have_several_persons_and_3d_or_2d_alone(tmp_path):
    solid = clips(tmp_path / "3d.h5", clip(1, person=2), clip(2))
    assert (solid.detectors, solid.has("pose3d")) == ([], True)
    assert solid.tracks["recording"].tolist() == [0, 0, 1] and solid.tracks["person"].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(solid.rows("pose3d")[20:40], standing(20, 2))
    with pytest.raises(InputError, match="has no pose2d/cpn.* its detectors are none, it is 3D alone"):
        solid.rows("pose2d/cpn")
    track = Track({"openpose": np.zeros((5, 17, 3))})
    gap = [track, replace(track, frame=9), replace(track, frame=3, person=1)]
    flat = clips(tmp_path / "2d.h5", clip(1, tracks=gap))
    assert (flat.detectors, flat.has("pose3d")) == (["openpose"], False)
    assert flat.rows("frame").tolist() == [*range(5), *range(9, 14), *range(3, 8)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{}, {"frame": 19}], "two poses of person 0 at frame 19"),
        (
            [{}, {"frame": 20, "pose2d": {"cpn": np.ones((20, 17, 3))}}],
            "tracks have different fields, pose2d/cpn",
        ),
        ([{"frame": -1}], "a pose of person 0 at frame -1; frames count from 0"),
    ],
)
def test_tracks_that_do_not_go_together_are_refused(tmp_path, changes, message):
    track = clip(1).tracks[0]
    with pytest.raises(InputError, match=f"S1/take 0/left: .*{message}"):
        clips(tmp_path / "new.h5", clip(1, tracks=[replace(track, **change) for change in changes]))


def test_the_order_of_classes_is_kept(tmp_path):
    names = ["Walking", "Sitting", "Zeichnen, über Kopf"]
    assert clips(tmp_path / "new.h5", clip(1), clip(2, action=""), classes=names).classes == names
    assert clips(tmp_path / "new.h5", clip(1)).classes == []
    with pytest.raises(InputError, match="S1/take 0/left: action 'Walking' is none of the 2 classes"):
        clips(tmp_path / "new.h5", clip(1), classes=names[1:])
    with pytest.raises(InputError, match="classes Sitting are named twice"):
        clips(tmp_path / "new.h5", clip(1), classes=[*names, "Sitting"])


def test_the_centre_of_a_skeleton_is_kept(tmp_path):
    moved = replace(H36M17, centre=8)
    assert clips(tmp_path / "new.h5", clip(1), skeleton=moved).skeleton == moved


def test_a_hand_and_a_single_joint_are_in_metres_too(tmp_path):
    hand = 0.03 * np.random.default_rng(0).normal(size=(30, len(HAND21), 3))
    check_metres(hand, HAND21, "hand")
    with pytest.raises(InputError, match="hand: the median bone is .*these look like millimetres"):
        check_metres(1000 * hand, HAND21, "hand")
    check_metres(np.zeros((3, 1, 3)), Skeleton("point", ("point",), (-1,)), "point")


def test_text_is_read_from_files_of_either_kind(tmp_path):
    """Those of variable length, without classes and centre, are what earlier versions wrote."""
    new = clips(tmp_path / "new.h5", clip(1, subject="Übung"), clip(2), splits={"a": {"test": ["S2"]}})
    with h5py.File(new.path, "a") as file:
        assert h5py.check_string_dtype(file["recordings/id"].dtype).length == len("Übung/take 0/left".encode())
        for name in ("skeleton/names", "splits/a", *(f"recordings/{name}" for name in RECORDING_TEXT)):
            text = list(file[name].asstr()[:])
            del file[name]
            file.create_dataset(name, data=text, dtype=h5py.string_dtype())
        del file.attrs["classes"], file["skeleton"].attrs["centre"]
    old = Dataset(new.path)
    assert (old.skeleton, old.classes, old.hash) == (new.skeleton, [], new.hash)
    for name in RECORDING_TEXT:
        assert list(old.recordings[name]) == list(new.recordings[name])
    assert list(old.splits["a"]) == ["", "test"]


def test_whether_the_motion_was_made_up_is_a_field(tmp_path):
    """Files of earlier versions have none; the source's words say nothing."""
    assert clips(tmp_path / "new.h5", clip(1), synthetic=True).synthetic
    path = write(tmp_path / "old.h5", source="synthetic words")
    assert not Dataset(path).synthetic
    with h5py.File(path, "a") as file:
        del file.attrs["synthetic"]
    assert not Dataset(path).synthetic
    with h5py.File(path, "a") as file:
        file.attrs["created_by"] = "python -m data_prep synthetic --out data/synthetic.h5"
    assert Dataset(path).synthetic  # the puppet of 0.1


def test_recordings_are_selected_by_a_column(dataset):
    assert dataset.select("subject", None).all()
    assert set(dataset.recordings["id"][dataset.select("subject", ["S9"])]) == {
        f"S9/take {take}/{camera}" for take in (0, 1) for camera in ("left", "right")
    }
    with pytest.raises(InputError, match="has no camera top; it has left, right"):
        dataset.select("camera", ["top"])


def scene(number, width=3, **changes):
    """A recording with boxes, visual features, and detections without identity, of which the first have no box."""
    random = np.random.default_rng(number)

    def floats(*shape):
        return random.uniform(1, 9, shape).astype(np.float32)

    good, count = recording(f"S{number}", 0, CAMERAS[0], 20), 30
    rows = {"box": floats(20, 4), "head_box": floats(20, 4), "features": {"net": floats(20, len(H36M17), width)}}
    found = {
        "frame": np.sort(random.integers(0, 20, count)),
        "pose": floats(count, len(H36M17), 3),
        "score": floats(count),
        "box": floats(count, 4),
        "features": {"net": floats(count, len(H36M17), width)},
    }
    detections = {"boxes": Detections(**found | changes)}
    return replace(good, tracks=[replace(good.tracks[0], **rows)], detections=detections)


def test_boxes_features_and_detections_are_kept(tmp_path):
    entries = [scene(1), scene(2), clip(3)]
    entries[2] = replace(entries[2], tracks=[replace(entries[0].tracks[0])])  # nothing was detected in it
    data = clips(tmp_path / "new.h5", *entries)
    assert data.detected == ["boxes"] and data.detectors == ["gt", "noisy"]
    for number in (0, 1):
        rows = slice(20 * number, 20 * number + 20)
        for name, values in entries[number].tracks[0].fields().items():
            assert data.has(name)
            np.testing.assert_array_equal(data.rows(name)[rows], values)
    table = data.detections("boxes")
    assert sorted(table) == ["box", "features/net", "frame", "pose", "recording", "score"]
    assert table["recording"].tolist() == [0] * 30 + [1] * 30
    for name in sorted(set(table) - {"recording"}):
        both = [entry.detections["boxes"].fields()[name] for entry in entries[:2]]
        np.testing.assert_array_equal(table[name], np.concatenate(both))
    assert not Dataset(write(tmp_path / "small.h5")).has("box")
    with pytest.raises(InputError, match="has no detections 'hrnet' without identity; it has boxes; prepare it"):
        data.detections("hrnet")


@pytest.mark.slow
def test_the_hash_follows_the_detections(tmp_path):
    hashes = [clips(tmp_path / "new.h5", scene(1, score=np.full(30, score))).hash for score in (0.5, 0.5, 0.6)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_recordings_with_other_fields_or_widths_are_refused(tmp_path):
    wide = scene(2, width=4)
    with pytest.raises(InputError, match=r"S2/take 0/left, detections boxes: features/net of shape \(17, 4\)"):
        clips(tmp_path / "new.h5", scene(1), wide)
    with pytest.raises(InputError, match=r"S2/take 0/left: features/net of shape \(17, 4\)"):
        clips(tmp_path / "new.h5", scene(1), replace(wide, detections={}))
    with pytest.raises(InputError, match="detections boxes: box of shape none, the recordings before it have"):
        clips(tmp_path / "new.h5", scene(1), scene(2, box=None))
    with pytest.raises(InputError, match="give every recording the same fields"):
        clips(tmp_path / "new.h5", scene(1), recording("S2", 0, CAMERAS[0], 20))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": np.arange(30)[::-1]}, "detections boxes: frames .* in ascending order; sort them"),
        ({"frame": np.arange(30) - 1}, "detections boxes: frames .*whole numbers from 0"),
        ({"frame": np.arange(30) / 2}, "detections boxes: frames .*whole numbers"),
        ({"score": np.ones(29)}, r"boxes, score: shape \(29,\), expected \(30\)"),
        ({"box": np.ones((30, 3))}, r"boxes, box: shape \(30, 3\), expected \(30, 4\)"),
        ({"pose": np.ones((30, 16, 3))}, r"boxes, pose: shape \(30, 16, 3\), expected \(30 frames, 17 joints"),
        ({"features": {"a/b": np.ones((30, 17, 2))}}, "detections boxes: an array called 'a/b'"),
        ({"features": {"net": np.ones((30, 17))}}, "boxes, features/net: shape"),
    ],
)
def test_detections_that_cannot_be_right_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=f"S1/take 0/left.*{message}"):
        clips(tmp_path / "new.h5", scene(1, **changes))


def test_detections_that_are_not_finite_are_named(tmp_path):
    frame = np.repeat(np.arange(10), 3)
    pose, score, box = np.ones((30, 17, 3)), np.ones(30), np.ones((30, 4))
    pose[13, 2, 0], score[20], box[5, 1] = np.nan, np.inf, np.nan
    for changes, message in (
        ({"pose": pose}, r"boxes, pose: \[nan +1. +1.\] at frame 4, joint RKnee; give finite numbers"),
        ({"score": score}, "boxes, score: inf at frame 6; give"),
        ({"box": box}, r"boxes, box: \[ *1. +nan +1. +1.\] at frame 1; give"),
    ):
        with pytest.raises(InputError, match=message):
            clips(tmp_path / "new.h5", scene(1, frame=frame, **changes))


def changed(path, change):
    """A dataset in which a function changes something of the HDF5 file."""
    write(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced_array(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


def external(file):
    file.move("rows/pose3d", "rows/own")
    file["rows/pose3d"] = h5py.ExternalLink("other.h5", "rows/pose3d")


def stored_elsewhere(file):
    shape = file["rows/pose3d"].shape
    del file["rows/pose3d"]
    file.create_dataset("rows/pose3d", shape, "f4", external=[("other.bin", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    values = file["recordings/fps"]
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "recordings/fps", values.shape)
    del file["recordings/fps"]
    file.create_virtual_dataset("recordings/fps", layout)


def without_bytes(file):
    del file["recordings/fps"]
    file.create_dataset("recordings/fps", (10**10,), "f8", chunks=(10**6,))


def column(name, row, value):
    def change(file):
        file[name][row] = value

    return change


WRONG_FILES = {
    "a row before the first": (column("tracks/first_row", 0, -1), "its tracks go beyond its .* rows"),
    "a row behind the last": (column("tracks/first_row", 0, 10**6), "its tracks go beyond"),
    "many rows": (column("tracks/rows", 0, 10**9), "its tracks go beyond"),
    "no rows": (column("tracks/rows", 0, 0), "its tracks go beyond"),
    "another recording": (column("tracks/recording", 0, 99), "its tracks are of other recordings"),
    "a recording before the first": (column("tracks/recording", 0, -1), "its tracks are of other recordings"),
    "no rate": (column("recordings/fps", 0, np.nan), "its fps are not all finite and above 0"),
    "a camera of NaN": (column("recordings/intrinsics", (0, 3), np.inf), "its intrinsics are not all finite"),
    "columns of unlike lengths": (replaced_array("recordings/fps", np.ones(3)), r"its fps are float64 of shape \(3,\)"),
    "numbers as text": (replaced_array("tracks/rows", np.array([b"a"] * 12)), "its rows are"),
    "fewer frames": (replaced_array("rows/frame", np.zeros(5, "i4")), "its rows/pose3d are float32 of shape"),
    "other joints": (replaced_array("rows/pose3d", np.zeros((892, 16, 3), "f4")), "rows/pose3d are .*16, 3"),
    "another file's rows": (external, "its rows/pose3d is a link to another file|cannot|unable"),
    "rows stored elsewhere": (stored_elsewhere, "its rows/pose3d is a link to another file"),
    "a virtual table": (virtual, "its recordings/fps is a link to another file"),
    "a table that is not in the file": (without_bytes, "its recordings/fps would take 80000000000 bytes"),
    "deep attributes": (lambda file: file.attrs.update(notes="[" * 30_000), "not a whole stgraph dataset"),
    "other attributes": (lambda file: file.attrs.update(classes="[1]"), "are no lists of text"),
    "no tree": (column("skeleton/parents", 0, 1), "not a whole stgraph dataset|never leads to the root|roots"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG_FILES)
def test_tables_that_point_outside_the_file_are_refused(tmp_path, name):
    change, message = WRONG_FILES[name]
    write(tmp_path / "other.h5")
    with pytest.raises(InputError, match=message):
        Dataset(changed(tmp_path / "data.h5", change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (column("detections/boxes/recording", 0, 7), "of other recordings than the 1 there are"),
        (replaced_array("detections/boxes/frame", np.zeros(3, "i4")), "frame of detections"),
        (replaced_array("detections/boxes/pose", np.zeros((9, 4, 3), "f4")), "pose of detections"),
        (lambda file: file.__delitem__("detections/boxes/score"), "have no score"),
        (lambda file: file.__delitem__("detections/boxes/recording"), "not a whole stgraph dataset"),
    ],
)
def test_detections_that_point_outside_are_refused(tmp_path, change, message):
    path = tmp_path / "data.h5"
    with DatasetWriter(path, H36M17, source="", terms="", created_by="") as writer:
        one = recording("S1", 0, CAMERAS[0], 20)
        pose = np.ones((9, len(H36M17), 3), np.float32)
        found = Detections(np.arange(9), pose, np.ones(9, np.float32))
        writer.add(replace(one, detections={"boxes": found}))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=message):
        Dataset(path).detections("boxes")


def test_a_file_that_is_cut_short_while_it_is_in_use_is_named(tmp_path):
    """To touch a page that is gone would end the process with SIGBUS."""
    data = Dataset(write(tmp_path / "data.h5"))
    samples = Windows(data, detector="gt", frames=27, stride=5)
    samples.batch(torch.arange(3))
    with data.path.open("r+b") as file:
        file.truncate(4096)
    with pytest.raises(InputError, match=r"data.h5: was cut short while it was in use, from \d+ to 4096 bytes"):
        samples.batch(torch.arange(len(samples)))


def test_a_file_that_is_replaced_while_it_is_in_use_stays_as_it_was(tmp_path):
    data = Dataset(write(tmp_path / "data.h5"))
    before = np.array(data.rows("pose3d"))
    (tmp_path / "new").write_bytes(b"shorter")
    (tmp_path / "new").replace(data.path)
    data.check_whole()
    np.testing.assert_array_equal(data.rows("pose3d"), before)
    with pytest.raises(InputError, match="was replaced after it was opened"):
        data.rows("pose2d/gt")
