"""The commands of data_prep, by their words."""

from data_prep.__main__ import commands, parser
from data_prep.source import Source


def source_of(command: str, *words: object) -> Source:
    """What a source reads."""
    args = parser().parse_args([command, *map(str, words)])
    return commands()[command].load().read(args)
