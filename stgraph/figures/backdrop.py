"""The frames of a video behind what is drawn in the pixels of its image."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patheffects import AbstractPathEffect, withStroke

from stgraph.formats.video import VideoFile

Pictures = Callable[[tuple[int, int]], Iterator[UInt8[np.ndarray, "h w 3"]]]


def pictures_of(video: VideoFile, first: int, step: int = 1) -> Pictures:
    """Every `step`-th frame of a video from frame `first` on, scaled to the width and height that it is called with."""
    return lambda size: islice(video.frames(size), first, None, step)


def outline(width: float | int) -> list[AbstractPathEffect]:
    """A white edge of so many points around lines and letters, which keeps them apart from a picture."""
    return [withStroke(linewidth=width, foreground="white")]


class Backdrop:
    """A picture of each frame, drawn before all that is drawn on the same axes.

    Args:
        axes: in pixels of the image, its y axis inverted.
        pictures: of the frames that `update` is called with, from 0 on.
        image: width and height of the image, pixels.
    """

    def __init__(self, axes: Axes, pictures: Pictures, image: tuple[int, int]) -> None:
        # As many pixels as it has on the page, so that it is scaled once, by ffmpeg.
        corners = axes.transData.transform([(0, 0), image])
        width, height = np.maximum(np.abs(np.diff(corners, axis=0))[0].round().astype(int), 1).tolist()
        self.frames, self.shown = pictures((width, height)), -1
        self.picture = AxesImage(axes, extent=(0, image[0], image[1], 0), interpolation="nearest")
        self.picture.set_data(np.full((height, width, 3), 255, np.uint8))
        axes.add_image(self.picture)
        self.moving: Sequence[Artist] = [self.picture]

    def update(self, frame: int) -> None:
        """Show a frame that is not before the last one; the video's last picture stays."""
        for picture in islice(self.frames, frame - self.shown):
            self.picture.set_data(picture)
        self.shown = frame
