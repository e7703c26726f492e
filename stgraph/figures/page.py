"""The page of an animation: what stays still is drawn once, and what moves is drawn over it for every frame."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from stgraph.figures.clip import Clip
from stgraph.figures.legible import legible

NOTE = "#b35900"
DPI = 100


@runtime_checkable
class Stage(Protocol):
    """The artists of a page that change from frame to frame."""

    @property
    def moving(self) -> Sequence[Artist]:
        """The artists that are drawn again for every frame."""
        ...

    def update(self, frame: int) -> None:
        """Set the artists to a frame."""


class Clock:
    """The time, written into the picture."""

    def __init__(self, text: Text, fps: float | int, frames: int | None = None) -> None:
        self.text, self.fps = text, fps
        self.moving: Sequence[Artist] = [text]
        self.end = "" if frames is None else f" of {frames / fps:.2f} s"

    def update(self, frame: int) -> None:
        """Set the time of a frame."""
        self.text.set_text(f"{frame / self.fps:.2f} s{self.end}")


class Page:
    """A picture with a clip's title, caption and note, too long ones cut.

    Args:
        clip: title, caption and note.
        size: width and height, pixels.
        scale: of all text and lines; at 1 a title has 11 points.

    Attributes:
        stages: the moving parts, in the order in which they are drawn; the drawing adds them.
    """

    def __init__(self, clip: Clip, size: tuple[int, int], scale: float) -> None:
        width, height = size
        self.size, self.scale = size, scale
        self.stages: list[Stage] = []
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        edge, line = 8 * scale / width, 1 - 15 * scale / height
        strong = {"fontsize": 11 * scale, "fontweight": "bold", "va": "center"}
        noted = self.figure.text(1 - edge, line, clip.note, ha="right", color=NOTE, **strong)
        room = width - 16 * scale
        shorten(
            self.figure.text(edge, line, legible(clip.title), **strong),
            room - noted.get_window_extent().width - 8 * scale,
        )
        style = {"fontsize": 8.5 * scale, "va": "center", "color": "0.3"}
        shorten(self.figure.text(edge, 12 * scale / height, legible(clip.caption), **style), room)

    def axes(self, left: float | int, bottom: float | int, right: float | int, top: float | int) -> Axes:
        """Empty axes between edges in pixels at scale 1 from the lower left corner, or if negative the upper right."""
        edges = zip((left, bottom, right, top), (*self.size, *self.size), strict=True)
        left, bottom, right, top = (edge * self.scale / side + (edge < 0) for edge, side in edges)
        axes = self.figure.add_axes((left, bottom, right - left, top - bottom))
        axes.set_axis_off()
        return axes

    def play(self, indices: Sequence[int]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Draw the page at some frames."""
        for stage in self.stages:
            for artist in stage.moving:
                artist.set_animated(True)
        self.canvas.draw()
        background = self.canvas.copy_from_bbox(self.figure.bbox)
        for index in indices:
            self.canvas.restore_region(background)
            for stage in self.stages:
                stage.update(index)
                for artist in stage.moving:
                    self.figure.draw_artist(artist)
            yield np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def shorten(text: Text, width: float | int) -> Text:
    """Cut a text's end so that it is at most so many pixels wide."""
    whole = text.get_text()

    def fits(letters: int) -> bool:
        text.set_text(whole if letters == len(whole) else f"{whole[:letters].rstrip()}…")
        return bool(text.get_window_extent().width <= width)

    if not fits(len(whole)):
        fits(bisect_left(range(1, len(whole)), True, key=lambda letters: not fits(letters)))
    return text
