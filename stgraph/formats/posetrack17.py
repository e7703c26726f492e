"""PoseTrack17's files, `annolist[] {image, annorect[], ignore_regions, imgnum, is_labeled}`, in PoseTrack18's form.

Scalars of the older form are wrapped in lists of one. A point that is listed is annotated, whether it is visible or not
(`is_visible` 0 is an occluded joint), as the benchmark's evaluator has it.
"""

from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from stgraph.errors import InputError
from stgraph.formats.posetrack18 import Annotation, Image, Number, PoseTrack18, Whole
from stgraph.skeleton import POSETRACK17

# The joints by the ids of PoseTrack17's points; what it calls neck is the base of the head.
POINTS = (
    *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow"),
    *("LWrist", "HeadBottom", "Nose", "HeadTop"),
)
PLACES = [POSETRACK17.index(name) for name in POINTS]


def unwrapped(value: object) -> object:
    """The value in a list of one; others as they are."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


T = TypeVar("T")
Wrapped = Annotated[T, BeforeValidator(unwrapped)]


class Corner(BaseModel):
    """A corner of an ignored region, pixels."""

    x: Wrapped[Number]
    y: Wrapped[Number]


class Point(Corner):
    """A joint of a person, pixels."""

    id: Annotated[Wrapped[Whole], Field(ge=0, lt=len(POINTS))]
    score: Wrapped[Number] | None = None


class Region(BaseModel):
    """An ignored region."""

    point: list[Corner]


class Points(BaseModel):
    """The joints of a person."""

    point: list[Point]


class Person(BaseModel):
    """A pose with the corners of its head box, all of them or none."""

    annopoints: Annotated[Wrapped[Points], BeforeValidator(lambda value: value or {"point": []})] = Points(point=[])
    track_id: Wrapped[Whole] = -1
    score: Wrapped[Number] | None = None
    x1: Wrapped[Number] | None = None
    y1: Wrapped[Number] | None = None
    x2: Wrapped[Number] | None = None
    y2: Wrapped[Number] | None = None


class Name(BaseModel):
    """The name of an image's file."""

    name: str


class Frame(BaseModel):
    """An image and the people in it; `imgnum` counts from 1."""

    image: Wrapped[Name]
    annorect: list[Person]
    imgnum: Wrapped[Whole] | None = None
    is_labeled: Wrapped[bool] = True
    ignore_regions: list[Region] | None = None


class PoseTrack17(BaseModel):
    """A file."""

    annolist: Annotated[list[Frame], Field(min_length=1)]


def as_posetrack18(file: PoseTrack17, path: Path) -> tuple[PoseTrack18, list[str]]:
    """The images and annotations of a PoseTrack17 file as PoseTrack18 has them.

    An image's id is its place in the file; frames count from 0, by `imgnum` less 1 where it is there.

    Returns:
        The file, and for each of its annotations the name of its place in the older one.

    Raises:
        InputError: a point that is listed twice, or half a head box.
    """
    images, annotations, places = [], [], []
    for index, frame in enumerate(file.annolist):
        regions = [[(corner.x, corner.y) for corner in region.point] for region in frame.ignore_regions or []]
        images.append(
            Image(
                id=index,
                frame_id=index if frame.imgnum is None else frame.imgnum - 1,
                file_name=frame.image.name,
                is_labeled=frame.is_labeled,
                ignore_regions_x=[[x for x, _ in region] for region in regions],
                ignore_regions_y=[[y for _, y in region] for region in regions],
            )
        )
        for number, person in enumerate(frame.annorect):
            places.append(f"annolist[{index}].annorect[{number}]")
            annotations.append(annotation(person, index, f"{path}: {places[-1]}"))
    return PoseTrack18(images=images, annotations=annotations), places


def annotation(person: Person, image: int, where: str) -> Annotation:
    """A person as PoseTrack18 has it. Raises InputError for half a head box or a point that is listed twice."""
    corners = [person.x1, person.y1, person.x2, person.y2]
    head = [corner for corner in corners if corner is not None]
    if len(head) not in (0, 4):
        expected, remedy = "x1, y1, x2 and y2", "add the others, or leave all of them out"
        raise InputError(where=where, found="a part of the head box", expected=expected, remedy=remedy)
    keypoints, scores = np.zeros((len(POSETRACK17), 3)), np.zeros(len(POSETRACK17))
    points = person.annopoints.point
    for index, point in enumerate(points):
        if point.id in (other.id for other in points[:index]):
            found, remedy = f"{point.id}, which is there already", "leave out the point that is wrong"
            place = f"{where}.annopoints.point[{index}].id"
            raise InputError(where=place, found=found, expected="each joint's id once", remedy=remedy)
        keypoints[PLACES[point.id]] = point.x, point.y, 1
        scores[PLACES[point.id]] = point.score or 0
    scored = any(point.score is not None for point in points)
    return Annotation(
        image_id=image,
        track_id=person.track_id,
        keypoints=keypoints.ravel().tolist(),
        scores=scores.tolist() if scored else None,
        score=person.score,
        bbox_head=[*head[:2], head[2] - head[0], head[3] - head[1]] if head else None,
    )
