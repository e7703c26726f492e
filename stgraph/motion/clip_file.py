"""A motion as a GIF or an MP4: the keypoints beside the people in space."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stgraph.errors import InputError
from stgraph.figures.animation import ImagePanel, PosePanel, animate
from stgraph.figures.clip import Clip
from stgraph.motion.motion import Motion

SIZE = (760, 380)


def write(motion: Motion, path: Path, clip: Clip, seconds: float | int) -> str:
    """Draw the motion from the first frame with a person, as `figures.animation` draws; guessed joints are pale.

    Args:
        motion: of one person or several, whose identities are then written above their heads.
        path: its ending decides the format.
        clip: how it is drawn; what it leaves empty is filled: the size, and the file's name as the title.
        seconds: at most so many are drawn.

    Raises:
        InputError: no person is in any frame, `seconds` is not above 0, or what `animate` raises.
    """
    rows = motion.rows
    if not rows.there.any():
        raise InputError("no person is in any frame", where=path, remedy="there is nothing to draw")
    if not seconds > 0:
        raise InputError(where=path, found=f"{seconds:g} seconds", expected="more than 0")
    first, count = int(rows.frame[rows.there][0]), max(1, round(seconds * motion.rate))
    inside = rows.there & (rows.frame < first + count)
    shown = motion.part(slice(first, first + count), np.unique(rows.person[inside]))
    clip = replace(
        clip,
        fps=motion.rate,
        size=clip.size or SIZE,
        title=clip.title or path.stem,
    )
    names = [str(person) for person in shown.person] if len(motion.person) > 1 else ()
    pose = shown.pose[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32)  # x right, y down, z away
    panels = (
        ImagePanel("2D keypoints", shown.clean_keypoints, *motion.size, names),
        PosePanel("3D, guessed joints pale", pose, guessed=shown.guessed, floor=0.0, names=names),
    )
    animate(panels, motion.skeleton, path, clip)
    start, end, whole = (frames / motion.rate for frames in (first, first + len(shown), len(motion)))
    return "" if len(shown) == len(motion) else f"shows {start:.1f} to {end:.1f} s of {whole:.1f} s"
