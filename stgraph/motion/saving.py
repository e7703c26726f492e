"""The formats of a motion by ending, and the files that a motion becomes."""

import importlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from jaxtyping import Shaped
from numpy import ndarray

from stgraph.errors import InputError
from stgraph.formats.files import check_endings


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        module: of this package, with `write(motion, path) -> str`, which returns a line about the file, maybe empty.
        one_person: such a file holds one person.
        drawn: a picture of a stretch of the motion; `write` takes a `Clip` and the most seconds, too.
        needs: a package that comes with the extra named after the ending.
    """

    module: str
    one_person: bool = False
    drawn: bool = False
    needs: str = ""


FORMATS = {
    ".npz": Format("npz_file"),
    ".csv": Format("csv_file"),
    ".json": Format("json_file"),
    ".html": Format("html_file"),
    ".gif": Format("clip_file", drawn=True),
    ".mp4": Format("clip_file", drawn=True),
    ".bvh": Format("bvh_file", one_person=True),
    ".trc": Format("trc_file", one_person=True),
    ".c3d": Format("c3d_file", one_person=True, needs="ezc3d"),
}


def check_outputs(paths: Sequence[Path]) -> None:
    """Raises InputError as `check_endings`, and for a format whose package is missing."""
    check_endings(paths, FORMATS)
    for path in paths:
        ending = path.suffix.lower()
        needs = FORMATS[ending].needs
        if needs and importlib.util.find_spec(needs) is None:
            problem = f"{needs} is not installed, which writes {ending}"
            raise InputError(problem, where=path, remedy=f"install it with `pip install 'stgraph[{ending[1:]}]'`")


def format_module(ending: str) -> ModuleType:
    """The module that writes an ending, imported when it is needed; it imports `Motion`, so nothing here may."""
    return importlib.import_module(f"stgraph.motion.{FORMATS[ending].module}")


def person_paths(persons: Shaped[ndarray, " m"], path: Path) -> list[Path]:
    """A file for each person: `walk.bvh` of one, `walk.1.bvh`, `walk.2.bvh` of several, after their identities.

    Where identities give no different file names, people are counted from 1.
    """
    if len(persons) == 1:
        return [path]
    names = [re.sub(r"[^\w-]+", "-", str(person))[:40] for person in persons]
    if len({name.lower() for name in names}) < len(names):
        names = [str(number) for number in range(1, len(names) + 1)]
    return [path.with_name(f"{path.stem}.{name}{path.suffix}") for name in names]
