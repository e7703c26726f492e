"""Options of an animation. Imports no plotting library, so that commands list them at once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stgraph.errors import InputError

FASTEST = {".gif": 50.0, ".mp4": 240.0}  # frames a second: browsers slow down any faster GIF

LONGEST = 8192  # pixels of a picture's side


@dataclass(frozen=True)
class View:
    """Where 3D is seen from, degrees: `azimuth` round the person from the camera's side, `elevation` above it."""

    azimuth: float | int = 35.0
    elevation: float | int = 12.0


@dataclass(frozen=True)
class Clip:
    """How a clip is drawn and written.

    Attributes:
        fps: frames a second of the poses; the time is written into the picture.
        rate: frames a second to draw, evenly chosen and at most `fps`: the clip keeps its length.
        size: width and height of the picture, pixels; by default what suits the drawing.
        bitrate: of an MP4, kbit/s.
        title, caption: above and below the drawing; too long ones are cut.
        note: stands out beside the title ("synthetic data").
        view: of 3D poses.
    """

    fps: float | int
    rate: float | int = 25.0
    size: tuple[int, int] | None = None
    bitrate: int = 1500
    title: str = ""
    caption: str = ""
    note: str = ""
    view: View = View()

    def check(self, path: Path) -> None:
        """Raises InputError for an ending, frame rate or bitrate that cannot be written."""
        ending = path.suffix.lower()
        if ending not in FASTEST:
            found = ending or "a file without an ending"
            raise InputError(where=path, found=found, expected=" or ".join(FASTEST))
        if not 0 < self.rate <= FASTEST[ending]:
            expected = f"above 0 and at most {FASTEST[ending]:g} for {ending}"
            raise InputError(where=path, found=f"{self.rate:g} frames a second", expected=expected)
        if self.bitrate <= 0:
            raise InputError(where=path, found=f"a bitrate of {self.bitrate} kbit/s", expected="a positive number")

    def pixels(self, default: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the picture, even: MP4's colours come in blocks of two by two.

        Raises:
            InputError: less than the least width and height that can be read, or more than `LONGEST`.
        """
        width, height = (side + side % 2 for side in self.size or default)
        if width < least[0] or height < least[1] or max(width, height) > LONGEST:
            expected = f"at least {least[0]} x {least[1]} pixels and at most {LONGEST} a side"
            raise InputError(where=f"size {width} x {height}", expected=expected)
        return width, height

    @property
    def drawn_rate(self) -> float | int:
        """Frames a second of the file."""
        return min(self.rate, self.fps)

    def indices(self, frames: int) -> list[int]:
        """Which of so many frames are drawn.

        >>> Clip(fps=50, rate=20).indices(11)
        [0, 2, 5, 8, 10]
        """
        places = np.round(np.arange(0, frames, self.fps / self.drawn_rate)).astype(int)
        return np.unique(places.clip(max=frames - 1)).tolist()
