"""Names from anyone's data as text that a figure can show: in a font that has the letters, or else escaped."""

import re
from functools import cache

from matplotlib import font_manager, rcParams

# Fonts of boxes and of coloured bitmaps, which have a glyph for what they do not show.
UNFIT = re.compile("Last ?Resort|Colou?r ?Emoji|Emoji ?Colou?r|Apple Emoji", re.IGNORECASE)


def legible(text: str) -> str:
    """The text for a figure; a letter that no installed font has is U+ and its number.

    Fonts that are needed beside the usual one are added to matplotlib's. A $ stays one and begins no formula.

    >>> legible("walk"), legible("5 $"), legible(chr(0x13000))
    ('walk', '5 \\\\$', 'U+13000')
    """
    shown = "".join(letter if _has_font(letter) else f"U+{ord(letter):04X}" for letter in text)
    return re.sub(r"(?<!\\)\$", r"\\$", shown)


@cache
def _has_font(letter: str) -> bool:
    """Whether a font has the letter, which is then among those that matplotlib draws with."""
    if letter.isascii():
        return letter.isprintable() or letter == "\n"
    family = list(rcParams["font.family"])
    if any(_has(font_manager.findfont(font_manager.FontProperties(family=[name])), letter) for name in family):
        return True
    for entry in font_manager.fontManager.ttflist:
        if not UNFIT.search(entry.name) and not entry.name.startswith(("cm", "STIX")) and _has(entry.fname, letter):
            rcParams["font.family"] = [*family, entry.name]
            return True
    return False


@cache
def _has(path: str, letter: str) -> bool:
    try:
        return bool(font_manager.get_font(path).get_char_index(ord(letter)))
    except (OSError, RuntimeError):  # a font that cannot be read
        return False
