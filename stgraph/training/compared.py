"""A run's row in a comparison of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Column(NamedTuple):
    """A column of the comparison's table: its title with the unit, and the decimals of its numbers."""

    title: str
    decimals: int = 1


@dataclass(frozen=True)
class Compared:
    """How a run is scored.

    Attributes:
        scores: by the names of its `TaskRun.comparison_columns`; None where there is none.
        about: facts that are the same for runs that can be compared: data, detector, subjects, scored ("6,240 frames
            of 16 joints"), protocol.
        synthetic: whether the motion is made by a program.
        trained_on: the scored subjects or clips that the run was trained on; may be empty.
        model: how the model is scored, such as its windows; may be empty.
    """

    scores: Mapping[str, float | None]
    about: Mapping[str, str]
    synthetic: bool
    trained_on: str
    model: str = ""
