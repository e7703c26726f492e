"""The options of `render`. Imports no torch, so that --help shows the defaults at once."""

from dataclasses import dataclass

from stgraph.figures.clip import Clip, View


@dataclass(frozen=True)
class Drawing:
    """How a recording is drawn.

    Attributes:
        detector: 2D detections that are the input, in place of those that the run was trained on.
        start, seconds: the stretch of the recording.
        size: width and height, pixels.
        rate: frames a second to draw.
        azimuth, elevation: where 3D is seen from, degrees.
        bitrate: of an MP4, kbit/s.
        flip: average with the prediction for the mirrored input.
    """

    detector: str | None = None
    start: float = 0.0
    seconds: float = 4.0
    size: tuple[int, int] = (960, 340)
    rate: float = 25.0
    azimuth: float = View.azimuth
    elevation: float = View.elevation
    bitrate: int = 1500
    flip: bool = False

    def clip(self, fps: float, title: str, caption: str, synthetic: bool) -> Clip:
        """The animation of poses at so many frames a second, with a note where they are synthetic."""
        note = "synthetic data" if synthetic else ""
        view = View(self.azimuth, self.elevation)
        return Clip(fps, self.rate, self.size, bitrate=self.bitrate, title=title, caption=caption, note=note, view=view)
