"""Motion-capture files of several rigs become the same dataset, placed, cut and named as stated."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.checks.anatomy import knee_sines
from data_prep.reading.motion import pieces
from data_prep.reading.takes import find_takes, read_take
from data_prep.source import Source
from data_prep.sources.mocap.options import arguments
from data_prep.sources.mocap.source import read
from data_prep.writing import prepare
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.geometry import camera_to_world, project
from stgraph.skeleton import H36M17
from tests.data_prep.people import RATE, squats
from tests.motion.people import BUILTIN, walking

SHARED = Path(__file__).parents[3] / "../shared/data/motion"
# A rig's joint for each of ours; what is not listed stands in for nothing.
HUMANIK = dict(zip(H36M17.names, [
    "Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot", "Spine1", "Neck", "Head",
    "Head end", "LeftArm", "LeftForeArm", "LeftHand", "RightArm", "RightForeArm", "RightHand",
], strict=True))  # fmt: skip


ASF_BONES = dict(zip(H36M17.names, [
    "root", "rhipjoint", "rfemur", "rtibia", "lhipjoint", "lfemur", "ltibia", "lowerback", "thorax", "upperneck",
    "head", "lclavicle", "lhumerus", "lwrist", "rclavicle", "rhumerus", "rwrist",
], strict=True))  # fmt: skip


def y_up(pose: np.ndarray, unit: float) -> np.ndarray:
    return np.stack([pose[..., 0], pose[..., 2], -pose[..., 1]], axis=-1) / unit


def asf(pose: np.ndarray) -> str:
    """An ASF skeleton that has one pose (j 3) when nothing is turned."""
    points = y_up(pose, 0.0254 / 0.45)
    lines = [":units", " length 0.45", " angle deg", ":root", " order TX TY TZ RX RY RZ", " axis XYZ", ":bonedata"]
    for joint, parent in H36M17.bones:
        direction = " ".join(map(str, points[joint] - points[parent]))
        lines += ["begin", f" name {ASF_BONES[H36M17.names[joint]]}", f" direction {direction}", " length 1", "end"]
    lines.append(":hierarchy")
    lines += [" ".join(ASF_BONES[H36M17.names[j]] for j in (parent, joint)) for joint, parent in H36M17.bones]
    return "\n".join(lines) + "\n"


def bvh(
    pose: np.ndarray, rate: float = RATE, names: dict[str, str] = HUMANIK, unit: float = 0.01, turn: float = 0
) -> str:
    """A BVH file, y up, in which every joint has position channels, so that any motion of points can be written.

    From the second frame on, the last joint, on which nothing hangs, is turned by `turn` degrees.
    """
    points = y_up(pose, unit)
    lines, columns = ["HIERARCHY"], []

    def joint(number: int, pad: str) -> None:
        children = [child for child, parent in H36M17.bones if parent == number]
        name = names[H36M17.names[number]]
        offset = points[:, number] - (points[:, H36M17.parents[number]] if number != H36M17.root else 0)
        if name.endswith(" end"):
            lines.extend([f"{pad}End Site", pad + "{", f"{pad} OFFSET {' '.join(map(str, offset[0]))}", pad + "}"])
            return
        lines.extend([f"{pad}{'JOINT' if pad else 'ROOT'} {name}", pad + "{", f"{pad} OFFSET 0 0 0"])
        lines.append(f"{pad} CHANNELS 6 Zrotation Xrotation Yrotation Xposition Yposition Zposition")
        columns.append(np.concatenate([np.zeros((len(pose), 3)), offset], axis=1))
        for child in children:
            joint(child, pad + " ")
        lines.append(pad + "}")

    joint(H36M17.root, "")
    columns[-1][1:, 0] = turn
    lines += ["MOTION", f"Frames: {len(pose)}", f"Frame Time: {1 / rate:.7f}"]
    return "\n".join([*lines, *(" ".join(map("{:.6f}".format, row)) for row in np.concatenate(columns, axis=1))]) + "\n"


@pytest.fixture
def archive(tmp_path):
    """Write an .npz of squats under the given keys; returns its path."""

    def write(*keys: str, name: str = "a.npz", **options: float) -> Path:
        np.savez(tmp_path / name, **{key: squats(**options).astype(np.float32) for key in keys})
        return tmp_path / name

    return write


def source(*words: object) -> Source:
    """What the command line makes of its words."""
    parser = argparse.ArgumentParser()
    arguments(parser)
    return read(parser.parse_args(list(map(str, words))))


def world(recording: Recording, track: int = 0) -> np.ndarray:
    camera = recording.camera
    pose = torch.from_numpy(recording.tracks[track].pose3d.astype(np.float64))
    return camera_to_world(pose, camera.rotation.copy(), camera.translation.copy()).numpy()


def test_arrays_become_recordings_seen_by_four_cameras(archive):
    result = source(archive("S1/squat 01", "S2/squat 01"), "--validation", "S2")
    recordings = list(result.recordings)
    assert len(recordings) == result.total == 8
    assert recordings[0].id == "S1/squat 01/54138969" and recordings[0].action == "squat"
    assert result.splits == {"standard": {"train": ["S1"], "validation": ["S2"]}}
    for recording in recordings:
        [track] = recording.tracks
        pixels = project(torch.from_numpy(track.pose3d), recording.camera.intrinsics.copy()).numpy()
        np.testing.assert_allclose(track.pose2d["gt"][..., :2], pixels, atol=0.01)
        assert (track.pose2d["gt"][..., 2] == 1).all()
        error = np.linalg.norm(track.pose2d["sim"][..., :2] - pixels, axis=-1)
        assert 1 < error.mean() < 15 and error.max() < 40
        # Upright in the image: the head is above the feet, and y points down.
        assert (pixels[:, H36M17.index("Head"), 1] < pixels[:, H36M17.index("LFoot"), 1]).all()
        # Not mirrored, whatever the camera: bones, knees and the placed motion are those of the file.
        assert knee_sines(world(recording)).mean() > 0.2
        original = squats()
        np.testing.assert_allclose(world(recording) - world(recording)[:1, :1], original - original[:1, :1], atol=1e-4)


def test_left_is_left_for_a_camera_in_front(archive):
    """Who faces the camera has the right hand on the left of the image."""
    for recording in source(archive("S1/squat 01")).recordings:
        gt = recording.tracks[0].pose2d["gt"][0]
        right_minus_left = gt[H36M17.index("RShoulder"), 0] - gt[H36M17.index("LShoulder"), 0]
        centre = world(recording)[0, 0]
        in_front = recording.camera.translation[1] > centre[1]
        assert (right_minus_left < 0) == in_front


def test_takes_are_centred_and_only_floors_far_off_are_moved(archive, tmp_path):
    pose = squats() + np.array([40, -30, 0.1])
    np.savez(tmp_path / "b.npz", **{"S1/near 1": pose, "S1/far 2": pose + np.array([0, 0, 1.0])})
    near, far = (world(recording) for recording in list(source(tmp_path / "b.npz").recordings)[::4])
    assert [near[..., 2].min(), far[..., 2].min()] == pytest.approx([0.15, 0.03], abs=1e-4)
    np.testing.assert_allclose(near[:, 0, :2], far[:, 0, :2], atol=1e-4)
    assert np.abs(near[:, 0, :2]).max() < 1.5


def test_bvh_and_array_of_one_motion_give_the_same_poses(tmp_path):
    """Through a rig's names, centimetres, y up, position channels and another rate."""
    (tmp_path / "S7").mkdir()
    (tmp_path / "S7" / "squat_03.bvh").write_text(bvh(squats(rate=100), rate=100))
    np.savez(tmp_path / "a.npz", **{"S7/squat 03": squats()})
    [found, *_] = source(tmp_path / "S7").recordings
    [expected, *_] = source(tmp_path / "a.npz").recordings
    assert (found.id, found.action, found.fps) == (expected.id, expected.action, 50)
    np.testing.assert_allclose(found.tracks[0].pose3d, expected.tracks[0].pose3d, atol=2e-3)


def test_asf_and_amc_of_a_person_who_is_moved(tmp_path):
    """The pair is found, bones' ends are mapped by name, units and axes become metres and z up, 120 Hz becomes 50."""
    pose = squats()[10] - squats()[10, 0]
    (tmp_path / "07.asf").write_text(asf(pose))
    path = np.stack([np.linspace(0, 1, 241), np.zeros(241), np.full(241, 0.9)], axis=-1)
    frames = [
        f"{number}\nroot {' '.join(map(str, row))} 0 0 0" for number, row in enumerate(y_up(path, 0.0254 / 0.45), 1)
    ]
    (tmp_path / "07_02.amc").write_text(":DEGREES\n" + "\n".join(frames))
    [take] = find_takes([tmp_path])
    motion = read_take(take)
    assert (take.subject, take.name, motion.rate, motion.mapping.name) == ("S07", "02", 120, "cmu-asf")
    np.testing.assert_allclose(motion.pose, pose + path[:, None], atol=1e-9)
    [found] = pieces(motion.pose, motion.rate, 50, 20)
    np.testing.assert_allclose(found[:, 0, 0], np.arange(101) / 100, atol=1e-9)


def test_a_bvh_whose_head_has_no_length_ends_at_the_heads_joint(tmp_path):
    pose = squats()
    base, top = (H36M17.index(name) for name in ("Neck/Nose", "Head"))
    pose[:, base] = pose[:, top]  # the joint Head, with an End Site at it
    (tmp_path / "S7").mkdir()
    (tmp_path / "S7" / "squat_03.bvh").write_text(bvh(pose))
    result = source(tmp_path)
    recordings = list(result.recordings)
    found = world(recordings[0])
    at = {name: found[:, H36M17.index(name)] for name in ("Thorax", "Neck/Nose", "Head")}
    np.testing.assert_allclose(at["Neck/Nose"], (at["Thorax"] + at["Head"]) / 2, atol=1e-4)
    np.testing.assert_allclose(
        at["Head"] - at["Thorax"], (pose[:, top] - pose[:, H36M17.index("Thorax")])[: len(found)], atol=0.02
    )
    assert any("humanik without an end of the head" in note for note in result.notes)


def test_a_rest_pose_in_front_of_a_bvh_is_left_out(tmp_path):
    (tmp_path / "squat_1.bvh").write_text(bvh(squats(), turn=5))
    motion = read_take(find_takes([tmp_path])[0])
    assert motion.skipped == 1
    np.testing.assert_allclose(motion.pose, squats()[1:], atol=1e-6)


def test_resampling_is_exact_for_smooth_motion_and_keeps_time():
    [found] = pieces(squats(seconds=2, rate=120), 120, 50, 20)
    np.testing.assert_allclose(found, squats(seconds=2, rate=50)[: len(found)], atol=1e-5)
    assert len(found) == 100


def test_takes_are_cut_where_a_joint_jumps():
    """A frame that is off goes with its neighbours and one more on each side; short pieces go too."""
    pose = squats(seconds=3, rate=50)
    spoiled = pose.copy()
    spoiled[60, 5] += 1.0
    first, second = pieces(spoiled, 50, 50, 20)
    np.testing.assert_allclose(first, pose[:58], atol=1e-12)
    np.testing.assert_allclose(second, pose[63:], atol=1e-12)
    spoiled[:, 5, 0] = np.where(np.arange(150) < 20, 3.0, pose[:, 5, 0])
    assert [len(piece) for piece in pieces(spoiled, 50, 50, 20)] == [36, 87]


def test_pieces_carry_letters_and_the_loss_is_reported(tmp_path):
    spoiled = squats(seconds=3)
    spoiled[75, 5] += 1.0
    np.savez(tmp_path / "a.npz", **{"S1/squat 04": spoiled})
    result = source(tmp_path / "a.npz")
    assert [recording.take for recording in list(result.recordings)[::4]] == ["squat 04a", "squat 04b"]
    assert result.total == 8
    assert result.left_out == [("S1/squat 04", "0.10 s beside joints that jump or in too short pieces; pieces kept: 2")]


def test_people_who_leave_the_image_leave_a_gap(tmp_path):
    """A walk far beyond the studio and back: two tracks with their frame numbers, and the frames are counted."""
    pose = squats(seconds=12, walk=0)
    time = np.arange(len(pose)) / RATE
    pose[:, :, 0] += (2 + 4 * np.sin(2 * np.pi * time / 8))[:, None]
    np.savez(tmp_path / "a.npz", **{"S1/squat 04": pose})
    result = source(tmp_path / "a.npz")
    recordings = list(result.recordings)
    assert result.total == len(recordings)
    gaps = [recording for recording in recordings if len(recording.tracks) > 1]
    assert gaps
    for recording in gaps:
        first, second = recording.tracks[:2]
        assert second.frame > first.frame + len(first)
        for track in recording.tracks:
            assert len(track) >= 20
            margin = 0.05 * max(recording.camera.width, recording.camera.height)
            assert track.pose2d["gt"][..., 0].min() >= -margin
            assert track.pose2d["gt"][..., 0].max() <= recording.camera.width + margin
    kept = sum(len(track) for recording in recordings for track in recording.tracks)
    left_out = sum(int(what.split(": ")[1].split(" of")[0].replace(",", "")) for what, _ in result.left_out)
    assert kept + left_out == 4 * len(pose)


def test_noise_depends_on_seed_and_recording_alone(archive):
    both = archive("S1/squat 01", "S2/squat 01")
    one = archive("S2/squat 01", name="b.npz")
    last = list(source(both).recordings)[-1]
    alone = list(source(one).recordings)[-1]
    other = list(source(one, "--seed", 1).recordings)[-1]
    np.testing.assert_array_equal(last.tracks[0].pose2d["sim"], alone.tracks[0].pose2d["sim"])
    first = list(source(both).recordings)[3]
    assert np.abs(last.tracks[0].pose2d["sim"] - first.tracks[0].pose2d["sim"]).max() > 1
    assert np.abs(last.tracks[0].pose2d["sim"] - other.tracks[0].pose2d["sim"]).max() > 1


@pytest.mark.slow
def test_random_cameras_differ_by_take_and_seed_and_are_recorded(archive, tmp_path):
    path = archive("S1/squat 01", "S2/squat 01")
    result = source(path, "--cameras", "random", "--views", 3, "--seed", 7)
    recordings = list(result.recordings)
    assert len(recordings) == 6 and "seed 7" in result.source
    assert len({recording.camera.translation.tobytes() for recording in recordings}) == 6
    again = list(source(path, "--cameras", "random", "--views", 3, "--seed", 7).recordings)
    np.testing.assert_array_equal(recordings[4].tracks[0].pose3d, again[4].tracks[0].pose3d)
    assert "6 recordings" in prepare(source(path, "--cameras", "random", "--views", 3), tmp_path / "d.h5", "tests")


def test_a_piece_with_a_joint_elsewhere_is_refused(tmp_path):
    """One frame is cut out as a jump; a second is a take of its own, which is not a person's."""
    pose = squats(seconds=3)
    pose[100:, H36M17.index("LKnee"), 0] += 50
    np.savez(tmp_path / "a.npz", **{"S1/squat 04": pose})
    with pytest.raises(InputError, match=r"a\.npz, S1/squat 04: LHip-LKnee is .* m at frame 0 \("):
        list(source(tmp_path / "a.npz").recordings)


def test_progress_ends_at_its_total(tmp_path):
    """A take in two pieces and one that no camera sees: the total is never passed, and reached."""
    spoiled, far = squats(seconds=3), squats(seconds=3, walk=0)
    spoiled[75, 5] += 1.0
    far[:, :, 0] += np.where(np.arange(len(far)) < 75, -30.0, 30.0)[:, None]
    np.savez(tmp_path / "a.npz", **{"S1/squat 04": spoiled, "S1/squat 05": far[[0] * 30]})
    result = source(tmp_path / "a.npz", "--min-frames", 60)
    for count, _ in enumerate(result.recordings, 1):
        assert count <= result.total
    assert count == result.total


def test_unknown_rig_lists_its_joints_and_how_to_map_them(tmp_path):
    names = {ours: theirs.replace("Hand", "Paw") for ours, theirs in HUMANIK.items()}
    (tmp_path / "a.bvh").write_text(bvh(squats(), names=names))
    with pytest.raises(InputError, match=r'(?s)a\.bvh: no known rig .*LeftForeArm, LeftPaw.*--mapping FILE.*"joints"'):
        list(source(tmp_path / "a.bvh").recordings)


def test_a_wrong_up_axis_is_refused_and_can_be_stated(archive):
    path = archive("S1/squat 01")
    message = "head is no more than .* above the feet in half of the frames of any take; if up"
    with pytest.raises(InputError, match=message):
        list(source(path, "--mapping", write_mapping(path.parent, up="y")).recordings)
    assert len(list(source(path, "--mapping", write_mapping(path.parent, up="y"), "--up", "z").recordings)) == 4


def test_a_cartwheel_does_not_stand_in_the_wrong_axis(tmp_path):
    """The head is once far above the feet along an axis that is not up."""
    pose = np.load(BUILTIN)["S49/cartwheel 06"] / 8192
    wrong = np.roll(pose, 1, axis=-1)  # the former y is taken for up
    head, feet = (
        wrong[:, [H36M17.index(name) for name in names], 2].mean(1) for names in (["Head"], ["LFoot", "RFoot"])
    )
    assert (head - feet).max() > 0.4
    np.savez(tmp_path / "a.npz", **{"S1/cartwheel 01": wrong})
    with pytest.raises(InputError, match="head is no more than .* above the feet"):
        list(source(tmp_path / "a.npz").recordings)


def test_a_bvh_that_predict_wrote_is_read_as_it_was(tmp_path):
    motion = walking(frames=60)
    motion.save(tmp_path / "walk_01.bvh")
    (take,) = find_takes([tmp_path / "walk_01.bvh"])
    found = read_take(take)
    assert (found.mapping.name, found.metres, found.skipped) == ("stgraph", 1, 0)
    pose = motion.pose[:, 0]
    assert np.linalg.norm(found.pose - pose, axis=-1).mean() < 0.01  # constant bones move joints by millimetres
    assert found.rate == pytest.approx(motion.fps, rel=1e-3)


def write_mapping(folder: Path, **more: str) -> Path:
    table = {"unit": "m", "order": H36M17.names, "joints": {name: name for name in H36M17.names}, **more}
    (folder / "mine.json").write_text(json.dumps(table))
    return folder / "mine.json"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("35_01", ("S35", "unnamed", "01", 0.0)),
        ("HDM_bd_kickLFront1Reps_002_120", ("Sbd", "kickLFront1Reps", "kickLFront1Reps 002", 0.0)),
        ("walk_12", ("actor", "walk", "walk 12", 0.0)),
        ("dance", ("actor", "dance", "dance", 0.0)),
    ],
)
def test_names_of_files(tmp_path, name, expected):
    (tmp_path / "actor").mkdir()
    (tmp_path / "actor" / f"{name}.bvh").touch()
    [take] = find_takes([tmp_path])
    assert (take.subject, take.action, take.name, take.rate) == expected


def test_names_rates_and_actions_can_be_stated(tmp_path):
    for name in ("run1_subject2.amc", "run1_subject2.asf", "35_01.bvh"):
        (tmp_path / name).touch()
    pattern = r"(?P<action>[a-z]+)(?P<take>\d+)_subject(?P<subject>\d+)"
    other, take = find_takes([tmp_path], names=pattern, rate=60, actions={"35_01": "walk"})
    assert (take.subject, take.name, take.rate) == ("S2", "run 1", 60)
    assert other.action == "walk"


def test_skeletons_belong_to_motions_by_whole_words(tmp_path):
    for name in ("1.asf", "13.asf", "13_29.amc"):
        (tmp_path / name).touch()
    assert find_takes([tmp_path / "13_29.amc"])[0].asf.name == "13.asf"
    (tmp_path / "13.asf").unlink()
    with pytest.raises(InputError, match=r"13_29\.amc: no ASF .*beside it: 1\.asf.*put its skeleton at .*13\.asf"):
        find_takes([tmp_path])


def test_two_files_of_one_take_are_refused_by_name(tmp_path):
    for name in ("35_01.bvh", "35_01.amc", "35.asf"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"35_01\.bvh and .*35_01\.amc would both be S35/01"):
        find_takes([tmp_path])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"walk": squats()}, "key 'walk': expected .* called \"SUBJECT/ACTION TAKE\""),
        ({"S1/w 1": squats()[..., :2]}, r"\(100, 17, 2\); expected a plain array of numbers of shape \(frame, j"),
        (
            {"S1/w 1": np.full((9, len(H36M17), 3), np.nan)},
            r"S1/w 1: .*nan.* at frame 0, joint Hip \(in 9 of 9 frames\); expected finite",
        ),
        ({"S1/w 1": np.array([{}], dtype=object)}, "expected a plain array"),
        ({"S1/w 1": 1000 * squats()}, "S1/w 1: a person 1.61e.03 m tall.*--unit mm"),
    ],
)
def test_damaged_arrays_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        list(source(tmp_path / "a.npz").recordings)


def test_truncated_archive_and_wrong_paths_are_named(archive, tmp_path):
    path = archive("S1/squat 01")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"a\.npz: not a whole \.npz"):
        find_takes([path])
    with pytest.raises(InputError, match="no such file or folder"):
        find_takes([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no \.amc, \.bvh, \.npz files"):
        find_takes([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--validation", "S9"], "no subject S9; there are S1"),
        (["--validation", "S1", "--test", "S1"], "S1 in both"),
        (["--fps", "0"], "--fps 0: expected 0.1 to 1000 frames"),
        (["--fps", "1e9"], "--fps 1e\\+09: expected 0.1 to 1000"),
        (["--fps", "nan"], "--fps nan: expected 0.1 to 1000"),
        (["--fps", "-50"], "--fps -50: expected 0.1 to 1000"),
        (["--rate", "1e9"], "--rate 1000000000.0: expected up to 10000"),
        (["--names", "(?P<action>.*)"], "--names .*fits no file's name .*leave it out"),
        (["--seed", "-1"], "--seed -1: expected a number of 0 or more"),
        (["--margin", "nan"], "--margin nan"),
        (["--unit", "ell"], "--unit: 'ell'"),
        (["--names", "(("], "expected a regular expression"),
        (["--camera-subject", "S2"], "no subject 'S2'"),
    ],
)
def test_options_that_cannot_be(archive, words, message):
    with pytest.raises(InputError, match=message):
        source(archive("S1/squat 01"), *words)


@pytest.mark.parametrize("rate", ["0", "fast", "1e9", "nan"])
def test_rates_in_names_are_checked(tmp_path, rate):
    (tmp_path / "walk.asf").touch()
    (tmp_path / f"walk_{rate}.amc").touch()
    with pytest.raises(InputError, match=rf"walk_{rate}\.amc: its name gives '{rate}' as frames per second"):
        find_takes([tmp_path], names=r"(?P<action>walk)_(?P<rate>.*)")


def test_names_that_fit_no_file_are_refused(tmp_path):
    (tmp_path / "walk.bvh").touch()
    with pytest.raises(InputError, match="--names 'run.*': fits no file's name .*called walk"):
        find_takes([tmp_path], names="run.*")


def test_actions_that_belong_to_no_file_are_named(tmp_path, archive):
    (tmp_path / "S7").mkdir()
    (tmp_path / "S7" / "35_01.bvh").write_text(bvh(squats()))
    table = tmp_path / "actions.json"
    table.write_text(json.dumps({"35_01": "walk", "35_02": "run"}))
    result = source(tmp_path / "S7", "--actions", table)
    assert "actions.json: no file is called 35_02" in result.notes and table in result.inputs
    assert next(result.recordings).action == "walk"
    table.write_text(json.dumps({"36_01": "walk"}))
    with pytest.raises(InputError, match=r"actions\.json: no motion file is called 36_01; the files are 35_01"):
        source(tmp_path / "S7", "--actions", table)
    with pytest.raises(InputError, match=r"called 36_01; arrays in \.npz files carry theirs"):
        source(archive("S1/squat 01"), "--actions", table)


def test_a_mapping_is_an_input(archive):
    path = archive("S1/squat 01")
    mapping = write_mapping(path.parent, up="z")
    assert set(source(path, "--mapping", mapping).inputs) == {path, mapping}


@pytest.mark.parametrize(
    ("name", "terms"),
    [("cmu.npz", "free for all uses"), ("CMU_walks.npz", "free for all uses"), ("hdm05.npz", "CC BY-SA 3.0")],
)
def test_archives_of_known_collections_are_known_by_their_names(archive, tmp_path, name, terms):
    text = prepare(source(archive("S1/squat 01", name=name)), tmp_path / "d.h5", "test")
    assert f"terms       {terms}" in text and "UNKNOWN" not in text and "are unknown" not in text


def test_unknown_terms_are_reported_with_how_to_state_them(archive, tmp_path):
    path = archive("S1/squat 01")
    text = prepare(source(path), tmp_path / "d.h5", "test")
    assert "terms       UNKNOWN" in text and "`--terms TEXT`" in text and "terms of the motion are unknown" in text
    text = prepare(source(path, "--terms", "free for all uses"), tmp_path / "d.h5", "test")
    assert "terms       free for all uses" in text and "UNKNOWN" not in text and "are unknown" not in text


def test_a_path_given_twice_is_read_once(archive):
    path = archive("S1/squat 01")
    assert len(find_takes([path, path.parent, path.parent / ".." / path.parent.name])) == 1


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no motion data beside the repository")
@pytest.mark.parametrize("name", ["cmu/03_02", "cmu/35_01", "cmu/49_20", "hdm05/HDM_bd_kickLFront1Reps_001_120"])
def test_raw_files_agree_with_prepared_arrays(name):
    """To the rounding of the arrays (2^-13 m); 03_02 is cut, and its clock starts anew behind the cut."""
    [take] = find_takes([SHARED / "raw" / f"{name}.amc"])
    motion = read_take(take)
    [found] = pieces(motion.pose, motion.rate, 50, 20)
    arrays = np.load(SHARED / f"{name.split('/')[0]}.npz")
    [key] = [key for key in arrays if key.startswith(f"{take.subject}/") and key.endswith(take.name)][:1]
    np.testing.assert_allclose(found, arrays[key], atol=1e-4)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no motion data beside the repository")
def test_bvh_files_agree_with_prepared_arrays():
    """Legs exactly; above the thorax bone, which these files lack, within 25 mm."""
    [take] = find_takes([SHARED / "raw/bvh/131_02.bvh"])
    motion = read_take(take)
    [found] = pieces(motion.pose, motion.rate, 50, 20)
    expected = np.load(SHARED / "cmu.npz")["S131/start-walk-stop 02"]
    error = np.linalg.norm(found - expected, axis=-1)
    assert error[:, : H36M17.index("Thorax")].max() < 1e-3
    assert error.max() < 0.025
