"""Numbers given as text on the command line."""

from stgraph.errors import InputError
from stgraph.formats.motion_text import whole_number


def two_numbers(option: str, text: str, expected: str) -> tuple[int, int]:
    """Two positive whole numbers. Raises InputError that names the option and what is expected.

    >>> two_numbers("--windows", "81x5", "FRAMESxSTRIDE")
    (81, 5)
    """
    numbers = [whole_number(part) or 0 for part in text.split("x")]
    if len(numbers) != 2 or 0 in numbers:
        raise InputError(where=f"{option} {text}", expected=expected)
    return numbers[0], numbers[1]


def picture_size(text: str, option: str = "--size", example: str = "960x340") -> tuple[int, int]:
    """Width and height in pixels, as an option has them. Raises InputError that gives an example.

    >>> picture_size("960x340")
    (960, 340)
    """
    return two_numbers(option, text, f"WIDTHxHEIGHT in pixels, such as {example}")
