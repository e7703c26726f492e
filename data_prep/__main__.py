"""python -m data_prep SOURCE ... --out data/NAME.h5: from other people's files to one dataset.

`python -m data_prep summary data/NAME.h5` shows what is in one.
"""

import argparse
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from data_prep.source import NAMED, Command, Converter, Source, converters, grouped, other_commands
from stgraph.cli.command import debug_option, run_command
from stgraph.cli.numbers import two_numbers
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.errors import InputError

ENDINGS = (".h5", ".hdf5")


class Parser(argparse.ArgumentParser):
    """Keeps the words that it parsed, for the file to say how it was made."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        found = super().parse_args(args, namespace)
        found.words = list(sys.argv[1:] if args is None else args)
        return found


def parser() -> Parser:
    """One sub-command per source, and the other commands."""
    main = Parser("data_prep", description=__doc__)
    named = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
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

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        converter.add_arguments(parser)
        parser.add_argument("--out", type=Path, default=Path(f"data/{name}.h5"), help="file to write (%(default)s)")
        text = "length and stride of the window table in the file (%(default)s)"
        parser.add_argument("--windows", default="81x5", help=text)

    def run(args: argparse.Namespace) -> str:
        windows = window_size(args.windows)
        if args.out.suffix.lower() not in ENDINGS:
            raise InputError(
                f"--out {args.out}: found the ending {args.out.suffix!r}; expected {' or '.join(ENDINGS)}; give --out "
                f"such as {args.out.with_suffix(ENDINGS[0])}"
            )
        return prepare(converter.read(args), args.out, command_line(args.words), windows)

    return Command(converter.help, add_arguments, run)


def window_size(text: str) -> tuple[int, int]:
    """ "81x5" -> (81, 5)."""
    frames, stride = two_numbers("--windows", text, "FRAMESxSTRIDE, two positive numbers such as 81x5")
    if stride > frames:
        raise InputError(f"--windows {text}: a stride above the length skips frames; expected FRAMESxSTRIDE, as 81x5")
    return frames, stride


def command_line(words: Sequence[str]) -> str:
    """The command as it is recorded: whole, but without the folders of the machine it ran on.

    >>> command_line(["mocap", "/home/someone/data/motion/cmu.npz", "--out=/tmp/b/cmu.h5", "--terms", "free for all"])
    "python -m data_prep mocap motion/cmu.npz --out=b/cmu.h5 --terms 'free for all'"
    """
    return shlex.join(["python", "-m", "data_prep", *map(_without_folders, words)])


def _without_folders(word: str) -> str:
    """A path, also behind "--option=", by its last two parts; any other word as it is."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    path = Path(value)
    if value and (path.is_absolute() or os.path.exists(value)):
        value = "/".join([part for part in path.parts if part != path.anchor][-2:])
    return option + equals + value


def prepare(source: Source, out: Path, command: str, windows: tuple[int, int] = (81, 5)) -> str:
    """Write a source's recordings to `out`; returns the summary."""
    about = (out, source.skeleton, source.source, source.terms, command, source.inputs, source.splits, windows)
    with DatasetWriter(*about, source.classes) as writer:
        with Progress(transient=True) as progress:
            bar = progress.add_task(out.name, total=source.total)
            for recording in source.recordings:
                writer.add(recording)
                progress.update(bar, total=source.total, advance=1)
        writer.left_out, writer.notes = source.left_out, source.notes + untested(writer)
    return summary(writer)


def untested(writer: DatasetWriter) -> list[str]:
    """Notes on splits that test nothing."""
    return [
        f"split {name}: no test recordings; `evaluate` scores the validation part unless that chooses the epoch, or "
        "subjects by --subjects"
        for name, parts in writer.parts().items()
        if "test" not in parts
    ]


def summary(writer: DatasetWriter) -> str:
    """What is in the file and what is not, as text."""
    table = writer.recordings
    seconds = (np.array(table["frames"]) / np.array(table["fps"])).sum()
    rows = np.concatenate(writer.tracks["rows"])
    short = f"{(rows < writer.windows[0]).sum()} of {len(rows)}"
    lines = [
        f"{writer.path}: {len(table['id'])} recordings, {writer.rows:,} frames, {seconds / 3600:.2f} hours",
        f"  source      {writer.source}",
        f"  terms       {writer.terms}",
        f"  subjects    {listed(table['subject'])}",
        f"  actions     {listed(table['action'])}",
        f"  cameras     {listed(table['camera'])}",
        f"  short       {short} tracks have fewer than {writer.windows[0]} frames (padded by repeating their ends)",
        *(f"  split       {name}: {counted(parts)}" for name, parts in writer.parts().items()),
        *(["  split       none"] if not writer.splits else []),
        *(f"  note        {note}" for note in writer.notes),
        *(f"  left out    {line}" for line in grouped(writer.left_out)),
    ]
    if len(writer.left_out) > NAMED:
        lines.append(f"  left out    in all {len(writer.left_out)}, each listed in the file's `left_out`")
    return "\n".join(lines)


def counted(parts: Sequence[str]) -> str:
    """Recordings of every part of a split.

    >>> counted(["train", "train", "", "test"])
    '2 train, 1 test, 1 in no part'
    """
    counts = Counter(parts)
    order = ("train", "validation", "test", *sorted({*counts} - {"train", "validation", "test"}))
    return ", ".join(f"{counts[part]} {part or 'in no part'}" for part in order if counts[part])


def listed(names: list[str], most: int = 20) -> str:
    """Different names with their number of recordings, the frequent first."""
    found, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    text = ", ".join(f"{found[i]} ({counts[i]})" for i in order[:most])
    return f"{len(found)}: {text}" + (", ..." if len(found) > most else "")


def main(args: argparse.Namespace) -> None:
    print(commands()[args.command].run(args))


if __name__ == "__main__":
    run_command(parser(), main)
