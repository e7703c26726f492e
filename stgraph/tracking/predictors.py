"""Predictors of where people's joints are next, without a model: what every learned one has to beat.

A predictor remembers p people at once, in a state whose arrays all begin with the person's axis. It predicts all of
them at a time, and merges what was then detected into what it believes. `Predictor` states what a tracker asks of it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float

from stgraph.errors import InputError

Joints = Float[np.ndarray, "p j d"]
Numbers = Float[np.ndarray, "p j"]
State = TypeVar("State", bound=tuple)
FADE = 0.5  # seconds in which the confidence of a joint that is not detected halves
# Standard deviations, in body scales (see `body_scale`), tuned once on validation scenes of `data_prep
# scenes` for the least error five frames ahead (Kalman) and for spreads that are as large as the errors are (all).
DETECTION = 0.07  # of a detected joint
HOLD = 0.18  # of where a held joint has gone to after a second; it grows with the root of the time
TURN = 0.9  # of where a joint of constant velocity has gone to after a second; it grows with the time
ACCELERATION = 1.2  # of the white acceleration that the Kalman filter expects, per second^1.5
FILTERED = 0.45  # of the filter's standard deviation: what its errors are, which are not normally distributed
NOISE = 0.15  # of a detected joint as the Kalman filter expects it


class Forecast(NamedTuple):
    """Where joints are expected, and the standard deviation along an axis, in the same unit."""

    pose: Joints
    spread: Numbers


class Believed(NamedTuple):
    """The latest frame of a state: poses, spread and confidence (0 = nothing is known of the joint)."""

    pose: Joints
    spread: Numbers
    confidence: Numbers


@runtime_checkable
class Predictor(Protocol[State]):
    """What a tracker asks of a predictor; all people in one call."""

    def start(self, pose: Joints, confidence: Numbers, time: float) -> State:
        """The state of people who are seen for the first time."""

    def predict(self, state: State, time: float) -> Forecast:
        """The people at a later time, seconds."""

    def merge(self, state: State, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> State:
        """The state after a frame; joints that were not detected have confidence 0."""

    def believed(self, state: State) -> Believed:
        """What the latest frame is believed to have been."""


def chosen(state: State, people: np.ndarray) -> State:
    """The state of some people alone, by index or mask."""
    at = people if isinstance(state[0], np.ndarray) else torch.from_numpy(people)
    return type(state)(*(values[at] for values in state))


def joined(states: Sequence[State]) -> State:
    """One state of all people of several."""
    join = np.concatenate if isinstance(states[0][0], np.ndarray) else torch.cat
    return type(states[0])(*map(join, zip(*states, strict=True)))


def body_scale(pose: Joints, seen: Bool[np.ndarray, "p j"]) -> Float[np.ndarray, " p"]:
    """Root of the mean squared distance of the seen joints from their mean: a third of an upright person's height."""
    count = seen.sum(axis=1).clip(1)
    weight = seen[..., None]
    centre = (pose * weight).sum(axis=1) / count[:, None]
    squares = np.square((pose - centre[:, None]) * weight).sum(axis=(1, 2)) / count
    return np.maximum(np.sqrt(squares), 1e-3 * (1 + np.abs(centre).max(axis=1, initial=0)))


def faded(confidence: Numbers, seconds: Float[np.ndarray, "p 1"]) -> Numbers:
    """The confidence of joints that were not detected for so long."""
    return confidence * np.exp2(-seconds / FADE)


class Held(NamedTuple):
    """Each joint as it was detected last (the latest of n = 1 or 2), and when."""

    pose: Float[np.ndarray, "p n j d"]
    seen: Float[np.ndarray, "p n j"]
    confidence: Numbers
    time: Float[np.ndarray, " p"]


class Hold:
    """A joint stays where it was detected last."""

    memory = 1

    def start(self, pose: Joints, confidence: Numbers, time: float) -> Held:
        """See `Predictor`."""
        empty = np.zeros((len(pose), self.memory, *pose.shape[1:]))
        nobody = Held(empty, np.full(empty.shape[:3], -np.inf), np.zeros(confidence.shape), np.full(len(pose), time))
        return self.merge(nobody, Forecast(pose, confidence), pose, confidence, time)

    def predict(self, state: Held, time: float) -> Forecast:
        """See `Predictor`."""
        elapsed = time - state.seen[:, -1]
        return Forecast(state.pose[:, -1], self.spread(state, np.where(np.isfinite(elapsed), elapsed, 0)))

    def spread(self, state: Held, elapsed: Numbers) -> Numbers:
        """The standard deviation of joints that were detected so long ago."""
        size = body_scale(state.pose[:, -1], state.confidence > 0)[:, None]
        return size * np.hypot(DETECTION, HOLD * np.sqrt(elapsed))

    def merge(self, state: Held, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Held:
        """See `Predictor`; what was detected counts as it is."""
        seen = confidence > 0
        newest = np.where(seen[..., None], pose, state.pose[:, -1])
        places, times = state.pose.copy(), state.seen.copy()
        if self.memory > 1:
            places[:, 0] = np.where(seen[..., None], state.pose[:, -1], state.pose[:, 0])
            times[:, 0] = np.where(seen, state.seen[:, -1], state.seen[:, 0])
        places[:, -1] = newest
        times[:, -1] = np.where(seen, time, state.seen[:, -1])
        fading = faded(state.confidence, (time - state.time)[:, None])
        return Held(places, times, np.where(seen, confidence, fading), np.full(len(pose), time))

    def believed(self, state: Held) -> Believed:
        """See `Predictor`."""
        now = float(state.time[0]) if len(state.time) else 0.0
        return Believed(*self.predict(state, now), state.confidence)


class Velocity(Hold):
    """A joint goes on as it did between the last two frames in which it was detected."""

    memory = 2

    def predict(self, state: Held, time: float) -> Forecast:
        """See `Predictor`."""
        before, last = state.seen[:, 0], state.seen[:, 1]
        moved = np.isfinite(before)
        between = np.where(moved, last - np.where(moved, before, 0), 1)
        velocity = np.where(moved[..., None], (state.pose[:, 1] - state.pose[:, 0]) / between[..., None], 0)
        elapsed = np.where(np.isfinite(last), time - last, 0)
        return Forecast(state.pose[:, 1] + velocity * elapsed[..., None], self.spread(state, elapsed))

    def spread(self, state: Held, elapsed: Numbers) -> Numbers:
        """The standard deviation of joints that were detected so long ago."""
        size = body_scale(state.pose[:, -1], state.confidence > 0)[:, None]
        return size * np.hypot(DETECTION, TURN * elapsed)


class Filtered(NamedTuple):
    """Mean and covariance of every joint's place and velocity, alike for all axes; covariances in squared units."""

    pose: Joints
    velocity: Joints
    covariance: Float[np.ndarray, "p j 2 2"]
    confidence: Numbers
    time: Float[np.ndarray, " p"]


class Kalman:
    """A Kalman filter of constant velocity for every joint, driven by white acceleration.

    The noise of a detected joint is `NOISE` / confidence; joints that are not known yet begin where they are detected,
    with the mean velocity of the others.
    """

    def start(self, pose: Joints, confidence: Numbers, time: float) -> Filtered:
        """See `Predictor`."""
        none = np.zeros(confidence.shape)
        still, now = np.zeros(pose.shape), np.full(len(pose), float(time))
        nobody = Filtered(still, still, np.zeros((*none.shape, 2, 2)), none, now)
        return self.merge(nobody, Forecast(pose, none), pose, confidence, time)

    def ahead(self, state: Filtered, time: float) -> tuple[Joints, Float[np.ndarray, "p j 2 2"]]:
        """Mean and covariance at a later time."""
        step = (time - state.time)[:, None]
        size = body_scale(state.pose, state.confidence > 0)[:, None]
        variance = (ACCELERATION * size) ** 2
        move = np.broadcast_to(np.eye(2), (*step.shape, 2, 2)).copy()
        move[..., 0, 1] = step
        covariance = move @ state.covariance @ np.swapaxes(move, -1, -2)
        push = np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
        return state.pose + state.velocity * step[..., None], covariance + np.moveaxis(
            variance * push, (0, 1), (-2, -1)
        )

    def predict(self, state: Filtered, time: float) -> Forecast:
        """See `Predictor`."""
        pose, covariance = self.ahead(state, time)
        return Forecast(pose, FILTERED * np.sqrt(covariance[..., 0, 0]))

    def merge(self, state: Filtered, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Filtered:
        """See `Predictor`."""
        seen, known = confidence > 0, state.confidence > 0
        mean, covariance = self.ahead(state, time)
        size = body_scale(np.where(known[..., None], mean, pose), known | seen)[:, None]
        noise = (NOISE * size / np.where(seen, confidence, 1).clip(0.1)) ** 2
        gain = covariance[..., 0] / (covariance[..., 0, 0] + noise)[..., None]
        gain = gain * (seen & known)[..., None]
        error = pose - mean
        velocity = state.velocity + gain[..., 1:] * error
        mean = mean + gain[..., :1] * error
        covariance = covariance - gain[..., :, None] * covariance[..., :1, :]
        # A joint that is new: where it is detected, moving as the others do, or maybe not.
        count = known.sum(axis=1)[:, None, None].clip(1)
        others = (velocity * known[..., None]).sum(axis=1, keepdims=True) / count
        new = seen & ~known
        first = np.zeros_like(covariance)
        first[..., 0, 0], first[..., 1, 1] = noise, size**2
        fading = faded(state.confidence, (time - state.time)[:, None])
        return Filtered(
            np.where(new[..., None], pose, mean),
            np.where(new[..., None], others, velocity),
            np.where(new[..., None, None], first, covariance),
            np.where(seen, np.maximum(confidence, fading), fading),
            np.full(len(pose), float(time)),
        )

    def believed(self, state: Filtered) -> Believed:
        """See `Predictor`."""
        return Believed(state.pose, FILTERED * np.sqrt(state.covariance[..., 0, 0]), state.confidence)


PREDICTORS: dict[str, type] = {"hold": Hold, "velocity": Velocity, "kalman": Kalman}


def find_predictor(name: str) -> Predictor:
    """A predictor without a model, by its name. Raises InputError with the names there are."""
    if name not in PREDICTORS:
        raise InputError(f"no predictor {name!r}; there are {', '.join(PREDICTORS)}, and trained models by their names")
    return PREDICTORS[name]()
