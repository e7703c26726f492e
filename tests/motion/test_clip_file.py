"""GIF and MP4 of a motion: the keypoints beside the people in space."""

from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image, ImageSequence

from stgraph.errors import InputError
from stgraph.figures.bones import LEFT, RIGHT, tint
from stgraph.figures.clip import Clip, View
from stgraph.skeleton import H36M17
from tests.formats.keypoints.onnx_people import write_video
from tests.motion.people import changed, walking

SIDE = Clip(fps=1, view=View(0, 0), size=(640, 320))


def frame_of(path, number):
    with Image.open(path) as image:
        image.seek(number)
        return np.asarray(image.convert("RGB")) / 255


def near(picture, colour):
    """Rows and columns of the pixels of a colour, without the title and the legend."""
    return np.argwhere(np.abs(picture[60:-30] - to_rgb(colour)).max(-1) < 0.06)


@pytest.mark.slow
def test_the_walker_is_upright_and_not_mirrored_beside_its_keypoints(tmp_path):
    guessed = np.zeros((60, 1, len(H36M17)), bool)
    guessed[:, 0, H36M17.index("LWrist")] = True
    (saved,) = walking(frames=60, guessed=guessed).save(tmp_path / "walk.gif", clip=SIDE, seconds=0.5)
    assert saved.note == "shows 0.0 to 0.5 s of 1.2 s"
    (known,) = walking(frames=60).save(tmp_path / "known.gif", clip=SIDE, seconds=0.5)
    picture = frame_of(saved.path, 10)
    for half in (picture[:, :320], picture[:, 320:]):  # it walks towards the camera: its left is on the right
        assert near(half, LEFT)[:, 1].mean() > near(half, RIGHT)[:, 1].mean() + 3
    # The edges of lines are pale, too.
    pale, edges = (near(shown[:, 320:], tint(LEFT)) for shown in (picture, frame_of(known.path, 10)))
    assert len(pale) > len(edges) + 30
    np.testing.assert_array_equal(picture[60:, :320], frame_of(known.path, 10)[60:, :320])


@pytest.mark.slow
def test_people_are_drawn_while_they_are_there(tmp_path):
    motion = walking(("S07/walk 01", "S08/walk 02"), 60, person=np.array(["Ann", "Ben"]))
    pose = motion.pose.copy()
    pose[:10] = np.nan
    motion = changed(motion, pose=pose)
    (saved,) = motion.save(tmp_path / "walk.gif", clip=SIDE)
    assert saved.note == "shows 0.2 to 1.2 s of 1.2 s"
    columns = [np.ptp(near(frame_of(saved.path, number)[:, 320:], LEFT)[:, 1]) for number in (0, 7, 15)]
    assert columns[0] > 2 * columns[1] < columns[2]  # two people, one, two


@pytest.mark.slow
def test_mp4(tmp_path):
    (saved,) = walking(("S07/walk 01",), 60).save(tmp_path / "walk.mp4")
    assert imageio_ffmpeg.count_frames_and_secs(str(saved.path))[0] == 30  # at 25 of 50 frames a second


def test_what_cannot_be_drawn_leaves_the_file_that_was_there(tmp_path):
    motion = walking(("S07/walk 01",), 5)
    (tmp_path / "walk.gif").write_bytes(b"before")
    with pytest.raises(InputError, match="found 0 seconds"):
        motion.save(tmp_path / "walk.gif", seconds=0)
    empty = changed(motion, pose=np.full_like(motion.pose, np.nan))
    with pytest.raises(InputError, match="no person is in any frame"):
        empty.save(tmp_path / "walk.gif")
    assert (tmp_path / "walk.gif").read_bytes() == b"before"


@pytest.mark.slow
@pytest.mark.parametrize(("first", "step"), [(0, 1), (7, 1), (4, 2)])
def test_keypoints_are_drawn_over_the_frames_that_they_were_found_in(tmp_path, first, step):
    shades = [np.full((80, 100, 3), 60 + 4 * number, np.uint8) for number in range(40)]
    video = write_video(tmp_path / "video.mp4", shades, 50)
    motion = walking(frames=40)
    scale = np.array([0.1, 0.1, 1], np.float32)  # the video is a tenth of the image's size
    motion = replace(changed(motion, keypoints=motion.keypoints * scale), video_file=video, size=(100, 80))
    (saved,) = motion.part(slice(first, 20, step)).save(tmp_path / "walk.gif", clip=SIDE)
    with Image.open(saved.path) as drawn:
        shown = [np.asarray(frame.convert("RGB"))[40:250, 40:280] for frame in ImageSequence.Iterator(drawn)]
    places = Clip(fps=motion.fps / step).indices(len(range(first, 20, step)))
    assert len(shown) == len(places)
    for place, picture in zip(places, shown, strict=True):
        middle = np.median(picture.reshape(-1, 3), axis=0)  # most of the panel is the frame
        np.testing.assert_allclose(middle, shades[first + step * place][0, 0], atol=3)
        assert near(picture / 255, RIGHT).size and near(picture / 255, LEFT).size


def test_a_video_that_is_gone_leaves_the_file_that_was_there(tmp_path):
    (tmp_path / "walk.mp4").write_bytes(b"before")
    motion = replace(walking(frames=5), video_file=tmp_path / "gone.mp4")
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        motion.save(tmp_path / "walk.mp4")
    assert (tmp_path / "walk.mp4").read_bytes() == b"before"
