"""People in the frames of a stream: one frame as JSON in each line.

    {"frame": 12, "people": [{"person": 1, "keypoints": [[640.0, 200.0, 0.9], ...]}]}

`keypoints` has x and y in pixels of each joint, and a confidence where there is one, also as one flat list of three
numbers a joint. `frame` and `person` may be left out: frames are then counted, and people tracked.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from stgraph.errors import InputError
from stgraph.formats.keypoints.poses import cleaned
from stgraph.skeleton import MOST_JOINTS

LONGEST = 1 << 20  # bytes of a line
MOST = 128  # people in a line
EXPECTED = '{"frame": 0, "people": [{"person": 0, "keypoints": [[x, y, confidence], ...]}]}'
Flat = list[float | None]


class Person(BaseModel, extra="ignore"):
    """One person of a line."""

    person: Annotated[int, Field(ge=0, lt=1 << 53)] | Annotated[str, Field(max_length=100)] | None = None
    keypoints: list[float | Flat | None]


class Frame(BaseModel, extra="ignore"):
    """What a line holds."""

    frame: Annotated[NonNegativeInt, Field(lt=1 << 53)] | None = None
    people: Annotated[list[Person], Field(max_length=MOST)]


@dataclass(frozen=True, eq=False)
class Line:
    """A line's people.

    Attributes:
        frame: its number; None where the line has none.
        person: (n) identities; None where the line has none.
        pose: (n j 3) pixels and confidence, all zero where a joint is not seen.
    """

    frame: int | None
    person: list[int | str] | None
    pose: Float[np.ndarray, "n j 3"]


def read_line(text: bytes, where: str, joints: int | None = None) -> Line:
    """A line of a stream.

    Args:
        text: the line.
        where: how messages about it begin.
        joints: how many each person has; None: as many as the first one of the line.

    Raises:
        InputError: a line that is too long, is no JSON, or holds something else; a person twice; another number of
            joints, or coordinates that no image has.
    """
    if len(text) > LONGEST:
        raise InputError(where=where, found="a line of more than 1 MiB", expected="one frame")
    try:
        frame = Frame.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"] if not str(step).startswith(("list[", "function")))
        raise InputError(where=where, found=f"{first['msg']} at {place or 'the top'}", expected=EXPECTED) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})", where=where, expected=EXPECTED) from error
    poses = [numbers(person.keypoints, where) for person in frame.people]
    counts = [len(pose) for pose in poses]
    joints = joints or (counts[0] if counts else 0)
    if wrong := [count for count in counts if count != joints]:
        raise InputError(where=where, found=f"{wrong[0]} joints", expected=f"{joints}")
    named = [person.person for person in frame.people if person.person is not None]
    if named and len(named) < len(poses):
        raise InputError(where=where, found="people with an identity and without", expected="all of them or none")
    if len({*named}) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise InputError(f"person {twice} is {named.count(twice)} times in it", where=where, expected="once")
    pose = np.zeros((0, joints, 3))
    if poses:
        pose = cleaned(np.stack(poses), np.zeros(len(poses), int), where)
        pose[..., 2] = pose[..., 2].clip(max=1)
    return Line(frame.frame, named or None, pose)


def numbers(keypoints: list[Any], where: str) -> Float[np.ndarray, "j 3"]:
    """The numbers of a person: joints of two or three each, or a flat list of three a joint; null is not seen."""
    rows = keypoints
    if keypoints and len(keypoints) % 3 == 0 and not any(isinstance(entry, list) for entry in keypoints):
        rows = [keypoints[start : start + 3] for start in range(0, len(keypoints), 3)]
    rows = [[None, None, 0.0] if row is None else row for row in rows]
    if not 0 < len(rows) <= MOST_JOINTS or not all(isinstance(row, list) and len(row) in (2, 3) for row in rows):
        expected = f"1 to {MOST_JOINTS} joints of [x, y] or [x, y, confidence]"
        raise InputError(where=where, found=f"keypoints {str(keypoints)[:60]}", expected=expected)
    filled = [[*row, 1.0] if len(row) == 2 else row for row in rows]
    return np.array([[np.nan if value is None else value for value in row] for row in filled], float)
