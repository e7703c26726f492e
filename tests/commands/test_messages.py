"""Every message names a remedy that exists: the options that are named in it are options of the commands."""

import argparse
import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

import data_prep.__main__
from stgraph.__main__ import commands

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w_])")
OF_COMMAND = re.compile(rf"`(?:python -m stgraph\.)?({'|'.join(commands())}) (--[a-z][a-z-]*[a-z])")
OF_OTHERS = {"--version", "--prefix"}


def names(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command."""
    return {name for action in parser._actions for name in action.option_strings}


@cache
def options() -> dict[str, set[str]]:
    """The options of every command, those of data_prep under the names of their sources."""
    found = {name: names(importlib.import_module(f"stgraph.{name}").parser()) for name in commands()}
    for name, command in data_prep.__main__.commands().items():
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        found[f"data_prep {name}"] = names(parser)
    return found


@cache
def texts() -> list[tuple[str, str]]:
    """The literal texts in the code but for docstrings, with their places."""
    found = []
    for path in sorted([*(ROOT / "stgraph").rglob("*.py"), *(ROOT / "data_prep").rglob("*.py")]):
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docstrings = {
            id(node.body[0].value)
            for node in nodes
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node.value))
    return found


@pytest.mark.slow
def test_every_option_in_a_message_is_an_option_of_some_command():
    known = set.union(*options().values()) | {"--debug"} | OF_OTHERS
    wrong = [
        f"{place}: {option}"
        for place, text in texts()
        for option in OPTION.findall(text)
        if option not in known and not any(name.startswith(option) for name in known)
    ]
    assert not wrong


def test_an_option_that_is_named_with_its_command_is_one_of_that():
    named = [(place, *match) for place, text in texts() for match in OF_COMMAND.findall(text)]
    assert len(named) > 10
    assert not [entry for entry in named if entry[2] not in options()[entry[1]]]


@pytest.mark.parametrize("option", ["--set", "--restart", "--resume"])
def test_an_option_of_few_commands_is_named_with_its_command_where_several_may_fail(option):
    """What is below the commands is used by several: `evaluate` has no --set, `render` no --subjects."""
    alone = re.compile(rf"(?<!train ){option}\b")
    below = [(place, text) for place, text in texts() if place.count("/") > 1 and place.startswith("stgraph/")]
    allowed = ("stgraph/settings/params.py", "stgraph/training/comparison.py")  # reached with --set alone
    assert not [
        (place, text)
        for place, text in below
        if alone.search(text) and not place.startswith(allowed) and f"{option} " != text[: len(option) + 1]
    ]
