"""Classes over time as a picture: for each person a band of the likeliest class, and the probabilities below it."""

from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stgraph.figures.legible import legible
from stgraph.figures.page import shorten
from stgraph.figures.people import COLOURS
from stgraph.formats.files import replaced
from stgraph.tasks.action.actions import TOGETHER, Actions, ActionTrack

REST = "#a3abb3"  # the colour of classes that have none of their own
MOST_PEOPLE = 10
WIDTH, TOP, BOTTOM, PERSON = 10.5, 0.62, 0.3, 1.6  # inches
BAND = (1.06, 1.34)  # of the axes' height: where the band lies
POINTS = 4000  # of a line


def write_picture(actions: Actions, path: Path) -> str:
    """Draw the people who are there longest; returns a line if they are not all."""
    people = sorted(actions.people, key=lambda track: -int((track.stop - track.first).sum()))[:MOST_PEOPLE]
    people = [track for track in actions.people if track in people]
    figure = picture(actions, people)
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110)
    left_out = len(actions.people) - len(people)
    return f"shows the {len(people)} people who are there longest; {left_out} are left out" if left_out else ""


def picture(actions: Actions, people: list[ActionTrack]) -> Figure:
    """The figure: one row a person, one axis of time."""
    height = TOP + BOTTOM + PERSON * len(people)
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    colours = class_colours(actions, people)
    left, right = 0.75 / WIDTH, 1 - 0.25 / WIDTH
    title = legible(f"{actions.name}: classes over time by {actions.run}")
    room = WIDTH * figure.dpi * (right - left)
    strong = {"fontsize": 12, "fontweight": "bold", "va": "center"}
    shorten(figure.text(left, 1 - 0.24 / height, title, **strong), room)
    rows = []
    for number, track in enumerate(people):
        bottom = (height - TOP - PERSON * (number + 1) + 0.28) / height
        axes = figure.add_axes((left, bottom, right - left, (PERSON - 0.85) / height))
        rows.append(axes)
        draw_person(axes, actions, track, colours)
        axes.tick_params(labelbottom=number == len(people) - 1)
    rows[-1].set_xlabel("seconds", fontsize=9)
    handles = [Line2D([], [], color=colour, linewidth=3) for colour in dict.fromkeys(colours.values())]
    named = [legible(actions.classes[number]) for number, colour in colours.items() if colour != REST]
    rest = len(colours) - len(named)
    names = [*named, *([f"{rest} other classes"] if rest else [])]
    place = {"loc": "upper left", "bbox_to_anchor": (left - 0.005, 1 - 0.36 / height)}
    figure.legend(handles, names, ncols=len(names), fontsize=9, frameon=False, handlelength=1.2, **place)
    return figure


def class_colours(actions: Actions, people: list[ActionTrack]) -> dict[int, str]:
    """A colour for each class that is likeliest at some time: its own for those that are so for longest, else grey."""
    frames: Counter[int] = Counter()
    for track in people:
        for first, stop, number, _ in actions.spans[track.person]:
            frames[number] += stop - first
    order = [number for number, _ in frames.most_common()]
    return {number: COLOURS[place] if place < len(COLOURS) else REST for place, number in enumerate(order)}


def draw_person(axes: Axes, actions: Actions, track: ActionTrack, colours: dict[int, str]) -> None:
    """The band and the lines of one person."""
    first, stop = actions.frames
    along = track.along(first, stop)
    every = max(1, -(-len(along) // POINTS))
    seconds = np.arange(first, stop)[::every] / actions.fps
    for number, colour in reversed(colours.items()):
        width = 1.0 if colour == REST else 1.8
        axes.plot(seconds, along[::every, number], color=colour, linewidth=width, solid_capstyle="round")
    axes.set(xlim=(first / actions.fps, stop / actions.fps), ylim=(0, 1.02), yticks=(0, 0.5, 1))
    axes.set_yticklabels(("0", "50 %", "100 %"))
    axes.tick_params(labelsize=8.5, length=3)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    who = "all together" if track.person == TOGETHER else legible(f"person {track.person}")
    axes.text(0, BAND[1] + 0.05, who, transform=axes.transAxes, fontsize=9, fontweight="bold", va="bottom")
    pixels = axes.get_window_extent().width / (stop - first)
    for begin, end, number, _ in actions.spans[track.person]:
        start, width = begin / actions.fps, (end - begin) / actions.fps
        band = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.add_patch(Rectangle((start, BAND[0]), width, BAND[1] - BAND[0], facecolor=colours[number], **band))
        room = (end - begin) * pixels - 6
        if room <= 0:
            continue
        style = {"ha": "center", "va": "center", "fontsize": 8.5, "color": "white", "fontweight": "bold"}
        name = legible(actions.classes[number])
        text = axes.text(start + width / 2, sum(BAND) / 2, name, **style, **band)
        shorten(text, room)
        if len(text.get_text()) < 4 and text.get_text() != name:
            text.remove()
