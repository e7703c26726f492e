"""What every converter is: a named source of recordings. Adding a source means adding one module."""

import importlib
import pkgutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import data_prep
from stgraph.io.dataset import Recording
from stgraph.skeleton import Skeleton


@dataclass
class Source:
    """What a converter hands to the writer.

    Attributes:
        recordings: one at a time, so that a large archive never has to fit in memory.
        total: how many will come, as far as is known (for the progress bar); may change while recordings are read.
        source, terms: where the data comes from and what may be done with it, in words; they travel with the file.
        inputs: files whose sha256 is recorded.
        left_out: (what, why); may grow while recordings are read.
        notes: sentences for the summary (which calibration, which unit, what was decided by a rule).
        splits: name -> part ("train", "validation", "test") -> subjects or recording ids.
    """

    skeleton: Skeleton
    recordings: Iterator[Recording]
    total: int
    source: str
    terms: str
    inputs: list[Path]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    splits: dict[str, dict[str, list[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Converter:
    """A source's command-line arguments and its reader."""

    help: str
    add_arguments: Callable[[ArgumentParser], None]
    read: Callable[[Namespace], Source]


CONVERTERS: dict[str, Converter] = {}


def source(name: str, *, help: str, arguments: Callable[[ArgumentParser], None]) -> Callable:
    """Register `read(args) -> Source` as `python -m data_prep NAME`; `arguments(parser)` adds its options.

    @source("mine", help="my files", arguments=lambda parser: parser.add_argument("paths", nargs="+"))
    def read(args: Namespace) -> Source: ...
    """

    def register(read: Callable[[Namespace], Source]) -> Callable[[Namespace], Source]:
        CONVERTERS[name] = Converter(help, arguments, read)
        return read

    return register


def converters() -> dict[str, Converter]:
    """Every converter of the package, found by importing its modules."""
    for module in pkgutil.iter_modules(data_prep.__path__):
        if module.name != "__main__":
            importlib.import_module(f"data_prep.{module.name}")
    return CONVERTERS
