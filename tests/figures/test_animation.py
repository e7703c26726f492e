"""What is drawn: people upright, left is left, nothing jumps; and the files that hold it."""

import resource

import imageio_ffmpeg
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from stgraph.errors import InputError
from stgraph.figures.animation import ImagePanel, PosePanel, animate, pose_page
from stgraph.figures.bones import GHOST, LEFT, RIGHT, draw_pose2d, draw_pose3d
from stgraph.figures.clip import Clip, View
from stgraph.figures.projection import floor_lines, on_screen, upright
from stgraph.figures.video import gif_delays, write_clip
from stgraph.skeleton import H36M17

# A person facing the camera: x right, y down, z forward, the hip at 0. A left arm is held out.
FRONT = np.zeros((len(H36M17), 3))
for name, place in {
    **{"RHip": (-0.13, 0, 0), "RKnee": (-0.13, 0.44, 0), "RFoot": (-0.13, 0.88, 0)},
    **{"LHip": (0.13, 0, 0), "LKnee": (0.13, 0.44, 0), "LFoot": (0.13, 0.88, 0)},
    **{"Spine": (0, -0.24, 0), "Thorax": (0, -0.5, 0), "Neck/Nose": (0, -0.6, -0.05), "Head": (0, -0.72, 0)},
    **{"LShoulder": (0.15, -0.47, 0), "LElbow": (0.43, -0.47, 0), "LWrist": (0.68, -0.47, 0)},
    **{"RShoulder": (-0.15, -0.47, 0), "RElbow": (-0.17, -0.2, 0), "RWrist": (-0.18, 0.05, 0)},
}.items():
    FRONT[H36M17.index(name)] = place


def drawn(shown, **options):
    """The frames of panels, one after the other."""
    return pose_page(shown, H36M17, Clip(fps=50, **options)).play(range(len(shown[0].pose)))


def clip(length=6):
    """(t j 3) camera axes, root-relative; the left arm waves."""
    pose = np.repeat(FRONT[None], length, 0)
    pose[:, H36M17.index("LWrist"), 1] += 0.15 * np.sin(np.arange(length))
    return pose


def image_of(pose):
    """Pixels of a pinhole camera, with confidence 1."""
    place = pose + [0, 0, 4]
    pixels = 500 + 1000 * place[..., :2] / place[..., 2:]
    return np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)


def where(picture, colour):
    """Rows and columns of the pixels of a colour, within the panels."""
    near = np.abs(picture[60:-30] / 255 - to_rgb(colour)).max(-1) < 0.05
    assert near.any()
    return np.nonzero(near)


def quaternion(axis, degrees):
    """w x y z of a rotation about an axis."""
    half = np.radians(degrees) / 2
    return np.array([np.cos(half), *np.sin(half) * np.array(axis)])


# A camera that looks along the world's y axis, tilted down by 20 degrees and rolled by 10: R camera-to-world.
LEVEL, TILT, ROLL = quaternion((1, 0, 0), -90), quaternion((1, 0, 0), -20), quaternion((0, 0, 1), 10)


def product(p, q):
    """Hamilton product."""
    (a, *u), (b, *v) = p, q
    u, v = np.array(u), np.array(v)
    return np.array([a * b - u @ v, *(a * v + b * u + np.cross(u, v))])


def rotated(q, x):
    """x turned by a quaternion."""
    w, u = q[0], q[1:]
    return x + 2 * np.cross(u, np.cross(u, x) + w * x)


def test_upright_undoes_tilt_and_roll_and_keeps_the_heading():
    rng = np.random.default_rng(0)
    camera = product(product(LEVEL, TILT), ROLL)
    world = rng.normal(size=(20, 3))
    seen_from = rotated(camera * [1, -1, -1, -1], world)
    result = upright(seen_from, camera)
    np.testing.assert_allclose(result[:, 2], world[:, 2], atol=1e-9)  # heights are the world's
    np.testing.assert_allclose(np.linalg.norm(result, axis=-1), np.linalg.norm(world, axis=-1))
    basis = upright(np.eye(3), camera)
    assert np.linalg.det(basis.T) == pytest.approx(1)  # not mirrored
    level = upright(rotated(LEVEL * [1, -1, -1, -1], world), LEVEL)
    np.testing.assert_allclose(level, world, atol=1e-9)  # it looks along y, so right is x and away is y


def test_without_a_rotation_up_is_the_images_top():
    np.testing.assert_allclose(upright(np.array([1.0, 2.0, 3.0])), [1, 3, -2])


def test_view_turns_round_the_person_and_rises():
    right, away, up = np.eye(3)
    straight = View(0, 0)
    np.testing.assert_allclose(on_screen(right, straight), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(on_screen(up, straight), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(on_screen(away, straight), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(on_screen(away, View(90, 0)), [1, 0, 0], atol=1e-12)  # seen from the left
    np.testing.assert_allclose(on_screen(away, View(0, 90)), [0, 1, 0], atol=1e-12)  # from the top
    basis = on_screen(np.eye(3), View(33, 21))
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(basis) == pytest.approx(np.linalg.det(on_screen(np.eye(3), straight)))  # not mirrored


@pytest.mark.slow
@pytest.mark.parametrize(
    "panel",
    [
        ImagePanel("2D", image_of(clip()), 1000, 1000),
        PosePanel("3D", clip()),
        PosePanel("path", clip(), path=np.tile([0.3, 0.1, 5.0], (6, 1))),
        PosePanel(
            "camera", rotated(product(TILT, ROLL) * [1, -1, -1, -1], clip()), product(product(LEVEL, TILT), ROLL)
        ),
    ],
    ids=lambda panel: panel.title,
)
def test_people_stand_upright_with_their_left_on_the_right(panel):
    picture = next(drawn([panel], view=View(0, 0), size=(400, 400)))
    left, right = where(picture, LEFT), where(picture, RIGHT)
    assert left[1].mean() > right[1].mean()  # facing the camera, the left hand is on the picture's right
    spread = [np.ptp(left[1][(left[0] >= low) & (left[0] < high)]) for low, high in ((0, 180), (180, 400))]
    assert spread[0] > 2 * max(spread[1], 5)  # the arm held out is above the leg, so the head is up


@pytest.mark.slow
def test_axes_are_equal_and_shared():
    """A square is a square, and two panels have the same scale whatever is in them."""
    figure_size, small = (800, 400), clip() * 0.5
    picture = next(drawn([PosePanel("a", clip()), PosePanel("b", small)], view=View(0, 0), size=figure_size))
    heights = [np.ptp(where(half, RIGHT)[0]) for half in (picture[:, :400], picture[:, 400:])]
    assert heights[0] == pytest.approx(2 * heights[1], abs=6)
    columns, rows = where(picture[:, :400], LEFT)[1], where(picture[:, :400], LEFT)[0]
    across, down = 0.68 - 0, 0.88 + 0.47  # hip's middle to the left wrist; the left side's height
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(across / down, rel=0.06)


@pytest.mark.slow
def test_nothing_jumps():
    """Only what moves changes: the legs of a waving person are the same pixels all through the clip."""
    pictures = list(drawn([PosePanel("3D", clip(8))], view=View(0, 0), size=(400, 400)))
    assert len(pictures) == 8
    changed = np.any([(picture != pictures[0]).any(-1) for picture in pictures], axis=0)
    rows, columns = np.nonzero(changed[:350])  # the clock is below
    assert len(rows) and columns.min() > 200 and rows.max() < 240
    moved = clip(8)
    moved += np.linspace(0, 1, 8)[:, None, None] * [1.0, 0, 0]
    walked = list(drawn([PosePanel("3D", moved)], view=View(0, 0), size=(400, 400)))
    assert where(walked[7], RIGHT)[1].mean() > where(walked[0], RIGHT)[1].mean() + 50


def test_the_floor_moves_under_a_person_who_walks():
    lines = floor_lines(0.0, np.array([0.0, 0.0]))
    np.testing.assert_allclose(floor_lines(0.0, np.array([0.5, -1.0])), lines, atol=1e-9)  # a whole square on
    moved = floor_lines(0.0, np.array([0.1, 0.0]))
    along = sorted({round(float(x), 6) for x in moved[:, 0, 0] if abs(x) < 0.79})
    assert -0.1 in along and np.allclose(np.diff(along), 0.5)


def test_a_joint_that_is_not_seen_is_not_drawn():
    pose = image_of(clip())
    whole = next(drawn([ImagePanel("2D", pose, 1000, 1000)], size=(400, 400)))
    pose[:, [H36M17.index("LElbow"), H36M17.index("LWrist")], 2] = 0
    hidden = next(drawn([ImagePanel("2D", pose, 1000, 1000)], size=(400, 400)))
    assert len(where(hidden, LEFT)[0]) < 0.8 * len(where(whole, LEFT)[0])


def test_nearer_bones_cover_farther_ones():
    pose = clip()[0]
    pose[H36M17.index("LFoot")], pose[H36M17.index("RFoot")] = (-0.13, 0.88, -0.3), (0.13, 0.88, 0.3)
    for nearer, view in ((LEFT, View(0, 0)), (RIGHT, View(180, 0))):
        axes = Figure().add_subplot()
        draw_pose3d(axes, upright(pose), H36M17, view)
        (lines,) = axes.collections
        shins = [
            tuple(colour[:3]) for colour in lines.get_colors() if tuple(colour[:3]) in (to_rgb(LEFT), to_rgb(RIGHT))
        ]
        assert shins[-1] == to_rgb(nearer)  # drawn last


def test_stills():
    axes = Figure().add_subplot()
    draw_pose2d(axes, image_of(clip())[0], H36M17)
    (lines,) = axes.collections
    assert len(lines.get_segments()) == len(H36M17.bones)


@pytest.mark.parametrize("rate", [7.0, 25.0, 30.0, 50.0])
def test_gif_delays_add_up(rate):
    delays = gif_delays(100, rate)
    assert sum(delays) == pytest.approx(100_000 / rate, abs=5)
    assert all(delay % 10 == 0 and delay >= 20 for delay in delays)


def panels(length):
    pose = clip(length)
    error = np.linspace(10, 90, length)
    return [
        ImagePanel("2D input", image_of(pose), 1000, 1000),
        PosePanel("ground truth", pose),
        PosePanel("prediction", pose + 0.02, error=error),
    ]


@pytest.mark.slow
def test_gif(tmp_path):
    options = Clip(fps=50, rate=25, size=(600, 240), title="S9", note="synthetic")
    path = animate(panels(40), H36M17, tmp_path / "new" / "clip.gif", options)
    with Image.open(path) as picture:
        assert picture.size == (600, 240) and picture.n_frames == 20 and picture.info["loop"] == 0
        total = 0
        for number in range(picture.n_frames):
            picture.seek(number)
            total += picture.info["duration"]
        assert total == 800
        middle = np.array(picture.convert("RGB"))
    assert (middle[0, 300] == 255).all()  # white stays white
    assert len(where(middle, LEFT)[0]) and len(where(middle, RIGHT)[0])
    assert path.stat().st_size < 200_000
    assert [file.name for file in path.parent.iterdir()] == ["clip.gif"]


@pytest.mark.slow
def test_one_frame_and_slow_sources(tmp_path):
    path = animate(panels(3), H36M17, tmp_path / "clip.gif", Clip(fps=10, rate=25))  # no faster than the poses
    with Image.open(path) as picture:
        assert picture.n_frames == 3
    with Image.open(animate(panels(1), H36M17, tmp_path / "one.gif", Clip(fps=50))) as picture:
        assert picture.size == (960, 340)


@pytest.mark.slow
def test_mp4(tmp_path):
    path = animate(panels(40), H36M17, tmp_path / "clip.mp4", Clip(fps=50, rate=25, size=(601, 241), bitrate=800))
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    assert about["size"] == (602, 242) and about["fps"] == 25 and about["pix_fmt"].startswith("yuv420p")
    reader.close()
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 20


def test_an_interrupted_clip_leaves_the_old_file(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_bytes(b"old")

    def broken():
        yield np.zeros((10, 10, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip(broken(), path, Clip(fps=25))
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("clip.webm", {}, r"\.webm.*\.gif or \.mp4"),
        ("clip", {}, "without an ending"),
        ("clip.gif", {"rate": 100.0}, "at most 50"),
        ("clip.mp4", {"bitrate": 0}, "bitrate"),
        ("clip.gif", {"size": (120, 80)}, "size 120 x 80"),
    ],
)
def test_impossible_clips_are_refused(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        animate(panels(4), H36M17, tmp_path / name, Clip(fps=50, **options))
    assert not list(tmp_path.iterdir())


def test_panels_must_go_together(tmp_path):
    unlike = [PosePanel("a", clip(4)), PosePanel("b", clip(5))]
    with pytest.raises(InputError, match="same frames"):
        animate(unlike, H36M17, tmp_path / "clip.gif", Clip(fps=50))
    with pytest.raises(InputError, match="same frames"):
        animate([PosePanel("a", clip(4)[:, :16])], H36M17, tmp_path / "clip.gif", Clip(fps=50))
    with pytest.raises(InputError, match="no frames"):
        animate([PosePanel("a", clip(4)[:0])], H36M17, tmp_path / "clip.gif", Clip(fps=50))
    with pytest.raises(InputError, match="no joint"):
        animate([PosePanel("a", clip(4) * np.nan)], H36M17, tmp_path / "clip.gif", Clip(fps=50))


@pytest.mark.slow
def test_a_full_disk_keeps_the_old_clip(tmp_path):
    """ffmpeg's own failures do not reach us; what it wrote is counted."""
    path = tmp_path / "clip.mp4"
    drawn = np.random.default_rng(0).integers(0, 255, (20, 120, 160, 3), dtype=np.uint8)
    write_clip(drawn, path, Clip(fps=25))
    old, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        with pytest.raises((OSError, InputError), match="clip.mp4"):
            write_clip(drawn, path, Clip(fps=25))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shift", [(0, 0), (-420, 0)])
def test_no_edge_of_the_image_is_a_stray_line(shift):
    """At the image's middle none of its border is in view, at its left edge one side would be."""
    pose = image_of(clip(1))
    pose[..., :2] += shift
    (picture,) = drawn([ImagePanel("2D", pose, 1000, 1000)])
    assert not border_columns(picture)


@pytest.mark.slow
def test_a_border_that_is_in_view_as_a_whole_is_drawn():
    pose = image_of(clip(1))
    (picture,) = drawn([ImagePanel("2D", pose, int(pose[..., 0].max()) + 1, int(pose[..., 1].max()) + 1)])
    assert not border_columns(picture)  # the person does not reach the left and upper edges
    pose[0, 0, :2], pose[0, 1, :2] = (1, 1), (999, 999)
    (picture,) = drawn([ImagePanel("2D", pose, 1000, 1000)])
    assert border_columns(picture)


def border_columns(picture):
    """Whether a line of the border's colour goes down the panel."""
    near = np.abs(picture[60:-30] / 255 - to_rgb(GHOST)).max(-1) < 0.05
    return bool((near.mean(0) > 0.5).any())
