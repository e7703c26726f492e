"""The files of numbers: they read back by the formats' own rules, gaps are gaps and guesses are marked."""

import csv
import importlib.util
import json

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.motion.c3d_file import MOST_FRAMES
from stgraph.skeleton import H36M17, skeleton_from
from tests.motion.people import changed, walking

KNEE = H36M17.index("RKnee")


@pytest.fixture
def motion():
    """Two people, one with a knee that is guessed and was never seen; the second is absent from frame 20 to 29."""
    guessed = np.zeros((40, 2, len(H36M17)), bool)
    guessed[:, 0, KNEE] = True
    keypoints = walking(("S07/walk 01", "S08/walk 02"), 40).keypoints.copy()
    keypoints[:, 0, KNEE] = (3, 4, 0)
    fields = {"guessed": guessed, "keypoints": keypoints, "frame": np.arange(10, 90, 2)}
    return walking(("S07/walk 01", "S08/walk 02"), 40, **fields)


def test_csv_has_a_row_for_each_frame_person_and_joint(motion, tmp_path):
    pose = motion.pose.copy()
    pose[:5, 1] = np.nan  # before the second person comes
    motion = changed(motion, pose=pose)
    motion.save(tmp_path / "walk.csv")
    with (tmp_path / "walk.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (40 + 35) * len(H36M17)
    (row,) = (row for row in rows if (row["frame"], row["person"], row["joint"]) == ("40", "1", "LWrist"))
    wrist = motion.pose[15, 0, H36M17.index("LWrist")]
    np.testing.assert_allclose([float(row[axis]) for axis in "xyz"], wrist, atol=1e-5)
    assert float(row["time"]) == pytest.approx(0.8) and float(row["confidence"]) == 1 and row["guessed"] == "False"
    (knee,) = (row for row in rows if (row["frame"], row["person"], row["joint"]) == ("40", "1", "RKnee"))
    assert (knee["guessed"], knee["u"], knee["v"], float(knee["confidence"])) == ("True", "", "", 0)
    gap = [row for row in rows if (row["frame"], row["person"]) == ("50", "2")]
    assert len(gap) == len(H36M17) and {row[axis] for row in gap for axis in "xyz"} == {""}


def test_json_lists_the_people_of_a_frame(motion, tmp_path):
    motion.save(tmp_path / "walk.json")
    tree = json.loads((tmp_path / "walk.json").read_text())
    skeleton = skeleton_from(tree["skeleton"], "walk.json")
    assert (skeleton.names, skeleton.mirror.tolist()) == (H36M17.names, H36M17.mirror.tolist())
    assert [len(frame["people"]) for frame in tree["frames"]] == [2] * 20 + [1] * 10 + [2] * 10
    frame = tree["frames"][3]
    assert (frame["frame"], frame["time"]) == (16, 0.32)
    for m, person in enumerate(frame["people"]):
        assert person["person"] == m + 1
        np.testing.assert_allclose(person["pose"], motion.pose[3, m], atol=1e-5)
        np.testing.assert_array_equal(person["guessed"], motion.guessed[3, m])
    assert frame["people"][0]["keypoints"][KNEE] == [0, 0, 0]


def test_trc_is_y_up_in_metres_with_empty_cells_for_gaps(motion, tmp_path):
    saved = motion.save(tmp_path / "walk.trc")
    assert [file.path.name for file in saved] == ["walk.1.trc", "walk.2.trc"]
    assert [file.note for file in saved] == ["guessed: RKnee 100 %", ""]
    lines = (tmp_path / "walk.2.trc").read_text().split("\n")
    counts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert (counts["NumFrames"], counts["NumMarkers"], counts["Units"], counts["DataRate"]) == (
        "40",
        str(len(H36M17)),
        "m",
        "25",
    )
    names = lines[3].split("\t")[2::3]
    assert names[:2] == ["Hip", "RHip"] and "Neck_Nose" in names
    cells = [line.split("\t") for line in lines[6:-1]]
    assert len(cells) == 40 and {len(row) for row in cells} == {2 + 3 * len(H36M17)}
    assert [row[0] for row in cells[:2]] == ["1", "2"] and float(cells[0][1]) == 0.2
    assert set(cells[25][2:]) == {""}
    x, y, z = np.array(cells[7][2:], float).reshape(-1, 3).T
    np.testing.assert_allclose(np.stack([x, -z, y], -1), motion.pose[7, 1], atol=1e-5)


def test_c3d_marks_gaps_and_guesses_by_their_residuals(motion, tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    motion.save(tmp_path / "walk.c3d")
    one, two = (ezc3d.c3d(str(tmp_path / f"walk.{number}.c3d")) for number in (1, 2))
    points, parameters = one["data"]["points"], one["parameters"]["POINT"]
    np.testing.assert_allclose(points[:3].T / 1000, motion.pose[:, 0], atol=1e-5)
    assert parameters["UNITS"]["value"] == ["mm"] and parameters["RATE"]["value"][0] == 25
    assert parameters["Y_SCREEN"]["value"] == ["+Z"] and parameters["LABELS"]["value"][KNEE] == "RKnee"
    residuals = one["data"]["meta_points"]["residuals"][0]
    assert (residuals[KNEE] == 0).all() and (np.delete(residuals, KNEE, 0) == 1).all()
    absent = two["data"]["meta_points"]["residuals"][0] < 0
    assert absent.all(0).tolist() == [False] * 20 + [True] * 10 + [False] * 10
    assert np.isnan(two["data"]["points"][:3, :, 25]).all()


def test_c3d_refuses_more_frames_than_it_counts(tmp_path):
    pytest.importorskip("ezc3d")
    frames = MOST_FRAMES + 1
    still = {name: np.repeat(getattr(walking(frames=1), name), frames, 0) for name in ("pose", "guessed", "keypoints")}
    with pytest.raises(InputError, match="65,536 frames; expected at most 65,535"):
        walking(frames=1, frame=np.arange(frames), **still).save(tmp_path / "walk.c3d")
    assert not list(tmp_path.iterdir())


def test_c3d_without_its_package_names_the_extra(motion, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ezc3d" else find(name))
    with pytest.raises(InputError, match=r"ezc3d is not installed.*pip install 'stgraph\[c3d\]'"):
        motion.save(tmp_path / "walk.csv", tmp_path / "walk.c3d")
    assert not list(tmp_path.iterdir())


def test_identities_that_are_no_file_names_are_counted(motion, tmp_path):
    named = walking(("S07/walk 01", "S08/walk 02"), 40, person=np.array(["a/b", "Zoë 2"]))
    assert [file.path.name for file in named.save(tmp_path / "walk.trc")] == ["walk.a-b.trc", "walk.Zoë-2.trc"]
    alike = walking(("S07/walk 01", "S08/walk 02"), 40, person=np.array(["a/b", "a b"]))
    assert [file.path.name for file in alike.save(tmp_path / "walk.trc")] == ["walk.1.trc", "walk.2.trc"]
