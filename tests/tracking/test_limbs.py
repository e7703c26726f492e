"""The lengths of limbs: what is usual follows the detections, and predicted joints keep it."""

import numpy as np
import pytest

from stgraph.skeleton import Skeleton
from stgraph.tracking.limbs import IMPOSSIBLE, SHORTER, Limbs

ARM = Skeleton("arm", ("hand", "shoulder", "elbow", "neck"), (2, 3, 1, -1))
STRAIGHT = np.array([[[60.0, 0.0], [0.0, 0.0], [30.0, 0.0], [0.0, -20.0]]])  # of 30, 20 and 30 pixels
ALL = np.ones((1, 4), bool)


def known(limbs, pose=STRAIGHT):
    return limbs.observed(np.zeros((1, len(limbs), 2)), pose, ALL)


def kept(pose, predicted, limbs=None):
    limbs = limbs or Limbs(ARM)
    mask = np.isin(np.arange(4), [ARM.index(name) for name in predicted])[None]
    return limbs.kept(np.array(pose, float), mask, known(limbs))


def test_parents_come_first_and_lengths_are_those_of_the_bones():
    limbs = Limbs(ARM)
    assert [ARM.names[joint] for joint in limbs.joint] == ["shoulder", "elbow", "hand"]
    assert limbs.lengths(STRAIGHT).tolist() == [[20, 30, 30]]
    assert known(limbs).tolist() == [[[20, 20], [30, 30], [30, 30]]]


def test_usual_lengths_widen_fast_narrow_slowly_and_need_both_joints():
    limbs = Limbs(ARM)
    first = known(limbs)
    longer = limbs.observed(first, STRAIGHT * 2, ALL)
    assert (longer[..., 1] > first[..., 1] * 1.25).all() and (longer[..., 0] < first[..., 0] * 1.05).all()
    # One wrong joint does not set the range.
    assert (longer[..., 1] < first[..., 1] * 1.5).all()
    shorter = limbs.observed(first, STRAIGHT / 2, ALL)
    assert (shorter[..., 0] < first[..., 0] * 0.9).all() and (shorter[..., 1] > first[..., 1] * 0.95).all()
    without_elbow = limbs.observed(first, STRAIGHT * 2, np.array([[True, True, False, True]]))
    np.testing.assert_array_equal(without_elbow[0, 1:], first[0, 1:])
    assert without_elbow[0, 0, 1] > 20


def test_a_predicted_hand_comes_back_to_the_arm_and_what_is_usual_stays():
    far = STRAIGHT.copy()
    far[0, 0] = [300, 0]
    pose, impossible = kept(far, ["hand"])
    np.testing.assert_allclose(pose[0, 0], [60, 0])
    np.testing.assert_array_equal(pose[0, 1:], far[0, 1:])
    assert not impossible.any()
    for x in (59.0, 61.0, 30 + 30 * SHORTER + 0.1):
        far[0, 0] = [x, 0]
        np.testing.assert_array_equal(kept(far, ["hand"])[0], far)
    far[0, 0] = [31, 0]
    np.testing.assert_allclose(kept(far, ["hand"])[0][0, 0], [30 + 30 * SHORTER, 0])
    # Detected ones are never moved.
    far[0, 0] = [300, 0]
    np.testing.assert_array_equal(kept(far, [])[0], far)


def test_predicted_joints_hang_on_those_that_are_detected():
    pose = STRAIGHT.copy()
    pose[0, [0, 2]] = [[500, 0], [200, 0]]
    pose, impossible = kept(pose, ["hand", "elbow"])
    np.testing.assert_allclose(pose[0, [0, 2]], [[60, 0], [30, 0]])
    assert not impossible.any()
    # A detected hand draws the elbow above it, if the shoulder lets it.
    bent = STRAIGHT.copy()
    bent[0, [0, 2]] = [[30, 30], [30, -20]]
    pose, impossible = kept(bent, ["elbow"])
    assert np.linalg.norm(pose[0, 2] - pose[0, 0]) < IMPOSSIBLE * 30 and not impossible.any()
    # No elbow is between a shoulder and a hand that are farther apart than the arm is long.
    bent[0, 0] = [200, 0]
    assert kept(bent, ["elbow"])[1].tolist() == [[False, False, True, False]]


def test_bones_that_were_never_seen_bind_nothing():
    limbs, far = Limbs(ARM), STRAIGHT * 9
    pose, impossible = limbs.kept(far, ALL, np.zeros((1, 3, 2)))
    np.testing.assert_array_equal(pose, far)
    assert not impossible.any()


@pytest.mark.parametrize("people", [0, 5])
def test_each_person_has_its_own_lengths(people):
    limbs, size = Limbs(ARM), 1.0 + np.arange(people)[:, None, None]
    bodies = STRAIGHT * size
    usual = limbs.observed(np.zeros((people, 3, 2)), bodies, np.ones((people, 4), bool))
    far = bodies.copy()
    far[:, 0, 0] *= 4
    hand = np.tile([True, False, False, False], (people, 1))
    np.testing.assert_allclose(limbs.kept(far, hand, usual)[0], bodies)
