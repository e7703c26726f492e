"""The entries of PoseTrack18's files, checked and as arrays. Everything malformed is an InputError that says where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from stgraph.formats.json_values import entry, finite, refused, short, table, whole

# PoseTrack18's ids of images are the kind of video, six digits of the video and four of the frame, and so is frame_id.
FIRST_ID, FRAMES = 10**10, 10**4


@dataclass
class Image:
    """A frame as a file has it, the place in the file, and which video it is of."""

    place: str
    video: str
    frame_id: int
    id: int
    file_name: str
    labelled: bool
    ignore: list[Float[np.ndarray, "_ 2"]]
    size: tuple[int, int] | None
    fps: float | None


def image_of(image: Any, where: str, index: int, path: Path) -> Image:
    """An entry of `images`. Raises InputError for anything in it that is malformed."""
    if not isinstance(image, dict) or "id" not in image:
        found = f"the keys {', '.join(image) or '-'}" if isinstance(image, dict) else short(image)
        raise refused(path, where, found, "an object with id and frame_id", "give every image an id")
    number = whole(image["id"], path, f"{where}.id")
    # Result files may leave frame_id out; ids like PoseTrack's tell it, others the order.
    frame = whole(image.get("frame_id", number if number >= FIRST_ID else index), path, f"{where}.frame_id")
    if frame == number >= FIRST_ID:
        frame %= FRAMES
    if frame < 0:
        raise refused(path, f"{where}.frame_id", str(frame), "a number from 0", "number the frames of a video")
    xs, ys = (image.get(f"ignore_regions_{axis}") or [] for axis in "xy")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        found = f"{short(xs)} and {short(ys)}"
        raise refused(path, f"{where}.ignore_regions", found, "as many lists of x as of y", "mend the lists")
    size = tuple(image.get(key) for key in ("width", "height"))
    fps = image.get("fps")
    for key, value in (("width", size[0]), ("height", size[1]), ("fps", fps)):
        if value is not None and not (finite(value) and value > 0):
            raise refused(path, f"{where}.{key}", short(value), "a number above 0", "leave out what is not known")
    return Image(
        place=where,
        video=str(image.get("vid_id", path.stem)),
        frame_id=frame,
        id=number,
        file_name=entry({"file_name": "", **image}, "file_name", str, path, where),
        labelled=bool(image.get("is_labeled", True)),
        ignore=[polygon(x, y, path, f"{where}.ignore_regions", n) for n, (x, y) in enumerate(zip(xs, ys, strict=True))],
        size=None if None in size else (int(size[0]), int(size[1])),
        fps=None if fps is None else float(fps),
    )


def polygon(x: Any, y: Any, path: Path, where: str, number: int) -> Float[np.ndarray, "v 2"]:
    """The corners of an ignored region."""
    width = len(x) if isinstance(x, list) else 0
    return table([x, y], width, path, lambda axis: f"{where}_{'xy'[axis]}[{number}]", "as many x as y of corners").T


def numbers_of(images: Sequence[Image], path: Path) -> dict[int, int]:
    """Number of every image by its id. Raises InputError for an id that is there twice."""
    numbers: dict[int, int] = {}
    for index, image in enumerate(images):
        if image.id in numbers:
            found = f"{image.id}, which {images[numbers[image.id]].place} has"
            raise refused(path, f"{image.place}.id", found, "an id of its own", "give each image another id")
        numbers[image.id] = index
    return numbers


def frames_and_people(
    annotations: Sequence[Any], numbers: dict[int, int], path: Path, place: Callable[[int], str]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Each annotation's image and identity. Raises InputError for unknown images and identities twice in one frame."""
    frame, person, seen = np.zeros(len(annotations), int), np.zeros(len(annotations), int), {}
    for index, one in enumerate(annotations):
        if not isinstance(one, dict) or "image_id" not in one:
            found = f"the keys {', '.join(one) or '-'}" if isinstance(one, dict) else short(one)
            raise refused(path, place(index), found, "an object with image_id and keypoints", "mend the annotation")
        image = one["image_id"]
        if type(image) is not int or image not in numbers:
            image = whole(image, path, f"{place(index)}.image_id")
        if image not in numbers:
            remedy = "add the image, or leave the annotation out"
            raise refused(path, f"{place(index)}.image_id", str(image), "the id of one of the images", remedy)
        identity = max(whole(one.get("track_id", -1), path, f"{place(index)}.track_id"), -1)
        frame[index], person[index] = numbers[image], identity
        if identity >= 0 and seen.setdefault((image, identity), index) != index:
            found = f"{identity}, which {place(seen[image, identity])} in the same frame has"
            remedy = "give each person of a frame another, or -1 where it is not known"
            raise refused(path, f"{place(index)}.track_id", found, "a person once in a frame", remedy)
    return frame, person


def poses(
    annotations: Sequence[dict], order: Int[np.ndarray, " j"], count: int, path: Path, place: Callable[[int], str]
) -> tuple[Float[np.ndarray, "n j 3"], Float[np.ndarray, " n"]]:
    """Pixels x, y and confidence of the joints at `order` among the `count` of the file; and the poses' scores."""
    boxed = [not one.get("keypoints") and bool(one.get("bbox") or one.get("bbox_head")) for one in annotations]
    for index, one in enumerate(annotations):
        if "keypoints" not in one and not boxed[index]:
            found = f"the keys {', '.join(one)}"
            raise refused(path, place(index), found, "keypoints, or a box at least", "leave the annotation out")
    nothing = [0] * 3 * count
    lists = [nothing if boxed[index] else one["keypoints"] for index, one in enumerate(annotations)]
    meaning = f"x, y and visibility of each of {count} keypoints"
    pose = table(lists, 3 * count, path, lambda index: f"{place(index)}.keypoints", meaning).reshape(-1, count, 3)
    confidence = (pose[..., 2] > 0).astype(float)
    scored = [index for index, one in enumerate(annotations) if one.get("scores")]
    scores = [annotations[index]["scores"] for index in scored]
    meaning = f"one for each of {count} keypoints"
    confidence[scored] = table(scores, count, path, lambda index: f"{place(scored[index])}.scores", meaning)
    confidence[~pose.any(axis=-1)] = 0
    pose[..., 2] = np.maximum(confidence, 0)
    pose = pose[:, order]
    there = pose[..., 2] > 0
    score = pose[..., 2].sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    told = [index for index, one in enumerate(annotations) if one.get("score") is not None]
    values = [[annotations[index]["score"]] for index in told]
    score[told] = table(values, 1, path, lambda index: f"{place(told[index])}.score", "the pose's score")[:, 0]
    return pose, score


def boxes(annotations: Sequence[dict], key: str, path: Path, place: Callable[[int], str]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom; zeros where there is no box."""
    lists = [one.get(key) or [0, 0, 0, 0] for one in annotations]
    box = table(lists, 4, path, lambda index: f"{place(index)}.{key}", "x, y, width and height of a box")
    box[:, 2:] += box[:, :2]
    return box


def marks_of(
    annotations: Sequence[dict], order: Int[np.ndarray, " j"], count: int, path: Path, place: Callable[[int], str]
) -> UInt8[np.ndarray, "n j"] | None:
    """How each joint came about, if the annotations say so. Raises InputError where some do not."""
    if not any("marks" in one for one in annotations):
        return None
    lists = [one.get("marks") for one in annotations]
    marks = table(lists, count, path, lambda index: f"{place(index)}.marks", f"one for each of {count} keypoints")
    wrong = np.argwhere((marks < 0) | (marks > np.iinfo(np.uint8).max) | (marks % 1 != 0))
    if len(wrong):
        index, joint = wrong[0].tolist()
        raise refused(
            path, f"{place(index)}.marks[{joint}]", f"{marks[index, joint]:g}", "a whole number, 0 to 255", "mend it"
        )
    return marks[:, order].astype(np.uint8)
