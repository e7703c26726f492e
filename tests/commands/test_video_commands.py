"""predict and track on a video, in which rtmlib finds the people with small networks."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from data_prep.reading.pose_files import read_poses
from stgraph import predict, score, track
from stgraph.errors import InputError
from stgraph.figures.bones import LEFT, RIGHT
from stgraph.formats.posetrack import read_videos
from stgraph.formats.video import open_video
from stgraph.motion.motion import Motion
from tests.formats.keypoints import onnx_people as drawn

pytestmark = pytest.mark.slow
FRAMES = 12
BACKGROUND = (30, 40, 30)


class Case(NamedTuple):
    """A video and the options that name the weights."""

    video: Path
    options: list[str]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    pytest.importorskip("rtmlib")
    folder = tmp_path_factory.mktemp("videos")
    return Case(folder / "two.mp4", drawn.weights_and_video(folder, FRAMES))


def run(command: Callable, *words: object) -> None:
    command.main(command.parser().parse_args([str(word) for word in words]))


def pixels(picture: np.ndarray, colour: str) -> np.ndarray:
    """(n 2) x and y of the pixels of a colour."""
    return np.argwhere(np.abs(picture / 255 - to_rgb(colour)).max(-1) < 0.15)[:, ::-1]


def test_a_video_becomes_motion_that_is_drawn_over_it(case, tmp_path, capsys):
    outs = [tmp_path / f"walk.{ending}" for ending in ("mp4", "npz", "html")]
    run(predict, case.video, *case.options, "--height", 1.75, "--out", *outs)
    assert "two (a video, people by rtmlib)" in capsys.readouterr().out
    motion = Motion.load(outs[1])
    assert motion.size == drawn.SIZE and motion.fps == 25 and motion.pose.shape[:2] == (FRAMES, 2)
    true = drawn.two_people(FRAMES)
    ankle = drawn.COCO17.index("LAnkle")
    places = motion.keypoints[:, :, motion.skeleton.index("LFoot"), :2]
    nearest = np.linalg.norm(places[:, :, None] - true[:, None, :, ankle], axis=-1).min(-1)
    assert nearest.max() < 4
    film = open_video(outs[0])
    frame = next(film.frames())
    panel = frame[:, : film.size[0] // 2]
    image = np.abs(panel.astype(int) - BACKGROUND).max(-1) < 25
    rows, columns = (np.flatnonzero(image.mean(axis) > 0.3) for axis in (1, 0))  # text is dark, too
    (left, right), (top, bottom) = columns[[0, -1]], rows[[0, -1]]
    assert (right - left) / (bottom - top) == pytest.approx(drawn.SIZE[0] / drawn.SIZE[1], rel=0.02)
    scale = (right - left) / drawn.SIZE[0]
    # Both people's left legs are blue, their right legs red, and where the people are.
    for colour, side in ((LEFT, "L"), (RIGHT, "R")):
        found = (pixels(panel, colour) - (left, top)) / scale
        for person in true[0]:
            knee = person[drawn.COCO17.index(f"{side}Knee")]
            assert np.linalg.norm(found - knee, axis=-1).min() < 6
            across = person[drawn.COCO17.index(f"{'R' if side == 'L' else 'L'}Knee")]
            assert np.linalg.norm(found - across, axis=-1).min() > 6


def test_track_writes_the_keypoints_of_a_video(case, tmp_path, capsys):
    out, gif = tmp_path / "tracked.json", tmp_path / "tracked.gif"
    run(track, "--in", case.video, *case.options, "--out", out, "--gif", gif)
    (tracked,) = read_videos(out)
    assert (len(tracked), tracked.fps, tracked.size) == (FRAMES, 25, drawn.SIZE)
    assert set(tracked.person) == {1, 2} and len(tracked.frame) == 2 * FRAMES
    shown = next(open_video(gif).frames())
    dark = np.abs(shown.astype(int) - BACKGROUND).max(-1) < 25
    assert dark.mean() > 0.5
    # What was written is read again, without a detector.
    run(predict, out, "--out", tmp_path / "walk.npz")
    assert len(Motion.load(tmp_path / "walk.npz").person) == 2


def test_mistakes_leave_what_is_there(case, tmp_path):
    out = tmp_path / "walk.mp4"
    out.write_bytes(b"before")
    video = case.video.read_bytes()
    with pytest.raises(InputError, match=r"--out .*two\.mp4: is the input"):
        run(predict, case.video, *case.options, "--out", case.video)
    with pytest.raises(InputError, match=r"--gif .*two\.mp4: is the input"):
        run(track, "--in", case.video, *case.options, "--out", tmp_path / "a.json", "--gif", case.video)
    with pytest.raises(InputError, match=r"expected a file ending in \.json"):
        run(track, "--in", case.video, *case.options, "--out", tmp_path / "a.txt")
    blank = drawn.write_video(tmp_path / "blank.mp4", [drawn.picture([], drawn.SIZE)] * 3)
    with pytest.raises(InputError, match="no people in it"):
        run(predict, blank, *case.options, "--out", out)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video[: len(video) // 2])
    with pytest.raises(InputError, match=r"cut\.mp4: ffmpeg cannot read it"):
        run(predict, cut, *case.options, "--out", out)
    assert out.read_bytes() == b"before" and case.video.read_bytes() == video


def test_one_frame_is_lifted(case, tmp_path):
    one = drawn.write_video(tmp_path / "one.mp4", [drawn.picture(drawn.two_people(1)[0], drawn.SIZE)])
    run(predict, one, *case.options, "--out", tmp_path / "one.npz")
    motion = Motion.load(tmp_path / "one.npz")
    assert motion.pose.shape[:2] == (1, 2) and motion.present.all()


def test_weights_are_for_videos_alone(tmp_path):
    np.save(tmp_path / "poses.npy", np.zeros((5, 17, 3)))
    with pytest.raises(InputError, match="--pose-weights: is for videos, and .*leave it out"):
        run(predict, tmp_path / "poses.npy", "--pose-weights", "pose.onnx", "--out", tmp_path / "walk.npz")


def test_other_commands_name_those_that_read_videos(tmp_path):
    video = drawn.write_video(tmp_path / "two.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3)
    with pytest.raises(InputError, match=r"is a video; .*stgraph\.predict.*stgraph\.track"):
        run(score, "--truth", video, "--in", video)
    with pytest.raises(InputError, match=r"is a video; .*stgraph\.track"):
        read_poses(video)  # of `data_prep clips`
