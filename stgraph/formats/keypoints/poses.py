"""What the readers of single formats return, and the checks that all of them share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import ORDERS, SCALES
from stgraph.formats.keypoints.content import no_people
from stgraph.formats.keypoints.fit import contradiction, layout_by_content, remedy_of
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.layouts import LAYOUTS, find_layout, layouts_of
from stgraph.formats.keypoints.plausible import check_rated, outside, small, turned
from stgraph.formats.keypoints.scales import inferred_scale, to_pixels
from stgraph.formats.posetrack import Video
from stgraph.geometry import FARTHEST
from stgraph.skeleton import MOST_JOINTS, Skeleton

MOST_FRAMES = 1_000_000  # of a video; larger numbers are no frame numbers
CORNER = 1e-3  # pixels within which a joint is a (0, 0) that was scaled and back
SLACK = 1.1  # some detectors' confidences go a little beyond 1


@dataclass
class Raw:
    """The poses of a video as a file has them, in any order of frames.

    Attributes:
        name, frame, person, pose, score, box, size, fps, format, bones: as in `Keypoints`, the confidence being in any
            range, unseen joints 0 or NaN, and coordinates in `scale`. Without `person` the file has no identities.
        joints: names where the file has them, else none.
        layouts: names of the layouts that the format may have; those with so many joints are possible, or all that are
            known where none has so many.
        scale: a key of `choices.SCALES`, or "" to infer it.
        frames: that the file covers, if not from the first to the last pose.
        video: the same with labels, ignored regions and marks, of PoseTrack's files.
        video_file: the video that the frames are of, where it is known.
    """

    name: str
    format: str
    frame: Int[np.ndarray, " n"] | Sequence[int]
    pose: Float[np.ndarray, "n j 3"]
    person: Int[np.ndarray, " n"] | Sequence[int] | None = None
    score: Float[np.ndarray, " n"] | None = None
    box: Float[np.ndarray, "n 4"] | None = None
    joints: tuple[str, ...] = ()
    layouts: Sequence[str] = ()
    scale: str = "pixels"
    size: tuple[int, int] | None = None
    fps: float | int | None = None
    frames: tuple[int, int] | None = None
    bones: tuple[tuple[int, int], ...] = ()
    notes: list[str] = field(default_factory=list)
    video: Video | None = None
    video_file: Path | None = None


@dataclass(frozen=True)
class Options:
    """What a person says about a file that it does not say itself.

    Attributes:
        layout: name of a known layout, a JSON file, a skeleton, or the joints' names in their order.
        size: width and height of the images in pixels.
        fps: frames per second.
        scale: a key of `choices.SCALES`.
        joints: how many keypoints a person has, where a file leaves that open.
        order: the axes of an array, one of `choices.ORDERS`.
        listed: whether every joint that PoseTrack's files list is there, whatever its score and visibility.
        estimator: finds the people in a video (`estimator.PoseEstimator`); None: videos are refused.
    """

    layout: str | Skeleton | Sequence[str] | None = None
    size: tuple[int, int] | None = None
    fps: float | int | None = None
    scale: str = ""
    joints: int | None = None
    order: str = ""
    listed: bool = False
    estimator: Callable[[Path], Raw] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not (len(self.size) == 2 and all(0 < side < np.inf for side in self.size)):
            raise InputError(where="size", found=str(self.size), expected="width and height in pixels, above 0")
        if self.fps is not None and not 0 < self.fps < np.inf:
            raise InputError(where="fps", found=str(self.fps), expected="a finite number above 0")
        if self.joints is not None and not 0 < self.joints <= MOST_JOINTS:
            raise InputError(where="joints", found=str(self.joints), expected=f"1 to {MOST_JOINTS}")
        if self.scale not in ("", *SCALES):
            raise InputError(where="scale", found=self.scale, expected=f"one of {', '.join(SCALES)}")
        if self.order not in ("", *ORDERS):
            raise InputError(where="order", found=self.order, expected=f"one of {', '.join(ORDERS)}")


def finished(raw: Raw, options: Options, where: str) -> Keypoints:
    """A file's poses, checked: sorted by frame, in pixels, unseen joints all zero, the joints named.

    Raises:
        InputError: numbers that cannot be, a person twice in a frame, or a layout or scale that several fit.
    """
    frame = numbers_of_frames(raw.frame, where)
    person = np.full(len(frame), -1) if raw.person is None else np.asarray(raw.person, np.int64)
    given, notes = np.asarray(raw.pose, np.float64), list(raw.notes)
    pose = cleaned(given, frame, where)
    if raw.video is None:  # PoseTrack's files list joints without a score
        check_rated(given, where)
    order = np.argsort(frame, kind="stable")
    if (np.diff(frame) < 0).any():
        notes.append("frames were not in order: sorted")
    frame, person, pose = frame[order], person[order], pose[order]
    check_people(frame, person, where)
    pose[..., 2], remark = confidences(pose[..., 2])
    notes += remark
    layout, joints = named(raw, pose, options, where, notes)
    size = options.size or raw.size
    if options.size and raw.size and options.size != raw.size:
        (width, height), given = options.size, "x".join(map(str, raw.size))
        notes.append(f"the file gives images of {given}; --image-size {width}x{height} is taken instead")
    pose[..., :2], scale = in_pixels(pose, options.scale or raw.scale, size, where, notes)
    seen = (pose[..., 2] > 0) & (np.abs(pose[..., :2]) > CORNER).any(axis=-1)
    pose[~seen] = 0
    if scale == "pixels" and size is not None:
        notes += outside(pose[seen, :2], size)
    notes += [*small(pose), *turned(pose, joints)]
    mean = pose[..., 2].sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    score = mean
    if raw.score is not None:
        given = np.asarray(raw.score, np.float64)[order]
        score = np.where(np.isfinite(given), given, mean)
    return Keypoints(
        name=raw.name,
        joints=joints,
        frame=frame,
        person=person,
        pose=pose,
        score=score,
        frames=covered(raw.frames, frame, where),
        box=None if raw.box is None else boxes(np.asarray(raw.box, np.float64)[order], scale, size),
        size=size,
        fps=options.fps or raw.fps,
        format=raw.format,
        layout=layout,
        notes=tuple(notes),
        bones=raw.bones,
        video=raw.video,
        video_file=raw.video_file,
        source=where,
    )


def numbers_of_frames(frame: Int[np.ndarray, " n"] | Sequence[int], where: str) -> Int[np.ndarray, " n"]:
    """Frame numbers as an array. Raises InputError for one below 0 or beyond a video's."""
    numbers = frame.tolist() if isinstance(frame, np.ndarray) else frame
    if wrong := [number for number in numbers if not 0 <= number < MOST_FRAMES]:
        expected, remedy = f"0 to {MOST_FRAMES - 1}", "number the frames of the video from 0"
        found = f"frame number {wrong[0]}" if abs(wrong[0]) < 10**30 else "a frame number of more than 30 digits"
        raise InputError(where=where, found=found, expected=expected, remedy=remedy)
    return np.array(numbers, np.int64)


def covered(frames: tuple[int, int] | None, frame: Int[np.ndarray, " n"], where: str) -> tuple[int, int]:
    """The range of frames: as given, or that of the poses. Raises InputError where it is too long."""
    first, stop = frames or ((int(frame[0]), int(frame[-1]) + 1) if len(frame) else (0, 0))
    if len(frame):
        first, stop = min(first, int(frame[0])), max(stop, int(frame[-1]) + 1)
    if not 0 <= first <= stop <= MOST_FRAMES:
        remedy = "number the frames of the video from 0"
        raise InputError(where=where, found=f"frames {first} to {stop}", expected=f"0 to {MOST_FRAMES}", remedy=remedy)
    return first, stop


def cleaned(pose: Float[np.ndarray, "n j 3"], frame: Int[np.ndarray, " n"], where: str) -> Float[np.ndarray, "n j 3"]:
    """A copy with all zeros for joints that are not seen: NaN, infinite, at (0, 0), or of no confidence.

    Raises:
        InputError: too many joints, or coordinates that no image has.
    """
    if pose.ndim != 3 or pose.shape[2] != 3 or not 0 < pose.shape[1] <= MOST_JOINTS:
        found, expected = f"poses of shape {pose.shape}", f"1 to {MOST_JOINTS} joints of x, y and confidence"
        raise InputError(where=where, found=found, expected=expected)
    unseen = ~np.isfinite(pose).all(axis=-1) | ~pose[..., :2].any(axis=-1) | ~(pose[..., 2] > 0)
    pose = np.where(unseen[..., None], 0, pose)
    beyond = (np.abs(pose) > FARTHEST).any(axis=-1)
    if beyond.any():
        row, joint = np.argwhere(beyond)[0]
        found = "{:g}, {:g} with confidence {:g}".format(*pose[row, joint])
        expected = f"numbers up to {FARTHEST:.0f}"
        raise InputError(where=f"{where}, frame {frame[row]}, joint {joint}", found=found, expected=expected)
    return pose


def check_people(frame: Int[np.ndarray, " n"], person: Int[np.ndarray, " n"], where: str) -> None:
    """Raises InputError where an identity is twice in a frame."""
    identified = person >= 0
    pairs = np.stack([frame[identified], person[identified]], axis=1)
    different, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(different) < len(pairs):
        number, identity = different[counts.argmax()]
        raise InputError(
            f"person {identity} is {counts.max()} times in frame {number}",
            where=where,
            expected="once",
            remedy="leave one out, or give each another identity",
        )


def confidences(confidence: Float[np.ndarray, "n j"]) -> tuple[Float[np.ndarray, "n j"], list[str]]:
    """Confidences from 0 to 1, and what was assumed: COCO's visibilities 1 and 2 are 1, others beyond 1 are 1."""
    most = confidence.max(initial=0)
    if most <= 1:
        return confidence, []
    if np.isin(confidence, (0, 1, 2)).all():
        return np.minimum(confidence, 1), ["the third number is taken for COCO's visibility: 1 where it is above 0"]
    text = [f"confidences reach {most:.3g}: those above 1 are taken as 1"] if most > SLACK else []
    return np.minimum(confidence, 1), text


def named(
    raw: Raw, pose: Float[np.ndarray, "n j 3"], options: Options, where: str, notes: list[str]
) -> tuple[str, tuple[str, ...]]:
    """Layout and names of the joints: as the option says, else as the file does, else by how well layouts fit.

    Raises:
        InputError: a wrong number of joints, joints in no known order, or several layouts that fit.
    """
    count = pose.shape[1]
    if options.layout is not None:
        layout, joints = find_layout(options.layout)
        if len(joints) != count:
            expected = f"{len(joints)}, as the layout {layout or 'given'} has"
            raise InputError(where=where, found=f"{count} joints", expected=expected, remedy=remedy_of(count))
        if better := layout and contradiction(layout, pose[..., :2], pose[..., 2] > 0):
            notes.append(f"in the order of {layout} the joints are no body, in that of {better} they are (--layout)")
        return layout, joints
    if raw.joints:
        if len(raw.joints) != count or len({*raw.joints}) < count:
            found = f"{len(raw.joints)} names, {len({*raw.joints})} different, for {count} joints"
            raise InputError(where=where, found=found, expected="a different name for each joint")
        return next((name for name, names in LAYOUTS.items() if names == raw.joints), ""), raw.joints
    if not np.any(pose[..., 2]):
        raise no_people(where)
    allowed = layouts_of(count, raw.layouts)
    layout = layout_by_content(pose[..., :2], pose[..., 2] > 0, where, allowed)
    if not allowed:
        notes.append(f"the order of the {count} joints is taken for {layout}'s (--layout)")
    return layout, LAYOUTS[layout]


def in_pixels(
    pose: Float[np.ndarray, "n j 3"], scale: str, size: tuple[int, int] | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "n j 2"], str]:
    """Coordinates in pixels, and their scale. Raises InputError without the size, or where it is unclear."""
    xy = pose[..., :2]
    if not scale:
        seen = xy[pose[..., 2] > 0]
        scale = inferred_scale(seen, where) if len(seen) else "pixels"
        if scale != "pixels":
            notes.append(f"x and y are taken for {SCALES[scale]} (--scale)")
    if scale == "pixels":
        return xy, scale
    if size is None:
        problem = f"x and y are {SCALES[scale]}, and the file does not say how large the images are"
        raise InputError(problem, where=where, remedy="give it by --image-size WIDTHxHEIGHT", kind="image size")
    return to_pixels(xy, scale, size), scale


def boxes(box: Float[np.ndarray, "n 4"], scale: str, size: tuple[int, int] | None) -> Float[np.ndarray, "n 4"]:
    """Boxes in pixels, zeros for those with a number that is not finite."""
    known = np.isfinite(box).all(axis=1, keepdims=True) & box.any(axis=1, keepdims=True)
    if scale != "pixels" and size is not None:
        box = to_pixels(box.reshape(-1, 2, 2), scale, size).reshape(-1, 4)
    return np.where(known, box, 0)
