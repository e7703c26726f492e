"""Inputs made of a good file by a few changes: bytes cut, repeated and replaced, words and JSON values made odd."""

import json
import re
from collections.abc import Sequence
from typing import Any

Change = tuple[str, int, int]  # kind, and two numbers that say where and what
KINDS = ("cut", "end", "repeat", "byte", "insert", "word", "value", "value", "key")
MOST = 1 << 16  # of the two numbers
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 3.5, 10**6, 999_999, 10**9, 2**31, 2**63, 10**30, 10**400, 1e-320, 1e308, -1e300),
    *(float("nan"), float("inf"), float("-inf"), "", "a", "\ud800", "9" * 5000, "../a", "x" * 70_000, [], {}, [[]]),
    *([None], [1, 2], [[1, 2, 3]], {"a": 1}, [-1, 0, 0], {"name": "a"}, [[[[[[1]]]]]], 0.1, 1000.0, -0.0, 128),
)
WORDS = (
    *(b"", b"0", b"-1", b"1e400", b"nan", b"-inf", b"9" * 30, b"9" * 5000, b"\xff\xfe", b"{", b"}", b"[" * 2000, b"\0"),
    *(b"\xc2\xb2", b'"', b",", b"\n", b"1 2 3", b"ROOT x", b"MOTION", b"x" * 200_000, b"999999", b"1000000000", b"0.5"),
)
WORD = re.compile(rb"[^\s,\[\]{}:\"]+")


def changed(content: bytes, changes: Sequence[Change]) -> bytes:
    """A file's content after some changes."""
    for kind, where, what in changes:
        at = where * len(content) // MOST
        length = 1 + what % (97 if what % 2 else 4 + len(content))
        match kind:
            case "cut":
                content = content[:at] + content[at + length :]
            case "end":
                content = content[:at]
            case "repeat":
                content = content[: at + length] + content[at : at + length] * (1 + what % 3) + content[at + length :]
            case "byte":
                content = content[:at] + bytes([what % 256]) + content[at + 1 :]
            case "insert":
                content = content[:at] + WORDS[what % len(WORDS)] + content[at:]
            case "word":
                if word := WORD.search(content, at):
                    content = content[: word.start()] + WORDS[what % len(WORDS)] + content[word.end() :]
            case _:
                content = tree_changed(content, kind, where, what)
    return content[: 1 << 22]


def tree_changed(content: bytes, kind: str, where: int, what: int) -> bytes:
    """JSON with another value or key at one place; what is not JSON stays as it is."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    places = [(parent, key) for parent in containers(tree) for key in keys(parent)]
    if not places:
        return json.dumps(ODD[what % len(ODD)]).encode()
    parent, key = places[where % len(places)]
    if kind == "key" and isinstance(parent, dict):
        parent[("", "a", "id", key)[what % 4]] = parent.pop(key)
    elif kind == "key":
        parent[key:key] = parent[key : key + 1] * (what % 5)
    else:
        parent[key] = ODD[what % len(ODD)]
    try:
        return json.dumps(tree).encode()
    except ValueError:  # a number of too many digits
        return content


def containers(tree: Any) -> list[Any]:
    """The objects and lists of a tree."""
    found, level = [], [tree]
    while level := [value for value in level if isinstance(value, dict | list)]:
        found += level
        level = [part for value in level for part in (value.values() if isinstance(value, dict) else value)]
    return found


def keys(container: Any) -> list[Any]:
    """The keys of an object, or the places in a list."""
    return list(container) if isinstance(container, dict) else list(range(len(container)))
