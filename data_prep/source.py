"""The recordings of a source and what is known of them, which `data_prep.writing` writes to a dataset."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stgraph.data.recording import Recording
from stgraph.skeleton import Skeleton

# Left-out clips: reasons in the summary, and names for each of them; the file lists all.
REASONS, NAMED = 50, 4


@dataclass
class Source:
    """The recordings of a source, and what the dataset records of them.

    Attributes:
        recordings: one at a time, so that a large archive never has to fit in memory.
        total: how many will come, as far as is known (for the progress bar); may change while recordings are read.
        left_out: (name, reason); may grow while recordings are read.
        notes: sentences for the summary (which calibration, which unit, what was decided by a rule).
        source, terms, inputs, splits, classes, synthetic: see `stgraph.data.dataset_writer.DatasetWriter`.
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
    classes: list[str] = field(default_factory=list)
    synthetic: bool = False


def grouped(left_out: Sequence[tuple[str, str]]) -> list[str]:
    """A line for every reason that something was left out for; reasons that differ in numbers alone are one.

    >>> grouped([("a.npy", "empty"), ("b.npy", "frame 7 is doubled"), ("c.npy", "frame 12 is doubled")])
    ['a.npy: empty', '2 (b.npy, c.npy), the first: frame 7 is doubled']
    """
    alike: dict[str, list[tuple[str, str]]] = {}
    for name, reason in left_out:
        alike.setdefault(re.sub(r"\d+", "#", reason), []).append((name, reason))
    lines = []
    for group in list(alike.values())[:REASONS]:
        named = ", ".join(name for name, _ in group[:NAMED]) + (", ..." if len(group) > NAMED else "")
        first = ", the first" if len({reason for _, reason in group}) > 1 else ""
        lines.append(f"{len(group)} ({named}){first}: {group[0][1]}" if len(group) > 1 else ": ".join(group[0]))
    return lines + ([f"and for {len(alike) - REASONS} other reasons"] if len(alike) > REASONS else [])
