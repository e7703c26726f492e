"""Predictors of people's next joints without a model: the baselines of learned ones.

A predictor keeps the state of p people, whose arrays all begin with the person's axis. It predicts all of them at
once, and merges the frame's detections into the state. `Predictor` is the interface that a tracker uses.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from stgraph.errors import InputError
from stgraph.geometry import body_scale
from stgraph.tracking.options import UNTRAINED

Joints = Float[np.ndarray, "p j d"]
Numbers = Float[np.ndarray, "p j"]
State = TypeVar("State", bound=tuple)
HALF_LIFE = 0.5  # seconds in which the confidence of a joint that is not detected halves
# Standard deviations in body scales and times in seconds, tuned on validation scenes of `data_prep scenes`: for the
# least error five frames ahead and of joints that are missed (Kalman), and for spreads as large as the errors (all).
DETECTION = 0.07  # of a detected joint
HOLD = 0.18  # of a held joint after a second; it grows with the root of the time
TURN = 0.9  # of a joint of constant velocity after a second; it grows with the time
ACCELERATION = 7.0  # of the white acceleration of the Kalman filter, per second^1.5
LIMB, PERSON = 0.06, 0.4  # time constants in which a joint's and a person's velocity decay
FOLLOWING = 0.65  # share of the others' correction that a joint takes which is not detected
# Ratios of the errors to the filter's standard deviation. They are not normally distributed: the one is of most joints,
# by which a joint is reported, the other of the rare large errors, within which a person is looked for.
FILTERED, TAILS = 0.65, 1.2
NOISE = 0.03  # of a detected joint in the Kalman filter


class Forecast(NamedTuple):
    """Predicted joints, their standard deviation along an axis in the same unit, and which joints are known.

    `native` is the prediction in the form that the predictor's `merge` uses.
    """

    pose: Joints
    spread: Numbers
    known: Bool[np.ndarray, "p j"]
    native: tuple = ()


class Estimate(NamedTuple):
    """The latest frame of a state: poses, spread and confidence (0 = the joint is unknown)."""

    pose: Joints
    spread: Numbers
    confidence: Numbers


@runtime_checkable
class Predictor(Protocol[State]):
    """The interface of a predictor; all people in one call, times in seconds."""

    def start(self, pose: Joints, confidence: Numbers, time: float) -> State:
        """The state of people who are detected for the first time."""
        ...

    def predict(self, state: State, time: float) -> Forecast:
        """The people at a later time."""
        ...

    def merge(self, state: State, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> State:
        """The state after a frame; joints that were not detected have confidence 0."""
        ...

    def estimate(self, state: State) -> Estimate:
        """The latest frame."""
        ...


def select(state: State, people: np.ndarray) -> State:
    """The state of some people, by index or mask."""
    return type(state)(*(values[people] for values in state))


def concatenate(states: Sequence[State]) -> State:
    """Several states as one."""
    if isinstance(states[0][0], np.ndarray):
        return type(states[0])(*map(np.concatenate, zip(*states, strict=True)))
    import torch

    return type(states[0])(*map(torch.cat, zip(*states, strict=True)))


def positive_scale(pose: Joints, seen: Bool[np.ndarray, "p j"]) -> Float[np.ndarray, "p 1"]:
    """`body_scale`, at least a thousandth of the coordinates, so that it is positive where all joints coincide."""
    centre, scale = body_scale(pose, seen)
    return np.maximum(scale, 1e-3 * (1 + np.abs(centre).max(axis=1, initial=0)))[:, None]


def faded(confidence: Numbers, seconds: Float[np.ndarray, "p 1"]) -> Numbers:
    """The confidence of joints some seconds after their last detection."""
    return confidence * np.exp2(-seconds / HALF_LIFE)


class Held(NamedTuple):
    """Each joint's last n detections (n = 1 or 2) and their times."""

    pose: Float[np.ndarray, "p n j d"]
    seen: Float[np.ndarray, "p n j"]
    confidence: Numbers
    time: Float[np.ndarray, " p"]


class Hold:
    """A joint stays at its last detection."""

    memory = 1

    def start(self, pose: Joints, confidence: Numbers, time: float) -> Held:
        empty = np.zeros((len(pose), self.memory, *pose.shape[1:]))
        blank = Held(empty, np.full(empty.shape[:3], -np.inf), np.zeros(confidence.shape), np.full(len(pose), time))
        return self.merge(blank, Forecast(pose, confidence, confidence > 0), pose, confidence, time)

    def predict(self, state: Held, time: float) -> Forecast:
        elapsed = time - state.seen[:, -1]
        return self.forecast(state, state.pose[:, -1], HOLD * np.sqrt(np.where(np.isfinite(elapsed), elapsed, 0)))

    def forecast(self, state: Held, pose: Joints, growth: Numbers) -> Forecast:
        """The forecast; its spread is that of a detection and, in body scales, the growth since."""
        known = state.confidence > 0
        return Forecast(pose, positive_scale(state.pose[:, -1], known) * np.hypot(DETECTION, growth), known)

    def merge(self, state: Held, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Held:
        """See `Predictor`; detections replace predictions."""
        seen = confidence > 0
        poses, times = state.pose.copy(), state.seen.copy()
        if self.memory > 1:
            poses[:, 0] = np.where(seen[..., None], state.pose[:, -1], state.pose[:, 0])
            times[:, 0] = np.where(seen, state.seen[:, -1], state.seen[:, 0])
        poses[:, -1] = np.where(seen[..., None], pose, state.pose[:, -1])
        times[:, -1] = np.where(seen, time, state.seen[:, -1])
        fading = faded(state.confidence, (time - state.time)[:, None])
        return Held(poses, times, np.where(seen, confidence, fading), np.full(len(pose), time))

    def estimate(self, state: Held) -> Estimate:
        forecast = self.predict(state, float(state.time[0]) if len(state.time) else 0.0)
        return Estimate(forecast.pose, forecast.spread, state.confidence)


class Velocity(Hold):
    """A joint keeps the velocity between its last two detections."""

    memory = 2

    def predict(self, state: Held, time: float) -> Forecast:
        before, last = state.seen[:, 0], state.seen[:, 1]
        moved = np.isfinite(before)
        between = np.where(moved, last - np.where(moved, before, 0), 1)
        velocity = np.where(moved[..., None], (state.pose[:, 1] - state.pose[:, 0]) / between[..., None], 0)
        elapsed = np.where(np.isfinite(last), time - last, 0)
        return self.forecast(state, state.pose[:, 1] + velocity * elapsed[..., None], TURN * elapsed)


class Filtered(NamedTuple):
    """Mean and covariance of every joint's position and velocity, the same for all axes.

    `covariance`: variance of the position, covariance of both, variance of the velocity.
    """

    pose: Joints
    velocity: Joints
    covariance: Float[np.ndarray, "p j 3"]
    confidence: Numbers
    time: Float[np.ndarray, " p"]


class Kalman:
    """A Kalman filter for every joint, whose velocities decay: integrated Ornstein-Uhlenbeck processes.

    The velocity of a person, the mean over joints, decays with the time constant `PERSON`, that of a joint beside it
    with `LIMB`, which is driven by white acceleration. A joint that is not detected shares `FOLLOWING` of the mean
    correction of those that are. The noise of a detected joint is `NOISE` / confidence. A joint starts at its first
    detection with the mean velocity of the others.

    Where `LIMB` and `PERSON` are infinite and `FOLLOWING` is 0 it is the filter of constant velocity.
    """

    def start(self, pose: Joints, confidence: Numbers, time: float) -> Filtered:
        zeros, still, now = np.zeros(confidence.shape), np.zeros(pose.shape), np.full(len(pose), float(time))
        blank = Filtered(still, still, np.zeros((*zeros.shape, 3)), zeros, now)
        return self.merge(blank, Forecast(pose, zeros, zeros > 0), pose, confidence, time)

    def ahead(self, state: Filtered, time: float) -> tuple[Joints, Joints, Float[np.ndarray, "p j 3"]]:
        """Positions, velocities and their covariance at a later time."""
        step = (time - state.time)[:, None]
        keep, reach = decay(step, LIMB)
        person_keep, person_reach = decay(step, PERSON)
        whole = mean_of(state.velocity, state.confidence > 0)
        limb = state.velocity - whole
        pose = state.pose + limb * reach[..., None] + whole * person_reach[..., None]
        velocity = limb * keep[..., None] + whole * person_keep[..., None]
        # Of the integrated process (Johnson et al. 2008, eq. 6), by the variance of its velocity at rest.
        rest = (ACCELERATION * positive_scale(state.pose, state.confidence > 0)) ** 2 * (LIMB / 2)
        push = (2 * LIMB * (step - reach) - reach**2, reach**2 / LIMB, 1 - keep**2)
        place, both, speed = np.moveaxis(state.covariance, -1, 0)
        covariance = np.stack(
            [
                place + 2 * reach * both + reach**2 * speed + rest * push[0],
                keep * (both + reach * speed) + rest * push[1],
                keep**2 * speed + rest * push[2],
            ],
            axis=-1,
        )
        return pose, velocity, covariance

    def predict(self, state: Filtered, time: float) -> Forecast:
        pose, velocity, covariance = self.ahead(state, time)
        known = state.confidence > 0
        return Forecast(pose, TAILS * np.sqrt(covariance[..., 0]), known, (pose, velocity, covariance))

    def merge(self, state: Filtered, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Filtered:
        seen, known = confidence > 0, state.confidence > 0
        mean, velocity, covariance = forecast.native or self.ahead(state, time)
        size = positive_scale(np.where(known[..., None], mean, pose), known | seen)
        noise = (NOISE * size / np.where(seen, confidence, 1).clip(0.1)) ** 2
        measured = seen & known
        gain = covariance[..., :2] / (covariance[..., :1] + noise[..., None]) * measured[..., None]
        error = pose - mean
        # Joints that are not detected go where the others went.
        steps = [gain[..., axis, None] * error for axis in (0, 1)]
        shared = FOLLOWING * (known & ~seen)[..., None]
        moved, turned = (step + shared * mean_of(step, measured) for step in steps)
        # A new joint has the detected position, the mean velocity of the others and a wide variance of the velocity.
        new = (seen & ~known)[..., None]
        first = np.stack([noise, np.zeros_like(noise), np.broadcast_to(size**2, noise.shape)], axis=-1)
        updated = covariance - gain[..., [0, 0, 1]] * covariance[..., [0, 1, 1]]
        velocity = velocity + turned
        fading = faded(state.confidence, (time - state.time)[:, None])
        return Filtered(
            np.where(new, pose, mean + moved),
            np.where(new, mean_of(velocity, known), velocity),
            np.where(new, first, updated),
            np.where(seen, np.maximum(confidence, fading), fading),
            np.full(len(pose), float(time)),
        )

    def estimate(self, state: Filtered) -> Estimate:
        return Estimate(state.pose, FILTERED * np.sqrt(state.covariance[..., 0]), state.confidence)


def decay(step: Float[np.ndarray, "p 1"], constant: float) -> tuple[Float[np.ndarray, "p 1"], Float[np.ndarray, "p 1"]]:
    """What is left of a velocity that decays with a time constant, and the seconds' worth of it that it goes."""
    left = np.exp(-step / constant)
    return left, constant * (1 - left)


def mean_of(values: Joints, which: Bool[np.ndarray, "p j"]) -> Float[np.ndarray, "p 1 d"]:
    """The mean over some joints of each person; zeros where there is none."""
    return np.einsum("pjd,pj->pd", values, which.astype(float))[:, None] / which.sum(axis=1)[:, None, None].clip(1)


PREDICTORS: dict[str, type[Predictor]] = dict(zip(UNTRAINED, (Hold, Velocity, Kalman), strict=True))


def find_predictor(name: str) -> Predictor:
    """A predictor without a model, by name. Raises InputError, which lists the names."""
    if name not in PREDICTORS:
        expected = f"one of {', '.join(PREDICTORS)}, or the name of a trained model"
        raise InputError(where="predictor", found=repr(name), expected=expected)
    return PREDICTORS[name]()
