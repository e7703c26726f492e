"""What a run gives to a comparison of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Column(NamedTuple):
    """A column of the comparison's table: its title with the unit, and the decimals of its numbers."""

    title: str
    decimals: int = 1


@dataclass(frozen=True)
class Shared:
    """What all compared runs must have in common.

    Attributes:
        kind: "joints", "classes". names: those of a run.
        remedy: what to do where they differ.
    """

    kind: str
    names: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Compared:
    """How a run is scored.

    Attributes:
        scores: by the names of its `TaskRun.comparison_columns`; None where there is none.
        about: data, detector, subjects, synthetic and trained_on_them_too of the report.
        scored: how much was scored, such as "6,240 frames of 16 joints".
        protocol: how every run is scored. windows: what of it depends on this one; may be empty.
    """

    scores: Mapping[str, float | None]
    about: Mapping[str, object]
    scored: str
    protocol: str
    windows: str = ""
