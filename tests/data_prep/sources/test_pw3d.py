"""3DPW's layouts, made up: official sequences and TGraphNet's file; what is wrong is named."""

import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from data_prep.cameras.viewpoints import look_at
from data_prep.reading.layouts import layout
from data_prep.sources.pw3d.files import find
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.geometry import project, screen_normalise
from stgraph.skeleton import H36M17, OPENPOSE18
from tests.data_prep.commands import source_of
from tests.data_prep.people import squats

pytestmark = pytest.mark.slow

FRAMES = 60
SIZE = {"landscape": (1920, 1080), "portrait": (1080, 1920)}
LENS = {
    "landscape": np.array([[1962.0, 0, 958], [0, 1969, 541], [0, 0, 1]]),
    "portrait": np.array([[1962.0, 0, 541], [0, 1969, 958], [0, 0, 1]]),
}
SMPL = layout("smpl")
# The places of Human3.6M's joints among OpenPose's 18; hip, spine and head are made of several.
OPENPOSE = {
    **{"Neck/Nose": 0, "Thorax": 1, "RShoulder": 2, "RElbow": 3, "RWrist": 4},
    **{"LShoulder": 5, "LElbow": 6, "LWrist": 7, "RHip": 8, "RKnee": 9, "RFoot": 10},
    **{"LHip": 11, "LKnee": 12, "LFoot": 13},
}
RIGHT_EYE = 14
PARTS = {"train": "courtyard_box_00", "validation": "courtyard_hug_00", "test": "downtown_walkBridge_01"}
INVALID = np.arange(FRAMES) < 4


def world(number):
    """(t j 3) metres, z up: two people beside one another."""
    return squats(FRAMES / 50, walk=0.5) + np.array([1.5 * number, 0, 0])


def cameras():
    """(t 4 4) world to camera: someone walks along with the phone."""
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for frame, pose in enumerate(poses):
        centre = np.array([0.02 * frame - 1, 5.0, 1.5])
        turn = look_at(centre, np.array([0.7, 0.5, 0.9]), 2.0).T
        pose[:3, :3], pose[:3, 3] = turn, -turn @ centre
    return poses


def in_camera(points):
    moved = np.einsum("tik,tjk->tji", cameras()[:, :3, :3], points)
    return moved + cameras()[:, None, :3, 3]


def intrinsics(way):
    lens = LENS[way]
    return np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2], *np.zeros(5)])


def pixels(points, way):
    return project(torch.from_numpy(in_camera(points)), intrinsics(way)).numpy()


def smpl(number):
    """(t 72), the base of the skull three eighths of the way from the neck to the top of the head."""
    pose = world(number)
    at = {name: pose[:, joint] for joint, name in enumerate(H36M17.names)}
    joints = np.repeat(at["Hip"][:, None] + 0.01, len(SMPL.order), axis=1)
    for joint, weights in SMPL.joints.items():
        if len(weights) == 1:
            joints[:, SMPL.order.index(next(iter(weights)))] = at[joint]
    skull = at["Thorax"] + (at["Head"] - at["Thorax"]) / 2.67
    joints[:, SMPL.order.index("head")] = skull
    return joints.reshape(FRAMES, -1)


def openpose(number, way):
    """(t 3 18): exact where a joint of the body is, with the face at the head."""
    pose = pixels(world(number), way)
    joints = np.repeat(pose[:, [H36M17.index("Head")]], len(OPENPOSE18), axis=1)
    for joint, place in OPENPOSE.items():
        joints[:, place] = pose[:, H36M17.index(joint)]
    confidence = np.full((FRAMES, len(OPENPOSE18), 1), 0.75)
    confidence[:, OPENPOSE["LHip"]] = 0.5
    found = np.concatenate([joints, confidence], axis=-1)
    found[10:15] = 0  # not found at all
    found[:, RIGHT_EYE] = 0
    found[20, OPENPOSE["LWrist"], 2] = 1.03
    return found.transpose(0, 2, 1)


def sequence(way, people=2):
    return {
        "sequence": "made up",
        "betas": [np.zeros(10)] * people,
        "genders": ["m"] * people,
        "jointPositions": [smpl(number) for number in range(people)],
        "cam_intrinsics": LENS[way],
        "cam_poses": np.where(INVALID[:, None, None], np.eye(4), cameras()),
        "poses2d": [openpose(number, way) for number in range(people)],
        "campose_valid": [(~INVALID).astype(np.int64) for _ in range(people)],
    }


def write(path, content, protocol=2):
    """As Python 2 and NumPy 1 write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(content, protocol)
    # Later protocols store the length of a name, so that it cannot be replaced in the bytes.
    path.write_bytes(data.replace(b"numpy._core", b"numpy.core") if protocol < 4 else data)


def write_official(folder, ways=("landscape", "portrait", "landscape"), change=lambda content: content):
    for (part, name), way in zip(PARTS.items(), ways, strict=True):
        write(folder / "sequenceFiles" / part / f"{name}.pkl", change(sequence(way)))


def prepared(folder, out):
    source = source_of("3dpw", folder)
    prepare(source, out, "test")
    return Dataset(out), source


def test_official_sequences(tmp_path):
    write_official(tmp_path / "in")
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    assert list(data.recordings["id"]) == [f"{name}/{name}/0" for name in PARTS.values()]
    assert list(data.splits["standard"]) == list(PARTS) and set(data.recordings["fps"]) == {30.0}
    assert list(data.recordings["action"]) == ["box", "hug", "walkBridge"]
    assert list(data.recordings["width"]) == [1920, 1080, 1920] and list(data.recordings["frames"]) == [120] * 3
    np.testing.assert_array_equal(data.tracks["person"], [0, 1] * 3)
    np.testing.assert_array_equal(data.rows("frame"), np.tile(np.arange(FRAMES), 6))
    np.testing.assert_array_equal(data.rows("valid"), np.tile(~INVALID, 6))
    kept = [joint for joint, name in enumerate(H36M17.names) if name != "Neck/Nose"]
    for track, way in enumerate(np.repeat(["landscape", "portrait", "landscape"], 2)):
        rows = slice(track * FRAMES + INVALID.sum(), (track + 1) * FRAMES)
        pose = world(track % 2)
        np.testing.assert_allclose(data.rows("pose3d")[rows][:, kept], in_camera(pose)[~INVALID][:, kept], atol=1e-5)
        exact = data.rows("pose2d/gt")[rows]
        np.testing.assert_allclose(exact[:, kept, :2], pixels(pose, way)[~INVALID][:, kept], atol=1e-2)
        assert (exact[..., 2] == 1).all()
        np.testing.assert_allclose(data.camera(track // 2).intrinsics, intrinsics(way))
    notes = " ".join(source.notes)
    assert "Head is extrapolated" in notes and "24 frames have no valid camera" in notes
    assert "3dpw14" in notes and "gt: " in notes  # the person stands behind the camera that was not aligned


def test_detections_are_mapped_by_names_and_rules(tmp_path):
    write_official(tmp_path / "in")
    data, _ = prepared(tmp_path / "in", tmp_path / "out.h5")
    found, pose = data.rows("pose2d/poses2d")[:FRAMES], pixels(world(0), "landscape")
    at = {name: found[:, joint] for joint, name in enumerate(H36M17.names)}
    seen = np.ones(FRAMES, bool)
    seen[10:15] = False
    assert (found[~seen] == 0).all() and (at["Head"] == 0).all()
    for name in ("LKnee", "RWrist", "Thorax", "Neck/Nose"):
        np.testing.assert_allclose(at[name][seen, :2], pose[seen][:, H36M17.index(name)], atol=1e-2)
        assert (at[name][seen, 2] == 0.75).all()
    hips = pose[:, [H36M17.index("LHip"), H36M17.index("RHip")]].mean(axis=1)
    np.testing.assert_allclose(at["Hip"][seen, :2], hips[seen], atol=1e-2)
    middle = (hips + pose[:, H36M17.index("Thorax")]) / 2
    np.testing.assert_allclose(at["Spine"][seen, :2], middle[seen], atol=1e-2)
    assert (at["Hip"][seen, 2] == 0.5).all() and (at["Spine"][seen, 2] == 0.5).all()
    assert at["LWrist"][20, 2] == 1


def test_left_and_right_of_every_table_are_mirrored():
    for name in ("smpl", "mpi-inf-3dhp"):
        joints = layout(name).joints
        for left, right in zip(H36M17.left, H36M17.right, strict=True):
            (a,), (b,) = (joints[H36M17.names[joint]] for joint in (left, right))
            assert a.startswith("left_") and b == a.replace("left_", "right_")


def test_the_order_is_that_of_smpl():
    """The tests write their files by the same table; here is what the files hold, by number."""
    smpl = [SMPL.order.index(next(iter(SMPL.joints[name]))) for name in H36M17.names]
    assert smpl == [0, 2, 5, 8, 1, 4, 7, 6, 12, 15, 15, 16, 18, 20, 17, 19, 21]
    assert [SMPL.order[joint] for joint in (3, 9, 10, 11, 13, 14, 22, 23)] == [
        *("spine1", "spine3", "left_foot", "right_foot", "left_collar", "right_collar", "left_hand", "right_hand")
    ]
    assert len(SMPL.order) == 24


def test_any_pickle_protocol_reads_the_same(tmp_path):
    for protocol in (2, 4):
        write(tmp_path / str(protocol) / "test" / "a_b_00.pkl", sequence("portrait"), protocol)
    first, second = (prepared(tmp_path / name, tmp_path / f"{name}.h5")[0] for name in ("2", "4"))
    np.testing.assert_array_equal(first.rows("pose3d"), second.rows("pose3d"))


# TGraphNet's file -----------------------------------------------------------------------------------------------------


def videos(way="landscape", change=lambda entry: entry):
    result = {}
    for number in (1, 0):
        pose = in_camera(world(number))
        entry = {"pos3d": 1000 * pose, "pos2d": pixels(world(number), way), "cam": intrinsics(way)}
        result[f"downtown_walkBridge_01_{number}"] = change(entry)
    return result


def relative(entry):
    pose = entry["pos3d"].copy()
    pose[:, 1:] -= pose[:, :1]
    return entry | {"pos3d": pose}


def normalised(way):
    def change(entry):
        size = SIZE[way]
        centre = screen_normalise(torch.from_numpy(entry["cam"][2:4]), *size).numpy()
        lens = np.concatenate([entry["cam"][:2] / size[0] * 2, centre, entry["cam"][4:]])
        return entry | {
            "pos2d": screen_normalise(torch.from_numpy(entry["pos2d"]), *size).numpy().astype(np.float32),
            "cam": np.tile(lens, (FRAMES, 1)),
        }

    return change


@pytest.mark.parametrize("way", SIZE)
@pytest.mark.parametrize(
    "form",
    [
        lambda way: lambda entry: entry,
        lambda way: relative,
        lambda way: lambda entry: entry | {"pos3d": entry["pos3d"] / 1000},
        lambda way: lambda entry: relative(normalised(way)(entry)),
        lambda way: lambda entry: {name: value.tolist() for name, value in entry.items()},
    ],
    ids=["absolute", "relative", "metres", "normalised", "lists"],
)
def test_every_form_of_the_pickle_gives_the_same_dataset(tmp_path, form, way):
    write(tmp_path / "pw3d_test.pkl", videos(way, form(way)))
    data, _ = prepared(tmp_path / "pw3d_test.pkl", tmp_path / "out.h5")
    assert list(data.recordings["id"]) == ["downtown_walkBridge_01/downtown_walkBridge_01/0"]
    assert list(data.splits["standard"]) == ["test"] and data.recordings["action"][0] == "walkBridge"
    assert (data.recordings["width"][0], data.recordings["height"][0]) == SIZE[way]
    np.testing.assert_allclose(data.camera(0).intrinsics, intrinsics(way), rtol=1e-5)
    for number in (0, 1):
        rows = slice(number * FRAMES, (number + 1) * FRAMES)
        np.testing.assert_allclose(data.rows("pose3d")[rows], in_camera(world(number)), atol=1e-5)
        for detector in ("gt", "pos2d"):
            found = data.rows(f"pose2d/{detector}")[rows]
            np.testing.assert_allclose(found[..., :2], pixels(world(number), way), atol=0.02)
    assert data.rows("valid").all()


@pytest.mark.parametrize("form", [lambda way: lambda entry: entry, normalised], ids=["pixels", "normalised"])
def test_the_corner_is_no_position(tmp_path, form):
    """(0, 0) is what was not seen, whether it was written before or after the others were normalised."""

    def change(entry):
        entry["pos2d"][3, 5] = 0
        entry = form("landscape")(entry)
        entry["pos2d"][7, 8] = 0
        return entry

    write(tmp_path / "pw3d_test.pkl", videos(change=change))
    found = prepared(tmp_path / "pw3d_test.pkl", tmp_path / "out.h5")[0].rows("pose2d/pos2d")[:FRAMES]
    unseen = np.zeros((FRAMES, len(H36M17)), bool)
    unseen[[3, 7], [5, 8]] = True
    np.testing.assert_array_equal(found[..., 2], ~unseen)
    assert (found[unseen] == 0).all()


def test_the_layout_is_known_by_what_is_in_a_file(tmp_path, monkeypatch):
    write(tmp_path / "test" / "pw3d_test.pkl", videos())
    assert [one.part for one in find([tmp_path / "test" / "pw3d_test.pkl"])[0]] == ["test"]
    write(tmp_path / "train" / "a_b_00.pkl", sequence("landscape"))
    monkeypatch.chdir(tmp_path / "train")
    assert source_of("3dpw", "a_b_00.pkl").splits["standard"] == {"train": ["a_b_00"]}


def of_a_passer_by(detected):
    """Where the person is not, and in a pose that they are not in."""
    return detected[::-1] * [[[0.5], [0.5], [1]]] + [[[900], [0], [0]]]


def test_detections_of_other_people_are_left_out(tmp_path):
    """What was tracked is now and then another person; that is no reason to do without all others."""
    content = sequence("landscape")
    content["poses2d"][1] = of_a_passer_by(content["poses2d"][1])
    write(tmp_path / "in" / "test" / "a_b_00.pkl", content)
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    detected = data.rows("pose2d/poses2d").reshape(2, FRAMES, len(H36M17), 3)
    assert not detected[1].any() and detected[0, -10:, H36M17.index("LKnee"), 2].all()
    assert (data.rows("pose2d/gt")[FRAMES + 4 :, :, 2] == 1).all()
    [(what, why)] = source.left_out
    assert what == "a_b_00, person 1, poses2d" and why.startswith("marked unseen: the 2D does not show the 3D poses")
    content["poses2d"][0] = of_a_passer_by(content["poses2d"][0])
    write(tmp_path / "in" / "test" / "a_b_00.pkl", content)
    assert "the 2D of 2 of 2 people does not fit" in refusal(tmp_path / "in")


# What is wrong is named -----------------------------------------------------------------------------------------------


def refusal(*paths):
    with pytest.raises(InputError) as error:
        list(source_of("3dpw", *paths).recordings)
    return str(error.value)


def test_nothing_there_and_both(tmp_path):
    assert "no such file or folder; give sequenceFiles" in refusal(tmp_path / "absent")
    assert "no 3DPW in it; give sequenceFiles" in refusal(tmp_path)
    write_official(tmp_path)
    write(tmp_path / "pw3d_test.pkl", {"other_walk_00_0": videos()["downtown_walkBridge_01_0"]})
    assert "official files and TGraphNet's" in refusal(tmp_path)
    write(tmp_path / "pw3d_test.pkl", videos())
    assert "sequence downtown_walkBridge_01 is in another file" in refusal(tmp_path)
    write(tmp_path / "b" / "loose.pkl", sequence("landscape"))
    assert "in the folder 'b'; expected it in one called train, validation, test" in refusal(tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: {k: v for k, v in c.items() if k != "cam_poses"}, "no cam_poses; expected jointPositions"),
        (lambda c: [c], "a list; expected an official sequence with jointPositions"),
        (
            lambda c: c | {"cam_intrinsics": np.eye(4)},
            "cam_intrinsics: float64 of shape (4, 4); expected numbers (3, 3)",
        ),
        (lambda c: {"a": 1}, "a dict of 'a'; expected an official sequence with jointPositions"),
        (lambda c: c | {"cam_intrinsics": np.diag([0.0, 9, 1])}, "cam_intrinsics: focal lengths 0, 9 and centre"),
        (lambda c: c | {"cam_intrinsics": np.eye(3) * np.nan}, "cam_intrinsics: focal lengths nan"),
        (lambda c: c | {"cam_poses": c["cam_poses"] * np.nan}, "cam_poses: [nan nan nan nan] at frame 0, joint row 0"),
        (
            lambda c: c | {"campose_valid": [v * np.nan for v in c["campose_valid"]]},
            "campose_valid: nan at frame 0; expected 1 for a valid frame",
        ),
        (lambda c: c | {"poses2d": np.array(5)}, "poses2d: found a ndarray; expected a list, one entry a person"),
        (lambda c: c | {"jointPositions": 5}, "jointPositions: found a int; expected a list, one entry a person"),
        (lambda c: c | {"poses2d": c["poses2d"][:1]}, "people: 2 of jointPositions, 1 of poses2d"),
        (lambda c: c | {"cam_poses": c["cam_poses"][:-1]}, "person 0: 60 of jointPositions, 60 of poses2d"),
        (
            lambda c: c | {"jointPositions": [p[:, :66] for p in c["jointPositions"]]},
            "person 0, jointPositions: float64 of shape (60, 66); expected numbers (frames, 72)",
        ),
        (lambda c: c | {"jointPositions": [p * np.nan for p in c["jointPositions"]]}, "joint pelvis (in 60 of 60"),
        (lambda c: c | {"jointPositions": [1000 * p for p in c["jointPositions"]]}, "they seem to be millimetres"),
        (
            lambda c: (
                c | {"jointPositions": [p.reshape(60, 24, 3)[:, ::-1].reshape(60, -1) for p in c["jointPositions"]]}
            ),
            "joints seem to be in another order",
        ),
        (lambda c: c | {"cam_poses": np.linalg.inv(c["cam_poses"])}, "the 2D does not show the 3D poses"),
        (lambda c: c | {"poses2d": [p[:, :, ::-1].copy() for p in c["poses2d"]]}, "person 0: "),
        (lambda c: c | {"poses2d": [p[:, :2] for p in c["poses2d"]]}, "poses2d: float64 of shape (60, 2, 18)"),
    ],
)
def test_official_files_that_cannot_be_right(tmp_path, change, expected):
    write(tmp_path / "test" / "a_b_00.pkl", change(sequence("landscape")))
    message = refusal(tmp_path)
    assert expected in message and "a_b_00.pkl" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda e: {"pos2d": e["pos2d"]},
            "'downtown_walkBridge_01_1': found pos2d; expected a video's name, and cam, pos2d, pos3d of it",
        ),
        (lambda e: {}, "a dict of 'downtown_walkBridge_01_1', 'downtown_walkBridge_01_0'; expected"),
        (
            lambda e: e | {"pos2d": [[[1, 2]] * 17, [[1, 2]] * 16]},
            "pos2d: a list of other things than numbers, or of lists of unlike length; expected numbers",
        ),
        (lambda e: e | {"cam": np.zeros(9)}, "cam: focal lengths 0, 0 and centre 0, 0; expected finite numbers"),
        (lambda e: e | {"cam": np.full(9, np.nan)}, "cam: focal lengths nan, nan"),
        (lambda e: e | {"cam": "abc"}, "cam: a str of other things than numbers"),
        (
            lambda e: e | {"pos3d": e["pos3d"][:, :16]},
            "pos3d: float64 of shape (60, 16, 3); expected numbers (frames, 17, 3)",
        ),
        (lambda e: e | {"pos2d": e["pos2d"][1:]}, "59 of pos2d, 60 of pos3d"),
        (lambda e: e | {"pos3d": e["pos3d"] / 10}, "bones are no person's, in metres or millimetres"),
        (lambda e: e | {"pos3d": e["pos3d"] - e["pos3d"][:, :1]}, "behind the camera in most frames"),
        (lambda e: e | {"pos3d": e["pos3d"] * [-1, 1, 1]}, "knees bend backwards"),
        (lambda e: e | {"cam": np.eye(3)}, "cam: float64 of shape (3, 3); expected numbers (9) or (frames, 9)"),
        (
            lambda e: e | {"cam": intrinsics("landscape") * np.linspace(1, 2, 60)[:, None]},
            "that change along the video",
        ),
        (lambda e: e | {"pos2d": e["pos2d"][:, H36M17.mirror]}, "left and right joints are swapped"),
        (lambda e: e | {"pos2d": e["pos2d"] * np.nan}, "pos2d: [nan nan] at frame 0, joint Hip"),
    ],
)
def test_videos_that_cannot_be_right(tmp_path, change, expected):
    write(tmp_path / "pw3d_test.pkl", videos(change=change))
    message = refusal(tmp_path)
    assert expected in message and "pw3d_test.pkl" in message


def test_videos_have_names(tmp_path):
    write(tmp_path / "pw3d_test.pkl", dict(enumerate(videos().values())))
    assert "pw3d_test.pkl, 0: found pos3d, pos2d, cam; expected a video's name" in refusal(tmp_path)


def test_people_of_a_sequence_have_one_camera(tmp_path):
    content = videos()
    content["downtown_walkBridge_01_1"]["cam"] = 1.1 * content["downtown_walkBridge_01_1"]["cam"]
    write(tmp_path / "pw3d_test.pkl", content)
    assert "_01_1, cam: another than that of downtown_walkBridge_01_0" in refusal(tmp_path)


def test_a_person_that_is_never_filmed_is_left_out(tmp_path):
    content = sequence("landscape")
    content["campose_valid"][1][:] = 0
    write(tmp_path / "in" / "test" / "a_b_00.pkl", content)
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    assert [why for _, why in source.left_out] == ["no frame has a valid camera"]
    np.testing.assert_array_equal(data.tracks["person"], [0])


def test_code_in_a_pickle_is_not_run(tmp_path):
    write(tmp_path / "test" / "a_b_00.pkl", sequence("landscape") | {"extra": Rotation.identity()})
    assert "a_b_00.pkl: its pickle holds scipy." in refusal(tmp_path)
