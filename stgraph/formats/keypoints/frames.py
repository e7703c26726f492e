"""Frame numbers in names: of files that are a frame each, and of images."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stgraph.errors import InputError
from stgraph.formats.keypoints.names import natural
from stgraph.formats.keypoints.poses import MOST_FRAMES

NAME = re.compile(r"(?P<video>.*?)[_\-. ]?(?P<frame>\d+)(_keypoints|_pose)?")
LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")
ORDERED = "names have no frame numbers of a video: numbered in their order"


def videos_of(paths: Sequence[Path], folder: str) -> list[tuple[str, dict[Path, int], list[str]]]:
    """Files that are a frame each, by videos: what stands before the number in their names tells them apart.

    Args:
        paths: of the files.
        folder: names the video whose files' names are numbers alone.

    Returns:
        for each video its name, the frame of each file, and what was assumed.

    Raises:
        InputError: two files of one frame.
    """
    videos: dict[str, dict[Path, str]] = {}
    for path in sorted(paths, key=lambda path: natural(path.name)):
        match = NAME.fullmatch(path.stem)
        videos.setdefault(match["video"] if match else "", {})[path] = match["frame"] if match else ""
    result = []
    for title, texts in videos.items():
        check_numbers(texts)
        frames, notes = numbered([*texts.values()])
        name = title or (folder if folder not in videos else "") or next(iter(texts)).stem
        result.append((name, dict(zip(texts, frames, strict=True)), notes))
    return result


def check_numbers(texts: Mapping[Path, str]) -> None:
    """Raises InputError where two files of a video have one frame's number."""
    first: dict[str, Path] = {}
    for path, text in texts.items():
        if text and (other := first.setdefault(text.lstrip("0"), path)) != path:
            found, remedy = f"frame {int(text)}, as {other.name} has", "leave one of the two out"
            raise InputError(where=path, found=found, expected="a number of its own", remedy=remedy)


def last_numbers(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """As `numbered`, of the last number in each name.

    >>> last_numbers(["cam2_0007", "cam2_0009"])
    ([7, 9], [])
    """
    matches = map(LAST_NUMBER.search, names)
    return numbered([match[1] if match else "" for match in matches])


def numbered(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Numbers written in digits, if they can be those of a video's frames; else places in order, and a note on it."""
    numbers = [int(text) if 0 < len(text) < 20 else MOST_FRAMES for text in texts]
    if len({*numbers}) < len(numbers) or max(numbers, default=0) >= MOST_FRAMES:
        return [*range(len(texts))], [ORDERED] if len(texts) > 1 else []
    return numbers, []
