"""Video files: upright frames with square pixels, known by their content."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.video import is_video, open_video
from tests.formats.keypoints.onnx_people import write_video

CORNER = (200, 30, 30)  # the upper left quarter; the rest is black


def pictures(frames: int = 10, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[: size[1] // 2, : size[0] // 2] = CORNER
    return [picture] * frames


def ffmpeg(*words: object) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, words)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp4", "mov", "avi", "mkv", "webm", "ts", "flv", "mpg", "wmv"])
def test_containers_are_known_by_content(tmp_path: Path, ending: str) -> None:
    source = write_video(tmp_path / "source.mp4", pictures())
    ffmpeg("-i", source, tmp_path / f"video.{ending}")
    path = (tmp_path / f"video.{ending}").rename(tmp_path / "video.dat")
    assert is_video(path)
    video = open_video(path)
    assert video.size == (96, 64) and video.fps == pytest.approx(25, abs=0.1)
    frames = list(video.frames())
    assert len(frames) == 10 and all(frame.shape == (64, 96, 3) for frame in frames)
    np.testing.assert_allclose(frames[5][8:24, 8:40].mean((0, 1)), CORNER, atol=12)  # red is first


def test_what_is_no_video_is_none(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    for content in (b"", b"the wide free world\n" * 40, b'[{"keypoints": []}]', b"Great\n" * 100, b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(content)
        assert not is_video(path)
    assert not is_video(tmp_path) and not is_video(tmp_path / "none")


@pytest.mark.slow
def test_a_tag_of_rotation_is_followed(tmp_path: Path) -> None:
    upright = pictures(size=(64, 96))
    side = write_video(tmp_path / "side.mp4", [np.rot90(picture) for picture in upright])
    ffmpeg("-display_rotation:v:0", "-90", "-i", side, "-c", "copy", tmp_path / "portrait.mov")
    video = open_video(tmp_path / "portrait.mov")
    assert video.size == (64, 96)
    np.testing.assert_allclose(next(video.frames()).astype(int), upright[0], atol=40)
    assert next(video.frames((32, 48))).shape == (48, 32, 3)


@pytest.mark.slow
def test_pixels_are_square(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", pictures())
    ffmpeg("-i", source, "-vf", "setsar=2", tmp_path / "wide.mp4")
    assert open_video(tmp_path / "wide.mp4").size == (192, 64)


@pytest.mark.slow
def test_uneven_times_give_every_frame_once(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mp4", pictures())
    ffmpeg("-i", source, "-vf", "setpts='N*N/25/TB'", "-fps_mode", "passthrough", tmp_path / "uneven.mkv")
    assert sum(1 for _ in open_video(tmp_path / "uneven.mkv").frames()) == 10


@pytest.mark.slow
def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", pictures()).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # the table of its frames stands at the end
    with pytest.raises(InputError, match=r"cut\.mp4: ffmpeg cannot read it \(moov atom not found\)"):
        open_video(tmp_path / "cut.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.mp4")
    with pytest.raises(InputError, match="does not contain any stream"):
        open_video(tmp_path / "sound.mp4")
    with pytest.raises(InputError, match="no such file"):
        open_video(tmp_path / "none.mp4")
