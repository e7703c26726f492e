"""Which files a command's paths name."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from stgraph.errors import InputError


def find_files(paths: Iterable[Path], pattern: str, expected: str) -> list[Path]:
    """Each file once: those given themselves, and in folders, at any depth, those whose names match.

    Files in folders are tested by name alone, since unpacked videos are millions of files.

    Args:
        pattern: regular expression of a whole file name.
        expected: the files that can be given, for messages.

    Raises:
        InputError: a path that does not exist.
    """
    matches = re.compile(pattern).fullmatch
    files: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise InputError("no such file or folder", where=path, remedy=f"give {expected}")
        inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names if matches(name))
        for file in sorted(inside) if path.is_dir() else [path]:
            files.setdefault(os.path.realpath(file), file)
    return list(files.values())


def listed(paths: Iterable[Path]) -> str:
    """Paths for a message."""
    return ", ".join(map(str, paths))
