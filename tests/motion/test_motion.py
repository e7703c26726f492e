"""What a motion is, which files it becomes, and that it comes back from the one that holds everything."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.motion.motion import Motion
from stgraph.motion.saving import FORMATS
from stgraph.skeleton import H36M17
from tests.motion.people import keypoints_of, walking


def assert_equal(one: Motion, other: Motion) -> None:
    for name in ("frame", "person", "pose", "guessed", "keypoints", "uncertainty"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name) is None or getattr(one, name).dtype == getattr(other, name).dtype
    for name in ("skeleton", "fps", "size", "notes"):
        assert getattr(one, name) == getattr(other, name)
    assert (one.camera is None) == (other.camera is None)
    if one.camera and other.camera:
        for name in ("intrinsics", "rotation", "translation"):
            np.testing.assert_array_equal(getattr(one.camera, name), getattr(other.camera, name))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"camera": None, "notes": ()},
        {"uncertainty": np.full((100, 2, len(H36M17)), 0.1, np.float32)},
        {"skeleton": replace(H36M17, centre=H36M17.index("Thorax"))},
        {"person": np.array(["Ann", "Ben <b>"]), "frame": np.arange(100) * 3 + 7},
    ],
)
def test_it_comes_back_from_npz(tmp_path, fields):
    motion = walking(("S07/walk 01", "S08/walk 02"), **fields)
    (saved,) = motion.save(tmp_path / "new" / "walk.npz")
    assert_equal(Motion.load(saved.path), motion)
    with np.load(saved.path, allow_pickle=False) as plain:
        assert plain["pose"].shape == (100, 2, len(H36M17), 3)
        assert plain["skeleton_names"].tolist() == list(H36M17.names)


def test_people_who_come_and_go_take_the_rows_of_their_own_frames(tmp_path):
    whole = walking(("S07/walk 01", "S08/walk 02"))
    rows = whole.rows
    kept = np.where(rows.person == 0, rows.frame < 20, (rows.frame >= 70) & (rows.frame < 80))
    motion = replace(whole, rows=rows.taken(kept))
    assert motion.pose.shape == whole.pose.shape and motion.present.sum(0).tolist() == [20, 10]
    np.testing.assert_array_equal(motion.pose[:20, 0], whole.pose[:20, 0])
    assert np.isnan(motion.pose[20:, 0]).all() and not motion.keypoints[20:, 0].any()
    saved = motion.save(tmp_path / "walk.npz", tmp_path / "walk.trc", tmp_path / "walk.csv", tmp_path / "walk.html")
    assert_equal(Motion.load(tmp_path / "walk.npz"), motion)
    with np.load(tmp_path / "walk.npz") as plain:
        assert plain["pose"].shape == (30, len(H36M17), 3) and plain["row_frame"][20] == 70
    assert saved[2].note.startswith("begins with frame 70 (1.40 s)")
    times = [line.split("\t")[1] for line in saved[2].path.read_text().splitlines()[6:]]
    assert len(times) == 10 and float(times[0]) == pytest.approx(1.4)
    assert len((tmp_path / "walk.csv").read_text().splitlines()) == 1 + 30 * len(H36M17)
    part = motion.part(slice(15, 75))
    np.testing.assert_array_equal(part.present, motion.present[15:75])
    np.testing.assert_array_equal(motion.alone(1).pose, motion.pose[70:80, 1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.taken(np.arange(len(rows))[::-1]), "rows: are not in order"),
        (lambda rows: replace(rows, frame=rows.frame + 1), "rows' frame: found .*places from 0 to 9"),
        (lambda rows: replace(rows, guessed=rows.guessed[1:]), "guessed"),
    ],
)
def test_rows_that_do_not_go_together_are_refused(change, message):
    motion = walking(frames=10)
    with pytest.raises((InputError, TypeError), match=message):
        replace(motion, rows=change(motion.rows))


def test_the_pose_projects_onto_the_keypoints():
    motion = walking()
    np.testing.assert_allclose(keypoints_of(motion.pose, motion.camera), motion.keypoints, atol=1e-3)
    head, foot = (motion.keypoints[:, 0, H36M17.index(name)] for name in ("Head", "RFoot"))
    assert (head[:, 1] < foot[:, 1]).all()


def test_time_and_presence():
    motion = walking(("S07/walk 01", "S08/walk 02"), frame=np.arange(10, 210, 2))
    assert motion.rate == 25
    assert motion.time[:2].tolist() == [0.2, 0.24]
    assert motion.present.sum(0).tolist() == [100, 90]
    part = motion.part(slice(15, 25), slice(1, 2))
    assert part.present[:, 0].tolist() == [True] * 5 + [False] * 5
    assert part.person.tolist() == [2] and part.frame[0] == 40


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frame": np.array([0, 1, 3])}, "frame numbers: are not evenly spaced.*NaN"),
        ({"frame": np.array([2, 1, 0])}, "evenly"),
        ({"person": np.array([1, 2, 1])}, "person: found .*all different"),
        ({"person": np.array([1.5, 2, 3])}, "person: found .*whole numbers or text"),
        ({"fps": 0.0}, "fps: found 0"),
        ({"fps": float("nan")}, "fps: found nan"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        walking(("S07/walk 01",) * 3, **({"frames": 3} | fields))


@pytest.mark.parametrize("fields", [{"guessed": np.zeros((3, 1, 2), bool)}, {"person": np.arange(2)}])
def test_shapes_that_do_not_go_together_are_refused(fields):
    with pytest.raises((InputError, TypeError)):
        walking(**({"frames": 3} | fields))


def test_no_frame_is_refused():
    with pytest.raises(InputError, match="found 0 frames, 1 people"):
        walking().part(slice(0, 0))


def test_a_pose_without_some_joints_is_refused():
    pose = walking(frames=3).pose.copy()
    pose[1, 0, 4] = np.nan
    with pytest.raises(InputError, match="frame 1, person 1 lacks some joints"):
        walking(frames=3, pose=pose)


def test_unknown_endings_list_the_known_before_anything_is_written(tmp_path):
    with pytest.raises(InputError) as error:
        walking(frames=3).save(tmp_path / "walk.npz", tmp_path / "walk.fbx")
    assert all(ending in str(error.value) for ending in FORMATS)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="named twice"):
        walking(frames=3).save(tmp_path / "walk.npz", tmp_path / "walk.npz")


@pytest.mark.slow
def test_one_frame_of_one_person_becomes_every_file(tmp_path):
    endings = [ending for ending, kind in FORMATS.items() if not kind.needs]
    saved = walking(frames=1).save(*(tmp_path / f"still{ending}" for ending in endings))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.path.name for file in saved)
    assert all(file.path.stat().st_size for file in saved)


@pytest.mark.slow
def test_reading_one_loads_neither_torch_nor_plots(tmp_path):
    (saved,) = walking(frames=3, camera=None).save(tmp_path / "walk.npz")
    code = f"import sys, stgraph; stgraph.Motion.load({str(saved.path)!r}).save({str(tmp_path / 'walk.csv')!r})"
    code += "; assert not {'torch', 'matplotlib', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_no_motion_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", pose=np.zeros(3))
    with pytest.raises(InputError, match="is no motion, as it lacks format, fps"):
        Motion.load(tmp_path / "other.npz")
    (saved,) = walking(frames=3).save(tmp_path / "walk.npz")
    content = dict(np.load(saved.path))
    bad = {"frame": np.arange(4), "size": np.arange(3), "format": "stgraph motion 9", "skeleton_names": np.array(1.0)}
    bad |= {name: np.array({"a": 1}, object) for name in ("notes", "size", "skeleton_parents", "frame", "pose")}
    for name, value in bad.items():
        np.savez(tmp_path / "bad.npz", **(content | {name: value}))
        with pytest.raises(InputError, match="bad.npz"):
            Motion.load(tmp_path / "bad.npz")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    (saved,) = walking(frames=3).save(tmp_path / "walk.npz")
    before = saved.path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="what was there before is as it was"):
        walking(frames=4).save(saved.path)
    assert saved.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["walk.npz"]
