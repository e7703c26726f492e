"""Recognised clips: people whole, upright and not mirrored; discs and bars as large as what they show."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image
from scipy.ndimage import label

from stgraph.errors import InputError
from stgraph.figures.bones import LEFT, RIGHT
from stgraph.figures.clip import Clip, View
from stgraph.skeleton import SKELETONS
from stgraph.tasks.action.drawing import (
    CORRECT,
    LEVELS,
    SHOWN,
    WRONG,
    RecognisedClip,
    animate_clip,
    clip_page,
    ground_lines,
    shown_classes,
    tint,
)
from tests.figures.test_animation import FRONT, LEVEL, TILT, image_of, product, rotated

pytestmark = pytest.mark.slow

H36M17 = SKELETONS["h36m17"]
PANEL = 420  # columns of the picture that show the skeletons


def front(frames=4, persons=1):
    """(m t j 3) camera axes, metres: people who face the camera, side by side, 4 m away."""
    return np.array([[FRONT + [1.6 * person, 0, 4]] * frames for person in range(persons)])


def recognised(pose, level=0.5, chances=((0.7, 0.2, 0.1),), names=("sit", "stand", "walk"), **about):
    contribution = np.full(pose.shape[:3], level) if np.isscalar(level) else level
    return RecognisedClip(pose, contribution, np.array(chances), names, **about)


def first(clip, skeleton=H36M17, **options):
    return next(clip_page(clip, skeleton, Clip(fps=25, **options)).play([0]))


def where(picture, colour, tolerance=0.02):
    """The pixels of a colour."""
    return np.abs(picture / 255 - to_rgb(colour)).max(-1) < tolerance


def stages(clip, skeleton=H36M17, **options):
    """The page of a clip and what moves on it."""
    page = clip_page(clip, skeleton, Clip(fps=25, **options))
    return page, page.stages


@pytest.mark.parametrize("layout", ["openpose18", "ntu25", "coco17", "h36m17", "hand21"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_joint_of_every_layout_is_whole_in_every_frame(layout, dimensions):
    """Joints on a grid, whose discs do not touch, moved across and up."""
    skeleton = SKELETONS[layout]
    joints = np.arange(len(skeleton))
    grid = np.stack([joints % 4, 1.5 * (joints // 4)], -1) * (1.0 if dimensions == 3 else 150.0)
    pose = np.concatenate([grid, np.zeros((len(joints), 1))], -1)[:, :dimensions]
    way = np.zeros((3, 1, dimensions))
    way[:, 0, 0], way[:, 0, 1] = np.array([0, 4, -6]) * grid.max() / 10, np.array([0, 5, -3]) * grid.max() / 10
    clip = recognised((pose + way)[None], 1.0)
    for picture in clip_page(clip, skeleton, Clip(fps=25, view=View(0, 0))).play(range(len(clip))):
        discs, count = label(where(picture[30:345, :PANEL], LEVELS[-1]))
        areas = np.bincount(discs.ravel())[1:]
        assert count == len(skeleton) and areas.min() > 0.8 * areas.max()


@pytest.mark.parametrize("pose", [front(), image_of(front() - [0, 0, 4])[..., :2]], ids=["3D", "2D"])
def test_people_stand_upright_with_their_left_on_the_right(pose):
    level = np.zeros(pose.shape[:3])
    level[..., H36M17.index("Head")] = 1
    picture = first(recognised(pose, level), view=View(0, 0))[30:345, :PANEL]
    left, right = (where(picture, tint(colour)).nonzero() for colour in (LEFT, RIGHT))
    assert left[1].mean() > right[1].mean() + 10  # facing the camera, the left hand is on the picture's right
    assert where(picture, LEVELS[-1]).nonzero()[0].max() < min(left[0].min(), right[0].min())  # the head is on top


def test_the_tilt_of_a_camera_is_taken_out():
    straight = first(recognised(front()))
    tilted = rotated(TILT * [1, -1, -1, -1], front())
    levelled = first(recognised(tilted, rotation=product(LEVEL, TILT)))
    assert np.abs(levelled.astype(float) - straight).mean() < 0.1 < np.abs(first(recognised(tilted)) - straight).mean()


def test_discs_grow_and_darken_with_the_contribution():
    areas = []
    for number, level in enumerate((0.05, 0.55, 1.0)):
        picture = first(recognised(front(), level), view=View(0, 0))[30:345, :PANEL]
        discs, count = label(where(picture, LEVELS[(0, 5, 9)[number]]))
        assert count > 10
        areas.append(np.median(np.bincount(discs.ravel())[1:]))
    assert areas[0] < areas[1] < areas[2]


def test_steps_of_the_model_are_spread_over_the_frames():
    level = np.zeros((1, 2, len(H36M17)))
    level[:, 1] = 1
    clip = recognised(front(6), level, np.eye(3)[[0, 1, 2]])
    assert clip.steps(2).tolist() == [0, 0, 0, 1, 1, 1] and clip.steps(6).tolist() == list(range(6))
    _, (people, prediction, _) = stages(clip)
    drawn, said = [], []
    for frame in range(6):
        people.update(frame)
        prediction.update(frame)
        drawn.append(people.discs.get_sizes().max())
        said.append(prediction.best.get_text())
    assert drawn[0] == drawn[2] < drawn[3] == drawn[5]
    assert said == [f"{name}  100 %" for name in ("sit", "sit", "stand", "stand", "walk", "walk")]


def test_absent_people_are_not_drawn():
    pose = front(4, persons=2)
    pose[1, 2:] = np.nan
    clip = recognised(pose, np.where(np.isnan(pose[..., 0]), np.nan, 0.3))
    _, (people, *_) = stages(clip)
    for frame, persons in ((0, 2), (3, 1), (1, 2)):
        people.update(frame)
        assert len(people.discs.get_offsets()) == persons * len(H36M17)
        assert sum(len(bone) for bone in people.bones.get_segments()) == 2 * persons * len(H36M17.bones)
        assert [tag.get_visible() for tag in people.tags] == [True, persons == 2]
    handless = front()
    handless[:, :, H36M17.index("LWrist")] = np.nan
    alone = recognised(handless)
    people = stages(alone)[1][0]
    people.update(0)
    assert not people.tags and len(people.discs.get_offsets()) == len(H36M17) - 1
    assert sum(len(bone) == 2 for bone in people.bones.get_segments()) == len(H36M17.bones) - 1


def test_nearer_bones_and_larger_contributions_are_on_top():
    pose = front(1, persons=2)
    pose[1] += [-1.6, 0, -1]  # before the first one
    level = np.random.default_rng(0).random(pose.shape[:3])
    people = stages(recognised(pose, level), view=View(0, 0))[1][0]
    people.update(0)
    tints = people.bones.get_color()
    assert len(tints) == 2 * len(H36M17.bones) and np.all(np.diff(people.discs.get_sizes()) >= 0)
    # Of equal persons in one place on the screen, the nearer half of all bones comes last.
    lines = np.array(people.bones.get_segments())
    half = len(lines) // 2
    key = [np.sort(part.round(6).reshape(half, -1), axis=0).tolist() for part in (lines[:half], lines[half:])]
    assert key[0] == key[1]


def test_bars_are_as_long_as_their_chances_and_the_true_class_is_marked():
    names = [f"class {number}" for number in range(8)]
    chances = np.array([[0.4, 0.2, 0.1, 0.1, 0.1, 0.06, 0.03, 0.01]])
    clip = recognised(front(), 0.5, chances, names, label=1)
    picture = first(clip)
    bars, count = label(where(picture[:290, PANEL + 20 :], CORRECT))
    widths = [np.ptp(np.nonzero(bars == number)[1]) + 1 for number in range(1, count + 1)]
    assert max(widths) == pytest.approx(0.2 * 306, abs=2)
    wrong = where(picture[290:, PANEL:], WRONG).sum()
    assert wrong > 0 and where(picture[:60, PANEL:], WRONG).sum() > 20  # the best one is named, and it is wrong
    right = first(recognised(front(), 0.5, chances, names, label=0))
    assert not where(right[:60, PANEL:], WRONG).any() and where(right[:60, PANEL:], CORRECT).any()


def test_shown_are_the_leaders_and_the_true_class():
    rng = np.random.default_rng(0)
    names = [f"class {number}" for number in range(60)]
    chances = rng.dirichlet(np.ones(60), 30)
    chances[10:, 42] = 0.9
    chances /= chances.sum(1, keepdims=True)
    clip = recognised(front(40), 0.5, chances, names, label=7)
    shown = shown_classes(clip)
    assert shown[0] == 42 and shown[-1] == 7 and len(set(shown)) == SHOWN
    assert shown_classes(recognised(front(), 0.5, [[0.3, 0.7]], ["a", "b"], label=0)) == [1, 0]


@pytest.mark.parametrize("size", [(760, 400), (1400, 500), (304, 160)])
@pytest.mark.parametrize("number", [2, 400])
def test_no_word_is_cut_or_covered(size, number):
    names = [f"{'passing American football' if number > 2 else 'sit'} (not in game) {k}" for k in range(number)]
    chances = np.random.default_rng(0).dirichlet(np.ones(number), 4)
    clip = recognised(front(4, persons=2), 1.0, chances, names, label=1)
    words = {"title": "S001C001P001R001A001 " * 8, "caption": "of this and that " * 20, "note": "synthetic data"}
    page, parts = stages(clip, size=size, **words)
    for frame in (0, 3):
        for part in parts:
            part.update(frame)
        page.canvas.draw()
        texts = [text for text in page.figure.findobj(Text) if text.get_text() and text.get_visible()]
        boxes = [text.get_window_extent() for text in texts]
        for text, box in zip(texts, boxes, strict=True):
            assert (box.min > -1).all() and (box.max < np.array(size) + 1).all(), text.get_text()
        for one in range(len(texts)):
            for other in range(one):
                apart = np.maximum(boxes[one].min, boxes[other].min) - np.minimum(boxes[one].max, boxes[other].max)
                assert (apart > -0.12 * boxes[one].height).any(), (texts[one].get_text(), texts[other].get_text())


@pytest.mark.parametrize("size", [0.2, 1.8, 30.0])
def test_the_ground_has_a_few_squares_under_all_of_the_motion(size):
    low, high = size * np.array([-0.31, 0.12, -0.5]), size * np.array([0.4, 0.3, 0.5])
    lines = ground_lines(low, high)
    assert 4 < len(lines) < 30 and np.all(lines[..., 2] == low[2])
    assert (lines[..., :2].min((0, 1)) <= low[:2]).all() and (lines[..., :2].max((0, 1)) >= high[:2]).all()


def test_files(tmp_path):
    clip = recognised(front(20), np.linspace(0, 1, 20)[None, :, None].repeat(len(H36M17), 2), label=0)
    path = animate_clip(clip, H36M17, tmp_path / "clip.gif", Clip(fps=50, rate=25, title="S1/a"))
    with Image.open(path) as picture:
        assert picture.size == (760, 400) and picture.n_frames == 10
        picture.seek(9)
        drawn = np.array(picture.convert("RGB"))
    assert (drawn[0, 600] == 255).all()  # white stays white
    for colour in (LEVELS[-1], CORRECT, tint(LEFT), tint(RIGHT)):
        assert where(drawn, colour, 0.05).sum() > 20
    assert animate_clip(clip, H36M17, tmp_path / "clip.mp4", Clip(fps=50, size=(761, 401))).stat().st_size > 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 1.5}, "contribution.*0..1"),
        ({"chances": [[0.5, 0.5, np.nan]]}, "probabilities.*0..1"),
        ({"chances": np.full((9, 3), 0.3)}, "1 to 4 steps"),
        ({"names": ("sit", "stand")}, "each of the 2 classes"),
        ({"label": 3}, "label 3"),
        ({"pose": front()[..., :1]}, "2 or 3"),
        ({"pose": front()[:, :0]}, "a frame or more"),
    ],
)
def test_clips_that_say_nonsense_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        recognised(**{"pose": front()} | changes)


def test_clips_that_cannot_be_drawn_are_refused(tmp_path):
    with pytest.raises(InputError, match="25 joints of ntu25"):
        first(recognised(front()), SKELETONS["ntu25"])
    with pytest.raises(InputError, match="no joint"):
        first(recognised(front() * np.nan))
    with pytest.raises(InputError, match="size 200 x 100"):
        animate_clip(recognised(front()), H36M17, tmp_path / "clip.gif", Clip(fps=25, size=(200, 100)))
    assert not list(tmp_path.iterdir())
