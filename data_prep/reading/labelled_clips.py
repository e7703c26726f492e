"""Files of many clips, each with a label: one array or CSV file, or a list of annotations."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from data_prep.reading.conventions import Convention
from data_prep.reading.files import listed
from data_prep.reading.infer_convention import infer_convention, sample_poses
from data_prep.reading.labels import actions, class_names
from data_prep.reading.left_out import Kind, UnreadClip, usable
from data_prep.reading.ntu import identity, ntu_classes
from data_prep.reading.poses import Poses
from data_prep.source import Source
from stgraph.data.recording import Recording
from stgraph.errors import InputError


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A clip of a file of many.

    Attributes:
        where: file and place in it, for messages.
        name: as the dataset will have it.
        label: number or name of its class; None where the file has none that can be used.
        poses: reads its poses. Raises InputError.
    """

    where: str
    name: str
    label: int | str | None
    poses: Callable[[], Poses]


def labelled_source(clips: list[LabelledClip], args: Namespace, description: str, inputs: Sequence[Path]) -> Source:
    """A recording for every clip that can be used.

    Args:
        clips: emptied while the recordings are read, so that each can be freed: annotations are large.
        args: options of `clip_arguments`.
        description: the source in words.
        inputs: the files.

    Raises:
        InputError: labels beyond the classes, or clips whose convention cannot be inferred.
    """
    labels, where = [clip.label for clip in clips], listed(inputs)
    classes = class_names(args.classes) or ntu_classes([clip.name for clip in clips], labels)
    by_name, classes = actions(labels, classes, where)
    samples = sample_poses([clip.poses for clip in clips])
    if clips and not samples:
        raise unreadable(clips[0], where)
    convention = infer_convention(samples, args, where)
    source = Source(convention.skeleton, iter(()), len(clips), description, args.terms, inputs=list(inputs))
    source.notes, source.classes = convention.notes(), classes

    def unread() -> Iterator[UnreadClip]:
        clips.reverse()
        for action in by_name:
            clip = clips.pop()
            yield UnreadClip(clip.where, partial(read_clip, clip, action, convention, args.fps))

    source.recordings = usable(unread(), source)
    return source


def unreadable(clip: LabelledClip, where: str) -> InputError:
    """The error of a set of which no clip can be read, by what is wrong with this one."""
    try:
        clip.poses()
    except InputError as error:
        return InputError(f"none of the clips can be read; {clip.where}: {error}", where=where, kind=error.kind)
    return InputError("none of the clips can be read", where=where)


def read_clip(clip: LabelledClip, action: str | None, convention: Convention, fps: float) -> Recording:
    """The recording of a clip. Raises InputError where it has no label or cannot be used."""
    if action is None:
        raise InputError("no label that can be used", expected="one whole number", kind=Kind.LABEL)
    return convention.recording(clip.poses(), identity(clip.name), action, fps)
