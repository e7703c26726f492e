"""People in a video with identities, by the tracker with a trained run as its predictor."""

from dataclasses import dataclass
from pathlib import Path

from stgraph.figures.clip import Clip
from stgraph.formats.files import Saved, check_endings
from stgraph.formats.posetrack import Video, write_video
from stgraph.tracking.options import FPS
from stgraph.tracking.videos import draw_video, summary

ENDINGS = (".json", ".gif", ".mp4")
RATE = 12.5  # frames a second of a drawing
SECONDS = 10.0  # of a drawing, unless more are asked for


@dataclass(frozen=True, eq=False)
class Tracked:
    """A tracked video.

    Attributes:
        video: with identities and the mark of each joint; frames per second where they are known.
        by: the predictor.
        detections: how many there were.
        notes: what was assumed.
    """

    video: Video
    by: str
    detections: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> list[str]:
        """A line about the people and their joints."""
        return [summary(self.video, self.detections)]

    def save(self, *paths: Path | str, seconds: float | int = SECONDS) -> list[Saved]:
        """Write files, each whole or not at all: PoseTrack18's .json, and the first seconds drawn as .gif or .mp4.

        Raises:
            InputError: another ending, a file named twice, or no person to draw.
        """
        targets = [Path(path) for path in paths]
        check_endings(targets, ENDINGS)
        clip = Clip(self.video.fps or FPS, RATE, title=self.video.name, caption=f" by {self.by}")
        for path in targets:
            if path.suffix.lower() == ".json":
                write_video(self.video, path)
            else:
                draw_video(self.video, path, clip, 0.0, seconds)
        return [Saved(path) for path in targets]
