"""Predictors without a model: against plain loops, and what holds for each of them."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import expm

from stgraph.errors import InputError
from stgraph.tracking import predictors
from stgraph.tracking.predictors import (
    ACCELERATION,
    DETECTION,
    FILTERED,
    FOLLOWING,
    HALF_LIFE,
    HOLD,
    LIMB,
    NOISE,
    PERSON,
    PREDICTORS,
    TAILS,
    concatenate,
    find_predictor,
    positive_scale,
    select,
)

JOINTS = 4
STEP = 0.04


def scene(people=3, frames=12, seed=1, dimensions=2, missing=0.3):
    """Times, (t p j d) poses and (t p j) confidences; frame 0 has a detection of every person, joint 3 comes later."""
    rng = np.random.default_rng(seed)
    pose = 100 + rng.normal(0, 40, (people, JOINTS, dimensions))
    pose = pose + np.cumsum(rng.normal(1, 2, (frames, people, JOINTS, dimensions)), axis=0)
    confidence = rng.uniform(0.05, 1, (frames, people, JOINTS)) * (rng.random((frames, people, JOINTS)) > missing)
    confidence[0, :, 0] = 0.7
    confidence[:5, :, 3] = 0
    confidence[5, :, 3] = 0.6
    return np.arange(frames) * STEP + 3.0, np.where(confidence[..., None] > 0, pose, 0), confidence


def states(predictor, times, poses, confidences):
    """The state after each frame."""
    state = predictor.start(poses[0], confidences[0], times[0])
    yield state
    for time, pose, confidence in zip(times[1:], poses[1:], confidences[1:], strict=True):
        state = predictor.merge(state, predictor.predict(state, time), pose, confidence, time)
        yield state


def size_of(points):
    """Root of the mean squared distance from the mean."""
    return np.sqrt(np.mean([np.sum((point - np.mean(points, axis=0)) ** 2) for point in points]))


def process(step):
    """Transition and covariance of an acceleration-driven velocity that decays, by Van Loan's matrix exponential."""
    drift, driven = np.array([[0, 1], [0, -1 / LIMB]]), np.diag([0.0, 1.0])
    both = expm(np.block([[-drift, driven], [np.zeros((2, 2)), drift.T]]) * step)
    move = both[2:, 2:].T
    return move, move @ both[:2, 2:]


def textbook_kalman(times, poses, confidences):
    """One person, joint by joint and axis by axis; (mean (j d), variance (j)) after each frame, NaN where unknown."""
    joints, axes = poses[0].shape
    mean, covariance = {}, {}
    for number, time in enumerate(times):
        pose, seen = poses[number], np.flatnonzero(confidences[number] > 0)
        if mean:
            step = time - times[number - 1]
            # The push is of the size that the person had; the noise of the size that is expected now.
            size = size_of([mean[joint][:, 0] for joint in mean])
            move, push = process(step)
            whole = np.mean([mean[joint][:, 1] for joint in mean], axis=0)
            left = np.exp(-step / PERSON)
            for joint in mean:
                covariance[joint] = move @ covariance[joint] @ move.T + (ACCELERATION * size) ** 2 * push
                for axis in range(axes):
                    place, speed = move @ (mean[joint][axis] - [0, whole[axis]])
                    mean[joint][axis] = place + whole[axis] * PERSON * (1 - left), speed + whole[axis] * left
                mean[joint] = np.array(mean[joint])
        points = [mean[joint][:, 0] if joint in mean else pose[joint] for joint in sorted({*mean, *seen})]
        known, size = [*mean], size_of(points) if len(points) > 1 else 1e-3 * (1 + np.abs(points[0]).max())
        corrections = []
        for joint in (joint for joint in seen if joint in known):
            noise = (NOISE * size / max(confidences[number][joint], 0.1)) ** 2
            measure = np.array([[1.0, 0.0]])
            gain = covariance[joint] @ measure.T / (measure @ covariance[joint] @ measure.T + noise)
            corrections.append((pose[joint] - mean[joint][:, 0])[:, None] * gain[:, 0])
            mean[joint] = mean[joint] + corrections[-1]
            covariance[joint] = (np.eye(2) - gain @ measure) @ covariance[joint]
        for joint in known:
            if joint not in seen and corrections:
                mean[joint] = mean[joint] + FOLLOWING * np.mean(corrections, axis=0)
        velocity = np.mean([mean[joint][:, 1] for joint in known], axis=0) if known else np.zeros(axes)
        for joint in (joint for joint in seen if joint not in known):
            noise = (NOISE * size / max(confidences[number][joint], 0.1)) ** 2
            mean[joint] = np.stack([pose[joint], velocity], axis=1)
            covariance[joint] = np.diag([noise, size**2])
        places, variance = np.full((joints, axes), np.nan), np.full(joints, np.nan)
        for joint in mean:
            places[joint], variance[joint] = mean[joint][:, 0], covariance[joint][0, 0]
        yield places, variance


@pytest.mark.parametrize("dimensions", [2, 3])
def test_kalman_is_the_textbooks(dimensions):
    times, poses, confidences = scene(dimensions=dimensions)
    kalman = PREDICTORS["kalman"]()
    found = [kalman.estimate(state) for state in states(kalman, times, poses, confidences)]
    for who in range(poses.shape[1]):
        oracle = textbook_kalman(times, poses[:, who], confidences[:, who])
        for number, (places, variance) in enumerate(oracle):
            known = np.isfinite(variance)
            assert (known == (found[number].confidence[who] > 0)).all()
            np.testing.assert_allclose(found[number].pose[who][known], places[known], rtol=1e-9)
            np.testing.assert_allclose((found[number].spread[who][known] / FILTERED) ** 2, variance[known], rtol=1e-9)


def test_kalman_predicts_by_velocities_that_decay_and_is_less_sure_later():
    times, poses, confidences = scene(missing=0)
    kalman = PREDICTORS["kalman"]()
    *_, state = states(kalman, times, poses, confidences)
    forecasts = [kalman.predict(state, times[-1] + ahead) for ahead in (0.0, 0.1, 1.0, 100.0)]
    np.testing.assert_allclose(forecasts[0].pose, state.pose)
    whole = state.velocity.mean(axis=1, keepdims=True)
    limb = state.velocity - whole
    for ahead, forecast in ((0.1, forecasts[1]), (1.0, forecasts[2]), (100.0, forecasts[3])):
        reach, person_reach = (constant * (1 - np.exp(-ahead / constant)) for constant in (LIMB, PERSON))
        np.testing.assert_allclose(forecast.pose, state.pose + reach * limb + person_reach * whole)
    for sooner, later in pairwise(forecasts):
        assert (sooner.spread < later.spread).all()


def test_without_decay_it_is_the_filter_of_constant_velocity(monkeypatch):
    for name, value in {"LIMB": 300.0, "PERSON": 300.0, "FOLLOWING": 0.0}.items():
        monkeypatch.setattr(predictors, name, value)
    times, poses, confidences = scene(missing=0)
    kalman = PREDICTORS["kalman"]()
    *_, state = states(kalman, times, poses, confidences)
    forecast = kalman.predict(state, times[-1] + 0.5)
    np.testing.assert_allclose(forecast.pose, state.pose + 0.5 * state.velocity, atol=0.1)
    place, both, speed = np.moveaxis(state.covariance, -1, 0)
    size = positive_scale(state.pose, state.confidence > 0)
    variance = place + both + 0.25 * speed + (ACCELERATION * size) ** 2 * 0.5**3 / 3
    np.testing.assert_allclose((forecast.spread / TAILS) ** 2, variance, rtol=1e-2)


def test_a_missed_joint_goes_with_the_others():
    still = np.array([[[0.0, 0.0], [0.0, 100.0], [50.0, 50.0], [20.0, 70.0]]])
    seen = np.array([[0.9, 0.9, 0.9, 0.9]])
    kalman = PREDICTORS["kalman"]()
    state = kalman.start(still, seen, 0.0)
    for frame in range(1, 9):
        state = kalman.merge(state, kalman.predict(state, frame * STEP), still, seen, frame * STEP)
    hidden = np.array([[0.9, 0.9, 0.9, 0.0]])
    moved = still + [30.0, 0.0]
    state = kalman.merge(state, kalman.predict(state, 9 * STEP), moved, hidden, 9 * STEP)
    assert 0.4 * 30 < state.pose[0, 3, 0] - still[0, 3, 0] < 30
    assert state.pose[0, 3, 1] == pytest.approx(still[0, 3, 1])


@pytest.mark.parametrize("name", ["hold", "velocity"])
def test_hold_and_velocity_look_at_the_last_detections_of_each_joint(name):
    times, poses, confidences = scene()
    predictor = PREDICTORS[name]()
    for number, state in enumerate(states(predictor, times, poses, confidences)):
        ahead = times[number] + 0.3
        forecast = predictor.predict(state, ahead)
        for who, joint in np.ndindex(poses.shape[1:3]):
            seen = np.flatnonzero(confidences[: number + 1, who, joint] > 0)
            if not len(seen):
                assert predictor.estimate(state).confidence[who, joint] == 0
                continue
            last = seen[-1]
            expected = poses[last, who, joint]
            if name == "velocity" and len(seen) > 1:
                before = seen[-2]
                velocity = (expected - poses[before, who, joint]) / (times[last] - times[before])
                expected = expected + velocity * (ahead - times[last])
            np.testing.assert_allclose(forecast.pose[who, joint], expected, rtol=1e-9)


def test_spread_of_hold_grows_with_the_time_since_the_detection():
    predictor = PREDICTORS["hold"]()
    pose = np.array([[[0.0, 0.0], [0.0, 200.0]]])
    state = predictor.start(pose, np.ones((1, 2)), 0.0)
    np.testing.assert_allclose(predictor.estimate(state).spread, 100 * DETECTION)
    expected = 100 * np.hypot(DETECTION, HOLD * np.sqrt(0.5))
    np.testing.assert_allclose(predictor.predict(state, 0.5).spread, expected)


@pytest.mark.parametrize(("name", "least"), [("velocity", 1 - 1e-9), ("kalman", 0.5)])
def test_even_motion_is_predicted(name, least):
    """By constant velocity as it is, by one that decays half of the way at least."""
    rng = np.random.default_rng(0)
    place, velocity = rng.uniform(0, 300, (2, JOINTS, 2)), rng.normal(0, 100, (2, 1, 2))
    times = np.arange(40) * STEP
    poses = place + velocity * times[:, None, None, None]
    # One of the joints is missed now and then.
    confidences = np.ones(poses.shape[:3])
    confidences[::3, :, 1] = 0
    poses[::3, :, 1] = 0
    predictor = PREDICTORS[name]()
    *_, state = states(predictor, times, poses, confidences)
    ahead = times[-1] + 0.4
    reached = (predictor.predict(state, ahead).pose - poses[-1])[:, [0, 2, 3]] / (0.4 * velocity)
    assert (reached > least).all() and (reached < 1 + 1e-9).all()


@pytest.mark.parametrize("name", PREDICTORS)
def test_all_people_alike_whether_alone_or_together(name):
    times, poses, confidences = scene(people=5)
    predictor = PREDICTORS[name]()
    *_, together = states(predictor, times, poses, confidences)
    alone = [[*states(predictor, times, poses[:, [who]], confidences[:, [who]])][-1] for who in range(5)]
    for values, expected in zip(concatenate(alone), together, strict=True):
        np.testing.assert_allclose(values, expected)
    some = select(together, np.array([False, True, False, False, True]))
    for by_mask, by_index, one, other in zip(some, select(together, np.array([1, 4])), alone[1], alone[4], strict=True):
        np.testing.assert_allclose(by_mask, np.concatenate([one, other]))
        np.testing.assert_array_equal(by_mask, by_index)
    forecast, expected = predictor.predict(some, times[-1] + 1), predictor.predict(together, times[-1] + 1)
    np.testing.assert_allclose(forecast.pose, expected.pose[[1, 4]])
    np.testing.assert_allclose(forecast.spread, expected.spread[[1, 4]])


@pytest.mark.parametrize("name", PREDICTORS)
def test_memory_is_constant(name):
    times, poses, confidences = scene(frames=60)
    shapes = {
        tuple(values.shape for values in state) for state in states(PREDICTORS[name](), times, poses, confidences)
    }
    assert len(shapes) == 1


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("start", [-50000.0, 0.0, 1.7e9])
def test_when_a_recording_begins_does_not_matter(name, start):
    times, poses, confidences = scene()
    times = np.round((times - times[0]) * 64) / 64  # sums with the beginnings are exact
    predictor = PREDICTORS[name]()
    for state, expected in zip(
        states(predictor, times + start, poses, confidences),
        states(predictor, times, poses, confidences),
        strict=True,
    ):
        found, expected = predictor.estimate(state), predictor.estimate(expected)
        known = expected.confidence > 0
        np.testing.assert_allclose(found.confidence, expected.confidence)
        np.testing.assert_allclose(found.pose[known], expected.pose[known])
        np.testing.assert_allclose(found.spread[known], expected.spread[known])


@pytest.mark.parametrize("name", PREDICTORS)
def test_confidence_fades_while_a_joint_is_not_detected(name):
    times, poses, confidences = scene(missing=0)
    predictor = PREDICTORS[name]()
    *_, state = states(predictor, times[:8], poses[:8], confidences[:8])
    before = predictor.estimate(state)
    assert (before.confidence > 0).all()
    nothing = np.zeros_like(confidences[0])
    for later in (HALF_LIFE / 2, HALF_LIFE):
        time = times[7] + later
        state = predictor.merge(state, predictor.predict(state, time), np.zeros_like(poses[0]), nothing, time)
    after = predictor.estimate(state)
    np.testing.assert_allclose(after.confidence, before.confidence / 2)
    assert (after.spread > before.spread).all()
    expected = predictor.predict([*states(predictor, times[:8], poses[:8], confidences[:8])][-1], times[7] + HALF_LIFE)
    np.testing.assert_allclose(after.pose, expected.pose)
    # A filter's noise is relative to the person's size, which the prediction may change a little.
    wider = TAILS / FILTERED if name == "kalman" else 1.0
    np.testing.assert_allclose(wider * after.spread, expected.spread, rtol=2e-2)


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictors_take_frames_without_people(name):
    predictor = PREDICTORS[name]()
    state = predictor.start(np.zeros((0, JOINTS, 2)), np.zeros((0, JOINTS)), 0.0)
    state = predictor.merge(state, predictor.predict(state, 1.0), np.zeros((0, JOINTS, 2)), np.zeros((0, JOINTS)), 1.0)
    assert predictor.estimate(state).pose.shape == (0, JOINTS, 2)


def test_positive_scale():
    pose = np.array([[[0.0, 0.0], [6.0, 8.0], [900.0, 900.0]], [[3.0, -4.0], [0.0, 0.0], [0.0, 0.0]]])
    seen = np.array([[True, True, False], [True, False, False]])
    # Two joints 10 apart are 5 from their mean; a single one has no size, but a bound by where it is.
    np.testing.assert_allclose(positive_scale(pose, seen), [[5], [5e-3]])
    assert (positive_scale(pose, np.zeros_like(seen)) > 0).all()


def test_names():
    assert type(find_predictor("hold")) is PREDICTORS["hold"]
    with pytest.raises(
        InputError, match="predictor: found 'kalmann'; expected one of hold, velocity, kalman, or the name of a trained"
    ):
        find_predictor("kalmann")
