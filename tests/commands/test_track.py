"""python -m stgraph.track: a file of detections in, people with identities out, and a picture."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.read import read_keypoints
from stgraph.formats.posetrack import Mark, read_videos, write_video
from stgraph.skeleton import Skeleton
from stgraph.track import main, parser
from stgraph.tracking.videos import follow, identified, losses
from tests.formats.keypoints.people import walker
from tests.scoring import tracking_people
from tests.tracking.walkers import person, tracker, video

pytestmark = pytest.mark.slow


def run(*arguments):
    main(parser().parse_args([*map(str, arguments)]))


def walkers(frames=20, name="walk"):
    """Two people who walk; the second is missed in frames 12 and 13."""
    return video(
        [
            [person(100 + 4 * frame), *([] if frame in (12, 13) else [person(500 - 4 * frame)])]
            for frame in range(frames)
        ],
        name,
    )


@pytest.fixture
def file(tmp_path):
    write_video(walkers(), tmp_path / "in.json")
    return tmp_path / "in.json"


def test_a_frame_rate_that_is_assumed_is_said_and_not_written(tmp_path, capsys):
    """Or the next command would take it for the file's."""
    file, out = tmp_path / "in.json", tmp_path / "out.json"
    write_video(replace(walkers(), fps=None), file)
    run("--in", file, "--out", out)
    assert "Frames per second are not known: 30 (--fps)." in capsys.readouterr().out
    assert read_videos(out)[0].fps is None
    run("--in", file, "--out", out, "--fps", 24)
    assert "not known" not in capsys.readouterr().out and read_videos(out)[0].fps == 24


@pytest.mark.parametrize("name", ["hold", "velocity", "kalman"])
def test_people_get_identities_and_their_gaps_are_filled(file, tmp_path, capsys, name):
    out = tmp_path / "new" / "out.json"
    run("--exp", name, "--in", file, "--out", out)
    (found,) = read_videos(out)
    assert (len(found), found.name, found.fps, found.size) == (20, "walk", 25, (640, 400))
    for frame in range(20):
        rows = found.frame == frame
        people = [1, 2] if frame not in (12, 13) else found.person[rows].tolist()
        assert found.person[rows].tolist() == people
        left = found.pose[rows][0]
        np.testing.assert_allclose(left[:, :2], person(100 + 4 * frame), atol=12)
    assert set(found.mark[found.frame == 0].ravel()) == {Mark.DETECTED}
    assert set(found.mark[found.frame == 5].ravel()) == {Mark.MERGED if name == "kalman" else Mark.DETECTED}
    assert Mark.PREDICTED in found.mark[(found.frame == 12) & (found.person == 2)]
    line = capsys.readouterr().out
    assert f"{out}: walk, 20 frames, 38 detections became {len(found.frame)} poses of 2 people" in line
    assert f"{(found.mark == Mark.MERGED).sum():,} merged, {(found.mark == Mark.PREDICTED).sum():,} predicted" in line


def test_the_picture(file, tmp_path, capsys):
    gif = tmp_path / "out.gif"
    run("--exp", "kalman", "--in", file, "--out", tmp_path / "out.json", "--gif", gif, "--size", "320x240")
    with Image.open(gif) as picture:
        assert (picture.n_frames, picture.size) == (10, (320, 240))  # of 20 frames at 25 fps, 12.5 a second
        shown = [np.asarray(frame.convert("RGB")).copy() for frame in frames_of(picture)]
    assert str(gif) in capsys.readouterr().out
    # Both people, each in a colour of their own, are drawn in all frames.
    for frame in shown:
        for colour in ((0x1F, 0x6F, 0xB4), (0xD8, 0x43, 0x2F)):
            assert (np.abs(frame.astype(int) - colour).max(axis=2) < 12).sum() > 20
    run("--exp", "kalman", "--in", file, "--out", tmp_path / "out.json", "--gif", gif, "--start", 0.4, "--seconds", 0.2)
    with Image.open(gif) as picture:
        assert picture.n_frames == 3


def frames_of(picture):
    for number in range(picture.n_frames):
        picture.seek(number)
        yield picture


def test_a_folder_becomes_a_folder(tmp_path):
    for name in ("one", "two"):
        write_video(walkers(12, name), tmp_path / "in" / f"{name}.json")
    run("--exp", "kalman", "--in", tmp_path / "in", "--out", tmp_path / "out", "--gif", tmp_path / "gif")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.json", "two.json"]
    assert sorted(path.name for path in (tmp_path / "gif").iterdir()) == ["one.gif", "two.gif"]
    assert [video.name for video in read_videos(tmp_path / "out")] == ["one", "two"]


def test_videos_whose_files_would_be_the_same_are_refused_before_any_is_written(tmp_path):
    for place, name in (("in/one.json", "a/b"), ("in/two.json", "a_b")):
        write_video(walkers(3, name), tmp_path / place)
    with pytest.raises(InputError, match="a_b.json: 'a/b' and 'a_b' would both be written to it"):
        run("--exp", "hold", "--in", tmp_path / "in", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_video_without_people_is_tracked_and_not_drawn(tmp_path, capsys):
    write_video(walkers(12, "one"), tmp_path / "in" / "one.json")
    write_video(video([[]] * 5, "empty"), tmp_path / "in" / "empty.json")
    run("--exp", "hold", "--in", tmp_path / "in", "--out", tmp_path / "out", "--gif", tmp_path / "gif")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["empty.json", "one.json"]
    assert [path.name for path in (tmp_path / "gif").iterdir()] == ["one.gif"]
    assert "empty: nothing is drawn, since no person is in these frames" in capsys.readouterr().out


def test_one_bad_video_stops_no_other(tmp_path):
    write_video(walkers(12, "one"), tmp_path / "in" / "one.json")
    write_video(walkers(30, "two"), tmp_path / "in" / "two.json")
    (tmp_path / "in" / "broken.json").write_text('{"images": [')
    words = ["--exp", "hold", "--in", tmp_path / "in", "--out", tmp_path / "out", "--gif", tmp_path / "gif"]
    with pytest.raises(InputError) as caught:
        run(*words, "--start", 1)
    text = str(caught.value)
    assert "2 problems; what is not named here is written" in text
    assert "broken.json" in text and "--start 1: one is 0.5 s long" in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.json", "two.json"]
    assert [path.name for path in (tmp_path / "gif").iterdir()] == ["two.gif"]


def test_options_reach_the_tracker(file, tmp_path):
    out = tmp_path / "out.json"
    run("--exp", "kalman", "--in", file, "--out", out, "--max-age", 0.05)
    assert len(np.unique(read_videos(out)[0].person)) == 3
    run("--exp", "kalman", "--in", file, "--out", out, "--birth-score", 0.95)
    assert not len(read_videos(out)[0].frame)
    run("--exp", "kalman", "--in", file, "--out", out, "--confirm-score", 0.95, "--min-hits", 4)
    assert read_videos(out)[0].frame.min() == 0  # the file is known as a whole
    run("--exp", "kalman", "--in", file, "--out", out, "--confirm-score", 0.95, "--min-hits", 13)
    assert set(read_videos(out)[0].person) == {1}
    run("--exp", "kalman", "--in", file, "--out", out, "--people", 1)
    assert set(read_videos(out)[0].person) == {1}
    run("--exp", "kalman", "--in", file, "--out", out, "--fps", 1)
    assert read_videos(out)[0].fps == 1


def test_no_predictor_need_be_named(file, tmp_path):
    run("--in", file, "--out", tmp_path / "a.json")
    run("--exp", "kalman", "--in", file, "--out", tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


def tracked(capsys, tmp_path, frames, *options, score=0.9, **about):
    """What `track` prints of a video, and what it writes."""
    made = video(frames, **about)
    made.pose[..., 2] = score
    write_video(made, tmp_path / "in.json")
    run("--in", tmp_path / "in.json", "--out", tmp_path / "out.json", *options)
    (found,) = read_videos(tmp_path / "out.json")
    return capsys.readouterr().out, found


def test_unused_detections_are_reported_with_the_option(tmp_path, capsys):
    walking = [[person(100 + 4 * frame)] for frame in range(20)]
    out, found = tracked(capsys, tmp_path, walking, score=0.2)
    assert not len(found.frame)
    assert "not used: 20 detections without a match and with a score below --birth-score 0.3" in out
    out, found = tracked(capsys, tmp_path, walking[:3], score=0.5)
    assert not len(found.frame) and "not used: 3 detections of people detected fewer than --min-hits 4 times" in out
    out, found = tracked(capsys, tmp_path, [[*poses, poses[0] + 1, person(450)] for poses in walking], "--people", 1)
    assert found.person.tolist() == [1] * 20
    assert "not used: 20 detections like a better one" in out and "not used: 20 detections beyond --people 1" in out
    out, found = tracked(capsys, tmp_path, walking, "--people", 3)
    assert "not used" not in out and "identities ended" not in out


def test_a_low_frame_rate_is_reported(tmp_path, capsys):
    out, found = tracked(capsys, tmp_path, [[person(100 + 5 * frame)] for frame in range(9)], fps=0.5)
    assert len(np.unique(found.person)) == 9
    assert "8 identities ended 1.3 s after the last detection (--max-age)" in out
    assert (
        "frames are 2 s apart at 0.5 frames/s" in out and "give a larger --max-age, or the video's rate by --fps" in out
    )
    for options in (("--max-age", 5), ("--fps", 25), ("--people", 1)):
        out, found = tracked(capsys, tmp_path, [[person(100 + 5 * frame)] for frame in range(9)], *options, fps=0.5)
        assert set(found.person) == {1} and "apart" not in out


def test_every_detection_is_tracked_or_reported_as_unused(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frames = [[person(x) for x in rng.choice([100, 104, 300, 480], rng.integers(0, 5), False)] for _ in range(60)]
    made = video(frames)
    made.pose[..., 2] = rng.choice([0.2, 0.5, 0.9], (len(made.frame), 1))
    at = tracker()
    found = follow(at, made, 25.0, whole=True)
    lost = sum(int(line.split()[2].replace(",", "")) for line in losses(at, made, 25.0) if line.startswith("not used"))
    detected = np.isin(found.mark, [Mark.DETECTED, Mark.MERGED]).any(axis=1).sum()
    assert detected + lost == len(made.frame) and lost > 10


def test_of_150_people_all_are_written(tmp_path, capsys):
    crowd = [[person(300 * who + 2 * frame) for who in range(150)] for frame in range(5)]
    _, found = tracked(capsys, tmp_path, crowd, size=(50000, 400))
    assert len(found.frame) == 750 and len(np.unique(found.person)) == 150


def test_another_skeleton_than_posetracks(tmp_path):
    truth, detected = tracking_people.crowd(2)
    write_video(detected, tmp_path / "in.json")
    run("--exp", "kalman", "--in", tmp_path / "in.json", "--out", tmp_path / "out.json")
    (found,) = read_videos(tmp_path / "out.json")
    assert found.skeleton.names == truth.skeleton.names
    assert len(found.frame)


def test_joints_are_those_of_the_run_by_their_names(file):
    read = read_keypoints(file)
    assert read.to(read.skeleton) is read
    with pytest.raises(InputError, match=r"walk: no Tail among the joints Nose, .*; expected joints of these names"):
        read.to(Skeleton("other", ("Hip", "Tail"), (-1, 0)))


def openpose(folder, frames=12):
    """A folder of OpenPose's: two people who stand apart, one of them with an arm that is not seen."""
    folder.mkdir()
    pose = walker("body25", frames)
    for number, one in enumerate(pose):
        other = one + [500, 0, 0]
        other[[3, 4]] = 0
        people = [{"person_id": [-1], "pose_keypoints_2d": values.ravel().tolist()} for values in (one, other)]
        name = f"clip_{number:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def test_an_openpose_folder_is_tracked_under_its_own_names(tmp_path):
    folder, out = openpose(tmp_path / "in"), tmp_path / "out.json"
    run("--exp", "kalman", "--in", folder, "--out", out, "--gif", tmp_path / "a.gif")
    found = read_keypoints(out)
    assert found.joints == LAYOUTS["body25"] and found.people == [1, 2] and len(found) == 24
    assert (tmp_path / "a.gif").exists()
    assert found.skeleton.parents == read_keypoints(tmp_path / "in").skeleton.parents


def test_people_without_identities_get_them_from_their_first_frame_on(tmp_path):
    keypoints = identified(read_keypoints(openpose(tmp_path / "in")), 25.0)
    assert keypoints.person.tolist() == [0, 1] * 12
    alone = keypoints.of(1)
    assert identified(alone, 25.0) is alone
    unknown = replace(alone, person=np.full(len(alone), -1))
    assert identified(unknown, 25.0).people == [0]


MISTAKES = {
    "the input is the output": (["--out", "{file}"], "in.json: is the input and would be lost"),
    "an unknown run": (["--exp", "kalmann"], "kalmann.*no such checkpoint"),
    "a wrong ending": (["--out", "out.txt"], "--out out.txt: expected a file ending in .json"),
    "a wrong picture": (["--gif", "out.png"], "--gif out.png: expected a file ending in .gif or .mp4"),
    "no file": (["--in", "nothing.json"], "nothing.json: no such file"),
    "fps": (["--fps", "0"], "--fps: found 0; expected a finite number above 0"),
    "seconds": (["--seconds", "inf"], "--seconds: found inf; expected a finite number"),
    "start": (["--start", "-1"], "--start: found -1; expected a finite number of 0 or more"),
    "a start after the end": (["--gif", "{folder}/a.gif", "--start", "9"], "--start 9: walk is 0.8 s long"),
    "gate": (["--gate", "2"], "gate: found 2.0; expected an OKS"),
    "size": (["--gif", "{folder}/a.gif", "--size", "wide"], "--size wide: expected WIDTHxHEIGHT"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(file, tmp_path, name):
    given, message = MISTAKES[name]
    before = file.read_bytes()
    options = [option.format(file=file, folder=tmp_path) for option in given]
    with pytest.raises(InputError, match=message):
        run("--exp", "kalman", "--in", file, "--out", tmp_path / "out.json", *options)
    assert file.read_bytes() == before
    assert not (tmp_path / "a.gif").exists()


def test_a_mistake_ends_in_one_message(file, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["track", "--exp", "kalman", "--in", str(file), "--out", str(file)])
    with pytest.raises(SystemExit) as end:
        run_command(parser(), main)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"python -m stgraph.track: --out {file}: is the input")
    assert error.count("\n") == 1


def test_the_outputs_folder_may_not_be_the_inputs(tmp_path):
    for name in ("one", "two"):
        write_video(walkers(3, name), tmp_path / f"{name}.json")
    with pytest.raises(InputError, match="is the input and would be lost"):
        run("--exp", "hold", "--in", tmp_path, "--out", tmp_path / ".." / tmp_path.name)


def test_a_file_of_the_input_is_no_output(tmp_path):
    folder = openpose(tmp_path / "in")
    first = min(folder.iterdir())
    before = first.read_bytes()
    with pytest.raises(InputError, match="keypoints.json: is in the input and would be lost; give another --out"):
        run("--exp", "hold", "--in", folder, "--out", first)
    assert first.read_bytes() == before
    write_video(walkers(3, "one"), folder / "below" / "one.json")
    with pytest.raises(InputError, match="one.json: is in the input and would be lost"):
        run("--exp", "hold", "--in", folder, "--out", folder / "below")
