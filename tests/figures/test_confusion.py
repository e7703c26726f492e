"""Figures of recognition: numbers are where they belong, nothing is cut off, hundreds of classes stay readable."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from stgraph.figures.confusion import MOST_NAMES, confused_pairs, plot_confusion, plot_contributions
from stgraph.skeleton import SKELETONS

pytestmark = pytest.mark.slow


def confusion(count, seed=0):
    """Counts with a strong diagonal and some confusions in every row."""
    rng = np.random.default_rng(seed)
    counts = np.diag(rng.integers(10, 30, count))
    np.add.at(counts, (np.arange(count).repeat(3), rng.integers(0, count, 3 * count)), rng.integers(1, 9, 3 * count))
    return counts


def long_names(count):
    return [f"passing American football {number} (not in game)" for number in range(count)]


def cut_texts(figure):
    """Words that are not wholly inside the figure."""
    FigureCanvasAgg(figure).draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.findobj(Text) if text.get_text()]
    low, high = figure.bbox.min - 1, figure.bbox.max + 1
    return [text for text, box in boxes if (box.min < low).any() or (box.max > high).any()]


def overlaps(labels):
    """Whether neighbouring tick labels, turned or not, run into one another."""
    places = np.array([label.get_window_extent().get_points().mean(0) for label in labels])
    apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
    return len(labels) > 1 and apart.min() < labels[0].get_fontsize() * labels[0].figure.dpi / 72


@pytest.mark.parametrize("count", [2, 11, 25, 60])
def test_named_classes_have_names_counts_and_recalls(count):
    counts, names = confusion(count), [f"class {number}" for number in range(count)]
    figure = plot_confusion({"recordings": counts}, names, "Title", "subtitle")
    assert cut_texts(figure) == []
    axes, bars, *_ = figure.axes
    np.testing.assert_allclose(axes.images[0].get_array(), 100 * counts / counts.sum(1, keepdims=True))
    for axis in (axes.xaxis, axes.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == names
        assert not overlaps(axis.get_ticklabels())
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], 100 * counts.diagonal() / counts.sum(1))
    assert [text.get_text() for text in bars.texts] == [
        f"{right}/{total}" for right, total in zip(counts.diagonal(), counts.sum(1), strict=True)
    ]
    # A cell is of the class in its row that was recognised as the one in its column.
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    row, column = np.argwhere(counts * ~np.eye(count, dtype=bool))[0]
    share = f"{100 * counts[row, column] / counts[row].sum():.0f}"
    assert texts[column, row] == (f"{counts[row, column]}\n{share} %" if count <= 11 else share)
    assert len(bars.patches) == count and bars.get_ylim() == axes.get_ylim()  # the bars are the matrix' rows


@pytest.mark.parametrize("count", [MOST_NAMES + 1, 400])
def test_very_many_classes_are_numbered_and_their_confusions_listed(count):
    counts, names = confusion(count), long_names(count)
    counts[7, 50] = 99
    figure = plot_confusion({"frames": counts, "recordings": counts}, names, "Title", "subtitle")
    assert cut_texts(figure) == []
    axes, bars, pairs, _ = figure.axes
    assert axes.images[0].get_array().shape == (count, count) and not axes.texts and not bars.texts
    for axis in (axes.xaxis, axes.yaxis):
        labels = axis.get_ticklabels()
        assert [label.get_text() for label in labels] == [str(int(place)) for place in axis.get_ticklocs()]
        assert 8 <= len(labels) <= 25 and not overlaps(labels)
    pair, share = (text.get_text() for text in pairs.texts[:2])
    true, found = pair.split("\n→ ")
    assert true.startswith("7 passing American football 7 ") and found.startswith("50 passing American football 50 ")
    assert share == f"99 of {counts[7].sum()}"


def test_two_small_matrices_stand_side_by_side_and_of_large_ones_the_last():
    small, large = confusion(3), confusion(30)
    figure = plot_confusion({"frames": 100 * small, "recordings": small}, list("abc"), "Title")
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes if axes.images]
    assert titles == ["frames", "recordings"] and cut_texts(figure) == []
    figure = plot_confusion({"frames": 100 * large, "recordings": large}, long_names(30), "Title")
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes if axes.images] == ["recordings"]
    assert cut_texts(figure) == []


def test_a_class_that_only_errors_name_has_no_recall():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    axes, bars, _ = plot_confusion({"recordings": counts}, ["sit", "stand", "never"], "Title").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sit", "stand"]
    assert np.isnan(axes.images[0].get_array().filled(np.nan)[1]).all()
    assert [text.get_text() for text in bars.texts] == ["3/4", "none"]
    assert "mean 75.0" in bars.get_title()  # of the classes that there are
    assert plot_confusion({"recordings": 0 * counts}, ["sit", "stand", "never"], "Title") is None


def test_confused_pairs_are_all_errors():
    counts = confusion(20)
    pairs = confused_pairs(counts)
    assert sum(counts[pair] for pair in pairs) == counts.sum() - counts.trace()
    assert all(counts[a] >= counts[b] for a, b in pairwise(pairs))


@pytest.mark.parametrize(("count", "layout"), [(2, "hand21"), (11, "h36m17"), (60, "ntu25"), (400, "openpose18")])
def test_contributions_by_class_and_joint(count, layout):
    skeleton = SKELETONS[layout]
    values = np.random.default_rng(0).uniform(0, 0.7, (count, len(skeleton)))
    values[1] = np.nan
    figure = plot_contributions(values, long_names(count), skeleton.names, "Title", "subtitle")
    assert cut_texts(figure) == []
    above, below, _ = figure.axes
    np.testing.assert_array_equal(above.images[0].get_array().filled(np.nan), values)
    np.testing.assert_allclose(below.images[0].get_array()[0], np.nanmean(values, 0))
    labels = below.get_xticklabels()
    assert [label.get_text() for label in labels] == list(skeleton.names) and not overlaps(labels)
    assert not overlaps(above.get_yticklabels())
    texts = {text.get_position(): text.get_text() for text in above.texts}
    assert all(float(text) == pytest.approx(values[row, column], abs=0.005) for (column, row), text in texts.items())
    assert len(texts) == (0 if count > 25 else (count - 1) * len(skeleton))
