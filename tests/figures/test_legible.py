"""Names in any writing are shown or escaped, and no heading is cut off."""

import io
import warnings

import numpy as np
import pytest
from matplotlib.text import Text

from stgraph.figures.confusion import plot_confusion, plot_contributions
from stgraph.figures.dataset import Example, plot_bones, plot_examples
from stgraph.figures.legible import legible
from stgraph.skeleton import H36M17

NAMES = ["挥手", "👋 wave", "$x$ and $y$", "line\tbreak", "Läufer"]


def texts(figure):
    """The visible texts of a drawn figure, which must not lack a glyph."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), format="png")
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.mark.slow
def test_class_names_in_any_writing_are_shown_or_escaped():
    for figure in (
        plot_confusion({"clips": np.eye(5, dtype=int)}, NAMES, "名前", "$a$"),
        plot_contributions(np.full((5, 2), 0.5), NAMES, ["手", "foot"], "名前"),
    ):
        shown = {text.get_text() for text in texts(figure)}
        assert legible("👋 wave") in shown and r"\$x\$ and \$y\$" in shown and "Läufer" in shown


def test_what_no_font_has_is_its_number():
    assert legible("a\U00013000b\t") == "aU+13000bU+0009"
    assert legible(legible("$1")) == r"\$1"


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_no_heading_is_cut_off(count):
    title = "a_data_set_of_many_people_who_walk_and_run_through_a_room_for_hours.h5, synthetic data"
    pose = np.concatenate([np.random.default_rng(0).uniform(100, 300, (len(H36M17), 2)), np.ones((len(H36M17), 1))], 1)
    example = Example("subject_with_a_long_name/an action of several words/54138969", 640, 480, pose)
    bones = {f"S{number}": {"Hip-RHip": {"mean": 0.1, "std": 0.0}} for number in range(count)}
    for figure in (plot_examples([example] * count, H36M17, title, ("2D", "3D")), plot_bones(bones, 2 * title)):
        page = figure.bbox
        beginnings = ("Example poses", "subject_with", "Bone lengths", "a_data_set")
        headings = [text for text in texts(figure) if text.get_text().startswith(beginnings)]
        assert len(headings) >= 2
        for text in headings:
            box = text.get_window_extent()
            assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, text.get_text()
