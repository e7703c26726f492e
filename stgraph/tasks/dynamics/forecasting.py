"""Errors of predictions some frames ahead, of tracks of known identity, so that no wrong matches are included."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from stgraph.tasks.dynamics.videos import Trajectory
from stgraph.tracking.predictors import Predictor, select

HORIZONS = (1, 5, 10, 25)  # frames
EVERY = 5  # frames from one prediction to the next
AT_ONCE = 512  # people


def forecast_errors(
    predictor: Predictor, people: Sequence[Trajectory], horizons: Sequence[int] = HORIZONS, every: int = EVERY
) -> dict[int, Float[np.ndarray, "n j"]]:
    """Errors of predictions some frames ahead, without detections in between.

    The predictor follows each track from its first detected frame. At every `every`-th frame in which the person was
    detected, after two or more others, it continues without detections. Joints count that are annotated at the horizon
    and were detected before; they are the same for every predictor.

    Returns:
        horizon -> (n j) errors in the trajectories' units, NaN where a joint does not count.
    """
    # Tracks are aligned at their first detected frames and run as a batch.
    people = [person.trimmed() for person in people if (person.confidence > 0).any()]
    people = sorted((person for person in people if len(person) > 3), key=len, reverse=True)
    errors: dict[int, list[np.ndarray]] = {horizon: [] for horizon in horizons}
    for first in range(0, len(people), AT_ONCE):
        for horizon, values in _side_by_side(predictor, people[first : first + AT_ONCE], horizons, every):
            errors[horizon].append(values)
    joints = people[0].pose.shape[1] if people else 0
    return {horizon: np.concatenate(values or [np.zeros((0, joints))]) for horizon, values in errors.items()}


def _side_by_side(
    predictor: Predictor, people: Sequence[Trajectory], horizons: Sequence[int], every: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(horizon, errors) of tracks in order of falling length; times count from each one's beginning."""
    counts = np.zeros(len(people), int)
    ever = np.zeros((len(people), people[0].pose.shape[1]), bool)
    state = None
    for frame in range(len(people[0])):
        going = [person for person in people if len(person) > frame]
        time = going[0].time[frame] - going[0].time[0]
        pose, confidence = (np.stack([getattr(one, name)[frame] for one in going]) for name in ("pose", "confidence"))
        if state is None:
            state = predictor.start(pose, confidence, time)
        else:
            state = select(state, np.arange(len(going)))
            state = predictor.merge(state, predictor.predict(state, time), pose, confidence, time)
        seen = confidence > 0
        counts, ever = counts[: len(going)] + seen.any(axis=1), ever[: len(going)] | seen
        ready = np.flatnonzero((counts > 2) & seen.any(axis=1)) if frame % every == 0 else np.zeros(0, int)
        if len(ready):
            going = [going[number] for number in ready]
            frames = {frame + horizon: horizon for horizon in horizons}
            yield from _ahead(predictor, select(state, ready), going, ever[ready], frames)


def _ahead(
    predictor: Predictor,
    state: tuple,
    people: Sequence[Trajectory],
    ever: Bool[np.ndarray, "p j"],
    horizons: Mapping[int, int],
) -> Iterator[tuple[int, np.ndarray]]:
    """(horizon, errors) of people who are not detected after the state's frame; `horizons` by their frames."""
    for frame in range(1 + min(horizons) - min(horizons.values()), max(horizons) + 1):
        going = np.array([len(person) > frame for person in people])
        if not going.any():
            return
        people = [person for person, kept in zip(people, going, strict=True) if kept]
        state, ever = select(state, np.flatnonzero(going)), ever[going]
        time = people[0].time[frame] - people[0].time[0]
        forecast = predictor.predict(state, time)
        nothing = np.zeros(forecast.pose.shape), np.zeros(forecast.spread.shape)
        state = predictor.merge(state, forecast, *nothing, time)
        if frame in horizons:
            truth, annotated, unit = (
                np.stack([getattr(one, name)[frame] for one in people]) for name in ("truth", "annotated", "unit")
            )
            error = np.linalg.norm(forecast.pose - truth, axis=-1) / unit[:, None]
            yield horizons[frame], np.where(annotated & ever, error, np.nan)
