"""Writes a source to its dataset file, and describes the file as text."""

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.source import NAMED, Source, grouped
from stgraph.data.dataset_writer import DatasetWriter

LISTED = 20  # names of subjects, actions or cameras in the summary


def prepare(source: Source, out: Path, command: str, windows: tuple[int, int] = (81, 5)) -> str:
    """Write a source's recordings to `out`; returns the summary."""
    from rich.progress import Progress

    writer = DatasetWriter(
        path=out,
        skeleton=source.skeleton,
        source=source.source,
        terms=source.terms,
        created_by=command,
        inputs=source.inputs,
        splits=source.splits,
        windows=windows,
        classes=source.classes,
        synthetic=source.synthetic,
    )
    with writer:
        with Progress(transient=True) as progress:
            bar = progress.add_task(out.name, total=source.total)
            for recording in source.recordings:
                writer.add(recording)
                progress.update(bar, total=source.total, advance=1)
        writer.left_out, writer.notes = source.left_out, source.notes + untested(writer)
    return summary(writer)


def untested(writer: DatasetWriter) -> list[str]:
    """Notes on splits without test recordings."""
    return [
        f"split {name}: no test recordings; `evaluate` scores the validation part unless that chooses the epoch, or "
        "subjects by `evaluate --subjects`"
        for name, parts in writer.assigned().items()
        if "test" not in parts
    ]


def summary(writer: DatasetWriter) -> str:
    """The content of the file, and what was left out, as text."""
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
        *(f"  split       {name}: {counted(parts)}" for name, parts in writer.assigned().items()),
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


def listed(names: Sequence[str]) -> str:
    """Different names with their number of recordings, the frequent first."""
    counts = Counter(sorted(names)).most_common()
    text = ", ".join(f"{name} ({count})" for name, count in counts[:LISTED])
    return f"{len(counts)}: {text}" + (", ..." if len(counts) > LISTED else "")


def command_line(words: Sequence[str]) -> str:
    """The command as it is recorded: whole, but without the folders of the machine it ran on.

    >>> command_line(["mocap", "/home/someone/data/motion/cmu.npz", "--out=/tmp/b/cmu.h5", "--terms", "free for all"])
    "python -m data_prep mocap motion/cmu.npz --out=b/cmu.h5 --terms 'free for all'"
    """
    return shlex.join(["python", "-m", "data_prep", *map(_without_folders, words)])


def _without_folders(word: str) -> str:
    """A path, also behind "--option=", by its last two names; any other word unchanged."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    path = Path(value)
    if value and (path.is_absolute() or os.path.exists(value)):
        value = "/".join([part for part in path.parts if part != path.anchor][-2:])
    return option + equals + value
