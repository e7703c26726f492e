"""python -m data_prep SOURCE ... --out data/NAME.h5: from other people's files to one dataset.

`python -m data_prep summary data/NAME.h5` shows what is in one.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from data_prep.source import Command, Converter, converters, other_commands
from data_prep.writing import command_line, prepare
from stgraph.cli.command import debug_option, run_command
from stgraph.cli.numbers import two_numbers
from stgraph.errors import InputError

ENDINGS = (".h5", ".hdf5")


class Parser(ArgumentParser):
    """Keeps the words that it parsed, for the file to say how it was made."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> Namespace:
        parsed = super().parse_args(args, namespace)
        parsed.words = list(sys.argv[1:] if args is None else args)
        return parsed


def parser() -> Parser:
    """One sub-command per source, and the other commands."""
    main = Parser("data_prep", description=__doc__)
    named = main.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=ArgumentParser)
    for name, command in sorted(commands().items()):
        sub = named.add_parser(name, help=command.help, description=command.help)
        command.add_arguments(sub)
        debug_option(sub)
    return main


def commands() -> dict[str, Command]:
    """Everything that can be called, by its name."""
    return {name: conversion(name, converter) for name, converter in converters().items()} | other_commands()


def conversion(name: str, converter: Converter) -> Command:
    """The command that writes what a converter reads."""

    def add_arguments(parser: ArgumentParser) -> None:
        converter.add_arguments(parser)
        parser.add_argument("--out", type=Path, default=Path(f"data/{name}.h5"), help="file to write (%(default)s)")
        text = "length and stride of the window table in the file (%(default)s)"
        parser.add_argument("--windows", default="81x5", help=text)

    def run(args: Namespace) -> str:
        windows = window_size(args.windows)
        if args.out.suffix.lower() not in ENDINGS:
            found, expected = f"the ending {args.out.suffix!r}", " or ".join(ENDINGS)
            remedy = f"give --out such as {args.out.with_suffix(ENDINGS[0])}"
            raise InputError(where=f"--out {args.out}", found=found, expected=expected, remedy=remedy)
        return prepare(converter.read(args), args.out, command_line(args.words), windows)

    return Command(converter.help, add_arguments, run)


def window_size(text: str) -> tuple[int, int]:
    """ "81x5" -> (81, 5)."""
    frames, stride = two_numbers("--windows", text, "FRAMESxSTRIDE, two positive numbers such as 81x5")
    if stride > frames:
        where, expected = f"--windows {text}", "FRAMESxSTRIDE, as 81x5"
        raise InputError("a stride above the length skips frames", where=where, expected=expected)
    return frames, stride


def main(args: Namespace) -> None:
    print(commands()[args.command].run(args))


if __name__ == "__main__":
    run_command(parser(), main)
