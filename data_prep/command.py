"""The commands of `python -m data_prep`, imported when they run."""

import importlib
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from stgraph.cli.numbers import two_numbers
from stgraph.errors import InputError
from stgraph.formats.files import check_kept

ENDINGS = (".h5", ".hdf5")


@dataclass(frozen=True)
class Command:
    """A source, which makes a dataset, or a command that makes none.

    Attributes:
        module: has `read(args) -> Source`, or else `run(args) -> str`, the text to print. The module `options` beside
            it has `arguments(parser)`, which adds options; it imports nothing heavy, so that `--help` is there at once.
        out: the dataset that a source makes by default; empty for other commands.
    """

    help: str
    module: str
    out: str = ""

    def load(self) -> ModuleType:
        """Import the module."""
        return importlib.import_module(self.module)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the module's options, and those of every source."""
        importlib.import_module(f"{self.module.rpartition('.')[0]}.options").arguments(parser)
        if self.out:
            parser.add_argument("--out", type=Path, default=Path(self.out), help="file to write (%(default)s)")
            text = "length and stride of the window table in the file (%(default)s)"
            parser.add_argument("--windows", default="81x5", help=text)

    def run(self, args: Namespace) -> str:
        """Run the command, which writes its dataset if it is a source. Returns the text to print."""
        if not self.out:
            return self.load().run(args)
        windows = window_size(args.windows)
        if args.out.suffix.lower() not in ENDINGS:
            where, remedy = f"--out {args.out}", f"give --out such as {args.out.with_suffix(ENDINGS[0])}"
            raise InputError(where=where, expected=f"the ending {' or '.join(ENDINGS)}", remedy=remedy)
        given = [value for name, value in vars(args).items() if name != "out"]
        paths = [path for value in given for path in (value if isinstance(value, list) else [value])]
        check_kept("--out", args.out, (path for path in paths if isinstance(path, Path)))
        from data_prep.writing import command_line, prepare

        return prepare(self.load().read(args), args.out, command_line(args.words), windows)


def window_size(text: str) -> tuple[int, int]:
    """Length and stride of "81x5", (81, 5)."""
    frames, stride = two_numbers("--windows", text, "FRAMESxSTRIDE, two positive numbers such as 81x5")
    if stride > frames:
        where, expected = f"--windows {text}", "FRAMESxSTRIDE, as 81x5"
        raise InputError("a stride above the length skips frames", where=where, expected=expected)
    return frames, stride
