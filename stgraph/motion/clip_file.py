"""A motion as a GIF or an MP4: the keypoints beside the people in space."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stgraph.errors import InputError
from stgraph.figures.animation import ImagePanel, PosePanel, animate
from stgraph.figures.backdrop import Pictures, pictures_of
from stgraph.figures.clip import Clip
from stgraph.formats.video import open_video
from stgraph.motion.motion import Motion

SIZE = (760, 380)
# Of an MP4 with the frames of a video, which is wide or tall; and kbit/s.
WIDE, TALL, BITRATE = (1280, 480), (900, 640), 4000


def write(motion: Motion, path: Path, clip: Clip, seconds: float | int) -> str:
    """Draw the motion from the first frame with a person, as `figures.animation` draws; guessed joints are pale.

    Keypoints are drawn over the frames of the video that they were found in.

    Args:
        motion: of one person or several, whose identities are then written above their heads.
        path: its ending decides the format.
        clip: how it is drawn; what it leaves empty is filled: the size, and the file's name as the title.
        seconds: at most so many are drawn.

    Raises:
        InputError: no person is in any frame, `seconds` is not above 0, the video cannot be read any more, or what
            `animate` raises.
    """
    rows = motion.rows
    if not rows.there.any():
        raise InputError("no person is in any frame", where=path, remedy="there is nothing to draw")
    if not seconds > 0:
        raise InputError(where=path, found=f"{seconds:g} seconds", expected="more than 0")
    first, count = int(rows.frame[rows.there][0]), max(1, round(seconds * motion.rate))
    inside = rows.there & (rows.frame < first + count)
    shown = motion.part(slice(first, first + count), np.unique(rows.person[inside]))
    pictures, size, bitrate = pictures_behind(shown), SIZE, clip.bitrate
    if pictures is not None and path.suffix.lower() == ".mp4":
        size, bitrate = WIDE if motion.size[0] >= motion.size[1] else TALL, max(bitrate, BITRATE)
    clip = replace(clip, fps=motion.rate, size=clip.size or size, bitrate=bitrate, title=clip.title or path.stem)
    names = [str(person) for person in shown.person] if len(motion.person) > 1 else ()
    pose = shown.pose[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32)  # x right, y down, z away
    panels = (
        ImagePanel("2D keypoints", shown.clean_keypoints, *motion.size, names, pictures),
        PosePanel("3D, guessed joints pale", pose, guessed=shown.guessed, floor=0.0, names=names),
    )
    animate(panels, motion.skeleton, path, clip)
    start, end, whole = (frames / motion.rate for frames in (first, first + len(shown), len(motion)))
    return "" if len(shown) == len(motion) else f"shows {start:.1f} to {end:.1f} s of {whole:.1f} s"


def pictures_behind(motion: Motion) -> Pictures | None:
    """The frames of the video of a motion; None without one. Raises InputError where it cannot be read any more."""
    if motion.video_file is None:
        return None
    step = int(motion.frame[1] - motion.frame[0]) if len(motion) > 1 else 1
    return pictures_of(open_video(motion.video_file), int(motion.frame[0]), step)
