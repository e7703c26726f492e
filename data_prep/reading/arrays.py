"""Numbers of other people's files, checked and converted to arrays."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from stgraph.errors import InputError

# Numbers that nested lists may hold: the longest archive has a hundredth of it.
MOST_NUMBERS = 100_000_000
AGAIN = "get the file again"


def numbers(value: Any, where: str, *shapes: tuple[int, ...]) -> np.ndarray:
    """An array of float64 of one of the shapes, -1 being any length above 0. Raises InputError for another.

    Lists are counted before they are made an array: ten that hold one another ten times are ten billion numbers.
    """
    array = np.array(None)
    if isinstance(value, np.ndarray):
        array = value
    elif count(value, max(map(len, shapes)), {}) <= MOST_NUMBERS:
        with suppress(ValueError):  # of lists of unlike length
            array = np.asarray(value)
    fits = any(
        array.ndim == len(shape) and all(want in (-1, size) for want, size in zip(shape, array.shape, strict=True))
        for shape in shapes
    )
    if array.dtype.kind not in "biuf" or not fits or not array.size:
        problem = f"{array.dtype} of shape {array.shape}"
        if array.dtype.kind == "O":
            problem = f"a {type(value).__name__} of other things than numbers, or of lists of unlike length"
        texts = [", ".join("frames" if want < 0 else str(want) for want in shape) for shape in shapes]
        expected = " or ".join(f"({text})" for text in texts)
        raise InputError(problem, where=where, expected=f"numbers {expected}", remedy=AGAIN)
    return array.astype(np.float64)


def count(value: Any, axes: int, counted: dict[tuple[int, int], float]) -> float:
    """How many numbers nested lists hold, shared lists counted wherever they occur; infinite for what is no array."""
    if isinstance(value, list | tuple):
        if (id(value), axes) not in counted:
            counted[id(value), axes] = sum(count(item, axes - 1, counted) for item in value) if axes else np.inf
        return counted[id(value), axes]
    if isinstance(value, np.ndarray | np.generic):
        return value.size if value.dtype.kind in "biuf" and value.ndim <= axes else np.inf
    return 1 if isinstance(value, int | float) else np.inf


def flags(value: Any, where: str) -> Bool[np.ndarray, " t"]:
    """Which of some numbers are not 0. Raises InputError for what is not a row of finite numbers."""
    array = numbers(value, where, (-1,))
    if not np.isfinite(array).all():
        t = int(np.argmin(np.isfinite(array)))
        raise InputError(f"{array[t]} at frame {t}", where=where, expected="1 for a valid frame and 0 for others")
    return array != 0


def same_length(where: Path | str, values: dict[str, Any]) -> None:
    """Raises InputError where values that are not None differ in length."""
    lengths = {name: len(value) for name, value in values.items() if value is not None}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(counts, where=where, expected="as many of each", remedy=AGAIN)
