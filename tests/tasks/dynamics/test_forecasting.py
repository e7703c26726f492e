"""Errors of predictions some frames ahead: which joints count, and by how much they are off."""

import numpy as np
import pytest

from stgraph.tasks.dynamics.forecasting import forecast_errors
from stgraph.tasks.dynamics.videos import Trajectory
from stgraph.tracking.predictors import PREDICTORS, find_predictor

STEP = 0.04
SPEED = np.array([3.0, 4.0])  # pixels a frame: 5


def straight(frames, unseen=(), unit=1.0, joints=3, start=0.0):
    """Joints that go straight on; (frame, joint) or frames that are not detected."""
    time = start + np.arange(frames) * STEP
    truth = 50.0 * np.arange(joints)[None, :, None] + SPEED * np.arange(frames)[:, None, None]
    confidence = np.ones((frames, joints))
    for where in unseen:
        confidence[where] = 0
    pose = np.where(confidence[..., None] > 0, truth, 0)
    return Trajectory(pose, confidence, time, truth, np.ones((frames, joints), bool), np.full(frames, unit))


@pytest.mark.parametrize("unit", [1.0, 4.0])
def test_hold_is_off_by_the_speed_times_the_horizon(unit):
    errors = forecast_errors(find_predictor("hold"), [straight(40, unit=unit)], horizons=(1, 5, 10))
    assert [*errors] == [1, 5, 10]
    for horizon, found in errors.items():
        np.testing.assert_allclose(found, 5 * horizon / unit)
    # From frames 5, 10, ... on: so many as have a frame so far ahead.
    assert {horizon: len(found) for horizon, found in errors.items()} == {1: 7, 5: 6, 10: 5}


def test_velocity_is_not_off_at_even_speed():
    for found in forecast_errors(find_predictor("velocity"), [straight(40)]).values():
        np.testing.assert_allclose(found, 0, atol=1e-9)


def test_units_are_those_of_the_frame_that_is_predicted():
    one = straight(20)
    one.unit[:] = 1 + np.arange(20)
    errors = forecast_errors(find_predictor("hold"), [one], horizons=(2,), every=10)
    np.testing.assert_allclose(errors[2], 10 / 13)


def test_a_horizon_beyond_the_end_has_no_errors():
    errors = forecast_errors(find_predictor("hold"), [straight(9)], horizons=(1, 3, 4, 25))
    assert {horizon: found.shape for horizon, found in errors.items()} == {1: (1, 3), 3: (1, 3), 4: (0, 3), 25: (0, 3)}


def test_without_people_there_are_no_errors():
    unseen = straight(20, unseen=range(20))
    assert [len(found) for found in forecast_errors(find_predictor("hold"), [unseen]).values()] == [0] * 4
    assert [len(found) for found in forecast_errors(find_predictor("hold"), []).values()] == [0] * 4


def test_a_prediction_needs_a_detection_now_and_two_before():
    # Detected at 0, 5 and 10, but for those: the third detection is at 10.
    rarely = straight(20, unseen=[frame for frame in range(20) if frame % 5])
    errors = forecast_errors(find_predictor("hold"), [rarely], horizons=(1,))
    assert len(errors[1]) == 2  # at 10 and 15
    # Not detected at 10.
    errors = forecast_errors(find_predictor("hold"), [straight(20, unseen=[10])], horizons=(1,))
    assert len(errors[1]) == 2  # at 5 and 15
    errors = forecast_errors(find_predictor("hold"), [straight(20)], horizons=(1,), every=1)
    assert len(errors[1]) == 17  # at 2 to 18


def test_frames_count_from_the_first_detection():
    late = straight(20, unseen=[0, 1, 2])
    assert len(late.trimmed()) == 17
    np.testing.assert_array_equal(late.trimmed().truth, late.truth[3:])
    errors = forecast_errors(find_predictor("hold"), [late], horizons=(1, 11))
    assert {horizon: len(found) for horizon, found in errors.items()} == {1: 3, 11: 1}


def test_joints_that_do_not_count_are_nan_where_they_are():
    # Joint 0 is never detected, joint 1 not before frame 7, and joint 2 is not annotated in frame 12.
    one = straight(16, unseen=[(slice(None), 0), (slice(0, 7), 1)])
    one.annotated[12, 2] = False
    errors = forecast_errors(find_predictor("hold"), [one], horizons=(1, 2))
    np.testing.assert_array_equal(np.isfinite(errors[1]), [[False, False, True], [False, True, True]])
    np.testing.assert_array_equal(np.isfinite(errors[2]), [[False, False, True], [False, True, False]])


def test_a_joint_that_was_missed_just_now_counts_from_where_it_was():
    errors = forecast_errors(find_predictor("hold"), [straight(12, unseen=[(slice(3, 6), 1)])], horizons=(1,))
    np.testing.assert_allclose(errors[1], [[5, 20, 5], [5, 5, 5]])


def test_nothing_is_detected_on_the_way():
    # What the detector gives after frame 5 is far off, which a prediction from there cannot know.
    one = straight(9)
    one.pose[6:] += 1000
    np.testing.assert_allclose(forecast_errors(find_predictor("hold"), [one], horizons=(3,))[3], 15)


@pytest.mark.slow
def test_the_same_joints_count_whatever_the_predictor():
    rng = np.random.default_rng(3)
    people = []
    for frames in (60, 3, 41, 25):
        one = straight(frames)
        one.confidence[rng.random(one.confidence.shape) < 0.4] = 0
        one.annotated[rng.random(one.confidence.shape) < 0.2] = False
        people.append(one)
    counted = [
        {horizon: np.isfinite(found) for horizon, found in forecast_errors(make(), people).items()}
        for make in PREDICTORS.values()
    ]
    assert counted[0][1].any(axis=0).all()
    for other in counted[1:]:
        for horizon, expected in counted[0].items():
            np.testing.assert_array_equal(other[horizon], expected)


@pytest.mark.parametrize("name", PREDICTORS)
def test_tracks_do_not_look_at_one_another(name):
    rng = np.random.default_rng(6)
    people = [straight(frames, start=start) for frames, start in ((30, 0.0), (12, 2.0), (22, 80.0))]
    for one in people:
        one.pose[:] += rng.normal(0, 2, one.pose.shape)
    together = forecast_errors(find_predictor(name), people, horizons=(1, 5))
    alone = [forecast_errors(find_predictor(name), [one], horizons=(1, 5)) for one in people]
    for horizon, found in together.items():
        expected = np.concatenate([each[horizon] for each in alone])
        np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0), rtol=1e-6)
