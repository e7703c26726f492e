"""Tracked people in the image, animated: a colour for each identity, bones by what their joints come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stgraph.errors import InputError
from stgraph.figures.animation import PANEL_HEIGHT, show_box
from stgraph.figures.backdrop import Backdrop, Pictures, outline
from stgraph.figures.bones import GHOST, bone_ends, segments
from stgraph.figures.clip import Clip
from stgraph.figures.page import NOTE, Clock, Page
from stgraph.figures.projection import bounds
from stgraph.figures.video import write_clip
from stgraph.skeleton import Skeleton

# Distinguishable for the colour-blind as far as eight can be. The clip's identities take them in turn, so that no two
# of eight people share one, whatever their numbers are.
COLOURS = ("#1f6fb4", "#d8432f", "#2f9e44", "#8e44ad", "#e08a00", "#12a5a5", "#c2387e", "#6b4f3a")
# What a bone's less certain joint is -> width and style of the bone.
STYLES = {"detected": (3.0, "-"), "merged": (1.8, "-"), "predicted": (2.4, (0, (2.0, 1.4)))}
MOST = 40  # people whose numbers are written into a frame
BEYOND = 0.1  # of the image's longer side: how far people outside of it are drawn


@dataclass(frozen=True)
class TrackedPeople:
    """Poses of tracked people over a clip.

    Attributes:
        frame: index of each pose's frame within the clip.
        person: identity of each pose.
        pose: pixels, NaN for absent joints.
        origin: place among `STYLES` of what each joint is: detected, merged with a prediction, or predicted alone.
        image: width and height in pixels.
        frames: of the clip.
        pictures: of them, behind the people.
    """

    frame: Int[np.ndarray, " n"]
    person: Int[np.ndarray, " n"]
    pose: Float[np.ndarray, "n j 2"]
    origin: Int[np.ndarray, "n j"]
    image: tuple[int, int]
    frames: int
    pictures: Pictures | None = None


class _PeopleStage:
    """All people of a frame on one panel."""

    def __init__(self, page: Page, people: TrackedPeople, skeleton: Skeleton) -> None:
        self.people, self.skeleton, image = people, skeleton, np.array(people.image)
        self.colours = dict(zip(np.unique(people.person).tolist(), cycle(COLOURS), strict=False))
        axes = page.axes(8, 44, -8, -34)
        low, high = bounds(people.pose, "people")
        beyond = BEYOND * image.max()
        low, high = np.minimum(low, 0).clip(min=-beyond), np.maximum(high, image).clip(max=image + beyond)
        unit = show_box(axes, low, high, room=8 * page.scale)  # the border is drawn whole
        edges = np.stack([axes.get_xlim(), axes.get_ylim()], axis=-1)
        axes.invert_yaxis()
        axes.add_patch(Rectangle((0, 0), *people.image, fill=False, edgecolor=GHOST, linewidth=page.scale))
        self.lines = [
            LineCollection([], capstyle="round", joinstyle="round", linewidths=width * page.scale)
            if style == "-"
            else LineCollection([], linestyles=[style], linewidths=width * page.scale)
            for width, style in STYLES.values()
        ]
        for lines in reversed(self.lines):
            axes.add_collection(lines, autolim=False)
        text = {"fontsize": 8.5 * page.scale, "ha": "center", "va": "bottom", "fontweight": "bold", "clip_on": True}
        most = min(MOST, int(np.bincount(people.frame).max(initial=0)))
        self.names = [axes.text(0, 0, "", **text) for _ in range(most)]
        self.above_head = 6 * page.scale * unit
        if people.pictures is not None:
            page.stages.append(Backdrop(axes, people.pictures, people.image))
            for name in self.names:
                name.set_path_effects(outline(2.0 * page.scale))
            for lines, (width, _) in zip(self.lines, STYLES.values(), strict=True):
                lines.set_path_effects(outline((width + 1.6) * page.scale))
        # Names stay within the panel: half of one's width and its height from the edges.
        self.lowest, self.highest = edges + unit * page.scale * np.array([[12, 14], [-12, 0]])
        self.moving: Sequence[Artist] = [*reversed(self.lines), *self.names]

    def update(self, frame: int) -> None:
        """Show the people of a frame."""
        rows = np.flatnonzero(self.people.frame == frame)
        joint, parent = bone_ends(self.skeleton)
        origin = self.people.origin[rows]
        least = np.maximum(origin[:, joint], origin[:, parent]).ravel()
        bones = segments(self.people.pose[rows], self.skeleton).reshape(-1, 2, 2)
        colours = np.repeat([self.colours[int(person)] for person in self.people.person[rows]], len(joint))
        for number, lines in enumerate(self.lines):
            drawn = least == number
            lines.set_segments(list(bones[drawn]))
            lines.set_color(colours[drawn].tolist() or ["none"])
        for name in self.names:
            name.set_text("")
        for name, row in zip(self.names, rows, strict=False):
            visible = self.people.pose[row][np.isfinite(self.people.pose[row]).all(axis=1)]
            if len(visible):
                above = np.array([visible[:, 0].mean(), visible[:, 1].min() - self.above_head])
                person = int(self.people.person[row])
                name.set(text=str(person), position=above.clip(self.lowest, self.highest), color=self.colours[person])


def people_page(people: TrackedPeople, skeleton: Skeleton, clip: Clip) -> Page:
    """The page that shows tracked people.

    Raises:
        InputError: no joint to draw, or a picture too small or too large.
    """
    size = clip.pixels((960, 600), (200, 200))
    if not np.isfinite(people.pose).any():
        raise InputError("nothing can be drawn: no person is in these frames", where=clip.title)
    page = Page(clip, size, size[1] / (1.6 * PANEL_HEIGHT))
    scale, edge = page.scale, 8 * page.scale / size[0]
    time = page.figure.text(edge, 30 * scale / size[1], "", fontsize=9 * scale, color="0.3")
    page.stages += [_PeopleStage(page, people, skeleton), Clock(time, clip.fps)]
    page.figure.legend(
        [Line2D([], [], color="0.2", linewidth=width * scale, linestyle=style) for width, style in STYLES.values()],
        [*STYLES],
        # Beside the clock, so that a caption of any length is free of it.
        loc="center right",
        bbox_to_anchor=(1 - edge, 33 * scale / size[1]),
        handlelength=2.6,
        ncols=len(STYLES),
        frameon=False,
        fontsize=8.5 * scale,
        borderaxespad=0,
        borderpad=0,
    )
    return page


def animate_people(people: TrackedPeople, skeleton: Skeleton, path: Path | str, clip: Clip) -> Path:
    """Draw tracked people into a .gif or .mp4. Raises InputError as `people_page` and `write_clip` do."""
    drawn = people_page(people, skeleton, clip).play(clip.indices(people.frames))
    return write_clip(drawn, path, clip, (*COLOURS, NOTE) if people.pictures is None else None)
