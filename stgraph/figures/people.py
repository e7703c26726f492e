"""People in the image, animated: a colour for each identity, and how every joint came about."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stgraph.errors import InputError
from stgraph.figures.animation import GHOST, PANEL_HEIGHT, bounds, segments
from stgraph.figures.page import NOTE, Clock, Page
from stgraph.figures.video import film
from stgraph.skeleton import Skeleton

# Told apart by the colour-blind as far as eight can be. The clip's identities take them in turn, so that no two of
# eight people share one, whatever their numbers are.
COLOURS = ("#1f6fb4", "#d8432f", "#2f9e44", "#8e44ad", "#e08a00", "#12a5a5", "#c2387e", "#6b4f3a")
DASH = (0, (2.0, 1.4))
MOST = 40  # people whose names are written into a frame


class Cast:
    """Everybody of a clip, frame by frame, on one panel.

    Args:
        page: to draw on. skeleton: of the poses. size: of the image, pixels; its border is drawn.
        frame: (n) index of each pose's frame. person: (n) identity. pose: (n j 2) pixels, NaN for absent joints.
        guessed: (n j) whether a joint was predicted and not detected; its bones are dashed.
        title: above the panel.
    """

    def __init__(
        self,
        page: Page,
        skeleton: Skeleton,
        size: tuple[int, int],
        frame: Int[np.ndarray, " n"],
        person: Int[np.ndarray, " n"],
        pose: Float[np.ndarray, "n j 2"],
        guessed: np.ndarray,
    ) -> None:
        self.skeleton, self.frame, self.person, self.pose, self.guessed = skeleton, frame, person, pose, guessed
        self.turn = dict(zip(np.unique(person).tolist(), cycle(COLOURS), strict=False))
        self.axes = page.axes(8, 44, -8, -34)
        box = self.axes.get_window_extent()
        low, high = bounds(pose, "people")
        low, high = np.minimum(low, 0), np.maximum(high, size)
        # People who walk out of the image are drawn a little way beyond its border.
        beyond = 0.1 * max(size)
        low, high = np.maximum(low, -beyond), np.minimum(high, np.array(size) + beyond)
        edge = 8 * page.scale  # the border is drawn whole
        unit = max((high - low)[0] / (box.width - edge), (high - low)[1] / (box.height - edge))
        middle = (low + high) / 2
        self.axes.set_xlim(middle[0] - unit * box.width / 2, middle[0] + unit * box.width / 2)
        self.axes.set_ylim(middle[1] + unit * box.height / 2, middle[1] - unit * box.height / 2)
        self.axes.add_patch(Rectangle((0, 0), *size, fill=False, edgecolor=GHOST, linewidth=page.scale))
        style = {"linewidths": 2.4 * page.scale}
        self.sure = LineCollection([], capstyle="round", joinstyle="round", **style)
        self.dashed = LineCollection([], linestyles=[DASH], **style)
        for lines in (self.dashed, self.sure):
            self.axes.add_collection(lines, autolim=False)
        text = {"fontsize": 8.5 * page.scale, "ha": "center", "va": "bottom", "fontweight": "bold", "clip_on": True}
        most = min(MOST, int(np.bincount(frame).max(initial=0)))
        self.names = [self.axes.text(0, 0, "", **text) for _ in range(most)]
        self.lift = 6 * page.scale * unit
        # Names stay within the panel: half of one's width and its height from the edges.
        half = unit * np.array([box.width, box.height]) / 2
        self.lowest = middle - half + unit * page.scale * np.array([12, 14])
        self.highest = middle + half - unit * page.scale * np.array([12, 0])
        self.moving = [self.dashed, self.sure, *self.names]

    def update(self, frame: int) -> None:
        """Show the people of a frame."""
        here = np.flatnonzero(self.frame == frame)
        lines = {True: [], False: []}
        colours: dict[bool, list[str]] = {True: [], False: []}
        for name in self.names:
            name.set_text("")
        for place, row in enumerate(here):
            colour = self.turn[int(self.person[row])]
            bones = segments(self.pose[row], self.skeleton)
            joint, parent = np.array(self.skeleton.bones).T
            dashed = self.guessed[row, joint] | self.guessed[row, parent]
            for kind in lines:
                lines[kind] += list(bones[dashed == kind])
                colours[kind] += [colour] * int((dashed == kind).sum())
            known = np.isfinite(self.pose[row]).all(axis=1)
            if place < len(self.names) and known.any():
                top = self.pose[row][known]
                self.names[place].set_text(str(self.person[row]))
                above = np.array([top[:, 0].mean(), top[:, 1].min() - self.lift])
                self.names[place].set_position(above.clip(self.lowest, self.highest))
                self.names[place].set_color(colour)
        for kind, collection in ((True, self.dashed), (False, self.sure)):
            collection.set_segments(lines[kind])
            collection.set_color(colours[kind] or ["none"])


def people_frames(
    frame: Int[np.ndarray, " n"],
    person: Int[np.ndarray, " n"],
    pose: Float[np.ndarray, "n j 2"],
    guessed: np.ndarray,
    skeleton: Skeleton,
    image: tuple[int, int],
    *,
    size: tuple[int, int] = (960, 600),
    title: str = "",
    caption: str = "",
    note: str = "",
    fps: float | int = 25.0,
    indices: Sequence[int] = (),
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Draw tracked people, frame by frame; see `Cast` and `animate_people`."""
    page = Page(size, size[1] / (1.6 * PANEL_HEIGHT), title, caption, note)
    cast = Cast(page, skeleton, image, frame, person, pose, guessed)
    edge = 8 * page.scale
    clock = Clock(
        page.figure.text(edge / size[0], 30 * page.scale / size[1], "", fontsize=9 * page.scale, color="0.3"), fps
    )
    kinds = [
        Line2D([], [], color="0.2", linewidth=2.4 * page.scale),
        Line2D([], [], color="0.2", linewidth=2.4 * page.scale, linestyle=DASH),
    ]
    # Beside the clock, so that a caption of any length is free of it.
    place = {"loc": "center right", "bbox_to_anchor": (1 - edge / size[0], 33 * page.scale / size[1])}
    style = {"ncols": 2, "frameon": False, "fontsize": 8.5 * page.scale, "borderaxespad": 0, "borderpad": 0}
    page.figure.legend(kinds, ["detected", "predicted"], handlelength=2.6, **place, **style)
    yield from page.play([cast, clock], indices)


def animate_people(
    frame: Int[np.ndarray, " n"],
    person: Int[np.ndarray, " n"],
    pose: Float[np.ndarray, "n j 2"],
    guessed: np.ndarray,
    skeleton: Skeleton,
    image: tuple[int, int],
    path: Path | str,
    *,
    frames: int,
    fps: float | int = 25.0,
    rate: float | int = 12.5,
    size: tuple[int, int] = (960, 600),
    bitrate: int = 1500,
    **text: str,
) -> Path:
    """Draw tracked people into a .gif or .mp4.

    Args:
        frame, person, pose, guessed: see `Cast`. image: its width and height in pixels.
        frames: of the clip, `fps` a second. rate: frames a second to draw.
        size: of the picture, pixels. bitrate: of an MP4, kbit/s. text: title, caption and note.

    Raises:
        InputError: another ending than .gif or .mp4, nobody to draw, or a picture too small to read.
    """
    if not np.isfinite(pose).any():
        raise InputError(f"{path}: nobody is in these frames; nothing can be drawn")
    if min(size) < 200 or max(size) > 8192:
        raise InputError(f"{path}: size {size[0]} x {size[1]}; expected 200 to 8192 pixels a side")

    def draw(size: tuple[int, int], indices: Sequence[int]) -> Iterator[np.ndarray]:
        what = (frame, person, pose, guessed, skeleton, image)
        return people_frames(*what, size=size, fps=fps, indices=indices, **text)

    options = {"fps": fps, "rate": rate, "size": size, "colours": (*COLOURS, NOTE), "bitrate": bitrate}
    return film(draw, frames, Path(path), **options)
