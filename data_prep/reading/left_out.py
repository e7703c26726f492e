"""Clips that cannot be used are left out of a dataset, listed with the reason and counted by kind."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from data_prep.source import NAMED, Source, grouped
from stgraph.data.recording import Recording, check_recording
from stgraph.errors import InputError
from stgraph.skeleton import Skeleton


class Kind(StrEnum):
    """What is wrong with a clip: the `kind` of its InputError."""

    CHANNELS = "channels"
    DOUBLED = "doubled"
    EMPTY = "empty"
    HEADER = "header"
    IMAGE_SIZE = "image size"
    IMPLAUSIBLE = "implausible"
    JOINTS = "joints"
    JOINT_COUNT = "joint count"
    LABEL = "label"
    NAME = "name"
    NO_CLIPS = "class without clips"
    NO_NUMBERS = "no numbers"
    NO_PERSON = "no person"
    PLACE = "place"
    SEVERAL = "several clips"
    SHAPE = "shape"
    SUBJECT = "subject"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class UnreadClip:
    """A clip before it is read.

    Attributes:
        name: of the clip in the list of those left out.
        read: makes its recording. Raises InputError.
        where: how messages about it begin, which the list does not repeat.
    """

    name: str
    read: Callable[[], Recording]
    where: str = ""


def usable(clips: Iterable[UnreadClip], source: Source, strict: bool = False) -> Iterator[Recording]:
    """Recordings of the clips that can be used; the others are entered in the source's `left_out` and counted.

    Args:
        strict: whether one that cannot be used is an error.

    Raises:
        InputError: when all are read, with every problem: none can be used, or, if strict, some cannot.
    """
    ids: set[str] = set()
    kinds: Counter[Kind] = Counter()
    for clip in clips:
        try:
            recording = clip.read()
            if recording.id in ids:
                raise InputError("another clip has this name", remedy="give each a name of its own", kind=Kind.NAME)
            check_plausible(recording, source.skeleton)
        except InputError as error:
            kind = next((kind for kind in Kind if kind == error.kind), Kind.UNREADABLE)
            kinds[kind] += 1
            source.left_out.append((clip.name, f"{kind}: {reason(error, clip.where or clip.name)}"))
        else:
            ids.add(recording.id)
            yield recording
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    if kinds and (strict or not ids):
        listed = f" (without --strict, the file that is written lists all {kinds.total()})" if ids else ""
        raise InputError(
            f"{'some' if ids else 'none'} can be used, and {kinds.total()} cannot ({counts}); mend or remove them"
            + "".join([listed * (kinds.total() > NAMED), ":", *(f"\n  {line}" for line in grouped(source.left_out))]),
            where=source.source,
        )
    if kinds:
        source.notes.append(f"left out: {kinds.total()} ({counts})")


def check_plausible(recording: Recording, skeleton: Skeleton) -> None:
    """Raises InputError for a recording that the dataset writer refuses."""
    try:
        check_recording(recording, skeleton)
    except InputError as error:
        raise InputError(reason(error, recording.id), kind=Kind.IMPLAUSIBLE) from error


def reason(error: InputError, where: str) -> str:
    """The error's message without the place that it begins with."""
    return str(error).removeprefix(where).lstrip(":, ")


def none_left(problem: str, where: object, left_out: list[tuple[str, str]]) -> InputError:
    """The error of a source without a single clip, with the first of those that were left out."""
    reasons = "".join(f"\n  {name}: {why}" for name, why in left_out[:10])
    return InputError(f"{problem}; left out:{reasons or ' -'}", where=where)
