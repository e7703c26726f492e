"""Write drawn frames as a GIF or an MP4."""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from matplotlib.colors import to_rgb
from PIL import Image

from stgraph.errors import InputError
from stgraph.figures.clip import Clip
from stgraph.formats.files import replaced


def write_clip(
    drawn: Iterable[UInt8[np.ndarray, "h w 3"]],
    path: Path | str,
    clip: Clip,
    colours: Sequence[str] | None = ("black",),
) -> Path:
    """Write frames to a .gif or .mp4, beside its place and renamed when it is whole.

    Args:
        drawn: those at `clip.indices`.
        path: its ending decides the format.
        colours: that occur in the frames, for a GIF's palette; None: any, as in photographs.

    Raises:
        InputError: what `Clip.check` raises, and when ffmpeg is missing or fails.
    """
    path = Path(path)
    clip.check(path)
    with replaced(path) as temporary:
        if path.suffix.lower() == ".gif":
            write_gif(drawn, temporary, clip.drawn_rate, colours)
        else:
            write_mp4(drawn, temporary, clip.drawn_rate, clip.bitrate)
    return path


def gif_delays(count: int, rate: float | int) -> list[int]:
    """Milliseconds that each frame stays. GIF counts hundredths of a second: what one rounds away the next makes up."""
    ends = np.round(np.arange(count + 1) * 100 / rate)
    return [int(delay) * 10 for delay in np.diff(ends)]


def gif_palette(colours: Sequence[str]) -> Image.Image:
    """White, black and these colours, with the mixtures with white that smooth edges are made of."""
    ramps = [("black", 31), *((name, 12) for name in colours)]
    white = np.ones(3)
    mixed = [white + (np.array(to_rgb(name)) - white) * (i + 1) / n for name, n in ramps for i in range(n)]
    mixed = np.round(255 * np.array(mixed)).astype(np.uint8)
    # Pillow rounds a colour down to fours before it looks for the nearest: nothing may be nearer to 252 than white is.
    mixed = mixed[np.square(mixed - 252.0).sum(1) > 3 * 3**2]
    palette = Image.new("P", (1, 1))
    palette.putpalette(bytes([255] * 3) + mixed.tobytes())
    return palette


def write_gif(
    drawn: Iterable[UInt8[np.ndarray, "h w 3"]], path: Path, rate: float | int, colours: Sequence[str] | None
) -> None:
    """Write frames as a looping GIF with one palette for all, so that nothing flickers and still parts cost little.

    Frames with any colours have a palette each.
    """
    palette = None if colours is None else gif_palette(colours)
    mapped = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in drawn]
    delays = gif_delays(len(mapped), rate)
    mapped[0].save(path, save_all=True, append_images=mapped[1:], duration=delays, loop=0, optimize=False, disposal=1)


def write_mp4(drawn: Iterable[UInt8[np.ndarray, "h w 3"]], path: Path, rate: float | int, bitrate: int) -> None:
    """Write frames (of even width and height) as H.264 in yuv420p, which every player reads; bitrate in kbit/s.

    Raises InputError when ffmpeg is missing or fails.
    """
    writer, count = None, 0
    try:
        for count, frame in enumerate(drawn, start=1):  # noqa: B007 - counted to compare with what was written
            if writer is None:
                size = (frame.shape[1], frame.shape[0])
                writer = imageio_ffmpeg.write_frames(
                    str(path),
                    size,
                    fps=cast(int, rate),  # the library takes fractions, too
                    macro_block_size=2,
                    codec="libx264",
                    bitrate=f"{bitrate}k",
                    ffmpeg_log_level="error",
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(frame))
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        problem = f"ffmpeg could not write it ({error})"
        raise InputError(problem, where=path, remedy="write a .gif, or install ffmpeg") from error
    finally:
        if writer is not None:
            writer.close()
    # imageio hides ffmpeg's exit code, and a full disk leaves a file that looks whole.
    try:
        written = imageio_ffmpeg.count_frames_and_secs(str(path))[0]
    except RuntimeError:
        written = 0
    if written != count:
        raise OSError(f"ffmpeg wrote {written} of {count} frames, perhaps for want of space")
