"""The settings of the tracker, and the names of the predictors that need no training. Imports nothing heavy."""

from dataclasses import dataclass
from typing import Annotated, get_type_hints

from stgraph.errors import InputError

UNTRAINED = ("hold", "velocity", "kalman")  # of `predictors.PREDICTORS`
FPS = 30.0  # where neither the file nor the command has a frame rate
FPS_NOTE = f"Frames per second are not known: {FPS:g} (--fps)."


@dataclass(frozen=True)
class TrackerOptions:
    """How a tracker matches detections, and when it reports and drops a track.

    Raises:
        InputError: an impossible value.
    """

    gate: Annotated[float, "least OKS of a match"] = 0.2
    people: Annotated[int, "how many people there are, if that is known: never more, and none is given up; 0: any"] = 0
    nms_oks: Annotated[float, "OKS above which the worse of two detections of a frame is dropped"] = 0.7
    birth_score: Annotated[float, "least score of a detection that starts a track"] = 0.3
    confirm_score: Annotated[float, "least score of a detection that confirms its track at once"] = 0.7
    min_hits: Annotated[int, "detections that confirm a track; it is reported from then on"] = 4
    coast_hits: Annotated[int, "detections that a track needs to be reported in frames without one"] = 8
    coast_seconds: Annotated[float, "seconds that a track is reported without a detection"] = 0.4
    max_age: Annotated[float, "seconds that a track is kept, with its identity, without a detection"] = 1.3
    min_probability: Annotated[
        float, "least probability of an error below half a head size for a predicted joint to be reported"
    ] = 0.25

    def __post_init__(self) -> None:
        for name in ("gate", "nms_oks"):
            if not 0 < getattr(self, name) <= 1:
                expected = "an OKS, more than 0 and at most 1"
                raise InputError(where=name, found=f"{getattr(self, name)}", expected=expected)
        if self.people < 0:
            raise InputError(where="people", found=f"{self.people}", expected="0 or more")
        if self.min_hits < 1:
            raise InputError(where="min_hits", found=f"{self.min_hits}", expected="1 frame or more")
        if not self.max_age >= 0:
            raise InputError(where="max_age", found=f"{self.max_age}", expected="0 seconds or more")

    @classmethod
    def described(cls) -> dict[str, tuple[type, str]]:
        """Type and description of each option."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: (hint.__origin__, hint.__metadata__[0]) for name, hint in hints.items()}
