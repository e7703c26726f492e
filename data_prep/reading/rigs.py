"""From any rig's joints to the Human3.6M skeleton, by names: mapping tables are JSON files in `mappings/`.

A table holds `joints`: each of H36M17's names -> a source joint, a list (their mean), or {joint: weight} with weights
that sum to 1; and, where they apply, `about`, `unit` (of lengths), `up` ("y" or "z"), `order` (names of the joints of
an array without names), `skip_frames` (frames that the rig's files add in front) and `only_with` (further joints that a
rig must have for the table to be chosen by itself).
"""

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from data_prep.checks.anatomy import check_person, fitting_units
from data_prep.options import UNITS
from stgraph.errors import InputError
from stgraph.skeleton import H36M17, H36M32

STATURE = (1.0, 2.3)  # metres, child to giant
# Of the trunk, from Hip to Thorax: a head that is no longer ends where it begins; neck and head are no shorter (an
# adult's are half of it).
NO_LENGTH, NECK = 0.02, 0.2
EXAMPLE = """a JSON file such as
{
 "unit": "cm", "up": "y",
 "joints": {"Hip": ["LeftUpLeg", "RightUpLeg"], "RHip": "RightUpLeg", "Spine": {"Hips": 0.5, "Neck": 0.5}, ...}
}"""


def metres(unit: object, where: str) -> float:
    """Length of a unit, by name or as a number. Raises InputError for an unknown one."""
    try:
        length = UNITS.get(str(unit)) or float(str(unit))
    except ValueError:
        length = 0.0
    if not 0 < length < math.inf:
        expected = f"one of {', '.join(UNITS)} or the metres that one unit is"
        raise InputError(f"{unit!r}", where=where, expected=expected)
    return length


def rig_index(names: Sequence[str]) -> dict[str, int]:
    """Joint -> its place, in lower case, by its whole name and without what all names begin with ("mixamorig:")."""
    # What the first and the last in the alphabet share is shared by all.
    prefix = next((place for place, (a, b) in enumerate(zip(min(names), max(names), strict=False)) if a != b), 0)
    full = {name.lower(): number for number, name in enumerate(names)}
    return {name[prefix:].lower(): number for number, name in enumerate(names)} | full


def _weights(value: Any) -> dict[str, float]:
    """Source joint -> weight, of a joint as a table gives it. Raises ValueError for any other form."""
    sources = [value] if isinstance(value, str) else value
    if isinstance(sources, list) and sources and all(isinstance(name, str) for name in sources):
        if len(set(sources)) < len(sources):
            raise ValueError(f"{value} names a joint twice")
        return dict.fromkeys(sources, 1 / len(sources))
    if not isinstance(sources, dict) or not sources or {*map(type, sources.values())} - {int, float}:
        raise ValueError(f"{value}; expected a name, a list of names or {{name: weight}}")
    if not abs(sum(sources.values()) - 1) <= 1e-6:
        raise ValueError(f"weights {value} sum to {sum(sources.values()):g}; expected 1")
    return sources


def _joints(value: Any) -> dict[str, dict[str, float]]:
    """The table's `joints` with weights; one ValueError for all that is wrong."""
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__}; expected an object with the {len(H36M17)} joints")
    joints, wrong = {}, []
    for joint, sources in value.items():
        try:
            joints[joint] = _weights(sources)
        except (ValueError, OverflowError) as error:
            wrong.append(f"{joint}: {error}")
    if names := sorted(set(value) ^ set(H36M17.names)):
        wrong.append(f"{', '.join(names)} missing or unknown; expected each of {', '.join(H36M17.names)}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return joints


class RigMapping(BaseModel):
    """A table that makes H36M17 of a rig: the content of its JSON file, and the file's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    joints: Annotated[dict[str, dict[str, float]], BeforeValidator(_joints)]
    about: str = ""
    unit: Annotated[float | None, BeforeValidator(lambda value: metres(value, "unit"))] = None
    up: Literal["y", "z"] | None = None
    order: tuple[str, ...] = ()
    skip_frames: int = Field(default=0, ge=0)
    only_with: tuple[str, ...] = ()
    name: str = ""

    def fits(self, names: Sequence[str]) -> bool:
        """Whether a rig has every joint that the table needs."""
        needed = {joint for weights in self.joints.values() for joint in weights} | set(self.only_with)
        return {name.lower() for name in needed} <= set(rig_index(names))

    def beyond(self, joint: str, share: float) -> dict[str, float]:
        """Weights of a place behind a joint, seen from Hip, by a share of the distance between the two."""
        ahead = {source: (1 + share) * weight for source, weight in self.joints[joint].items()}
        behind = {source: ahead.get(source, 0.0) - share * weight for source, weight in self.joints["Hip"].items()}
        return {source: round(weight, 9) for source, weight in (ahead | behind).items()}

    def apply(
        self, positions: Float[np.ndarray, "t rig 3"], names: Sequence[str], where: str
    ) -> Float[np.ndarray, "t j 3"]:
        """Positions of H36M17's joints in the rig's unit and axes. Raises InputError where a joint is missing."""
        index = rig_index(names)
        weights = np.zeros((len(self.joints), len(names)))
        for row, joint in zip(weights, H36M17.names, strict=True):
            for source, weight in self.joints[joint].items():
                if source.lower() not in index:
                    problem = f"no joint {source!r}, which mapping {self.name} wants for {joint}"
                    remedy = f"correct the mapping file: the joints are {', '.join(names)}"
                    raise InputError(problem, where=where, remedy=remedy)
                row[index[source.lower()]] = weight
        return np.einsum("jr,tri->tji", weights, positions, optimize=True)


def read_mapping(path: Path) -> RigMapping:
    """Read and check a table. Raises InputError that lists everything that is wrong, by key."""
    try:
        table = RigMapping.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise InputError(f"{error.strerror}", where=path, expected=EXAMPLE) from error
    except ValidationError as error:
        problems = map(_described, error.errors(include_url=False))
        raise InputError("; ".join(problems), where=path, expected=EXAMPLE) from error
    return table.model_copy(update={"name": path.stem})


def _described(problem: ErrorDetails) -> str:
    """One of pydantic's problems as text: its key, what is there and what is wrong with it."""
    place = ", ".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ").removeprefix(f"{place}: ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
    elif problem["type"] not in ("value_error", "missing", "json_invalid"):
        message = f"{problem['input']!r}: {message}"
    return f"{place}: {message}" if place else message


SAME_NAMES = {name: {name: 1.0} for name in H36M17.names}
ARRAYS = {
    len(skeleton): RigMapping(name=skeleton.name, joints=SAME_NAMES, unit=1.0, up="z", order=skeleton.names)
    for skeleton in (H36M17, H36M32)
}


@cache
def known_mappings() -> list[RigMapping]:
    """The packaged tables, those with most `only_with` joints first."""
    tables = [read_mapping(path) for path in sorted((Path(__file__).parents[1] / "mappings").glob("*.json"))]
    return sorted(tables, key=lambda table: -len(table.only_with))


def find_mapping(names: Sequence[str], where: str) -> RigMapping:
    """The table for a rig. Raises InputError that lists the rig's joints and shows how to give a table."""
    tables = known_mappings()
    for table in tables:
        if table.fits(names):
            return table
    rigs, several = ", ".join(table.name for table in tables), "one of them, several (their mean) or weights"
    problem = f"no known rig ({rigs}) has these {len(names)} joints: {', '.join(names)}"
    remedy = f"give `--mapping FILE.json` that names, for each of {', '.join(H36M17.names)}, {several}, {EXAMPLE}"
    raise InputError(problem, where=where, remedy=remedy)


def array_mapping(joints: int, where: str) -> RigMapping:
    """The table for an array of so many joints. Raises InputError for a count that is no Human3.6M layout."""
    if joints in ARRAYS:
        return ARRAYS[joints]
    expected = f"{' or '.join(map(str, ARRAYS))} in Human3.6M's order"
    remedy = f'for others give `--mapping FILE.json` with "order": the {joints} joints\' names, {EXAMPLE}'
    raise InputError(f"{joints} joints", where=where, expected=expected, remedy=remedy)


def with_neck(
    mapping: RigMapping, pose: Float[np.ndarray, "t j 3"], where: str
) -> tuple[RigMapping, Float[np.ndarray, "t j 3"]]:
    """The mapping and its poses, of a rig in which the end of the head has no length.

    There the head's own joint is the last with a position: it is Head, and Neck/Nose lies halfway to it from Thorax.

    Raises:
        InputError: the head's own joint lies at the neck's, so that nothing tells where the head is.
    """
    hip, thorax, neck, head = (H36M17.index(name) for name in ("Hip", "Thorax", "Neck/Nose", "Head"))
    pairs = ((head, neck), (head, thorax), (thorax, hip))
    length, above, trunk = (np.linalg.norm(pose[:, joint] - pose[:, other], axis=-1) for joint, other in pairs)
    if not len(pose) or length.max() > NO_LENGTH * np.median(trunk):
        return mapping, pose
    share = float(np.median(above) / max(np.median(trunk), 1e-12))
    if share < NECK:
        tables = {name: mapping.beyond("Neck/Nose", by) for name, by in (("Neck/Nose", 0.2), ("Head", 0.4))}
        raise InputError(
            "the end of the head has no length, and the head's joint is above the neck's by "
            f"{share:.0%} of the trunk, so nothing tells where the head is",
            where=where,
            remedy=f"give `--mapping FILE.json` that puts both on the line of the trunk, as by {json.dumps(tables)}",
        )
    pose = pose.copy()
    pose[:, neck] = (pose[:, thorax] + pose[:, head]) / 2
    return mapping.model_copy(update={"name": f"{mapping.name} without an end of the head"}), pose


def check_mapped(pose: Float[np.ndarray, "t j 3"], scale: float, where: str) -> None:
    """Check that joints are a person's: the unit, the order of the joints, the sides and the handedness of the axes.

    Args:
        pose: H36M17 joints in metres.
        scale: the metres that one unit of the file was taken for.

    Raises:
        InputError: a stature outside 1 to 2.3 m (with the unit that would fit), or what `check_person` refuses.
    """
    # A body is as tall as its trunk, head and one leg (half of both).
    upright = dict.fromkeys(("Spine", "Thorax", "Neck/Nose", "Head"), 1.0)
    upright |= dict.fromkeys(("RKnee", "RFoot", "LKnee", "LFoot"), 0.5)
    joint = [H36M17.index(name) for name in upright]
    bones = pose[:, joint] - pose[:, [H36M17.parents[j] for j in joint]]
    stature = float(np.median(np.linalg.norm(bones, axis=-1), axis=0) @ list(upright.values()))
    low, high = STATURE
    if not low <= stature <= high:
        fitting = fitting_units(stature / scale, low, high)
        remedy = f"`--unit {fitting[0]}` would fit" if fitting else "no known unit fits: is it a person, and whole?"
        problem = f"a person {stature:.3g} m tall, with {scale:.4g} m to the unit"
        remedy += f" (`--unit {'|'.join(UNITS)}` or the metres of one unit)"
        raise InputError(problem, where=where, expected=f"{low} to {high} m", remedy=remedy)
    check_person(pose, where, "m")
