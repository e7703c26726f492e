"""NTU RGB+D: what is read is what the files say, of the two bodies that move most; what cannot be used is listed."""

import json
import re

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from data_prep.reading.ntu import parse, read_ntu
from data_prep.sources.ntu.source import XSUB
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import NTU25
from tests.data_prep.commands import source_of

JOINTS = len(NTU25)
WAVES = "S001C001P001R001A023"


def body(seed, frames=12, motion=0.1):
    """(t j 12) the lines of a person's joints, Kinect's axes."""
    rng = np.random.default_rng(seed)
    rest = rng.normal(0, 0.3, (JOINTS, 3)) + [0, 0, 3]
    pose = rest + motion * np.sin(np.arange(frames) + seed)[:, None, None] + rng.normal(0, 0.01, (frames, JOINTS, 3))
    colour = np.array([960, 540]) + 300 * pose[..., :2] * [1, -1]
    others = rng.normal(size=(frames, JOINTS, 6))
    state = rng.integers(0, 3, (frames, JOINTS, 1))
    return np.concatenate([pose, others[..., :2], colour, others[..., 2:], state], axis=-1)


def in_order(frame):
    return slice(None)


def turned(frame):
    """Every other frame the other way round."""
    return slice(None, None, 1 - frame % 2 * 2)


def write(path, *bodies, order=in_order, ids=None, end="\n"):
    """A `.skeleton` file. A body is (t j 12), NaN in its first joint's x where it is not in the frame at all."""
    ids = ids or [72057594037931101 + number for number in range(len(bodies))]
    lines = [str(len(bodies[0]) if bodies else 3)]
    for frame in range(int(lines[0])):
        there = [(id, one[frame]) for id, one in zip(ids, bodies, strict=True) if not np.isnan(one[frame, 0, 0])]
        lines.append(str(len(there)))
        for id, joints in there[order(frame)]:
            lines += [f"{id} 0 1 1 0 0 0 0.0276 0.0574 2", str(len(joints))]
            lines += [" ".join(f"{value:.7g}" for value in joint) for joint in joints]
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(end.join(lines) + end)
    return path


def absent(values, *frames):
    values = values.copy()
    values[list(frames), 0, 0] = np.nan
    return values


def published(path):
    """(c t v m) as published readers have clips: a plain walk over the file, then the two bodies with most energy."""
    numbers = path.read_text().split()
    place, frames = 1, int(numbers[0])
    found = {}
    for t in range(frames):
        bodies, place = int(numbers[place]), place + 1
        for _ in range(bodies):
            id, joints, place = numbers[place], int(numbers[place + 10]), place + 11
            data = found.setdefault(id, np.zeros((3, frames, joints)))
            for v in range(joints):
                data[:, t, v] = [float(number) for number in numbers[place : place + 3]]
                place += 12

    def energy(data):
        there = data[:, np.abs(data).sum((0, 2)) > 0]
        return sum(there[axis].std() for axis in range(3))

    ranked = sorted(found.values(), key=energy, reverse=True)[:2]
    return np.stack(ranked + [np.zeros_like(ranked[0])] * (2 - len(ranked)), axis=-1)


def as_array(tracks, frames):
    """(c t v m) of tracks, in Kinect's axes."""
    found = np.zeros((3, frames, JOINTS, 2))
    for track in tracks:
        pose = track.pose3d * [-1, -1, 1]
        found[:, track.frame : track.frame + len(track), :, track.person] = pose.transpose(2, 0, 1)
    return found


@pytest.mark.parametrize(
    ("bodies", "order"),
    [
        ([body(0)], in_order),
        ([body(0), body(1, motion=0.5)], in_order),
        ([body(0, motion=0.5), body(1, motion=0), body(2, motion=0.9)], turned),
        ([absent(body(0), 0, 1, 5, 11), absent(body(1, motion=1), 3, 5)], in_order),
    ],
    ids=["one", "two", "three in changing order", "gaps"],
)
def test_clips_are_those_of_published_readers(tmp_path, bodies, order):
    path = write(tmp_path / "clip.skeleton", *bodies, order=order)
    tracks = read_ntu(path)
    np.testing.assert_allclose(as_array(tracks, 12), published(path), rtol=0, atol=1e-6)
    assert all(np.isfinite(track.pose3d).all() and track.pose3d.any((1, 2)).all() for track in tracks)


def test_identities_are_kept_and_gaps_are_gaps(tmp_path):
    """Ids of bodies are whole numbers beyond the precision of a float64."""
    calm, lively = absent(body(1, motion=0), 4, 5), body(2, motion=1)
    path = write(tmp_path / "clip.skeleton", calm, lively, order=turned)
    tracks = read_ntu(path)
    assert [(track.person, track.frame, len(track)) for track in tracks] == [(0, 0, 12), (1, 0, 4), (1, 6, 6)]
    np.testing.assert_allclose(tracks[0].pose3d, lively[..., :3] * [-1, -1, 1], atol=1e-5)
    np.testing.assert_allclose(tracks[2].pose3d, calm[6:, :, :3] * [-1, -1, 1], atol=1e-5)


def test_pixels_have_the_confidence_of_the_tracking(tmp_path):
    values = body(3)
    values[2, 5, 5:7] = [np.inf, 7]
    values[3, 6, 6] = np.nan
    values[2:4, 5:7, 11] = 2
    path = write(tmp_path / "clip.skeleton", values, end="\r\n")
    windows = path.read_text().replace("inf", "1.#INF").replace("nan", "-1.#IND")
    (tmp_path / "windows.skeleton").write_text(windows)
    for file in (path, tmp_path / "windows.skeleton"):
        pose = read_ntu(file)[0].pose2d["kinect"]
        seen = (values[..., 11] > 0) & np.isfinite(values[..., 5:7]).all(-1)
        np.testing.assert_allclose(pose[seen, 2], values[seen, 11] / 2)
        np.testing.assert_allclose(pose[seen, :2], values[seen, 5:7], rtol=1e-5)
        assert not pose[~seen].any() and not seen[2, 5] and not seen[3, 6]


def test_bodies_at_zero_and_off_the_numbers_are_not_there(tmp_path):
    ghost, broken = np.zeros((12, JOINTS, 12)), body(1)
    broken[7, 1:, 2] = broken[7, 0, 1] = np.nan
    (first, second) = read_ntu(write(tmp_path / "clip.skeleton", ghost, broken))
    assert [(one.person, one.frame, len(one)) for one in (first, second)] == [(0, 0, 7), (0, 8, 4)]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_joint_with_a_number_that_is_not_finite_is_unseen_and_its_frame_stays(tmp_path, number):
    whole, broken = body(1), body(1)
    broken[7, 3, 2] = number
    (track,), (other,) = (read_ntu(write(tmp_path / "clip.skeleton", values)) for values in (broken, whole))
    expected = other.pose3d.copy()
    expected[7, 3] = 0
    np.testing.assert_array_equal(track.pose3d, expected)
    np.testing.assert_array_equal(track.pose2d["kinect"], other.pose2d["kinect"])
    assert np.flatnonzero(~track.valid).tolist() == [7] and other.valid is None


def lines(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "empty"),
        (lambda lines: ["", " "], "empty"),
        (lambda lines: ["3", "0", "0", "0"], "no person in any frame"),
        (lambda lines: ["0"], "no person in any frame"),
        (lambda lines: lines[:200], "ends in frame 7 of 12; get the file again"),
        (lambda lines: lines[:1], "ends in frame 0 of 12"),
        (lambda lines: lines[:-1], "ends in frame 11 of 12"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "a joint's line: .*twelve numbers for a joint"),
        (lambda lines: [*lines, "1"], "goes on after the last of its 12 frames"),
        (lambda lines: ["many", *lines[1:]], "frame 0 of 0: invalid literal.*expected counts of frames"),
        (lambda lines: [*lines[:2], "", *lines[3:]], "frame 0 of 12: .*expected counts"),
        (lambda lines: [line.replace(" ", " x", 1) for line in lines], "a joint's line: .*'x"),
        (lambda lines: ["20" if line == "25" else line for line in lines], "20 joints in frame 0; expected the 25 of"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, change, message):
    path = write(tmp_path / "clip.skeleton", body(0))
    path.write_text("\n".join(change(lines(path))))
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_ntu(path)


def test_bytes_and_folders_are_no_clips(tmp_path):
    (tmp_path / "a.skeleton").write_bytes(bytes(range(256)))
    for path, message in ((tmp_path / "a.skeleton", "no text"), (tmp_path, "directory"), (tmp_path / "b", "No such")):
        with pytest.raises(InputError, match=message):
            parse(path)


def test_a_body_twice_in_a_frame_is_refused(tmp_path):
    path = write(tmp_path / "clip.skeleton", body(0), absent(body(1), *range(4), *range(5, 12)), ids=[7, 7])
    with pytest.raises(InputError, match="a body is twice in frame 4"):
        read_ntu(path)


CLIPS = {
    f"S001C{camera:03d}P{subject:03d}R001A{action:03d}" for camera in (1, 2) for subject, action in ((1, 1), (3, 60))
}


def folder(path):
    for number, name in enumerate(sorted(CLIPS)):
        write(path / "nturgb" / f"{name}.skeleton", body(number))
    return path


def convert(tmp_path, *words):
    args = parser().parse_args(["ntu", *map(str, words), "--out", str(tmp_path / "ntu.h5")])
    text = commands()["ntu"].run(args)
    return Dataset(tmp_path / "ntu.h5"), text


def test_a_folder_becomes_a_dataset(tmp_path):
    data, text = convert(tmp_path, folder(tmp_path / "raw"))
    assert data.skeleton == NTU25 and data.detectors == ["kinect"] and data.has("pose3d")
    assert list(data.recordings["id"]) == [f"{name[8:12]}/{name}/{name[4:8]}" for name in sorted(CLIPS)]
    assert len(data.classes) == 60 and (data.classes[0], data.classes[59]) == ("drink water", "walk apart")
    assert set(data.recordings["action"]) == {"drink water", "walk apart"}
    assert set(zip(data.recordings["subject"], data.splits["xsub"], strict=True)) == {
        ("P001", "train"),
        ("P003", "test"),
    }
    assert set(zip(data.recordings["camera"], data.splits["xview"], strict=True)) == {
        ("C001", "test"),
        ("C002", "train"),
    }
    assert set(data.recordings["fps"]) == {30.0} and data.camera(0).width == 1920
    assert "4 recordings" in text and "academic research only" in data.terms
    np.testing.assert_allclose(data.rows("pose3d")[:12], body(0)[..., :3] * [-1, -1, 1], atol=1e-5)


def test_the_published_subjects_train():
    assert len(XSUB) == 20 and {"P001", "P038", "P019"} <= XSUB and not {"P003", "P040", "P020"} & XSUB


def test_all_that_cannot_be_used_is_listed_at_once(tmp_path):
    raw = folder(tmp_path / "raw")
    write(raw / "S001C001P001R002A001.skeleton")
    write(raw / "S001C003P001R002A001.skeleton", 1000 * body(0))
    write(raw / "mine.skeleton", body(0))
    write(raw / "again" / "S001C001P001R001A001.skeleton", body(0))
    (raw / "S001C001P001R002A003.skeleton").write_text("")
    (raw / "list.txt").write_text("In total one:\nS001C002P003R001A060.skeleton\n\nS009C001P001R001A001\n")
    data, text = convert(tmp_path, raw, "--leave-out", raw / "list.txt")
    assert len(data) == 3
    reasons = dict(data.left_out)
    assert reasons.pop(str(raw / "nturgb/S001C001P001R001A001.skeleton")).startswith("the same clip as")
    expected = {
        "mine.skeleton": "expected a name such as S001C001P001R001A001",
        "S001C002P003R001A060": "named in list.txt",
        "S001C001P001R002A001": "no person: no person in any frame",
        "S001C003P001R002A001": "implausible: the median bone is",
        "S001C001P001R002A003": "empty: ",
    }
    assert reasons.keys() == expected.keys()
    assert all(reasons[name].startswith(why) for name, why in expected.items())
    assert "these look like millimetres" in reasons["S001C003P001R002A001"]
    assert all(name in text for name in reasons)
    assert "list.txt names 2 clips, of which 1 are here and were not read" in data.notes


def test_further_actions_have_names_and_no_part(tmp_path):
    write(tmp_path / "S018C001P041R001A061.skeleton", body(0))
    write(tmp_path / "S001C002P001R001A002.skeleton", body(1))
    data, _ = convert(tmp_path, tmp_path)
    assert len(data.classes) == 120 and data.classes[60] == "A061"
    assert dict(zip(data.recordings["action"], data.splits["xsub"], strict=True)) == {"eat meal": "train", "A061": ""}
    names = [f"class {number}" for number in range(61)]
    (tmp_path / "names.json").write_text(json.dumps(names))
    data, _ = convert(tmp_path, tmp_path, "--classes", tmp_path / "names.json")
    assert data.classes == names and set(data.recordings["action"]) == {"class 1", "class 60"}
    with pytest.raises(InputError, match="--classes: 60 names, but clips of action A061; name every action"):
        convert(tmp_path, tmp_path, "--classes", "ntu60")


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        source_of("ntu", tmp_path / "gone")
    with pytest.raises(InputError, match=r"no \.skeleton files"):
        source_of("ntu", tmp_path)
    write(tmp_path / "mine.skeleton", body(0))
    with pytest.raises(InputError, match="no clips of NTU RGB.*\n  mine.skeleton: expected a name"):
        source_of("ntu", tmp_path)
    write(tmp_path / f"{WAVES}.skeleton")
    with pytest.raises(InputError, match=f"(?s)none can be used.*{WAVES}: no person: no person in any frame"):
        prepare(source_of("ntu", tmp_path), tmp_path / "ntu.h5", "")
    (tmp_path / "list.txt").write_text("none")
    with pytest.raises(InputError, match="list.txt: no names of clips; expected some such as"):
        source_of("ntu", tmp_path, "--leave-out", tmp_path / "list.txt")
    assert not (tmp_path / "ntu.h5").exists()


def test_a_body_whose_id_changes_half_way_is_joined(tmp_path):
    whole, apart = body(1), body(2) + np.float32(5)
    first, second = absent(whole, *range(6, 12)), absent(whole, *range(8))
    path = write(tmp_path / "clip.skeleton", first, second, apart, ids=["1", "2", "3"])
    assert {track.person for track in read_ntu(path)} == {0, 1}
    tracks = read_ntu(path, join=True)
    own = [np.allclose(track.pose3d[0] * [-1, -1, 1], whole[track.frame, :, :3], atol=1e-4) for track in tracks]
    (found,) = {track.person for track, it_is in zip(tracks, own, strict=True) if it_is}
    assert [(track.frame, len(track)) for track in tracks if track.person == found] == [(0, 6), (8, 4)]
    far = absent(whole + np.float32(1), *range(8))
    path = write(tmp_path / "far.skeleton", first, far, ids=["1", "2"])
    assert len({track.person for track in read_ntu(path, join=True)}) == 2
