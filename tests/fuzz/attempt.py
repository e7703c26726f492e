"""One input for one reader: read, or refused with the toolkit's own error, within bounds of time and memory."""

import warnings
from pathlib import Path

from stgraph.errors import InputError
from tests.fuzz.mutation import Change, changed
from tests.fuzz.reader import Reader
from tests.limits import limited_time

LONGEST = 100_000  # characters of a message


def attempt(reader: Reader, path: Path, seed: int, changes: list[Change]) -> bool:
    """Whether the reader takes a changed file; any error but InputError leaves."""
    content = changed(reader.seeds[seed % len(reader.seeds)], changes)
    reader.write(path, content)
    with limited_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader.read(path)
        except InputError as error:
            assert len(str(error)) < LONGEST, f"a message of {len(str(error))} characters"
            return False
    return True
