"""Which clips train and which test, for sources whose files do not say: by subject, or a share of every class.

A share is drawn by hashes of seed and id: it depends neither on the order of the files nor on the other classes, and a
clip that is added moves one other clip at most.
"""

import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError

SPLIT = "standard"
PARTS = ("train", "validation", "test")
TEST_SHARE = 0.2


class Clip(NamedTuple):
    """What a clip is divided by."""

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


def split_arguments(parser: ArgumentParser) -> None:
    """The options that `division` reads."""
    group = parser.add_argument_group("split", f"recorded in the file as `{SPLIT}`, where the files have none")
    for part in PARTS[1:]:
        default = f"{TEST_SHARE:g}" if part == "test" else "0"
        group.add_argument(f"--{part}-subjects", nargs="+", default=[], metavar="SUBJECT", help="all of their clips")
        text = f"of every class, one clip at least where it has enough ({default} without subjects)"
        group.add_argument(f"--{part}-share", type=float, metavar="SHARE", help=text)
    group.add_argument("--seed", type=int, default=0, help="of the clips drawn (%(default)s)")


def division(args: Namespace) -> Division:
    """What the options ask for; a fifth of every class tests unless they say otherwise.

    Raises:
        InputError: shares that leave nothing to train on, or a subject in two parts.
    """
    subjects = {part: list(getattr(args, f"{part}_subjects")) for part in PARTS[1:]}
    shares = {part: getattr(args, f"{part}_share") for part in PARTS[1:]}
    for part, share in shares.items():
        if share is not None and not 0 <= share < 1:
            raise InputError(f"--{part}-share {share:g}: expected a share of the clips, from 0 to below 1, such as 0.2")
        if share and subjects[part]:
            raise InputError(f"--{part}-share and --{part}-subjects: both say what is for {part}; give one of them")
    if both := set(subjects["validation"]) & set(subjects["test"]):
        named = ", ".join(sorted(both))
        raise InputError(f"--validation-subjects, --test-subjects: {named} in both; name a subject once")
    if shares["test"] is None and not subjects["test"]:
        shares["test"] = TEST_SHARE
    shares = {part: share or 0.0 for part, share in shares.items()}
    if sum(shares.values()) >= 1:
        raise InputError(
            f"--validation-share and --test-share: {sum(shares.values()):g} together; leave some to train on"
        )
    return Division(subjects, shares, args.seed)


def asked(args: Namespace) -> bool:
    """Whether an option says how to divide."""
    options = [getattr(args, f"{part}_{kind}") for part in PARTS[1:] for kind in ("subjects", "share")]
    return any(option not in (None, []) for option in options)


def divided(clips: Iterable[Clip], rule: Division) -> tuple[dict[str, list[str]], list[str]]:
    """Ids by part, and notes on what was decided.

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
    if unknown := [subject for subject in part_of if subject not in known]:
        raise InputError(
            f"--validation-subjects, --test-subjects: no subject {', '.join(unknown)}; there are "
            f"{', '.join(sorted(known))}"
        )
    for ids in classes.values():
        ids.sort(key=lambda id: hashlib.sha256(f"{rule.seed}/{id}".encode()).digest())
        clips_there = len(ids)
        for part in ("test", "validation"):
            share = rule.shares[part]
            count = min(max(round(share * clips_there), 1), len(ids) - 1) if share else 0
            parts[part] += ids[:count]
            del ids[:count]
        parts["train"] += ids
    if not parts["train"]:
        raise InputError("--validation-subjects, --test-subjects: they have all clips; leave some to train on")
    return {part: ids for part, ids in parts.items() if ids}, notes(parts, classes, known, rule)


def notes(parts: dict[str, list[str]], left: dict[str, list[str]], known: set[str], rule: Division) -> list[str]:
    """What was decided, and what is weak about it. `left`: clips of every class that remained to train."""
    rules = [f"{part}: {', '.join(subjects)}" for part, subjects in rule.subjects.items() if subjects]
    rules += [
        f"{part}: {share:.0%} of every class, drawn with seed {rule.seed}"
        for part, share in rule.shares.items()
        if share
    ]
    found = [f"split {SPLIT}: {'; '.join(rules) or 'all clips train'}"]
    held_out = {*parts["validation"], *parts["test"]}
    if any(rule.shares.values()) and len(known) > 1:
        found.append(
            f"split {SPLIT}: the same subjects train and test, which flatters; --test-subjects holds subjects back "
            f"({len(known)} there)"
        )
    if any(rule.shares.values()) and (single := [name for name, ids in left.items() if len(ids) == 1 and held_out]):
        found.append(f"split {SPLIT}: classes with one clip left to train: {', '.join(sorted(single))}")
    return found


def with_split(source: Source, rule: Division) -> Source:
    """The source with its recordings divided when all are read: the split and notes on it are entered then."""

    def recordings(given: Iterator[Recording]) -> Iterator[Recording]:
        clips = []
        for recording in given:
            clips.append(Clip(recording.id, recording.subject, recording.action))
            yield recording
        if clips:
            source.splits[SPLIT], found = divided(clips, rule)
            source.notes += found

    source.recordings = recordings(source.recordings)
    return source
