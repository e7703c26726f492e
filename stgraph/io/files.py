"""Files that are whole or not there: written beside their place, synced and renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stgraph.errors import InputError


@contextmanager
def replaced(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it is synced and takes the place of `path`.

    On any failure (a full disk, an interrupt, a failing sync) the temporary file is removed and the old file stays.

        with replaced("report.json") as temporary:
            temporary.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays last, since writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    try:
        with unharmed(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def unharmed(path: Path) -> Iterator[None]:
    """Failures to write say which file was meant, and that what was there before is as it was."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        message = f"could not be written: {reason}; what was there before is as it was"
        raise OSError(error.errno, message, str(path)) from error
