"""The schema of PoseTrack18's files, and their annotations as arrays.

`images[] {id, frame_id, vid_id, file_name, nframes, is_labeled, ignore_regions_x, ignore_regions_y}`,
`annotations[] {id, image_id, track_id, category_id, bbox, bbox_head, keypoints, scores}`, boxes as x, y, width, height,
and `categories[] {keypoints, skeleton}`, the names of the joints and pairs of them counted from 1. Files that this
project writes add `width`, `height` and `fps` to an image and `score` and `marks` to an annotation, where known.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int, UInt8
from pydantic import BaseModel, BeforeValidator, Field

from stgraph.errors import InputError
from stgraph.formats.keypoints.names import natural

# An id of an image is one digit for the kind of video, six for the video and four for the frame; so may frame_id be.
FIRST_ID, FRAMES = 10**10, 10**4
TINY = 1e-12  # confidence of a joint with score 0
MEANINGS = {
    "keypoints": "x, y and visibility of each keypoint",
    "scores": "one for each keypoint",
    "marks": "one for each keypoint",
    "bbox": "x, y, width and height",
    "bbox_head": "x, y, width and height",
}
Where = Callable[[int, str], str]  # index of an annotation and a key in it -> the file and the place, for messages

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Side = Annotated[Number, Field(ge=1)]  # of an image, pixels
Numbers = Annotated[list[Number], Field(fail_fast=True)]


class Image(BaseModel):
    """A frame. Result files may leave `frame_id` out; ids like PoseTrack's contain it, others are numbered in order."""

    id: Whole
    frame_id: Whole | None = None
    vid_id: int | str | None = None
    file_name: str = ""
    is_labeled: bool = True
    ignore_regions_x: list[Numbers] | None = None
    ignore_regions_y: list[Numbers] | None = None
    width: Side | None = None
    height: Side | None = None
    fps: Positive | None = None


class Annotation(BaseModel):
    """A pose. `marks`: the origin of each joint, see `posetrack.Mark`."""

    image_id: Whole
    track_id: Whole = -1
    keypoints: Numbers | None = None
    scores: Numbers | None = None
    score: Number | None = None
    bbox: Numbers | None = None
    bbox_head: Numbers | None = None
    marks: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(fail_fast=True)] | None = None


class Category(BaseModel):
    """The names of the keypoints, and the pairs of them that are joined, counted from 1."""

    keypoints: list[str] = []
    skeleton: list[tuple[int, int]] | None = None


class PoseTrack18(BaseModel):
    """A file."""

    images: Annotated[list[Image], Field(fail_fast=True, min_length=1)]
    annotations: Annotated[list[Annotation], Field(fail_fast=True)]
    categories: Annotated[
        list[Category] | None, BeforeValidator(lambda value: [value] if isinstance(value, dict) else value)
    ] = None


def frame_numbers(images: Sequence[Image], key: str) -> list[int]:
    """Number of each image within its video. Raises InputError for a number below 0, or one twice in a video.

    Images without one are numbered in order: that of their ids, or, where it is not that of the file, of their names.

    Args:
        images: of a file.
        key: what to call them in messages: "FILE: images".
    """
    numbers, first = [], {}
    order = [*range(len(images))]
    if any(image.id < other.id for other, image in pairwise(images)):
        order.sort(key=lambda index: (natural(images[index].file_name), images[index].id))
    places = sorted(range(len(images)), key=order.__getitem__)  # where each image stands in the order
    for index, image in enumerate(images):
        number = image.frame_id
        if number is None:
            number = image.id if image.id >= FIRST_ID else places[index]
        if number == image.id >= FIRST_ID:
            number %= FRAMES
        where, remedy = f"{key}[{index}].frame_id", "number the frames of a video"
        if number < 0:
            raise InputError(where=where, found=str(number), expected="a number from 0", remedy=remedy)
        if (other := first.setdefault((image.vid_id, number), index)) != index:
            found = f"{number}, as {key.rpartition(': ')[2]}[{other}] of the same video has"
            raise InputError(where=where, found=found, expected="a number of its own", remedy=remedy)
        numbers.append(number)
    return numbers


def ignored_regions(image: Image, where: str) -> list[Float[np.ndarray, "_ 2"]]:
    """The polygons (v 2) of an image within which nothing is scored. Raises InputError where x and y do not pair."""
    xs, ys = image.ignore_regions_x or [], image.ignore_regions_y or []
    if [*map(len, xs)] != [*map(len, ys)]:
        counts = " and ".join(str([*map(len, values)]) for values in (xs, ys))
        expected, remedy = "as many x as y in as many regions", "correct the lists"
        raise InputError(where=f"{where}.ignore_regions", found=f"{counts} corners", expected=expected, remedy=remedy)
    return [np.array([x, y], float).T for x, y in zip(xs, ys, strict=True)]


def image_indices(
    images: Sequence[Image], annotations: Sequence[Annotation], path: Path, where: Where
) -> Int[np.ndarray, " n"]:
    """Index of each annotation's image.

    Raises:
        InputError: an id of two images or of none, or an identity twice in an image.
    """
    index_of: dict[int, int] = {}
    for index, image in enumerate(images):
        if (other := index_of.setdefault(image.id, index)) != index:
            place, found = f"{path}: images[{index}].id", f"{image.id}, as images[{other}] has"
            raise InputError(where=place, found=found, expected="an id of its own", remedy="give each image another")
    people: dict[tuple[int, int], int] = {}
    for index, one in enumerate(annotations):
        if one.image_id not in index_of:
            expected, remedy = "the id of one of the images", "add the image, or leave the annotation out"
            raise InputError(where=where(index, "image_id"), found=str(one.image_id), expected=expected, remedy=remedy)
        other = people.setdefault((one.image_id, one.track_id), index)
        if one.track_id >= 0 and other != index:
            raise InputError(
                where=where(index, "track_id"),
                found=f"{one.track_id}, as {where(other, '').rpartition(': ')[2]} in the same frame has",
                expected="a person once in a frame",
                remedy="give each person of a frame another identity, or -1 where it is not known",
            )
    return np.array([index_of[one.image_id] for one in annotations], int)


def column(
    annotations: Sequence[Annotation], key: str, width: int, where: Where, default: Sequence[float] | None = None
) -> Float[np.ndarray, "n {width}"]:
    """The lists under a key. Raises InputError for one of another length, or a missing one without a default."""
    rows = [getattr(one, key) or default for one in annotations]
    for index, row in enumerate(rows):
        if row is None or len(row) != width:
            found = "nothing" if row is None else f"{len(row)} numbers"
            expected = f"{width} numbers, {MEANINGS[key]}"
            raise InputError(where=where(index, key), found=found, expected=expected, remedy="correct the list")
    return np.array(rows, float).reshape(len(rows), width)


def poses(
    annotations: Sequence[Annotation], order: Int[np.ndarray, " j"], count: int, where: Where, listed: bool = False
) -> tuple[Float[np.ndarray, "n j 3"], Float[np.ndarray, " n"]]:
    """Pixels x, y and confidence of the joints at `order` among the `count` of the file; and the poses' scores.

    A joint's confidence is its score, else whether it is visible. With `listed` every joint that is not (0, 0, 0) is
    there, as in the benchmark's evaluator; scores of 0 or below become tiny confidences in the same order.

    Raises:
        InputError: an annotation without keypoints that has no box, or a list of another length.
    """
    for index, one in enumerate(annotations):
        if one.keypoints is None and not one.bbox and not one.bbox_head:
            expected, remedy = "keypoints, or a box at least", "leave the annotation out"
            raise InputError(where=where(index, ""), found="neither", expected=expected, remedy=remedy)
    # `or` admits an empty list of keypoints only beside a box; `column` refuses it elsewhere.
    pose = column(annotations, "keypoints", 3 * count, where, [0.0] * 3 * count).reshape(-1, count, 3)
    confidence = (pose[..., 2] > 0).astype(float)
    scored = [index for index, one in enumerate(annotations) if one.scores]
    scores = column([annotations[index] for index in scored], "scores", count, lambda i, key: where(scored[i], key))
    confidence[scored] = scores
    if listed:
        confidence = np.where(confidence > 0, confidence, TINY / (1 - np.minimum(confidence, 0)))
    confidence[~pose.any(axis=-1)] = 0
    pose[..., 2] = np.maximum(confidence, 0)
    pose = pose[:, order]
    mean = pose[..., 2].sum(axis=1) / np.maximum((pose[..., 2] > 0).sum(axis=1), 1)
    score = np.array([one.score for one in annotations], float)  # NaN for None
    return pose, np.where(np.isnan(score), mean, score)


def boxes(annotations: Sequence[Annotation], key: str, where: Where) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom; zeros where there is no box."""
    box = column(annotations, key, 4, where, [0.0] * 4)
    box[:, 2:] += box[:, :2]
    return box


def marks_of(
    annotations: Sequence[Annotation], order: Int[np.ndarray, " j"], count: int, where: Where
) -> UInt8[np.ndarray, "n j"] | None:
    """The mark of each joint, None where no annotation has any. Raises InputError where only some have."""
    if all(one.marks is None for one in annotations):
        return None
    return column(annotations, "marks", count, where)[:, order].astype(np.uint8)
