"""What a run predicts for a video, whatever its task."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from stgraph.formats.files import Saved

Progressed = Callable[[float], object]  # with the share that is done, from 0 to 1


def silent(share: float) -> None:
    """Reports no progress."""


@runtime_checkable
class Prediction(Protocol):
    """What `TaskRun.predict` returns, such as `stgraph.motion.motion.Motion`."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was assumed."""
        ...

    @property
    def summary(self) -> list[str]:
        """Lines about what is in it."""
        ...

    def save(self, *paths: Path | str, seconds: float | int = ...) -> list[Saved]:
        """Write files, each whole or not at all, in the format of its ending.

        Args:
            paths: of the files.
            seconds: that a .gif or .mp4 shows at most.

        Raises:
            InputError: an ending that is unknown.
        """
        ...
