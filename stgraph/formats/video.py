"""Video files: what ffmpeg says of one, and its frames one by one."""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from stgraph.errors import InputError

# How files begin, from a byte on: MP4 and MOV, Matroska and WebM, AVI, WMV, FLV, Ogg, GIF, MPEG programs, and MXF.
MARKS = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat")),
    *((0, b"\0\0\0\x08" + box) for box in (b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3"),
    (8, b"AVI "),
    (0, b"0&\xb2u\x8ef\xcf\x11"),
    *((0, mark) for mark in (b"FLV\x01", b"OggS", b"GIF87a", b"GIF89a")),
    *((0, mark) for mark in (b"\0\0\x01\xb3", b"\0\0\x01\xba", b"\x06\x0e+4\x02\x05\x01\x01")),
)
PACKETS = ((0, 188), (4, 192))  # of MPEG transport streams, from a byte on every so many: each begins with a G
MOST_PIXELS = 100_000_000  # of a frame; no camera has more
UPRIGHT = "scale=round(iw*sar):ih,setsar=1"  # square pixels; ffmpeg turns by the tag of rotation before
LINE = re.compile(r"^\[[^\]]*@[^\]]*\] (.+)$", re.MULTILINE)  # what a part of ffmpeg says


def is_video(path: Path) -> bool:
    """Whether a file is a video by how it begins, whatever its ending is."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return False
    packets = any(start[first::step][:3] == b"GGG" for first, step in PACKETS)
    return packets or any(start.startswith(mark, place) for place, mark in MARKS)


@dataclass(frozen=True)
class VideoFile:
    """A video as ffmpeg shows it: upright, as its tag of rotation says, with square pixels.

    Attributes:
        path: of the file.
        size: width and height of the frames, pixels.
        fps: frames per second, the mean where they are not even; None where it is not known.
        seconds: how long it is by its header; 0 where that does not say it.
    """

    path: Path
    size: tuple[int, int]
    fps: float | None
    seconds: float

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Every frame of the file once, in order: red, green, blue. One is in memory at a time.

        Args:
            size: width and height that frames are scaled to.

        Raises:
            InputError: ffmpeg stops in the middle of a frame.
        """
        width, height = size or self.size
        _, frames = opened(self.path, f"scale={width}:{height}")
        try:
            for frame in frames:
                yield np.frombuffer(frame, np.uint8).reshape(height, width, 3)
        except RuntimeError as error:
            raise InputError(f"ffmpeg stopped ({reason(error)})", where=self.path, remedy="convert it anew") from error
        finally:
            frames.close()


def open_video(path: Path | str) -> VideoFile:
    """What ffmpeg says of a video.

    Raises:
        InputError: no such file, or one that ffmpeg cannot read: no video, cut short, or with frames beyond all sizes.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", where=path, expected="a video", remedy="check the path")
    about, frames = opened(path, UPRIGHT)
    frames.close()
    width, height = about["size"]
    if not 0 < width * height <= MOST_PIXELS:
        raise InputError(where=path, found=f"frames of {width}x{height}", expected=f"at most {MOST_PIXELS:,} pixels")
    return VideoFile(path, (width, height), about["fps"] or counted_rate(path), float(about["duration"]))


def counted_rate(path: Path) -> float | None:
    """Frames per second where the header says none, as in what browsers record; None where they cannot be counted."""
    with suppress(RuntimeError):
        count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path.resolve()))
        if count and seconds:
            return count / seconds
    return None


def opened(path: Path, scaled: str) -> tuple[dict[str, Any], Any]:
    """What imageio says of a video, and the generator of its frames' bytes. Raises InputError as `open_video` does."""
    # It warns of frames that are turned, which is what is wanted.
    logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)
    options = ["-fps_mode", "passthrough", "-vf", scaled]
    try:
        frames = imageio_ffmpeg.read_frames(str(path.resolve()), output_params=options)
        return next(frames), frames
    # What it does not find in ffmpeg's text fails in these ways.
    except (OSError, RuntimeError, AttributeError, LookupError, ValueError, StopIteration) as error:
        remedy = "check that it plays; a file that was cut short must be written or fetched again"
        raise InputError(f"ffmpeg cannot read it ({reason(error)})", where=path, remedy=remedy) from error


def reason(error: Exception) -> str:
    """The first of what ffmpeg says in imageio's text of an error."""
    text = str(error)
    found = LINE.search(text)
    return found[1].strip() if found else (text.strip().splitlines() or [type(error).__name__])[0]
