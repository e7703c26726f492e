"""Lines of words and numbers, which ASF, AMC and BVH files are made of, and whole numbers in text."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError

MOST_DIGITS = 18  # of a whole number, so that it fits 64 bits
DAMAGED = "the file is truncated or damaged, get it whole"


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Comments are often in some local encoding. Raises InputError where there is no file."""
    if not path.is_file():
        raise InputError("no such file", where=path, remedy="check the path")
    return path.read_text(encoding="latin-1").split("\n")


def parse_numbers(words: list[str], count: int, where: str) -> Float[np.ndarray, " count"]:
    """Words as numbers. Raises InputError for another count of them, or one that is no finite number."""
    if len(words) != count:
        raise InputError(where=where, found=f"{len(words)} numbers", expected=str(count), remedy=DAMAGED)
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise InputError(where=where, found=repr(" ".join(words)[:80]), expected=f"{count} numbers") from error
    if wrong := [word for word, value in zip(words, values, strict=True) if not math.isfinite(value)]:
        raise InputError(where=where, found=wrong[0], expected="finite numbers", remedy="leave such frames out")
    return np.array(values)


def whole_number(text: str) -> int | None:
    """The number that digits stand for; None for other text, and for more digits than any count has.

    >>> whole_number("007"), whole_number("-7"), whole_number("9" * 5000)
    (7, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None
