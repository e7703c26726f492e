"""Frames per second that a dataset may have."""

from stgraph.errors import InputError

FPS = (0.1, 1000.0)


def check_fps(fps: float) -> float:
    """The value of the option --fps. Raises InputError for one that no recording has."""
    if not FPS[0] <= fps <= FPS[1]:
        raise InputError(where=f"--fps {fps:g}", expected=f"{FPS[0]:g} to {FPS[1]:g} frames per second")
    return fps
