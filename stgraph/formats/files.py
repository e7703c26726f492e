"""Files that are whole or not there: written beside their place, synced and renamed; and their hashes."""

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stgraph.errors import InputError

ACCOMPANYING = re.compile(r"(readme|licen[cs]e|copying|notice|citation|changelog)(\.(txt|md|rst|cff|html))?", re.I)
INFLATED, ROOM = 100, 1 << 28  # bytes for each of a compressed file, besides what any file may take
MACHINE = re.sub(r"[^\w-]", "_", platform.node())


@contextmanager
def replaced(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it is synced and takes the place of `path`.

    On any failure (a full disk, an interrupt, a failing sync) the temporary file is removed and the old file stays.
    What a process that was killed left of the same file is removed first.

        with replaced("report.json") as temporary:
            temporary.write_text("{}")
    """
    path = Path(path)
    make_folder_of(path)
    # The ending stays last, since writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{MACHINE}-{os.getpid()}.partial{path.suffix}")
    remove_unfinished(path)
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


def remove_unfinished(path: Path) -> None:
    """Remove what processes of this machine that have ended left of a file."""
    named = re.compile(rf"\.{re.escape(path.stem)}\.{MACHINE}-(\d+)\.partial{re.escape(path.suffix)}")
    for other in path.parent.glob(".*.partial*"):
        if (match := named.fullmatch(other.name)) and not is_running(int(match[1])):
            other.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def make_folder_of(path: Path) -> None:
    """Make the folder that a file goes into. Raises InputError as `check_place`."""
    check_place(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        problem = f"cannot be written, as {error.filename} is no folder and none can be made there ({error.strerror})"
        raise InputError(problem, where=path, remedy="give another place for the file") from error


def check_place(path: Path) -> None:
    """Raises InputError where no file can be: the path is a folder's, leads through a file, or may not be written."""
    if path.is_dir():
        raise InputError("is a folder", where=path, remedy="give the name of a file in it")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        problem = f"cannot be written, as {there} {'may not be written to' if there.is_dir() else 'is no folder'}"
        raise InputError(problem, where=path, remedy="give another place for the file")


def check_inflated(size: int, path: Path) -> None:
    """Raises InputError where the compressed content of a file would take so many bytes that it holds no motion."""
    packed = path.stat().st_size
    if size > ROOM + INFLATED * packed:
        found, expected = f"{size:,} bytes compressed into {packed:,}", f"at most {INFLATED} times as many as it has"
        raise InputError(where=path, found=found, expected=expected, remedy="save the arrays again without compression")


def accompanies(path: Path) -> bool:
    """Whether a file is about the data beside it by its name, as licences are, or is hidden.

    >>> [accompanies(Path(name)) for name in ("LICENSE", "readme.md", ".DS_Store", "license_plate.json", "walk.json")]
    [True, True, True, False, False]
    """
    return path.name.startswith(".") or bool(ACCOMPANYING.fullmatch(path.name))


def file_name(text: str) -> str:
    """A name from someone's data as the name of one file: no folders, and none that is hidden.

    >>> file_name("S9/Walking 1/54138969"), file_name("../x")
    ('S9_Walking 1_54138969', '_._x')
    """
    return re.sub(r"[/\\\0]|^\.", "_", text)


def check_apart(outputs: Iterable[tuple[str, Path]]) -> None:
    """Raises InputError where two things, each with its name, would be written to the same file."""
    names: dict[str, str] = {}
    for name, path in outputs:
        key = str(path).lower()  # some file systems know no capitals
        if key in names:
            raise InputError(
                f"{names[key]!r} and {name!r} would both be written to it", where=path, remedy="rename one"
            )
        names[key] = name


def check_kept(
    option: str, out: Path, inputs: Iterable[Path], reads: Callable[[Path], object] = lambda path: False
) -> None:
    """Raises InputError where an output is one of the inputs, or would replace a file that is read in one's folder.

    Args:
        reads: whether a file in a folder that is an input is read.
    """
    place = out.resolve()  # the folder may lead through one that is made later
    for source in map(Path.resolve, inputs):
        inside = source in place.parents and place.is_file() and reads(place)
        if place.exists() and source.exists() and (place.samefile(source) or inside):
            problem = f"is {'in ' if inside else ''}the input and would be lost"
            raise InputError(problem, where=f"{option} {out}", remedy=f"give another {option}")


@contextmanager
def unharmed(path: Path) -> Iterator[None]:
    """Failures to write name the file, and say that its earlier content is unchanged."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else (str(error).splitlines() or [type(error).__name__])[0]
        message = f"could not be written: {reason}; what was there before is as it was"
        raise OSError(error.errno, message, str(path)) from error


@dataclass(frozen=True)
class Saved:
    """A file that was written, and a line about it, which may be empty."""

    path: Path
    note: str = ""


def check_endings(paths: Sequence[Path], endings: Iterable[str]) -> None:
    """Raises InputError for an ending that is none of these, a file that is named twice, and as `check_place`."""
    for number, path in enumerate(paths):
        if path.suffix.lower() not in endings:
            found = path.suffix.lower() or "a file without an ending"
            raise InputError(where=path, found=found, expected=f"one of {', '.join(endings)}")
        if path in paths[:number]:
            raise InputError("is named twice", where=path, remedy="name each file once")
        check_place(path)


def hashes(paths: list[Path]) -> dict[str, str]:
    """Hashes by path below the folder that holds all, since archives repeat file names in every folder."""
    if not paths:
        return {}
    folder = Path(os.path.commonpath([path.resolve().parent for path in paths]))
    return {path.resolve().relative_to(folder).as_posix(): sha256(path) for path in paths}


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
