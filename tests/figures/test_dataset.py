"""Figures of a dataset: nothing is cut off, people stand on their feet, and sides have their colours."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from stgraph.figures.bones import FLOOR, GHOST, LEFT, bone_colours
from stgraph.figures.dataset import Example, plot_bones, plot_detectors, plot_examples
from stgraph.skeleton import H36M16, H36M17
from tests.data_prep.people import squats


def example(size=1.0):
    """Seen from the front: right, away and up in metres, and as pixels."""
    pose = size * squats()[0]
    image = np.concatenate([500 + 200 * pose[:, :1], 800 - 200 * pose[:, 2:], np.ones((len(pose), 1))], axis=1)
    hidden = image.copy()
    hidden[H36M17.index("LWrist"), 2] = 0
    return Example("Squats\nS1", 1000, 1000, hidden, image, pose - pose[H36M17.root])


def lines_of(axes):
    """Every bone that is drawn: (end, xy) and its colour."""
    for collection in axes.collections:
        colours = [to_hex(colour) for colour in collection.get_colors()]
        for number, segment in enumerate(collection.get_segments()):
            yield segment, colours[number % len(colours)]


@pytest.mark.slow
def test_names_of_joints_are_no_formulas():
    bones = plot_bones({"$^$": {"$_$": {"mean": 0.4, "std": 0.01}}}, "$a$")
    error = {"mean": 3.0, "median": 2.0, "p95": 9.0, "unseen": 0.0}
    detectors = plot_detectors({"$^$": {"reference": "gt", "joints": {"$_$": error}}}, "$a$")
    for figure in (bones, detectors):
        figure.draw_without_rendering()


@pytest.mark.slow
def test_examples_show_all_of_a_person():
    tall, child = example(1.8), example(0.5)
    figure = plot_examples([tall, child, Example("none", 10, 10)], H36M17, "a.h5", ("2D", "3D"))
    axes = figure.axes
    for panel in axes[:2] + axes[3:5]:
        low, high = np.sort(panel.get_xlim()), np.sort(panel.get_ylim())
        bones = [segment for segment, colour in lines_of(panel) if colour != FLOOR]
        assert len(bones) >= len(H36M17.bones)
        points = np.concatenate(bones)
        assert (points >= [low[0], high[0]]).all() and (points <= [low[1], high[1]]).all()
        # Small y is above in the image, and below in space: the head is on top of the page in both.
        top = panel.transData.transform(points)[:, 1].argmax()
        assert points[top, 1] == (points[:, 1].min() if panel in axes[:2] else points[:, 1].max())
    texts = [text.get_text() for panel in axes for text in panel.texts]
    assert "no 2D" in texts and "no 3D" in texts


def test_sides_and_what_is_behind_have_their_colours():
    figure = plot_examples([example()], H36M17, "a.h5", ("2D sim over gt (grey)", "3D"))
    image, space = figure.axes
    behind, front = image.collections
    assert {to_hex(colour) for colour in behind.get_colors()} == {GHOST}
    assert [to_hex(colour) for colour in front.get_colors()] == bone_colours(H36M17)
    # A line without one of its ends is not drawn.
    missing = [bone for bone, drawn in zip(H36M17.bones, front.get_segments(), strict=True) if len(drawn) < 2]
    assert [H36M17.names[joint] for joint, _ in missing] == ["LWrist"]
    assert sum(colour == LEFT for _, colour in lines_of(space)) == len(H36M17.left)
    assert image.get_ylabel() == "2D sim over gt (grey)"


def test_bones_and_errors_are_drawn_where_they_are():
    bones = {name: {"a-b": {"mean": 0.4, "std": 0.01}, "b-c": {"mean": None, "std": None}} for name in ("S1", "S2")}
    axes = plot_bones(bones, "a.h5").axes[0]
    points = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert points == [40.0, 40.0] and [label.get_text() for label in axes.get_yticklabels()] == ["a-b", "b-c"]
    scores = {"mean": 3.0, "median": 2.0, "p95": 9.0, "unseen": 0.25}
    never = dict.fromkeys(("mean", "median", "p95")) | {"unseen": 1.0}
    detectors = {"cpn": {"reference": "gt", "joints": {"Hip": scores, "Nose": never}}}
    axes = plot_detectors(detectors, "a.h5").axes[0]
    assert axes.patches[0].get_width() == 2.0 and axes.get_xlim()[1] > 9
    assert [text.get_text() for text in axes.texts] == ["2.0, 25.0% unseen", "never seen"]


def test_bones_are_drawn_past_joints_that_a_detector_lacks():
    """Stacked Hourglass has no Neck/Nose, and its people a head."""
    pose = example()
    pose.pose2d[:, 2] = np.arange(len(H36M17)) != H36M17.index("Neck/Nose")
    figure = plot_examples([pose], H36M17, "a.h5", ("2D", "3D"), ["Neck/Nose"])
    segments = figure.axes[0].collections[1].get_segments()
    assert len(segments) == len(H36M16.bones) and all(len(segment) == 2 for segment in segments)
    ends = pose.pose2d[[H36M17.index("Thorax"), H36M17.index("Head")], :2]
    assert any(np.array_equal(segment, ends) for segment in segments)
