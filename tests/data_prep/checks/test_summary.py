"""What is said of a dataset is true; a sound one has no problems, and every kind of damage is named."""

import json
import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from data_prep.__main__ import commands, parser
from data_prep.cameras.viewpoints import look_at
from data_prep.checks.anatomy import bone_lengths
from data_prep.checks.measures import Table, height_bones, measure_detections, measure_people, statistics
from data_prep.checks.plausibility import problems
from data_prep.checks.summary import markdown, summarise
from data_prep.reading.layouts import level_camera
from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.geometry import Camera, project, world_to_camera
from stgraph.skeleton import H36M16, H36M17, Skeleton
from tests.data_prep.people import squats

FPS = 50
MIDDLE = np.array([0.0, 0.0, 0.9])
SIZES = {"S1": 1.0, "S2": 1.1}
TAKES = {"Walking": 0.4, "Squats": 0.05}


def camera(name, centre):
    rotation = Rotation.from_matrix(look_at(np.array(centre), MIDDLE, 0.0)).as_quat(scalar_first=True)
    return Camera(name, 1000, 1000, np.array([1145, 1145, 512, 512, 0, 0, 0, 0, 0.0]), rotation, np.array(centre))


CAMERAS = [camera("front", [0.5, 5.0, 1.5]), camera("side", [5.0, 1.0, 1.2])]


def recordings(skeleton=H36M17):
    joints = skeleton.select_from(H36M17)
    rng = np.random.default_rng(0)
    for subject, size in SIZES.items():
        for action, walk in TAKES.items():
            world = size * squats(seconds=3, rate=FPS, walk=walk)[:, joints]
            for cam in CAMERAS:
                pose = world_to_camera(torch.from_numpy(world), cam.rotation, cam.translation)
                exact = project(pose, cam.intrinsics).numpy()
                noisy = exact + rng.normal(0, 5, exact.shape)
                seen = np.ones((*exact.shape[:2], 1))
                faint = 0.7 * seen
                faint[::5, skeleton.index("LFoot")] = 0
                poses = {"gt": np.concatenate([exact, seen], -1), "noisy": np.concatenate([noisy, faint], -1)}
                track = Track({name: values.astype(np.float32) for name, values in poses.items()}, pose.numpy())
                yield Recording(subject, action, f"{action} 1", cam, float(FPS), [track])


def write(path, change=lambda recording: recording, skeleton=H36M17):
    splits = {"standard": {"train": ["S1"], "test": ["S2"]}}
    with DatasetWriter(path, skeleton, "made for a test", "none", "tests", splits=splits) as writer:
        for recording in recordings(skeleton):
            writer.add(change(recording))
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "sound.h5")


def found(path):
    table = Table(Dataset(path))
    people = measure_people(table) if table.dataset.has("pose3d") else None
    detectors = [measure_detections(table, name, bool(people and people.path)) for name in table.dataset.detectors]
    return table, people, detectors


def test_a_sound_file_has_no_problems(sound):
    assert problems(*found(sound)) == []


# Damage ---------------------------------------------------------------------------------------------------------------

OF_S2 = slice(600, 1200)  # rows of the second subject
TAKE = slice(0, 150)  # rows of the first recording


def damaged(name, rows, change):
    """Change the rows of a field in place."""

    def damage(file):
        file[f"rows/{name}"][rows] = change(file[f"rows/{name}"][rows])

    return damage


def upside_down(pose):
    root = pose[:, :1]
    return root + (pose - root) * [-1, -1, 1]


def moved(joint, by):
    def change(pose):
        pose = pose.copy()
        pose[:, H36M17.index(joint)] += by
        return pose

    return change


def held(pose):
    pose = pose.copy()
    pose[20:90] = pose[20]
    return pose


def frozen_wrist(pose):
    pose = pose.copy()
    pose[:, H36M17.index("LWrist")] = pose[75, H36M17.index("LWrist")]
    return pose


def jumping(pose):
    pose = pose.copy()
    pose[70, H36M17.index("RWrist")] += [0, 0, 0.8]
    return pose


def elsewhere(file):
    """The front camera, in both recordings of the first subject."""
    file["recordings/translation"][0:3:2, 2] += 1.0


def small_image(file):
    file["recordings/width"][:] = 400
    file["recordings/height"][:] = 400


def lying_head(pose):
    """The head turned to the person's left, as where a rig's end of the head is another point than its top."""
    head, neck, left, right = (H36M17.index(name) for name in ("Head", "Neck/Nose", "LHip", "RHip"))
    turned, aside = pose.copy(), pose[:, left] - pose[:, right]
    length = np.linalg.norm(pose[:, head] - pose[:, neck], axis=-1, keepdims=True)
    turned[:, head] = pose[:, neck] + aside / np.linalg.norm(aside, axis=-1, keepdims=True) * length
    return turned


DAMAGE = {
    "head on its side": (
        damaged("pose3d", TAKE, lying_head),
        "^S1/Walking 1/front: the head lies on its side: 75 degrees or more from the trunk",
    ),
    "millimetres": (
        damaged("pose3d", OF_S2, lambda p: 1000 * p),
        r"subject S2 is 1\.77e\+03 m high.*look like millimetres",
    ),
    "inches": (damaged("pose3d", OF_S2, lambda p: p / 0.0254), "subject S2 is 69.* m high.*inches"),
    "divided by 1000": (damaged("pose3d", OF_S2, lambda p: p / 1000), "subject S2 is 0.00177 m .*divided by 1000"),
    "sides swapped": (
        damaged("pose3d", OF_S2, lambda p: p[:, H36M17.mirror]),
        "S2/Walking 1/front and 3 more of 8 recordings: knees bend backwards",
    ),
    "axis mirrored": (damaged("pose3d", TAKE, lambda p: p * [-1, 1, 1]), "^S1/Walking 1/front: knees bend backwards"),
    "upside down": (damaged("pose3d", TAKE, upside_down), "S1/Walking 1/front: upside down"),
    "behind": (damaged("pose3d", TAKE, lambda p: p - np.float32([0, 0, 9])), "S1/Walking 1/front: joints are behind"),
    "asymmetric": (
        damaged("pose3d", OF_S2, moved("LWrist", 0.2)),
        "subject S2: the bones to LWrist and RWrist differ by",
    ),
    "of two sizes": (
        damaged("pose3d", slice(600, 900), lambda p: p[:, :1] + 0.4 * (p - p[:, :1])),
        r"subject S2: \S+ changes its length by",
    ),
    "held": (damaged("pose3d", TAKE, held), "S1/Walking 1/front: no joint moves at all for 1 s"),
    "frozen": (damaged("pose3d", TAKE, frozen_wrist), "S1/Walking 1/front: LWrist is frozen"),
    "jumping": (damaged("pose3d", TAKE, jumping), "S1/Walking 1/front: joints jump: one is faster than 25 m/s"),
    "camera elsewhere": (elsewhere, r"subject S1, camera front: the feet are 1\.05 m above the floor"),
    "gt of something else": (
        damaged("pose2d/gt", TAKE, lambda p: p + np.float32([80, 0, 0])),
        "2D 'gt': S1/Walking 1/front: not the image",
    ),
    "gt upside down": (
        damaged("pose2d/gt", TAKE, lambda p: p * np.float32([1, -1, 1]) + np.float32([0, 1000, 0])),
        "2D 'gt': S1/Walking 1/front: not the image",
    ),
    "2D sides": (
        damaged("pose2d/noisy", OF_S2, lambda p: p[:, H36M17.mirror]),
        "2D 'noisy': S2/Walking 1/front and . more of 8 recordings: left and right joints are swapped",
    ),
    "normalised": (
        damaged("pose2d/noisy", slice(None), lambda p: p / np.float32([500, 500, 1]) - np.float32([1, 1, 0])),
        "2D 'noisy': people are .* pixels large; are these normalised",
    ),
    "confidence": (
        damaged("pose2d/noisy", TAKE, lambda p: p * np.float32([1, 1, 100])),
        "2D 'noisy': confidences from 0 to 70, expected 0 to 1",
    ),
    "image": (small_image, "2D 'gt': .* of the joints are outside the image"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path, sound, damage):
    change, expected = DAMAGE[damage]
    path = shutil.copy(sound, tmp_path / "broken.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    messages = problems(*found(path))
    assert any(re.search(expected, message) for message in messages), messages


def test_a_planted_foot_is_no_problem(tmp_path):
    """The feet of the person who squats on the spot do not move, and no bone changes its length."""

    def on_the_spot(recording):
        world = squats(seconds=3, rate=FPS, walk=0.0)
        pose = world_to_camera(torch.from_numpy(world), recording.camera.rotation, recording.camera.translation)
        exact = project(pose, recording.camera.intrinsics).numpy()
        exact = np.concatenate([exact, np.ones_like(exact[..., :1])], axis=-1)
        return replace(recording, tracks=[Track({"gt": exact}, pose.numpy())])

    table, people, detectors = found(write(tmp_path / "still.h5", on_the_spot))
    assert (people.still[:, H36M17.index("LFoot")] == people.steps).all() and people.steps.all()
    assert problems(table, people, detectors) == []


def without_3d(recording):
    """The same seen upside down, and no 3D."""
    track = recording.tracks[0]
    turned = track.pose2d["gt"] * np.float32([1, -1, 1]) + np.float32([0, 1000, 0])
    return replace(recording, tracks=[Track({"cpn": turned})])


def test_images_alone_tell_upside_down(tmp_path):
    table, people, detectors = found(write(tmp_path / "flat.h5", without_3d))
    assert people is None and not detectors[0].reference
    assert any("2D 'cpn': S1/Walking 1/front and 7 more" in message for message in problems(table, people, detectors))
    assert "with nothing to compare with" in markdown(summarise(table, people, detectors))


@pytest.mark.slow
def test_frames_that_do_not_count_are_left_out(tmp_path, sound):
    """Where the ground truth is not valid, anything may stand."""

    def spoiled(recording):
        track = recording.tracks[0]
        valid = np.arange(len(track)) < 100
        pose = np.where(valid[:, None, None], track.pose3d, track.pose3d * [1, -1, 0.3])
        # Upside down, three times as large, largely outside, in part unseen: as if projected from such a pose.
        wrong = (track.pose2d["gt"] * [1, -3, 0.2] + [0, 2000, 0]) * (np.arange(len(H36M17)) < 12)[:, None]
        exact = np.where(valid[:, None, None], track.pose2d["gt"], wrong).astype(np.float32)
        return replace(
            recording, tracks=[replace(track, pose3d=pose, valid=valid, pose2d=track.pose2d | {"gt": exact})]
        )

    def kept(recording):
        [track] = recording.tracks
        first = {name: pose[:100] for name, pose in track.pose2d.items()}
        return replace(recording, tracks=[replace(track, pose3d=track.pose3d[:100], pose2d=first)])

    table, people, detectors = found(write(tmp_path / "some.h5", spoiled))
    assert problems(table, people, detectors) == []
    assert people.lengths == pytest.approx(found(sound)[1].lengths, abs=1e-6)
    assert "frames whose ground truth counts: 66.7%" in markdown(summarise(table, people, detectors))
    for detector, alone in zip(detectors, found(write(tmp_path / "kept.h5", kept))[2], strict=True):
        shares = ("mean", "median") if detector.name == "noisy" else ("inside", "unseen", "confidence")
        for name in (*shares, *(("size", "upright") if detector.name == "gt" else ())):
            assert getattr(detector, name) == pytest.approx(getattr(alone, name), nan_ok=True, rel=0.01), name


def test_a_file_without_a_valid_frame_is_summarised(tmp_path):
    def nowhere(recording):
        [track] = recording.tracks
        return replace(recording, tracks=[replace(track, valid=np.zeros(len(track), bool))])

    measured = found(write(tmp_path / "none.h5", nowhere))
    assert not any("confidence" in str(problem) for problem in problems(*measured))
    summary = summarise(*measured)
    assert summary["valid"] == 0
    json.dumps(summary, allow_nan=False)
    assert re.search(r"\| Hip-RHip +\| +- \| +- \| +- \| +- \| +- \|", markdown(summary))


def test_a_skeleton_of_one_joint_has_no_bones(tmp_path):
    skeleton = Skeleton("one", ("Hip",), (-1,), (), ())
    with DatasetWriter(tmp_path / "one.h5", skeleton, "made for a test", "none", "tests") as writer:
        for recording in recordings():
            [track] = recording.tracks
            pose2d = {name: pose[:, :1] for name, pose in track.pose2d.items()}
            writer.add(replace(recording, tracks=[Track(pose2d, track.pose3d[:, :1])]))
    measured = found(tmp_path / "one.h5")
    assert problems(*measured) == []
    assert "## Bone lengths" in markdown(summarise(*measured))


# Numbers --------------------------------------------------------------------------------------------------------------


def test_measures_are_those_of_numpy(sound, monkeypatch):
    """However the rows are cut into pieces."""
    monkeypatch.setattr("data_prep.checks.measures.PIECE", 37)
    table, people, detectors = found(sound)
    summary = summarise(table, people, detectors)
    pose = table.dataset.rows("pose3d")[OF_S2].astype(np.float64)
    lengths = bone_lengths(pose)
    assert people.lengths[1] == pytest.approx(lengths.mean(0), rel=1e-6)
    assert people.spread[1] == pytest.approx(lengths.std(0), abs=1e-6)
    assert summary["subjects"]["S2"]["height"] == pytest.approx(1.1 * (4 * 0.43 / 2 + 0.75), abs=1e-3)
    assert summary["subjects"]["S2"]["floor"] == {
        name: pytest.approx(1.1 * 0.05, abs=1e-3) for name in ("front", "side")
    }
    assert summary["subjects"]["S1"]["asymmetry"]["LElbow"] == pytest.approx(0, abs=1e-4)
    step = np.linalg.norm(np.diff(pose[:150], axis=0), axis=-1).max(1) * FPS
    assert people.speed[601:750] == pytest.approx(step, rel=1e-4) and np.isnan(people.speed[600])
    noisy, exact = (table.dataset.rows(f"pose2d/{name}") for name in ("noisy", "gt"))
    error, seen = np.linalg.norm((noisy - exact)[..., :2], axis=-1), noisy[..., 2] > 0
    for joint, name in enumerate(H36M17.names):
        scores = summary["detectors"]["noisy"]["joints"][name]
        some = error[:, joint][seen[:, joint]]
        assert scores["mean"] == pytest.approx(some.mean(), rel=1e-5)
        assert scores["median"] == pytest.approx(np.median(some), rel=0.01)
        assert scores["p95"] == pytest.approx(np.percentile(some, 95), rel=0.02)
        assert scores["unseen"] == pytest.approx(1 - seen[:, joint].mean(), abs=1e-6)
    assert summary["detectors"]["noisy"]["all"]["mean"] == pytest.approx(error[seen].mean(), rel=1e-5)
    assert summary["detectors"]["gt"]["reference"] == "projection"
    assert summary["detectors"]["gt"]["all"]["mean"] < 0.01
    assert summary["counts"] == {"recordings": 8, "tracks": 8, "frames": 1200, "minutes": pytest.approx(0.4)}
    assert summary["by"]["action"]["Walking"]["frames"] == 600
    assert summary["frames"] == {subject: {"Squats": 300, "Walking": 300} for subject in SIZES}
    assert summary["splits"]["standard"]["test"]["recordings"] == 4


def test_statistics_are_those_of_what_is_known():
    values = np.random.default_rng(0).lognormal(1, 1, 1001).astype(np.float32)
    errors = np.stack([np.where(np.arange(1001) < 800, values, np.nan), np.full(1001, np.nan)], axis=1)
    known = values[:800].astype(np.float64)
    expected = [known.mean(), np.median(known), np.quantile(known, 0.95)]
    found = statistics(errors.astype(np.float32))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
    assert np.isnan(found[:, 1]).all() and np.isnan(statistics(errors[:0].astype(np.float32))).all()


def test_height_is_of_any_skeleton_with_legs():
    """The spine, and the middle of both legs."""
    for skeleton in (H36M17, H36M16):
        pose = squats()[:1, skeleton.select_from(H36M17)]
        lengths = bone_lengths(pose, skeleton)[0]
        height = sum(weight * lengths[bone] for bone, weight in height_bones(skeleton))
        assert height == pytest.approx(2 * 0.43 + 0.75, abs=1e-6)
    assert height_bones(H36M17.without("LFoot")) == []


@pytest.mark.slow
def test_the_command_writes_a_page(tmp_path, sound):
    args = parser().parse_args(["summary", str(sound), "--out", str(tmp_path / "out")])
    text = commands()["summary"].run(args)
    assert "8 recordings, 8 tracks, 1,200 frames" in text and "None found." in text
    assert str(tmp_path / "out") in text
    names = {"summary.md", "summary.json", "bones.png", "detectors.png", "examples.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    page = (tmp_path / "out" / "summary.md").read_text()
    assert all(f"]({name})" in page for name in names if name.endswith(".png"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["problems"] == [] and summary["about"]["skeleton"]["name"] == "h36m17"
    # Where nothing else is said, beside the reports of experiments.
    assert parser().parse_args(["summary", "data/a.h5"]).out is None


def single(recording):
    """Frames alone, relative to the root, of an unknown camera."""
    track = recording.tracks[0]
    cam = level_camera("unknown", 1000, 1000, np.zeros(9))
    track = replace(track, pose3d=track.pose3d - track.pose3d[:, :1], pose2d={"sh": track.pose2d["noisy"]}, apart=True)
    return replace(recording, camera=cam, take=f"{recording.take} {recording.camera.name}", tracks=[track])


@pytest.mark.slow
def test_frames_without_camera_and_path(tmp_path):
    """What is not known is not measured, and no problem."""
    path = write(tmp_path / "frames.h5", single, H36M16)
    table, people, detectors = found(path)
    assert problems(table, people, detectors) == [] and not people.path
    summary = summarise(table, people, detectors)
    assert summary["subjects"]["S1"]["floor"] == {} and summary["detectors"]["sh"]["reference"] is None
    assert "with nothing to compare with" in markdown(summary)
    args = parser().parse_args(["summary", str(path), "--out", str(tmp_path / "out")])
    assert "None found." in commands()["summary"].run(args)
    assert not (tmp_path / "out" / "detectors.png").exists()
