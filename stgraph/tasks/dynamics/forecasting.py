"""How far predictions are off, some frames ahead: of tracks whose identity is known, so that no match is to blame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stgraph.tracking.predictors import Predictor, chosen

HORIZONS = (1, 5, 10, 25)  # frames
EVERY = 5  # frames from one prediction to the next
AT_ONCE = 512  # people


@dataclass(frozen=True)
class Course:
    """One person's track: what a detector gave and what was true, t consecutive frames.

    Attributes:
        pose: (t j d). confidence: (t j), 0 = not detected. time: (t) seconds.
        truth: (t j d). annotated: (t j) whether the joint is to be scored.
        unit: (t) what errors are divided by: head sizes in pixels, or metres that make a millimetre.
    """

    pose: Float[np.ndarray, "t j d"]
    confidence: Float[np.ndarray, "t j"]
    time: Float[np.ndarray, " t"]
    truth: Float[np.ndarray, "t j d"]
    annotated: Bool[np.ndarray, "t j"]
    unit: Float[np.ndarray, " t"]

    def __len__(self) -> int:
        return len(self.time)


def forecast_errors(
    predictor: Predictor, courses: Sequence[Course], horizons: Sequence[int] = HORIZONS, every: int = EVERY
) -> dict[int, Float[np.ndarray, "n j"]]:
    """Errors of predictions so many frames ahead, without anything being detected meanwhile.

    The predictor follows each track from its first detected frame. At every so many-th frame in which the person was
    detected, and in two or more before, it goes on without detections; joints count that are annotated then and were
    detected once by now. The same joints count whatever the predictor.

    Returns:
        horizon -> (n j) errors in the courses' units, NaN where a joint does not count.
    """
    # Tracks go side by side, the k-th frame from each one's first detected frame on.
    courses = [trimmed(course) for course in courses if (course.confidence > 0).any()]
    found: dict[int, list[np.ndarray]] = {horizon: [] for horizon in horizons}
    courses = sorted((course for course in courses if len(course) > 3), key=len, reverse=True)
    for first in range(0, len(courses), AT_ONCE):
        for horizon, errors in _side_by_side(predictor, courses[first : first + AT_ONCE], horizons, every):
            found[horizon].append(errors)
    joints = courses[0].pose.shape[1] if courses else 0
    return {horizon: np.concatenate(errors or [np.zeros((0, joints))]) for horizon, errors in found.items()}


def trimmed(course: Course) -> Course:
    """From the first detected frame on."""
    first = int((course.confidence > 0).any(axis=1).argmax())
    return Course(*(values[first:] for values in vars(course).values()))


def _side_by_side(
    predictor: Predictor, courses: Sequence[Course], horizons: Sequence[int], every: int
) -> Iterable[tuple[int, np.ndarray]]:
    """(horizon, errors) of tracks that are given longest first; times count from each one's beginning."""
    counts = np.zeros(len(courses), int)
    ever = np.zeros((len(courses), courses[0].pose.shape[1]), bool)
    state = None
    for frame in range(len(courses[0])):
        going = [course for course in courses if len(course) > frame]
        time = going[0].time[frame] - going[0].time[0]
        pose, confidence = (np.stack([getattr(one, name)[frame] for one in going]) for name in ("pose", "confidence"))
        if state is None:
            state = predictor.start(pose, confidence, time)
        else:
            state = chosen(state, np.arange(len(going)))
            state = predictor.merge(state, predictor.predict(state, time), pose, confidence, time)
        seen = confidence > 0
        counts, ever = counts[: len(going)] + seen.any(axis=1), ever[: len(going)] | seen
        ready = np.flatnonzero((counts > 2) & seen.any(axis=1)) if frame % every == 0 else np.zeros(0, int)
        if len(ready):
            going = [going[number] for number in ready]
            yield from _ahead(predictor, chosen(state, ready), going, frame, ever[ready], horizons)


def _ahead(
    predictor: Predictor,
    state: tuple,
    courses: Sequence[Course],
    frame: int,
    ever: Bool[np.ndarray, "p j"],
    horizons: Sequence[int],
) -> Iterable[tuple[int, np.ndarray]]:
    """Errors after each horizon of people who are not detected from this frame on."""
    for ahead in range(1, max(horizons) + 1):
        there = np.array([len(course) > frame + ahead for course in courses])
        if not there.any():
            return
        courses = [course for course, kept in zip(courses, there, strict=True) if kept]
        state, ever = chosen(state, np.flatnonzero(there)), ever[there]
        time = courses[0].time[frame + ahead] - courses[0].time[0]
        forecast = predictor.predict(state, time)
        nothing = np.zeros(forecast.spread.shape)
        state = predictor.merge(state, forecast, np.zeros(forecast.pose.shape), nothing, time)
        if ahead in horizons:
            names = ("truth", "annotated", "unit")
            at = [[getattr(one, name)[frame + ahead] for one in courses] for name in names]
            truth, annotated, unit = map(np.stack, at)
            error = np.linalg.norm(forecast.pose - truth, axis=-1) / unit[:, None]
            yield ahead, np.where(annotated & ever, error, np.nan)
