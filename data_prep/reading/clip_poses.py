"""Clips as arrays (m t j c) of persons, frames, joints and channels, and the tracks that they make.

All that is absent is zero in them. What the numbers are is found by `data_prep.reading.clip_reading`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from data_prep.cameras.viewpoints import runs
from data_prep.reading.layouts import level_camera
from data_prep.source import NAMED, Source, grouped
from data_prep.sources.ntu.source import NAME as NTU_NAME
from stgraph.data.recording import Recording, Track, check_recording
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import SKELETONS, Skeleton

SCALES = {
    "pixels": "pixels",
    "fractions": "fractions of the image's width and height",
    "centred": "fractions less 0.5, as ST-GCN takes them",
    "screen": "x / width * 2 - 1 and y / width * 2 - height / width",
}
# Of 3D: what they are, and camera axes (x right, y down, z away) from them, a row each.
AXES = {
    "camera": ("x right, y down, z away", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "kinect": ("x left, y up, z away", ((-1, 0, 0), (0, -1, 0), (0, 0, 1))),
    "z-up": ("x right, y away, z up", ((1, 0, 0), (0, 0, -1), (0, 1, 0))),
}
ORDERS = ("tjc", "ctj", "mtjc", "ctjm")
SURE = 1.1  # some detectors' confidences go a little beyond 1
PIXELS = 20  # beyond it, x and y beside a confidence are no fractions

SUBJECT, CAMERA = "clips", "unknown"  # where nothing is known of them


class Unusable(InputError):
    """A clip that cannot be used; `kind` says in two words why, to be counted."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Poses:
    """A clip as its file has it.

    Attributes:
        values: (m t j c) persons, frames, joints, channels; all zero where there is nothing.
        channels: "xy", "xyc" or "xyz"; "" where the file does not say what a third channel is.
        size: width and height of the images; then x and y are pixels. None where the file does not say.
        axes: of 3D, a key of AXES; then it is in metres. "" where the file does not say.
        joints: their names, where the file has them.
    """

    values: np.ndarray
    channels: str = ""
    size: tuple[int, int] | None = None
    axes: str = ""
    joints: tuple[str, ...] = ()

    @property
    def third(self) -> tuple[float, float]:
        """Least and greatest finite number of the third channel; 0 and 0 where there is none."""
        values = self.values[..., 2]
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)

    @property
    def confident(self) -> bool:
        """Whether the third channel can be a confidence."""
        return self.third[0] >= 0 and self.third[1] <= SURE

    @property
    def pixels(self) -> bool:
        """Whether the channels can only be pixels and confidence."""
        return self.confident and bool((np.abs(self.values[..., :2]) > PIXELS).any())


def spelling(joint: str) -> str:
    """A joint's name, however it is written.

    >>> {spelling(name) for name in ("LEye", "left_eye", "Left Eye", "l-eye", "eye.L", "EyeLeft")}
    {'leye'}
    """
    words = re.split(r"[\W_]+", joint.lower())
    side = next((word for word in words if word in ("left", "right", "l", "r")), "")
    if side and len(words) > 1:
        words.remove(side)
    else:
        whole = "".join(words)
        side = next((word for word in ("left", "right") if whole.startswith(word) or whole.endswith(word)), "")
        words = [whole.removeprefix(side) if whole.startswith(side) else whole.removesuffix(side)]
    return side[:1] + "".join(words)


def layouts_of(joints: int) -> list[str]:
    """Names of the known layouts with so many joints.

    >>> layouts_of(17)
    ['h36m17', 'coco17']
    """
    return [skeleton.name for skeleton in SKELETONS.values() if len(skeleton) == joints]


def persons_first(values: np.ndarray, order: str, where: str) -> np.ndarray:
    """A clip's array with its axes in our order, (m t j c).

    Args:
        order: the axes in the file, one of ORDERS, or "" to be told by the lengths: c is 2 or 3, and where two axes may
            be c, it is the one that leaves 2 persons with 3 channels.

    Raises:
        Unusable: no clip, or one that fits several orders.

    >>> persons_first(np.zeros((3, 300, 25, 2)), "", "x.npy").shape
    (2, 300, 25, 3)
    """
    if values.dtype.kind not in "iuf":
        raise Unusable("no numbers", f"{where}: an array of {values.dtype}; expected numbers")
    lengths = {one: dict(zip(one, values.shape, strict=True)) for one in ORDERS if len(one) == values.ndim}
    fitting = [one for one, length in lengths.items() if order in ("", one) and length["c"] in (2, 3)]
    if len(fitting) > 1:
        fitting = [one for one in fitting if (lengths[one]["c"], lengths[one].get("m")) == (3, 2)] or fitting
    if len(fitting) != 1:
        expected = order or " or ".join(ORDERS)
        fits = "fits " + " and ".join(fitting) + ", say which by --order" if fitting else "fits not"
        raise Unusable(
            "shape",
            f"{where}: shape {values.shape} {fits}; expected {expected}: m persons, t frames, j joints, c channels "
            "(2 or 3)",
        )
    axes = fitting[0] if "m" in fitting[0] else "m" + fitting[0]
    return (values if "m" in fitting[0] else values[None]).transpose([axes.index(axis) for axis in "mtjc"])


@dataclass(frozen=True)
class Reading:
    """What the numbers of all clips are.

    Attributes:
        skeleton: of every clip.
        channels: "xy", "xyc" or "xyz".
        scale: of x and y in 2D, a key of SCALES, and size: of the images; for clips that do not say theirs.
        unit: metres of one unit in 3D, and axes: of 3D, a key of AXES; for clips that do not say theirs.
        detector: name of the 2D in the dataset.
        stated: whether an option says what a third channel is; else a clip whose numbers contradict is left out.
        doubts: notes on what was stated against the numbers.
    """

    skeleton: Skeleton
    channels: str
    scale: str
    size: tuple[int, int] | None
    unit: float
    axes: str
    detector: str
    stated: bool = False
    doubts: tuple[str, ...] = ()

    def contradicts(self, poses: Poses) -> str:
        """Why a third channel that the file does not name cannot be what it is in the other clips; "" if it can."""
        if self.stated or poses.channels or poses.values.shape[3] != 3 or len(self.channels) != 3:
            return ""
        if self.channels == "xyc" and not poses.confident:
            return "a third channel of {:.3g} to {:.3g}, as 3D has and confidence has not".format(*poses.third)
        if self.channels == "xyz" and poses.pixels:
            return "x or y beyond {} and a third channel of {:.3g} to {:.3g}, as pixels with confidence are".format(
                PIXELS, *poses.third
            )
        return ""

    def camera(self, poses: Poses, name: str) -> Camera:
        """A camera of which at most the size of the images is known."""
        return level_camera(name, *(poses.size or self.size or (1, 1)), np.zeros(9))

    def tracks(self, poses: Poses, where: str) -> list[Track]:
        """A clip's persons, those who are there at all, numbered in their order; a gap makes two tracks of one person.

        Raises:
            Unusable: other joints or channels, NaN, nobody there.
        """
        values = self.checked(poses, where)
        if self.channels == "xyz":
            there = values.any(axis=(2, 3))
            (_, turn), unit = AXES[poses.axes or self.axes], 1.0 if poses.axes else self.unit
            values = values @ (np.array(turn, np.float32).T * np.float32(unit))
        else:
            if poses.size is None and self.size is None:
                raise Unusable("image size", f"{where}: says no size of its images; give it by --size WIDTHxHEIGHT")
            values = self.detections(values, poses.size)
            there = (values[..., 2] > 0).any(axis=2)
        if not there.any():
            raise Unusable(
                "no person", f"{where}: nobody in {there.shape[1]} frames; expected poses that are not all zero"
            )
        return [
            Track({}, pose[start:end], frame=start, person=person)
            if self.channels == "xyz"
            else Track({self.detector: pose[start:end]}, frame=start, person=person)
            for person, (pose, seen) in enumerate(zip(values[there.any(1)], there[there.any(1)], strict=True))
            for start, end in runs(seen)
        ]

    def checked(self, poses: Poses, where: str) -> Float32[np.ndarray, "m t j c"]:
        """The skeleton's joints, as numbers that are all finite. Raises Unusable."""
        values = poses.values
        if 0 in values.shape:
            raise Unusable("empty", f"{where}: shape {values.shape}; expected persons, frames and joints")
        values = self.chosen(poses, where)
        channels = poses.channels or self.channels
        if channels != self.channels or values.shape[3] != len(channels):
            raise Unusable(
                "channels",
                f"{where}: {values.shape[3]} channels{f' ({channels})' if poses.channels else ''}; expected "
                f"{', '.join(self.channels)} as in the other clips ('c' is confidence)",
            )
        if found := self.contradicts(poses):
            raise Unusable(
                "channels",
                f"{where}: {found}; expected {', '.join(self.channels)} as in the other clips ('c' is confidence); "
                "prepare it apart, or say what the third is by --third",
            )
        if channels == "xyc":  # what was not seen may be anything
            values = np.where(values[..., 2:] == 0, 0, values)
        values = np.ascontiguousarray(values, np.float32)  # reductions over other strides are slow
        if not np.isfinite(values).all():
            bad = ~np.isfinite(values)
            m, t, j, c = np.argwhere(bad)[0]
            remedy = "give 0 for a person who is not there"
            if channels != "xyz":
                remedy = "give 0, or confidence 0, for what was not seen"
            raise Unusable(
                "NaN",
                f"{where}: {values[m, t, j, c]} at person {m}, frame {t}, joint {self.skeleton.names[j]} (in "
                f"{bad.any(axis=(0, 2, 3)).sum()} of {values.shape[1]} frames); {remedy}",
            )
        return values

    def chosen(self, poses: Poses, where: str) -> np.ndarray:
        """The skeleton's joints by name where the file names them, else all. Raises Unusable for other joints."""
        names, values = self.skeleton.names, poses.values
        if poses.joints:
            places = {spelling(joint): place for place, joint in enumerate(poses.joints)}
            if missing := [name for name in names if spelling(name) not in places]:
                raise Unusable(
                    "joints",
                    f"{where}: no {', '.join(missing)} among {', '.join(poses.joints)}; expected the joints of "
                    f"{self.skeleton.name}",
                )
            return values[:, :, [places[spelling(name)] for name in names]]
        if values.shape[2] != len(names):
            there = ", ".join(layouts_of(values.shape[2])) or "no layout that is known"
            raise Unusable(
                "joint count",
                f"{where}: {values.shape[2]} joints ({there}); expected {len(names)}, {self.skeleton.name}; name "
                "another layout by --skeleton, or leave the clip out",
            )
        return values

    def detections(self, values: Float32[np.ndarray, "m t j c"], size: tuple[int, int] | None) -> np.ndarray:
        """Pixels and confidence, (m t j 3); all zero for what was not seen."""
        xy, scale = values[..., :2], "pixels" if size else self.scale
        confidence = values[..., 2:] if self.channels == "xyc" else np.ones_like(values[..., :1])
        if self.channels == "xy" or scale in ("pixels", "fractions"):
            # No joint is exactly in the corner; in the middle it may be, where a confidence can tell.
            confidence = confidence * xy.any(axis=-1, keepdims=True)
        width, height = np.array(size or self.size, np.float32)
        factor, offset = {
            "pixels": ((1, 1), (0, 0)),
            "fractions": ((width, height), (0, 0)),
            "centred": ((width, height), (0.5, 0.5)),
            "screen": ((width / 2, width / 2), (1, height / width)),
        }[scale]
        pixels = (xy + np.array(offset, np.float32)) * np.array(factor, np.float32)
        return np.where(confidence > 0, np.concatenate([pixels, confidence], axis=-1), 0)

    def notes(self) -> list[str]:
        """What the clips were taken to hold."""
        if self.channels == "xyz":
            what = f"3D, {self.unit:g} m to the unit, axes {self.axes}: {AXES[self.axes][0]}"
        else:
            sure = "confidence" if self.channels == "xyc" else "no confidence (1 where seen)"
            what = f"2D in {SCALES[self.scale]}, with {sure}"
            what += f", in images of {self.size[0]} x {self.size[1]}" if self.size else ""
        return [
            f"joints: {len(self.skeleton)}, {self.skeleton.name}: {', '.join(self.skeleton.names)}",
            f"poses: {what}",
            *self.doubts,
        ]


def identity(name: str) -> tuple[str, str, str]:
    """Subject, take and camera of a clip's name, which NTU's names tell.

    >>> identity("S001C002P003R001A004")
    ('P003', 'S001C002P003R001A004', 'C002')
    """
    found = NTU_NAME.fullmatch(name)
    return (found["subject"], name, found["camera"]) if found else (SUBJECT, name, CAMERA)


def check(recording: Recording, skeleton: Skeleton, name: str) -> None:
    """Raises Unusable for what the writer would stop at."""
    try:
        check_recording(recording, skeleton)
    except InputError as error:
        raise Unusable("implausible", f"{name}: {str(error).removeprefix(f'{recording.id}: ')}") from error


def kept(
    clips: Iterable[tuple[str, Callable[[], Recording]]], result: Source, strict: bool = False
) -> Iterator[Recording]:
    """Recordings of the clips that can be used; the others are left out and listed, and counted by what is wrong.

    Args:
        clips: what each is called, and a function that makes its recording or raises Unusable.
        result: the source that they are left out of.
        strict: whether one that cannot be used is too many.

    Raises:
        InputError: when all are read, with all that is wrong: none can be used, or, if strict, some cannot.
    """
    ids: set[str] = set()
    kinds: Counter[str] = Counter()
    for name, make in clips:
        try:
            recording = make()
            if recording.id in ids:
                raise Unusable("name", f"{name}: another clip is called so; give each a name of its own")
            check(recording, result.skeleton, name)
        except Unusable as error:
            kinds[error.kind] += 1
            result.left_out.append((name, f"{error.kind}: {str(error).removeprefix(f'{name}: ')}"))
            continue
        ids.add(recording.id)
        yield recording
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    if kinds and (strict or not ids):
        every = "".join(f"\n  {line}" for line in grouped(result.left_out))
        listed = f" (without --strict, the file that is written lists all {kinds.total()})" if ids else ""
        raise InputError(
            f"{result.source}: {'some' if ids else 'none'} can be used, and {kinds.total()} cannot ({counts}); mend or "
            f"remove them{listed if kinds.total() > NAMED else ''}:{every}"
        )
    if kinds:
        result.notes.append(f"left out: {kinds.total()} ({counts})")
