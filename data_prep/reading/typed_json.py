"""JSON files of a known form: their content is validated by a pydantic type."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stgraph.errors import InputError

T = TypeVar("T")
MOST_PROBLEMS = 20  # of a file, that a message lists


def read_typed(path: Path, form: TypeAdapter[T], expected: str) -> T:
    """The content of a JSON file. Raises InputError that lists what is wrong by its place in the file."""
    try:
        return form.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise InputError(f"{error.strerror}", where=path, expected=expected) from error
    except ValidationError as error:
        problems = error.errors(include_url=False)[:MOST_PROBLEMS]
        raise InputError("; ".join(map(described, problems)), where=path, expected=expected) from error


def described(problem: ErrorDetails) -> str:
    """One of pydantic's problems as text: its place, what is there and what is wrong with it."""
    place = ", ".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ").removeprefix(f"{place}: ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    elif problem["type"] not in ("value_error", "missing", "json_invalid"):
        message = f"{problem['input']!r:.80}: {message}"
    return f"{place}: {message}" if place else message
