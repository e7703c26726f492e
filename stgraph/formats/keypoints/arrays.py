"""Arrays: `.npy`, `.npz` and pickles of poses (frames, joints, x y [confidence]), with or without an axis of people.

An `.npz` or a pickled dict may name further arrays: `scores` (as rtmlib returns them), `frame`, `person`, `joints`,
`size`, `fps`. pyskl's annotations (`keypoint`, `keypoint_score`, `img_shape`) are such dicts, too.
"""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import ORDERS
from stgraph.formats.keypoints.content import AGAIN, NO_CONFIDENCE, floats, no_people, present
from stgraph.formats.keypoints.mediapipe import POSE, from_landmarks
from stgraph.formats.keypoints.poses import MOST_FRAMES, SLACK, Options, Raw
from stgraph.skeleton import MOST_JOINTS

EXPECTED = "poses (frames, joints, x y [confidence]), perhaps with an axis of people (--order)"
POSES = ("keypoints", "keypoint", "kpts", "poses", "pose", "pose2d", "joints2d", "landmarks", "data", "arr_0")
SCORES = ("scores", "keypoint_scores", "keypoint_score", "confidence", "confidences", "conf")
OTHERS = {
    "frame": ("frame", "frames", "frame_ids"),
    "person": ("person", "persons", "people", "ids", "track_ids"),
    "joints": ("joints", "joint_names", "names", "node_names"),
    "size": ("size", "image_size"),
    "fps": ("fps",),
}
MOST_PEOPLE = 20  # an axis that is no longer may be one of people, next to one of frames that is longer


def read_content(content: Any, path: Path, options: Options) -> list[Raw]:
    """The video of an array, of a list that makes one, or of named arrays. Raises InputError for anything else."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        (content,) = content
    if isinstance(content, Mapping):
        return [of_named(content, path, options)]
    return [of_array(people_axes(content, path, options), None, path, options)]


def of_named(content: Mapping[Any, Any], path: Path, options: Options) -> Raw:
    """The video of named arrays. Raises InputError where no name is one of `POSES`."""
    named = {str(key).lower(): value for key, value in content.items()}
    key = next((key for key in POSES if key in named), None)
    if key is None and len(named) == 1:
        (key,) = named
    if key is None:
        found = f"arrays {', '.join(map(str, [*content][:10])) or '-'}"
        expected = f"one of them called {', '.join(POSES[:4])}, ..."
        raise InputError(where=path, found=found, expected=expected, remedy="save the poses under such a name")
    where = f"{path}, {key}"
    scores = next((named[one] for one in SCORES if one in named), None)
    others = {field: next((named[key] for key in keys if key in named), None) for field, keys in OTHERS.items()}
    shape = np.shape(named["img_shape"]) if "img_shape" in named else ()
    if shape == (2,):  # height and width, as pyskl has them
        others["size"] = np.asarray(named["img_shape"])[::-1]
    values = people_axes(named[key], where, options)
    confidence = None
    if scores is not None:
        flat = people_axes(with_channel(scores), where, options)
        if flat.shape[:3] != values.shape[:3]:
            found = f"{key} of shape {values.shape[:3]} and scores of {flat.shape[:3]}"
            raise InputError(where=path, found=found, expected="a score for each joint")
        confidence = flat[..., 0]
    total = named.get("total_frames")  # of pyskl, whose arrays may be padded beyond
    if total is not None:
        if not isinstance(total, int | np.integer) or not 0 < total <= len(values):
            found, expected = f"total_frames {reprlib.repr(total)}", f"1 to {len(values)}, those of {key}"
            raise InputError(where=path, found=found, expected=expected)
        values, confidence = values[:total], None if confidence is None else confidence[:total]
    raw = of_array(values, confidence, where, options)
    raw.name = path.stem
    return with_others(raw, others, path)


def with_channel(scores: Any) -> Any:
    """Scores, an array or lists of arrays, with an axis of one channel behind the joints."""
    return [with_channel(one) for one in scores] if isinstance(scores, list) else np.asarray(scores)[..., None]


def with_others(raw: Raw, others: Mapping[str, Any], path: Path) -> Raw:
    """A video with what further arrays say of it. Raises InputError where they are malformed."""
    rows = len(raw.pose)
    for field in ("frame", "person"):
        if others[field] is not None:
            values = floats(others[field], f"{path}, {field}")
            if values.shape != (rows,) or (values != np.round(values)).any():
                found = f"{field} of shape {values.shape}"
                raise InputError(where=path, found=found, expected=f"{rows} whole numbers, one for each pose")
            setattr(raw, field, values.clip(-1, 2.0**62).astype(np.int64))
            raw.frames = None
    if others["joints"] is not None:
        raw.joints = tuple(str(name) for name in np.asarray(others["joints"], object).ravel()[: MOST_JOINTS + 1])
    if others["size"] is not None:
        size = floats(others["size"], f"{path}, size", 2)
        if size.shape != (2,) or not ((size >= 1) & np.isfinite(size)).all():
            raise InputError(where=f"{path}, size", found=str(size), expected="width and height in pixels")
        raw.size = int(size[0]), int(size[1])
    if others["fps"] is not None:
        fps = floats(np.atleast_1d(np.asarray(others["fps"])), f"{path}, fps")
        if fps.size != 1 or not 0 < fps.ravel()[0] < np.inf:
            raise InputError(where=f"{path}, fps", found=str(fps), expected="a number above 0")
        raw.fps = float(fps.ravel()[0])
    return raw


def people_axes(value: Any, where: Path | str, options: Options) -> Float[np.ndarray, "t m j c"]:
    """Poses with an axis of frames and one of people, NaN where a frame has fewer of them.

    Raises:
        InputError: no poses, or an order of the axes that is not clear.
    """
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, list) and value and all(isinstance(one, np.ndarray | list) for one in value):
        shapes = {one.shape if isinstance(one, np.ndarray) else len(one) for one in value}
        if len(shapes) > 1:  # a list of frames with unlike numbers of people
            return ragged(value, where)
    values = floats(value, str(where))
    if not values.size:
        raise no_people(where)
    if values.ndim == 2 and options.order == "":
        if values.shape[1] in (2, 3):
            values = values[None]  # one frame of one person
        else:
            flat = options.joints or (
                POSE if values.shape[1] % POSE == 0 and values.shape[1] // POSE in (3, 4, 5) else 0
            )
            channels = values.shape[1] // flat if flat and values.shape[1] % flat == 0 else 0
            if not channels:
                remedy = "say how many joints there are by --joints"
                raise InputError(where=where, found=f"shape {values.shape}", expected=EXPECTED, remedy=remedy)
            values = values.reshape(len(values), flat, channels)
    order = options.order or axes_of(values.shape, where)
    if len(order) != values.ndim:
        raise InputError(where=where, found=f"shape {values.shape}", expected=f"the axes {order} (--order)")
    values = values if "m" in order else values[..., None]
    order = order if "m" in order else order + "m"
    return checked(values.transpose([order.index(axis) for axis in "tmjc"]), where)


def axes_of(shape: tuple[int, ...], where: Path | str) -> str:
    """The order of an array's axes by their lengths. Raises InputError where it is not clear."""
    channels = (1, 2, 3, 4, 5)
    if len(shape) == 3 and shape[-1] in channels:
        return "tjc"
    if len(shape) == 3 and shape[0] in (2, 3):
        return "ctj"
    if len(shape) == 4 and shape[-1] in channels and not (shape[-1] in (1, 2) and shape[0] == 3):
        one, other = shape[:2]
        if one == 1 or (one <= MOST_PEOPLE and one < other):
            return "mtjc"
        if other == 1 or (other <= MOST_PEOPLE and other < one):
            return "tmjc"
    elif len(shape) == 4 and shape[0] in (2, 3) and shape[-1] <= MOST_PEOPLE:
        return "ctjm"
    raise InputError(
        where=where, found=f"shape {shape}", expected=EXPECTED, remedy=f"say by --order {'|'.join(ORDERS)}"
    )


def ragged(value: list, where: Path | str) -> Float[np.ndarray, "t m j c"]:
    """Poses of a list of frames, each (people, joints, channels) or empty. Raises InputError for other shapes."""
    frames = [floats(one, f"{where}[{place}]") for place, one in enumerate(value)]
    shape = next((frame.shape for frame in frames if frame.size), ())[1:]
    for place, frame in enumerate(frames):
        if frame.size and (frame.ndim != 3 or frame.shape[1:] != shape):
            expected = f"(people, {', '.join(map(str, shape))})" if len(shape) == 2 else "(people, joints, channels)"
            found = f"shape {frame.shape}"
            raise InputError(where=f"{where}[{place}]", found=found, expected=expected, remedy=AGAIN)
    most = max(map(len, frames))
    if len(frames) * most * int(np.prod(shape)) > 2 * sum(frame.size for frame in frames) + 10_000_000:
        raise InputError(where=where, found=f"{most} people in one frame", expected="about as many in the others")
    values = np.full((len(frames), most, *shape), np.nan)
    for place, frame in enumerate(frames):
        if frame.size:
            values[place, : len(frame)] = frame
    return checked(values, where)


def checked(values: Float[np.ndarray, "t m j c"], where: Path | str) -> Float[np.ndarray, "t m j c"]:
    """The poses. Raises InputError for too many frames or joints, or none."""
    frames, _, joints, _ = values.shape
    if not values.size or joints > MOST_JOINTS or frames > MOST_FRAMES:
        found = f"{frames} frames of {joints} joints"
        raise InputError(where=where, found=found, expected=f"1 to {MOST_FRAMES} frames of 1 to {MOST_JOINTS} joints")
    return values


def of_array(
    values: Float[np.ndarray, "t m j c"], confidence: np.ndarray | None, where: Path | str, options: Options
) -> Raw:
    """The video of an array; people keep their places as identities where there are several.

    Raises:
        InputError: channels that are no x, y and confidence.
    """
    frames, people, joints, channels = values.shape
    name = where.stem if isinstance(where, Path) else str(where)
    if confidence is None and joints == POSE and channels >= 3:
        return from_landmarks(values, name, str(where))
    notes = []
    if confidence is None and channels == 2:
        confidence = np.ones(values.shape[:3])
        notes.append(NO_CONFIDENCE)
    elif confidence is None and channels == 3:
        confidence = values[..., 2]
        given = confidence[np.isfinite(confidence)]
        if given.size and (given.min() < 0 or given.max() > 2 * SLACK):
            found = f"a third channel from {given.min():.3g} to {given.max():.3g}, which is no confidence"
            percent = given.min() >= 0 and given.max() <= 100
            remedy = f"drop it{', or divide it by 100 if it is a confidence in percent' if percent else ''}"
            raise InputError(where=where, found=found, expected="x, y and confidence in 2D", remedy=remedy)
    elif confidence is None or channels not in (2, 3):
        raise InputError(
            where=where, found=f"{channels} channels", expected="x, y [, confidence]", remedy="drop others"
        )
    pose, frame, person = present(values[..., :2], np.asarray(confidence), where)
    if people > 1:
        notes.append("people keep the places that they have in the array as identities")
    return Raw(name, "array", frame, pose, person, scale="", frames=(0, frames), notes=notes)
