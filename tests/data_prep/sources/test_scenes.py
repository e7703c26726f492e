"""Scenes: people keep apart, hidden joints are behind a person, and the detector is as hard as it says."""

import argparse
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.source import Source
from data_prep.sources.scenes import detector as scene_detector
from data_prep.sources.scenes import layout as scene_layout
from data_prep.sources.scenes.body import CAPSULES, hidden, posetrack_joints
from data_prep.sources.scenes.detector import detect, false_detections, h36m_width, missed_joints, missed_people
from data_prep.sources.scenes.options import arguments
from data_prep.sources.scenes.source import read
from data_prep.sources.scenes.view import View
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.data.recording import Recording
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, read_videos
from stgraph.geometry import Camera, project
from stgraph.skeleton import H36M17, POSETRACK15
from tests.data_prep.people import squats

pytestmark = pytest.mark.slow

CAMERA = Camera("c", 640, 480, np.array([600, 600, 320, 240, 0, 0, 0, 0, 0]), np.array([1.0, 0, 0, 0]), np.zeros(3))
HIPS = [POSETRACK15.index(name) for name in ("LHip", "RHip")]


@pytest.fixture(scope="module")
def takes(tmp_path_factory) -> Path:
    """Eight subjects with two takes each of 3 s, in which they walk as fast as their number says."""
    path = tmp_path_factory.mktemp("takes") / "takes.npz"
    keys = [f"S{subject}/squat {take}" for subject in range(1, 9) for take in (1, 2)]
    np.savez(path, **{key: squats(3, walk=0.2 * number).astype(np.float32) for number, key in enumerate(keys)})
    return path


def source(*words: object) -> Source:
    parser = argparse.ArgumentParser()
    arguments(parser)
    return read(parser.parse_args(list(map(str, words))))


def scenes(*words: object) -> list[Recording]:
    return list(source(*words, "--seconds", 2).recordings)


def standing(depth: float, aside: float = 0.0) -> np.ndarray:
    """(1 j 3) a person who stands in front of a camera at chest height and looks at it, camera space."""
    x, y, z = np.moveaxis(posetrack_joints(squats()[:1]), -1, 0)
    return np.stack([aside - x, 1.2 - z, depth - y], axis=-1)


def common(recording: Recording) -> list[tuple[np.ndarray, np.ndarray]]:
    """3D poses of every two people in the frames in which both are there."""
    found = []
    for a, b in combinations(recording.tracks, 2):
        start, end = max(a.frame, b.frame), min(a.frame + len(a), b.frame + len(b))
        if start < end:
            found.append(tuple(track.pose3d[start - track.frame : end - track.frame] for track in (a, b)))
    return found


def test_people_keep_their_distance_even_in_a_small_room(takes, monkeypatch):
    """In a room in which most places are taken: hips, and joints of bodies that have some width."""
    monkeypatch.setattr(scene_layout, "ROOM", 2.5)
    pairs = [pair for recording in scenes(takes, "--scenes", 4, "--people", "4x5") for pair in common(recording)]
    assert len(pairs) > 12
    hips = [np.linalg.norm(a[:, HIPS].mean(axis=1) - b[:, HIPS].mean(axis=1), axis=-1).min() for a, b in pairs]
    joints = [np.linalg.norm(a[:, :, None] - b[:, None], axis=-1).min() for a, b in pairs]
    assert 0.5 <= min(hips) < 0.8
    # Two wrists: a gap between the bodies of 0.05 and twice the radius.
    assert min(joints) >= 0.05 + 2 * 0.04


def test_a_scene_is_of_two_or_more_most_of_the_time(takes):
    for recording in scenes(takes, "--scenes", 4, "--people", "2x3"):
        there = Counter(frame for track in recording.tracks for frame in range(track.frame, track.frame + len(track)))
        assert min(there) == 0 and sum(count >= 2 for count in there.values()) >= 0.7 * (max(there) + 1)
        assert 2 <= len(recording.tracks) <= 3 and [track.person for track in recording.tracks] == list(
            range(len(recording.tracks))
        )
        subjects = recording.label.split(", ")
        assert recording.subject == "+".join(sorted(subjects)) and len(set(subjects)) == len(recording.tracks)


def fields(recording: Recording) -> dict[str, np.ndarray]:
    tracks = {f"{track.person} {name}": array for track in recording.tracks for name, array in track.fields().items()}
    return tracks | recording.detections["sim"].fields()


def test_a_scene_depends_on_its_seed_alone(takes):
    """Scene 2 of seed 5 is scene 0 of seed 7; others have other people, places and noise."""
    first, _, third = scenes(takes, "--scenes", 3, "--seed", 5)
    [same] = scenes(takes, "--scenes", 1, "--seed", 7)
    assert third.camera.translation.tolist() == same.camera.translation.tolist()
    for name, values in fields(third).items():
        np.testing.assert_array_equal(values, fields(same)[name], strict=True)
    assert first.camera.translation.tolist() != same.camera.translation.tolist()
    assert fields(first)["score"].tobytes() != fields(same)["score"].tobytes()


def test_joints_behind_another_person_are_hidden_and_others_are_not():
    front, behind = standing(3.0), standing(4.0)
    covered = hidden(np.stack([front, behind]))[:, 0]
    assert not covered[0].any()
    names = {name for name, is_hidden in zip(POSETRACK15.names, covered[1], strict=True) if is_hidden}
    assert {"LHip", "RHip", "HeadBottom"} <= names
    assert not hidden(np.stack([front, standing(4.0, aside=2.0)])).any()
    assert not hidden(np.stack([front, np.full_like(behind, np.nan)])).any()
    # The person in front hides, whatever the number.
    np.testing.assert_array_equal(hidden(np.stack([behind, front]))[::-1, 0], covered)


def test_the_own_torso_hides_a_hand_behind_the_back():
    pose = standing(3.0)
    for depth, expected in ((3.3, True), (2.7, False)):
        pose[0, POSETRACK15.index("LWrist")] = [0, 1.2 - 1.1, depth]
        assert hidden(pose[None])[0, 0, POSETRACK15.index("LWrist")] == expected


def test_hidden_is_what_points_along_the_lines_of_sight_say():
    """Against 300 points on every line of sight to random people, and how far they are from every limb."""
    rng = np.random.default_rng(0)
    bodies = np.stack([standing(3 + rng.random(), rng.normal(0, 0.2)) + rng.normal(0, 0.05, 3) for _ in range(3)])
    found = hidden(bodies)[:, 0]
    at = [dict(zip(POSETRACK15.names, body[0], strict=True)) for body in bodies]
    for person, joint in np.ndindex(found.shape):
        line = np.linspace(0, 1, 300)[:, None] * bodies[person, 0, joint]
        deepest = -np.inf
        for other, (number, (*points, radius)) in product(range(len(bodies)), enumerate(CAPSULES)):
            own = other == person
            if own and (number or POSETRACK15.names[joint][1:] not in ("Elbow", "Wrist")):
                continue
            a, b = (sum(weight * at[other][name] for name, weight in point.items()) for point in points)
            share = ((line - a) @ (b - a) / np.square(b - a).sum()).clip(0, 1)[:, None]
            distance = np.linalg.norm(line - a - share * (b - a), axis=-1).min()
            deepest = max(deepest, (0.12 if own else radius) - distance)
        if abs(deepest) > 0.001:  # nearer to the edge than the points can tell
            assert found[person, joint] == (deepest > 0)
    assert 5 < found.sum() < found.size - 5


def test_head_and_nose_of_a_person_who_faces_north():
    pose = squats()
    at = dict(zip(POSETRACK15.names, np.moveaxis(posetrack_joints(pose), 1, 0), strict=True))
    np.testing.assert_array_equal(at["LAnkle"], pose[:, H36M17.index("LFoot")])
    length = (at["HeadTop"] - at["HeadBottom"])[:, 2]
    thigh_and_shank = 0.86
    np.testing.assert_allclose(length, 0.115 / 0.491 * thigh_and_shank, rtol=0.01)
    np.testing.assert_allclose((at["Nose"] - at["HeadBottom"])[:, :2], [[0, 0.1]] * len(pose), atol=1e-9)
    np.testing.assert_allclose((at["Nose"] - at["HeadBottom"])[:, 2], 0.45 * length)
    # The nose of a person who lies on the back is up.
    lying = pose[..., [0, 2, 1]] * [1, -1, 1]
    nose = posetrack_joints(lying)[:, POSETRACK15.index("Nose")] - lying[:, H36M17.index("Neck/Nose")]
    assert (nose[:, 2] > 0.09).all()


def test_shares_and_lengths_of_what_is_missed():
    missed = missed_joints(60, 2000, np.random.default_rng(0))
    assert missed.mean() == pytest.approx(0.051, abs=0.003)
    share = dict(zip(POSETRACK15.names, missed.mean(axis=(0, 1)), strict=True))
    assert share["LWrist"] == pytest.approx(0.09, abs=0.01) and share["Nose"] == pytest.approx(0.03, abs=0.006)
    begun = (missed[:, 1:] & ~missed[:, :-1]).sum()
    assert missed.sum() / begun == pytest.approx(4, abs=0.2)

    gone = missed_people(60, 5000, 25, np.random.default_rng(0))
    lengths = np.concatenate([scene_detector.gaps(~person) for person in gone])
    # One gap in 100 frames and its own, of 8.5 on average.
    assert {*lengths} == {*range(1, 31)} and lengths.mean() == pytest.approx(8.5, abs=0.5)
    assert len(lengths) == pytest.approx(60 * 5000 / 108.5, rel=0.06)
    assert (lengths <= 5).mean() == pytest.approx(np.log(6) / np.log(31), abs=0.03)


def sight(people: int, frames: int, scale: float, covered: bool = False) -> View:
    shape = (people, frames, len(POSETRACK15))
    pixels = np.full((*shape, 2), 200.0)
    return View(np.zeros((*shape, 3)), pixels, np.full(shape[:2], scale), np.ones(shape, bool), np.full(shape, covered))


def test_hidden_joints_are_mostly_missed_and_noise_grows_with_people():
    open_ones = detect(sight(40, 500, 100.0), 25, np.random.default_rng(0))
    large = detect(sight(40, 500, 300.0), 25, np.random.default_rng(0))
    seen = open_ones[..., 2] > 0
    # 8 % of the people and 5 % of the joints are missed.
    assert seen.mean() == pytest.approx(0.92 * 0.95, abs=0.02)
    np.testing.assert_allclose(3 * (open_ones[seen] - 200)[:, :2], (large[seen] - 200)[:, :2])
    # In Human3.6M's images of 1000 pixels the noise is 5 pixels, some outliers more.
    metres = np.linalg.norm(open_ones[seen][:, :2] - 200, axis=-1) / 100
    assert 4 < metres.mean() / h36m_width() * 1000 < 9
    # Half of the joints are hidden, lest people with few joints left are not detected.
    half = sight(40, 500, 100.0)
    half.hidden[..., ::2] = True
    found = detect(half, 25, np.random.default_rng(0))
    there = (found[..., 2] > 0).any(axis=-1)
    assert (found[there][:, ::2, 2] > 0).mean() == pytest.approx(0.2 * 0.95, abs=0.03)
    guessed = np.linalg.norm(found[..., ::2, :2] - 200, axis=-1)[found[..., ::2, 2] > 0]
    plain = np.linalg.norm(found[..., 1::2, :2] - 200, axis=-1)[found[..., 1::2, 2] > 0]
    assert guessed.mean() > 3 * plain.mean()
    confidence = [
        found[..., part, 2][found[..., part, 2] > 0].mean() for part in (slice(0, None, 2), slice(1, None, 2))
    ]
    assert confidence[0] < 0.5 * confidence[1]


def test_people_with_fewer_than_five_visible_joints_are_not_detected():
    few = sight(20, 200, 100.0)
    few.inside[..., 5:] = False
    found = detect(few, 25, np.random.default_rng(0))[..., 2] > 0
    assert {*found.sum(axis=-1).ravel()} == {0, 5}
    few.inside[..., 4] = False
    assert not detect(few, 25, np.random.default_rng(0)).any()


def test_false_detections_come_a_fifth_of_a_time_per_frame_and_go():
    rng = np.random.default_rng(0)
    others = scene_layout.random_shapes([scene_layout.Piece("S1", "1", posetrack_joints(squats()))], rng)
    np.testing.assert_allclose(np.ptp(others, axis=1).max(axis=-1), 1)
    frame, pose = false_detections(np.zeros((1, 20_000, len(POSETRACK15), 3)), others, CAMERA, rng)
    assert len(frame) == len(pose) and 0.15 < len(frame) / 20_000 < 0.2
    seen = pose[..., 2] > 0
    assert seen.sum(axis=-1).min() == 5 and (pose[seen][:, :2] >= 0).all() and (pose[seen][:, 0] < 640).all()
    # Where people are, some are doubles of theirs, near them.
    found = np.tile(np.dstack([others[:1] * 100 + 240, np.ones((1, len(POSETRACK15)))])[:, None], (1, 5000, 1, 1))
    frame, pose = false_detections(found, others, CAMERA, rng)
    distance = np.linalg.norm(pose[..., :2] - found[0, 0, :, :2], axis=-1).max(axis=-1)
    assert (distance < 35).mean() == pytest.approx(0.3, abs=0.06)


def test_truth_is_the_projection_and_what_is_outside_is_not_there(takes):
    outside = 0
    for recording in scenes(takes, "--scenes", 4):
        size = np.array([recording.camera.width, recording.camera.height])
        for track in recording.tracks:
            gt = track.pose2d["gt"]
            pixels = project(torch.from_numpy(track.pose3d), recording.camera.intrinsics.copy()).numpy()
            inside = ((pixels >= 0) & (pixels < size)).all(axis=-1)
            assert (gt[..., 2] == inside).all()
            np.testing.assert_allclose(gt[inside][:, :2], pixels[inside], atol=0.01)
            assert not gt[~inside].any() and not track.pose2d["sim"][~inside].any()
            here = inside.any(axis=-1)
            assert not track.box[~here].any() and not track.head_box[~here].any()
            for row in np.flatnonzero(here):
                joints = gt[row, inside[row], :2]
                left_top, right_bottom = track.box[row, :2], track.box[row, 2:]
                assert (joints >= left_top).all() and (joints <= right_bottom).all()
                assert (left_top >= 0).all() and (right_bottom <= size).all()
            outside += (~inside).sum()
    assert outside


def test_head_boxes_have_the_size_of_the_head_at_its_depth(takes):
    [recording] = scenes(takes, "--scenes", 1)
    for track in recording.tracks:
        here = track.box.any(axis=-1)
        top, bottom = (track.pose3d[here, POSETRACK15.index(name)] for name in ("HeadTop", "HeadBottom"))
        diagonal = np.linalg.norm(track.head_box[here, 2:] - track.head_box[here, :2], axis=-1)
        length = np.linalg.norm(top - bottom, axis=-1) * recording.camera.intrinsics[0] / (top + bottom)[:, 2] * 2
        np.testing.assert_allclose(0.6 * diagonal, length, rtol=1e-4)
        middle = project(torch.from_numpy((top + bottom) / 2), recording.camera.intrinsics.copy())
        np.testing.assert_allclose((track.head_box[here, 2:] + track.head_box[here, :2]) / 2, middle, atol=0.01)


def test_detections_belong_to_their_person(takes):
    """A person's detection is among the frame's, near the person, and their order does not tell who it is."""
    ranks = Counter()
    for recording in scenes(takes, "--scenes", 6, "--people", "3x4"):
        found, true = recording.detections["sim"], 0
        assert (np.diff(found.frame) >= 0).all()
        np.testing.assert_allclose(found.score, [pose[pose[:, 2] > 0, 2].mean() for pose in found.pose], rtol=1e-5)
        for track in recording.tracks:
            sim, gt = track.pose2d["sim"], track.pose2d["gt"]
            for row in np.flatnonzero(sim[..., 2].any(axis=-1)):
                poses = found.pose[found.frame == track.frame + row]
                same = np.flatnonzero((poses == sim[row]).all(axis=(1, 2)))
                assert len(same) == 1
                ranks[track.person, int(same[0])] += 1
                true += 1
            seen = sim[..., 2] > 0
            error = np.linalg.norm(sim - gt, axis=-1)[seen] / np.ptp(track.box[:, 1::2], axis=-1).max()
            assert np.median(error) < 0.05
        assert true <= len(found)
    assert {ranks[0, rank] > 10 for rank in range(3)} == {True}


def test_splits_share_no_subjects(takes):
    result = source(takes, "--seconds", 2, "--scenes", 3, "--people", "2x3", "--validation", "S1", "S2",
                    "--validation-scenes", 1, "--test", "S3", "S4", "S5", "--test-scenes", 2)  # fmt: skip
    assert result.total == 6
    recordings = {recording.id: recording for recording in result.recordings}
    parts = result.splits["standard"]
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [3, 1, 2]
    subjects = {part: {s for id in ids for s in recordings[id].label.split(", ")} for part, ids in parts.items()}
    assert subjects["validation"] == {"S1", "S2"} and subjects["test"] == {"S3", "S4", "S5"}
    assert subjects["train"] <= {"S6", "S7", "S8"}
    assert {recording.take for recording in recordings.values()} >= {"train 0000", "validation 0000", "test 0001"}


def test_json_and_dataset_hold_the_same(takes, tmp_path):
    words = (takes, "--seconds", 2, "--scenes", 2, "--people", "3x3", "--json", tmp_path / "json")
    prepare(source(*words), tmp_path / "a.h5", "tests")
    data = Dataset(tmp_path / "a.h5")
    assert data.skeleton.names == POSETRACK15.names and data.splits["standard"].tolist() == ["train", "train"]
    of_row = np.repeat(np.arange(len(data.tracks["rows"])), data.tracks["rows"])
    for number in range(2):
        truth, found = (
            read_one(tmp_path / "json" / kind / f"train_{number:04}.json") for kind in ("truth", "detections")
        )
        gt = data.rows("pose2d/gt")
        rows = np.flatnonzero((data.tracks["recording"][of_row] == number) & gt[..., 2].any(axis=-1))
        person = data.tracks["person"][of_row[rows]]
        order = np.lexsort([person, data.rows("frame")[rows]])
        rows, person = rows[order], person[order]
        np.testing.assert_array_equal(truth.frame_ids[truth.frame], data.rows("frame")[rows])
        np.testing.assert_array_equal(truth.person, person)
        np.testing.assert_allclose(truth.pose, gt[rows], atol=1e-3)
        for name in ("box", "head_box"):
            np.testing.assert_allclose(getattr(truth, name), data.rows(name)[rows], atol=1e-3)
        table = data.detections("sim")
        mine = table["recording"] == number
        np.testing.assert_array_equal(found.frame_ids[found.frame], table["frame"][mine])
        np.testing.assert_allclose(found.pose, table["pose"][mine], atol=1e-3)
        np.testing.assert_allclose(found.score, table["score"][mine], atol=1e-5)
        np.testing.assert_allclose(found.box, table["box"][mine], atol=1e-3)
        assert (found.person == -1).all() and found.fps == 25 and truth.labelled.all()
        assert truth.size == (data.recordings["width"][number], data.recordings["height"][number])


def read_one(path: Path) -> Video:
    [video] = read_videos(path)
    return video


def test_takes_that_are_cut_at_jumps_are_reported(tmp_path):
    spoiled = squats(3)
    spoiled[75, 5] += 1.0
    np.savez(tmp_path / "a.npz", **{"S1/squat 1": spoiled, "S1/squat 2": squats(3), "S2/squat 1": squats(3)})
    result = source(tmp_path / "a.npz", "--scenes", 1, "--people", "2x2", "--seconds", 2)
    list(result.recordings)
    assert result.left_out == [("S1/squat 1", "no stretch of 1.5 s in which no joint jumps")]
    assert any("terms of the motion are unknown" in note for note in result.notes)
    assert any("2 to 2 people" in note for note in result.notes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--people", "2x40"],
            r"scenes of 2x40 people: found 16 takes .*at least 40.*fewer --people.*--scenes 0",
        ),
        (["--test", "S1"], r"scenes of 2x6 people: found 2 takes .*scenes of --test \(subjects S1\).*--test-scenes 0"),
        (["--people", "1x6"], "--people 1x6: expected FEWESTxMOST of 2 or more"),
        (["--people", "6x2"], "--people 6x2: expected FEWESTxMOST"),
        (["--people", "six"], "--people six: expected two numbers"),
        (["--validation", "S9"], "no subject S9; there are S1, S2"),
        (["--validation", "S1", "--test", "S1"], "S1 in both"),
        (["--scenes", "-1"], "--scenes -1: expected"),
        (["--scenes", "0"], "--scenes 0: no scenes"),
        (["--seed", "-1"], "--seed -1: expected"),
        (["--fps", "0"], "--fps 0: expected 0.1 to 1000"),
        (["--seconds", "0"], "--seconds 0.0: expected 1 or more"),
    ],
)
def test_mistakes(takes, words, message):
    with pytest.raises(InputError, match=message):
        source(takes, *words)


def test_no_takes_and_no_room(takes, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no .amc, .bvh, .npz files"):
        source(tmp_path)
    monkeypatch.setattr(scene_layout, "ROOM", 0.5)
    monkeypatch.setattr(scene_layout, "LAYOUTS", 2)
    with pytest.raises(InputError, match="scenes: a room of 0.5 x 0.5 m had no place for 6 people in 2 draws, for"):
        scenes(takes, "--people", "6x6")
