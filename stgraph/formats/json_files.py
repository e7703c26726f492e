"""JSON files: read, and checked against a schema, with errors that name the file and the place in it."""

import gc
import json
import re
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stgraph.errors import InputError

HALF = re.compile(r"\\u[dD][89a-fA-F]")  # the escape of a surrogate, half of a character
Schema = TypeVar("Schema", bound=BaseModel)
# What pydantic's errors of these types expect, where its own words name classes or counts.
EXPECTED = {"missing": "a value", "model_type": "an object", "too_short": "a list that is not empty"}


def read_json(path: Path, expected: str = "JSON") -> object:
    """The content of a JSON file.

    Args:
        path: of the file.
        expected: what the file should hold, for the message.

    Raises:
        InputError: the file cannot be read, is empty, is not UTF-8, is not JSON, or is nested too deeply.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise InputError(problem, where=path, expected=expected, remedy="check the path") from error
    if not content.strip():
        raise InputError("is empty", where=path, expected=expected, remedy="write or fetch the file again")
    return parse_json(content, path, expected, "it may have been cut short: leave it out, or write or fetch it again")


def parse_json(content: bytes | str, where: object, expected: str = "JSON", remedy: str = "") -> object:
    """What JSON holds. Raises InputError for text that is not JSON, or nested too deeply.

    Args:
        content: the text.
        where, expected, remedy: for the message.
    """
    try:
        # Decoded here, since json lets surrogates pass.
        text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
        tree = json.loads(text)
        # Two escapes of a pair are one character; a single one is none, and can be written nowhere.
        if HALF.search(text):
            json.dumps(tree, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})", where=where, expected=expected, remedy=remedy) from error
    return tree


def validated(schema: type[Schema], tree: object, path: Path) -> Schema:
    """The content of a file as a pydantic model. Raises InputError for the first value that does not fit.

    Args:
        schema: the model.
        tree: what `read_json` returns.
        path: of the file, for the message.
    """
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        missing = first["type"] == "missing"
        raise InputError(
            where=f"{path}: {place.lstrip('.')}",
            found="nothing" if missing else reprlib.repr(first["input"]),
            expected=EXPECTED.get(first["type"]) or first["msg"].removeprefix("Input should be "),
            remedy=f"add the key {first['loc'][-1]!r}" if missing else "correct the file",
        ) from error


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Suspend garbage collection, which walks a large tree again and again while it grows, and frees nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
