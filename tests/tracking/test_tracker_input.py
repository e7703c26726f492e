"""What a tracker is given: what is refused, and what does not matter."""

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.skeleton import POSETRACK15
from stgraph.tracking.tracker import State
from tests.tracking.walkers import FPS, person, run, same, scored, tracker, walk

NO_PEOPLE = np.zeros((0, len(POSETRACK15), 2))
GOOD = np.stack([person(140), person(300)])


def broken(value, joint=4, who=1, confidence=0.9):
    poses, scores = GOOD.copy(), scored(2)
    poses[who, joint, 0], scores[who, joint] = value, confidence
    return poses, scores


BAD = {
    "repeated": (GOOD, scored(2), 9 / FPS, r"frame 10: its time is 0.36 s, that of the frame before 0.36 s"),
    "out of order": (GOOD, scored(2), 0.0, "frame 10: its time is 0 s.*in order"),
    "no time": (GOOD, scored(2), float("nan"), "frame 10: its time is nan s"),
    "other joints": (
        GOOD[:, :14],
        scored(2)[:, :14],
        0.4,
        r"frame 10: found poses of shape \(2, 14, 2\).*15 joints of",
    ),
    "another space": (np.zeros((2, 15, 3)), scored(2), 0.4, r"frame 10: found poses of shape \(2, 15, 3\).*, 2\)"),
    "one pose": (GOOD[0].tolist(), scored(2), 0.4, r"poses of shape \(15, 2\)"),
    "other scores": (
        GOOD,
        scored(2)[:, :3].tolist(),
        0.4,
        r"frame 10: found scores of shape \(2, 3\); expected one for each of 2",
    ),
    "beyond any image": (*broken(1e300), 0.4, r"frame 10, detection 1, joint RShoulder: found \[1.*e\+300"),
    "a score beyond all": (*broken(1.0, confidence=1e300), 0.4, "joint RShoulder: .* with confidence 1e\\+300"),
    "negative score": (*broken(1.0, confidence=-0.5), 0.4, "confidence -0.5"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_frame_is_refused_and_leaves_the_tracker_as_it_was(name):
    *bad, message = BAD[name]
    without, at = tracker(), tracker()
    for one in (without, at):
        run(one, walk(10))
    with pytest.raises(InputError, match=message):
        at.update(*bad)
    assert at.frames == 10
    for frame in (10, 11):
        same(at.update(GOOD, scored(2), frame / FPS), without.update(GOOD, scored(2), frame / FPS))


NO_NUMBERS = {
    "nothing": (None, scored(2), 0.4, r"frame 10: found poses of shape \(\)"),
    "a number": (3.5, scored(2), 0.4, r"frame 10: found poses of shape \(\)"),
    "no scores": (GOOD, None, 0.4, r"frame 10: found scores of shape \(\)"),
    "words": (GOOD, ["a", "b"], 0.4, "frame 10, scores: could not convert string .*; expected numbers"),
    "no time at all": (GOOD, scored(2), None, "frame 10: its time is nan s"),
    "times": (GOOD, scored(2), [0.4], r"frame 10: its time is \[0.4\] s"),
    "too many digits": ([[[10**400, 1]] * 15], [1.0], 0.4, "frame 10, poses: int too large"),
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_array_of_numbers_is_refused(name):
    """By the function that `update` begins with, which has no annotations that a test run would check first."""
    *bad, message = NO_NUMBERS[name]
    at = tracker()
    run(at, walk(10))
    with pytest.raises(InputError, match=message):
        at.checked(*bad)


def test_a_bad_first_frame_decides_nothing():
    at = tracker()
    with pytest.raises(InputError, match="frame 0, detection 0"):
        at.update(np.full((1, 15, 3), 1e9), scored(1), 0.0)
    assert len(at.update(GOOD, scored(2), 0.0)) == 2


@pytest.mark.parametrize("empty", [NO_PEOPLE, np.zeros(0), []])
def test_an_empty_frame_is_accepted_even_as_the_first(empty):
    at = tracker()
    people = at.update(empty, np.zeros(0), 0.0)
    assert len(people) == 0
    assert people.pose.shape == (0, 15, 2)
    assert at.update(GOOD, scored(2), 0.04).id.tolist() == [1, 2]
    at.update(GOOD, scored(2), 0.08)
    at.update(empty, [], 0.12)
    assert at.tracks.state.tolist() == [State.LOST] * 2
    assert at.update(GOOD, scored(2), 0.16).id.tolist() == [1, 2]
    first = tracker()
    first.update(empty, np.zeros(0), 0.0)
    assert len(first.update(np.concatenate([GOOD, GOOD[..., :1]], axis=2), scored(2), 0.04)) == 2


def test_what_stands_at_an_unseen_joint_does_not_matter():
    results = []
    for value in (0.0, 1e9, np.nan, np.inf):
        at = tracker()
        results.append([at.update(*broken(value, confidence=0), frame / FPS) for frame in range(6)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            same(one, two)


@pytest.mark.parametrize(("value", "confidence"), [(np.nan, 0.9), (-np.inf, 0.9), (1.0, np.nan), (None, 0.9)])
def test_a_joint_with_a_number_that_is_not_finite_is_not_detected(value, confidence):
    at, without = tracker(), tracker()
    for frame in range(6):
        poses, scores = (values.tolist() for values in broken(0.0, confidence=confidence))
        poses[1][4][0] = value
        same(at.update(poses, scores, frame / FPS), without.update(*broken(0.0, confidence=0), frame / FPS))


def test_a_pose_without_joints_is_no_person():
    at, without = tracker(), tracker()
    for frame in range(6):
        poses = np.concatenate([np.full((1, 15, 2), np.nan), GOOD])
        scores = scored(3)
        scores[0] = 0
        people, expected = at.update(poses, scores, frame / FPS), without.update(GOOD, scored(2), frame / FPS)
        np.testing.assert_array_equal(people.pose, expected.pose)
        np.testing.assert_array_equal(people.detection, expected.detection + 1)
    same(at.update(poses[:1], scores[:1], 6 / FPS), without.update(NO_PEOPLE, np.zeros(0), 6 / FPS))


def test_one_score_a_pose_is_that_of_all_its_joints():
    one, other = tracker(), tracker()
    for frame in range(3):
        same(
            one.update(GOOD, np.array([0.8, 0.7]), frame / FPS),
            other.update(GOOD.tolist(), [[0.8] * 15, [0.7] * 15], frame / FPS),
        )
