"""Numbers given as text on the command line."""

from stgraph.errors import InputError


def two_numbers(option: str, text: str, expected: str) -> tuple[int, int]:
    """Two positive whole numbers. Raises InputError that names the option and what is expected.

    >>> two_numbers("--windows", "81x5", "FRAMESxSTRIDE")
    (81, 5)
    """
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(where=f"{option} {text}", expected=expected)
    return int(parts[0]), int(parts[1])


def picture_size(text: str) -> tuple[int, int]:
    """Width and height in pixels of the option --size.

    >>> picture_size("960x340")
    (960, 340)
    """
    return two_numbers("--size", text, "WIDTHxHEIGHT in pixels, such as 960x340")
