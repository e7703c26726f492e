"""python -m data_prep SOURCE ... --out data/NAME.h5: converts other people's files to one dataset.

`python -m data_prep summary data/NAME.h5` shows what is in one.
"""

import importlib
import pkgutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.command import Command
from stgraph.cli.command import debug_option, run_command


class Parser(ArgumentParser):
    """Keeps the parsed command line, which the dataset file records."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> Namespace:
        parsed = super().parse_args(args, namespace)
        parsed.words = list(sys.argv[1:] if args is None else args)
        return parsed


class CommandParser(ArgumentParser):
    """Adds a command's options when it is parsed."""

    command: Command | None = None

    def parse_known_args(self, args=None, namespace=None):  # as in argparse
        if self.command:
            self.command.add_arguments(debug_option(self))
            self.command = None
        return super().parse_known_args(args, namespace)


def parser() -> Parser:
    """One sub-command per source, and the other commands."""
    main = Parser("data_prep", description=__doc__)
    named = main.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CommandParser)
    for name, command in sorted(commands().items()):
        named.add_parser(name, help=command.help, description=command.help).command = command
    return main


def commands() -> dict[str, Command]:
    """The commands by name: every folder of data_prep/sources, and the summary."""
    by_name = {"summary": Command("What is in a dataset, and what in it is implausible", "data_prep.checks.summary")}
    folder = str(Path(__file__).with_name("sources"))
    for package in (f"data_prep.sources.{module.name}" for module in pkgutil.iter_modules([folder])):
        source = importlib.import_module(package)
        name = getattr(source, "NAME", package.rpartition(".")[2])
        by_name[name] = Command((source.__doc__ or name).rstrip("."), f"{package}.source", f"data/{name}.h5")
    return by_name


def main(args: Namespace) -> None:
    print(commands()[args.command].run(args))


def run() -> None:
    """The installed command `data_prep`."""
    run_command(parser(), main)


if __name__ == "__main__":
    run()
