"""Options of a command that a task adds and its run takes, such as --flip of `evaluate` for lifters."""

import argparse
from typing import Any

from stgraph.errors import InputError
from stgraph.settings.registry import TASKS, TaskEntry


def add_task_options(arguments: argparse.ArgumentParser, kind: str) -> None:
    """Add every task's options in a group of its own; `kind` is the attribute of `TaskEntry` that adds them."""
    for name in TASKS.names():
        entry = TASKS.get(name)
        getattr(entry, kind)(arguments.add_argument_group(entry.title))


def chosen_options(args: argparse.Namespace, task: TaskEntry, kind: str) -> dict[str, Any]:
    """The options of a task that were given. Raises InputError where one of another task was."""
    chosen = {}
    for name in TASKS.names():
        for option in option_names(TASKS.get(name), kind):
            if (value := getattr(args, option)) is None:
                continue
            if name != task.name:
                where, found = f"--{option.replace('_', '-')}", f"an experiment of task {task.name!r}"
                raise InputError(where=where, found=found, expected=f"one of task {name!r}", remedy="leave it out")
            chosen[option] = value
    return chosen


def option_names(entry: TaskEntry, kind: str) -> list[str]:
    """Names of the options of one task."""
    alone = argparse.ArgumentParser(add_help=False)
    getattr(entry, kind)(alone.add_argument_group())
    return list(vars(alone.parse_args([])))
