"""Faults of datasets: wrong units, swapped sides, people upside down, joints that freeze or jump.

Limits lie outside what real motion has, acrobatics included: a file without faults gives no problem.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from data_prep.checks.anatomy import BACKWARDS, bone_names, fitting_units
from data_prep.checks.measures import Detections, People, Table
from data_prep.options import UNIT_NAMES

HEIGHT = (1.0, 2.2)  # metres from the feet to the head, along the bones
ASYMMETRY = 0.25  # of a bone and its twin on the other side, of their mean
SPREAD = 0.25  # standard deviation of a subject's bone, of its length
FLOOR = 0.3  # metres: where the lower foot of a subject may be in the lowest frames
UPSIDE_DOWN, OFTEN = 0.3, 0.8  # metres that the head is below the feet, and in which share of a recording
LYING_HEAD = 75.0  # degrees between head and trunk, on average over a recording
FREEZE = 1.0  # seconds in which no joint moves at all
STILL = 0.9  # share of a recording in which a joint does not move at all while others do,
STRETCH = 0.02  # and standard deviation of a bone at it, of its length
FASTEST = 25.0  # metres a second
NORMALISED = 5.0  # pixels: no person in an image is smaller
INSIDE = 0.8  # share of joints in the image
NOT_THE_IMAGE = 0.1  # of a person's extent: mean error of what should be exact
SWAPPED = 0.5  # error with sides swapped, of the error


def problems(table: Table, people: People | None, detectors: list[Detections]) -> list[str]:
    """Everything implausible, in sentences that name the place, the value and what is expected."""
    texts = list(_people_problems(table, people)) if people else []
    for detections in detectors:
        texts += [f"2D {detections.name!r}: {text}" for text in _image_problems(table, detections, people is None)]
    return texts


def _people_problems(table: Table, people: People) -> Iterator[str]:
    bones = bone_names(table.skeleton)
    for number, subject in enumerate(table.subjects):
        height = people.height[number]
        if height < HEIGHT[0] or height > HEIGHT[1]:
            fits = [UNIT_NAMES[unit] for unit in fitting_units(height, *HEIGHT)]
            fits += ["metres divided by 1000"] if HEIGHT[0] < height * 1000 < HEIGHT[1] else []
            hint = f"; these look like {' or '.join(fits)}" if fits else ""
            yield (
                f"subject {subject} is {height:.3g} m high along the bones, expected {HEIGHT[0]} to {HEIGHT[1]}{hint}"
            )
        if table.skeleton.left:
            apart = np.nan_to_num(np.abs(people.asymmetry[number]))
            sides = (table.skeleton.left, table.skeleton.right)
            left, right = (table.skeleton.names[side[apart.argmax()]] for side in sides)
            if apart.max() > ASYMMETRY:
                yield (
                    f"subject {subject}: the bones to {left} and {right} differ by {apart.max():.0%}, expected less "
                    f"than {ASYMMETRY:.0%}; is a joint in another's place?"
                )
        spread = np.nan_to_num(people.spread[number] / people.lengths[number])
        if spread.max(initial=0) > SPREAD:
            yield (
                f"subject {subject}: {bones[spread.argmax()]} changes its length by {spread.max():.0%} (standard "
                f"deviation), expected less than {SPREAD:.0%}; is the subject one person, and all of it in one unit?"
            )
    for (subject, camera), height in people.floors.items():
        if abs(height) > FLOOR:
            yield (
                f"subject {subject}, camera {camera}: the feet are {height:.2f} m above the floor in the lowest "
                f"frames, expected {-FLOOR} to {FLOOR}; is the camera's place its own, and z up in the world?"
            )
    upside_down = np.where(np.isfinite(people.head), people.head < -UPSIDE_DOWN, np.nan)
    behind = np.where(np.isfinite(people.nearest), people.nearest <= 0, np.nan)
    for wrong, text in (
        (
            table.mean_by_recording(people.knees) < BACKWARDS,
            "knees bend backwards: left and right joints are swapped, or an axis is mirrored",
        ),
        (
            table.mean_by_recording(upside_down) > OFTEN,
            "upside down: the head is below the feet; is y down in camera space, and the camera's rotation its own?",
        ),
        (
            table.mean_by_recording(people.bent) > LYING_HEAD,
            f"the head lies on its side: {LYING_HEAD:g} degrees or more from the trunk on average; is the end of the "
            "head in the rig another point than its top?",
        ),
        (table.mean_by_recording(behind) > 0, "joints are behind the camera; poses are expected in camera space"),
        (
            people.longest_freeze >= FREEZE * table.fps,
            f"no joint moves at all for {FREEZE:g} s or longer; were frames repeated where there were none?",
        ),
        (table.maximum_by_recording(people.speed) > FASTEST, f"joints jump: one is faster than {FASTEST:g} m/s"),
    ):
        yield from _of_recordings(table, wrong, text)
    # Feet are planted, and a person who sits keeps the hip where it is: then bones keep their lengths.
    still = (people.still > STILL * people.steps[:, None]) & (people.steps >= FREEZE * table.fps)[:, None]
    for joint in np.flatnonzero(still.any(axis=0)):
        at_joint = [number for number, bone in enumerate(table.skeleton.bones) if joint in bone]
        left_behind = still[:, joint] & (people.stretch[:, at_joint] > STRETCH).any(axis=1)
        text = f"{table.skeleton.names[joint]} is frozen while other joints move"
        yield from _of_recordings(table, left_behind, text)


def _image_problems(table: Table, detections: Detections, alone: bool) -> Iterator[str]:
    """Args: alone: there are no 3D poses, so that only the images show what is upright."""
    if detections.confidence[0] < 0 or detections.confidence[1] > 1:
        yield "confidences from {:g} to {:g}, expected 0 to 1".format(*detections.confidence)
    if detections.size < NORMALISED:
        yield f"people are {detections.size:.2g} pixels large; are these normalised coordinates? Pixels are expected"
    elif detections.inside < INSIDE:
        yield f"{1 - detections.inside:.0%} of the joints are outside the image; are width and height the image's own?"
    off, fits_swapped = detections.error > NOT_THE_IMAGE, detections.swapped < SWAPPED * detections.error
    swapped = "left and right joints are swapped, against the exact 2D or the 3D"
    yield from _of_recordings(table, off & fits_swapped, swapped)
    if detections.reference == "projection" and detections.name == "gt":
        text = "not the image of the 3D poses through the recording's camera"
        yield from _of_recordings(table, off & ~fits_swapped, text)
    if alone:
        text = "upside down: is y down in the image?"
        yield from _of_recordings(table, detections.upright < -UPSIDE_DOWN, text)


def _of_recordings(table: Table, wrong: Bool[np.ndarray, " recording"], text: str) -> Iterator[str]:
    """One sentence for all recordings with the same fault, or none."""
    if wrong.any():
        ids = table.dataset.recordings["id"][wrong]
        first = f"{ids[0]}" + (f" and {len(ids) - 1} more of {len(wrong)} recordings" if len(ids) > 1 else "")
        yield f"{first}: {text}"
