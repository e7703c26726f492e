"""Splits for sources whose files have none: by subject, or a share of every class.

A share is drawn by hashes of seed and id: it depends neither on the order of the files nor on the other classes, and a
clip that is added moves one other clip at most.
"""

import hashlib
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data_prep.options import PARTS, SPLIT, TEST_SHARE
from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError

# What folders and files call the parts, in lower case.
PART_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
HELD_OUT = "--validation-subjects, --test-subjects"


class Clip(NamedTuple):
    """The fields of a recording that decide on its part."""

    id: str
    subject: str
    action: str


@dataclass(frozen=True)
class Division:
    """How clips are divided.

    Attributes:
        subjects: part ("validation", "test") -> subjects, whose every clip goes there.
        shares: part -> share of every class, of the clips that no subject sends elsewhere.
        seed: of the draw.
    """

    subjects: Mapping[str, Sequence[str]]
    shares: Mapping[str, float]
    seed: int = 0


def division(args: Namespace) -> Division:
    """The division by the options; by default a fifth of every class is for testing.

    Raises:
        InputError: shares that leave nothing to train on, or a subject in two parts.
    """
    subjects = {part: list(getattr(args, f"{part}_subjects")) for part in PARTS[1:]}
    shares = {part: getattr(args, f"{part}_share") for part in PARTS[1:]}
    for part, share in shares.items():
        if share is not None and not 0 <= share < 1:
            expected = "a share of the clips, from 0 to below 1, such as 0.2"
            raise InputError(where=f"--{part}-share {share:g}", expected=expected)
        if share and subjects[part]:
            where = f"--{part}-share and --{part}-subjects"
            raise InputError(f"both state the {part} part", where=where, remedy="give one of them")
    check_subjects(subjects["validation"], subjects["test"], HELD_OUT)
    if shares["test"] is None and not subjects["test"]:
        shares["test"] = TEST_SHARE
    shares = {part: share or 0.0 for part, share in shares.items()}
    if (total := sum(shares.values())) >= 1:
        where = "--validation-share and --test-share"
        raise InputError(f"{total:g} together", where=where, remedy="leave some to train on")
    return Division(subjects, shares, args.seed)


def check_subjects(
    validation: Sequence[str], test: Sequence[str], where: str, known: Collection[str] | None = None
) -> None:
    """Raises InputError for a subject in both parts, or that is unknown, where the known ones are given."""
    if both := sorted({*validation} & {*test}):
        raise InputError(f"{', '.join(both)} in both", where=where, remedy="name a subject once")
    if known and (unknown := [subject for subject in (*validation, *test) if subject not in known]):
        raise InputError(f"no subject {', '.join(unknown)}; there are {', '.join(sorted(known))}", where=where)


def divided(clips: Iterable[Clip], rule: Division) -> tuple[dict[str, list[str]], list[str]]:
    """Ids by part, and notes on the split.

    A class of n clips gives round(share n) of them to a part, at least one and never its last one: classes of one clip
    go to train.

    Raises:
        InputError: subjects that no clip has, or nothing left to train on.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    part_of = {subject: part for part, subjects in rule.subjects.items() for subject in subjects}
    classes: dict[str, list[str]] = {}
    known = set()
    for clip in clips:
        known.add(clip.subject)
        if clip.subject in part_of:
            parts[part_of[clip.subject]].append(clip.id)
        else:
            classes.setdefault(clip.action, []).append(clip.id)
    check_subjects(rule.subjects["validation"], rule.subjects["test"], HELD_OUT, known)
    for ids in classes.values():
        ids.sort(key=lambda id: hashlib.sha256(f"{rule.seed}/{id}".encode(errors="backslashreplace")).digest())
        total = len(ids)
        for part in ("test", "validation"):
            share = rule.shares[part]
            count = min(max(round(share * total), 1), len(ids) - 1) if share else 0
            parts[part] += ids[:count]
            del ids[:count]
        parts["train"] += ids
    if not parts["train"]:
        raise InputError("they have all clips; leave some to train on", where=HELD_OUT)
    return {part: ids for part, ids in parts.items() if ids}, notes(parts, classes, known, rule)


def notes(parts: dict[str, list[str]], left: dict[str, list[str]], known: set[str], rule: Division) -> list[str]:
    """Notes on the rules, and on weaknesses of the split. `left`: clips of every class that remained to train."""
    rules = [f"{part}: {', '.join(subjects)}" for part, subjects in rule.subjects.items() if subjects]
    rules += [
        f"{part}: {share:.0%} of every class, drawn with seed {rule.seed}"
        for part, share in rule.shares.items()
        if share
    ]
    lines = [f"split {SPLIT}: {'; '.join(rules) or 'all clips train'}"]
    held_out = {*parts["validation"], *parts["test"]}
    if any(rule.shares.values()) and len(known) > 1:
        lines.append(
            f"split {SPLIT}: the same subjects train and test, which flatters; --test-subjects holds subjects back "
            f"({len(known)} there)"
        )
    if any(rule.shares.values()) and (single := [name for name, ids in left.items() if len(ids) == 1 and held_out]):
        lines.append(f"split {SPLIT}: classes with one clip left to train: {', '.join(sorted(single))}")
    return lines


def split_stated(args: Namespace) -> bool:
    """Whether an option states the split."""
    options = [getattr(args, f"{part}_{kind}") for part in PARTS[1:] for kind in ("subjects", "share")]
    return any(option not in (None, []) for option in options)


def split_of(parts: Iterable[tuple[str, str]], name: str = SPLIT) -> dict[str, dict[str, list[str]]]:
    """The split of (part, id) by its name, without empty parts; no split if all are empty.

    >>> split_of([("test", "a"), ("train", "b"), ("test", "c")])
    {'standard': {'train': ['b'], 'test': ['a', 'c']}}
    """
    split: dict[str, list[str]] = {part: [] for part in PARTS}
    for part, id in parts:
        split[part].append(id)
    split = {part: ids for part, ids in split.items() if ids}
    return {name: split} if split else {}


def with_splits(source: Source, args: Namespace, splits: dict[str, dict[str, list[str]]]) -> Source:
    """The source with these splits; or, without them or where an option states one, with `SPLIT` by the options.

    The recordings are divided when all are read: the split and notes on it are entered then.
    """
    if splits and not split_stated(args):
        source.splits = splits
        return source
    rule = division(args)

    def recordings(undivided: Iterator[Recording]) -> Iterator[Recording]:
        clips = []
        for recording in undivided:
            clips.append(Clip(recording.id, recording.subject, recording.action))
            yield recording
        if clips:
            source.splits[SPLIT], lines = divided(clips, rule)
            source.notes += lines

    source.recordings = recordings(source.recordings)
    return source
