"""Tables in Markdown with aligned columns, which are also readable as plain text."""

from collections.abc import Iterable


def markdown_table(head: Iterable[object], rows: Iterable[Iterable[object]], text: int = 1) -> list[str]:
    """The lines of a table; its first `text` columns are of text, the others of numbers and aligned right.

    >>> print("\\n".join(markdown_table(["joint", "mm"], [["Hip", 0], ["LWrist", 61.5]])))
    | joint  |   mm |
    | ------ | ---: |
    | Hip    |    0 |
    | LWrist | 61.5 |
    """
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    # Three signs at least, the least that a line under the head has.
    widths = [max(3 + (number >= text), *map(len, column)) for number, column in enumerate(zip(*cells, strict=True))]
    rule = ["-" * width if number < text else "-" * (width - 1) + ":" for number, width in enumerate(widths)]
    return [_line(row, widths, text) for row in (cells[0], rule, *cells[1:])]


def _line(row: list[str], widths: list[int], text: int) -> str:
    aligned = zip(row, widths, strict=True)
    padded = [cell.ljust(width) if number < text else cell.rjust(width) for number, (cell, width) in enumerate(aligned)]
    return f"| {' | '.join(padded)} |"


def number_text(value: float | None) -> str:
    """With two decimals; "-" for None."""
    return "-" if value is None else f"{value:.2f}"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "step"), counted(1200, "step")
    ('1 step', '1,200 steps')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
