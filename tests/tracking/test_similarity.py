"""Object keypoint similarity against the formula written out, and who is suppressed by it."""

import math

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.skeleton import COCO17, H36M17, HAND21, POSETRACK15, POSETRACK17, SKELETONS, Skeleton
from stgraph.tracking.similarity import OTHER_SIGMA, area, box, nms, oks, sigmas
from tests.limits import limited_time

COCO = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


def people(count, joints=15, dimensions=2, seed=0, room=200.0):
    rng = np.random.default_rng(seed)
    poses = rng.normal(0, 40, (count, joints, dimensions)) + rng.uniform(0, room, (count, 1, dimensions))
    return poses, rng.random((count, joints)) > 0.25


def area_of(pose, seen):
    return area(box(pose, seen))


def table(one, other, one_seen, other_seen, weights, areas, spread=None):
    """OKS of every pair."""
    spread = None if spread is None else spread[:, None]
    both = areas[0][:, None] + areas[1]
    return oks(one[:, None], other[None], one_seen[:, None], other_seen[None], weights, areas=both, spread=spread)


def compared(one, other, one_seen, other_seen, weights, spread=None):
    areas = area_of(one, one_seen), area_of(other, other_seen)
    return table(one, other, one_seen, other_seen, weights, areas, spread)


def written_out(one, other, one_seen, other_seen, sigma, one_area, other_area, spread):
    found = np.zeros((len(one), len(other)))
    for p in range(len(one)):
        for m in range(len(other)):
            total, count = 0.0, 0
            for j in range(len(sigma)):
                if one_seen[p, j] and other_seen[m, j]:
                    squared = sum((a - b) ** 2 for a, b in zip(one[p, j], other[m, j], strict=True))
                    size = (one_area[p] + other_area[m]) / 2
                    unsure = 0 if spread is None else spread[p, j] ** 2
                    total += math.exp(-squared / (2 * (size * (2 * sigma[j]) ** 2 + unsure)))
                    count += 1
            found[p, m] = total / count if count else 0
    return found


def test_coco_has_its_published_sigmas_and_posetrack_its_heads():
    np.testing.assert_array_equal(sigmas(COCO17), COCO)
    expected = [0.026, 0.08, 0.06, *COCO[3:]]
    np.testing.assert_array_equal(sigmas(POSETRACK17), expected)
    np.testing.assert_array_equal(sigmas(POSETRACK15), np.delete(expected, [3, 4]))


def test_other_joints_have_those_of_the_joints_they_are_like():
    of = dict(zip(H36M17.names, sigmas(H36M17), strict=True))
    alike = {"Hip": "LHip", "RHip": "LHip", "RFoot": "LAnkle", "Spine": "LHip", "Thorax": "LShoulder"}
    coco = dict(zip(COCO17.names, sigmas(COCO17), strict=True))
    assert {joint: of[joint] for joint in alike} == {joint: coco[other] for joint, other in alike.items()}
    assert of["Head"] == 0.06
    assert of["Neck/Nose"] == 0.08


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_every_layout_has_sigmas_alike_on_both_sides(skeleton):
    found = sigmas(skeleton)
    assert found.shape == (len(skeleton),)
    assert (found > 0).all()
    np.testing.assert_array_equal(found, found[skeleton.mirror])


def test_names_are_known_however_they_are_spelled_and_unknown_ones_have_the_mean():
    names = ("LKnee", "right_knee", "Left Knee", "knee.R2", "KneeLeft", "Ear", "LEar", "Little", "Tail")
    found = dict(zip(names, sigmas(Skeleton("odd", names, (-1, *range(8)))), strict=True))
    assert [found[name] for name in names[:3]] == [0.087] * 3
    assert found["KneeLeft"] == 0.087
    assert found["Ear"] == found["LEar"] == 0.035
    assert found["Little"] == found["Tail"] == OTHER_SIGMA
    assert pytest.approx(COCO.mean(), abs=5e-4) == OTHER_SIGMA
    assert set(sigmas(HAND21)[1:]) == {OTHER_SIGMA}


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("with_spread", [False, True])
def test_oks_is_the_formula_pair_by_pair(dimensions, with_spread):
    one, one_seen = people(5, dimensions=dimensions)
    other, other_seen = people(7, dimensions=dimensions, seed=1)
    other[:3] = one[:3] + np.random.default_rng(2).normal(0, 8, one[:3].shape)
    one_seen[0], other_seen[6] = False, False
    rng = np.random.default_rng(3)
    areas = rng.uniform(500, 9000, 5), rng.uniform(500, 9000, 7)
    spread = rng.uniform(0, 20, one_seen.shape) if with_spread else None
    weights = sigmas(POSETRACK15)
    found = table(one, other, one_seen, other_seen, weights, areas, spread)
    assert found.dtype == np.float64
    np.testing.assert_allclose(
        found, written_out(one, other, one_seen, other_seen, weights, *areas, spread), atol=1e-13
    )
    assert found.max() > 0.3, "some are alike, or little is tested"


def test_float32_is_compared_in_float64():
    one, seen = people(4)
    one = one.astype(np.float32) + np.float32(3000)
    other = one + np.float32(2)
    areas = area_of(one, seen).astype(np.float32)
    found = table(one, other, seen, seen, sigmas(POSETRACK15), (areas, areas))
    exact = [a.astype(np.float64) for a in (one, other)]
    again = areas.astype(np.float64)
    np.testing.assert_allclose(found, table(*exact, seen, seen, sigmas(POSETRACK15), (again, again)), rtol=1e-6)
    assert found.dtype == np.float64


@pytest.mark.parametrize("dimensions", [2, 3])
def test_oks_is_invariant_to_place_scale_and_order(dimensions):
    one, one_seen = people(4, dimensions=dimensions)
    other, other_seen = people(6, dimensions=dimensions, seed=4)
    other[:4] = one + np.random.default_rng(5).normal(0, 6, one.shape)
    weights = sigmas(POSETRACK15)
    found = compared(one, other, one_seen, other_seen, weights)
    assert 0.05 < found.max() < 1
    np.testing.assert_allclose(compared(one + 77, other + 77, one_seen, other_seen, weights), found, atol=1e-12)
    spread = np.full(one_seen.shape, 5.0)
    unsure = compared(one, other, one_seen, other_seen, weights, spread)
    np.testing.assert_allclose(compared(3 * one, 3 * other, one_seen, other_seen, weights), found, atol=1e-12)
    np.testing.assert_allclose(
        compared(3 * one, 3 * other, one_seen, other_seen, weights, 3 * spread), unsure, atol=1e-12
    )
    np.testing.assert_allclose(compared(other, one, other_seen, one_seen, weights).T, found, atol=1e-15)


def test_a_pose_is_itself_and_the_further_the_less():
    pose, seen = people(1)
    weights = sigmas(POSETRACK15)
    found = [compared(pose, pose + shift, seen, seen, weights)[0, 0] for shift in (0, 1, 3, 10, 30, 1000)]
    assert found[0] == 1
    assert (np.diff(found) < 0).all()
    assert found[-1] < 1e-6


def test_what_is_unsure_is_matched_further_away():
    pose, seen = people(1)
    weights = sigmas(POSETRACK15)
    found = [
        compared(pose, pose + 20, seen, seen, weights, np.full(seen.shape, spread))[0, 0] for spread in (0.0, 5.0, 50.0)
    ]
    assert found[0] == compared(pose, pose + 20, seen, seen, weights)[0, 0]
    assert found[0] < found[1] < found[2]


def test_unseen_joints_may_be_anything():
    one, seen = people(3)
    other = one + 5
    weights = sigmas(POSETRACK15)
    areas = area_of(one, seen), area_of(other, seen)
    spread = np.full(seen.shape, 2.0)
    expected = table(one, other, seen, seen, weights, areas, spread)
    for nothing in (0.0, np.nan, np.inf, -1e9):
        a, b = (np.where(seen[..., None], pose, nothing) for pose in (one, other))
        np.testing.assert_array_equal(area_of(a, seen), areas[0])
        uncertain = np.where(seen, spread, nothing)
        np.testing.assert_array_equal(table(a, b, seen, seen, weights, areas, uncertain), expected)


def test_without_a_shared_joint_or_without_people_there_is_no_likeness():
    pose, _ = people(1)
    upper = np.arange(15)[None] < 7
    weights = sigmas(POSETRACK15)
    for a, b in ((upper, ~upper), (upper & False, ~upper), (upper & False, upper & False)):
        assert compared(pose, pose, a, b, weights) == 0
    empty, unseen = people(0)
    assert compared(empty, pose, unseen, upper, weights).shape == (0, 1)
    assert compared(pose, empty, upper, unseen, weights).shape == (1, 0)
    assert compared(empty, empty, unseen, unseen, weights, np.zeros((0, 15))).shape == (0, 0)


def test_an_area_is_width_times_height_of_what_is_seen():
    pose = np.array([[[10.0, 20.0], [60.0, 30.0], [40.0, 120.0], [900.0, 900.0]]])
    seen = np.array([[True, True, True, False]])
    np.testing.assert_array_equal(area_of(pose, seen), [50 * 100])
    np.testing.assert_array_equal(area_of(pose[0], seen[0]), 50 * 100)
    np.testing.assert_array_equal(area_of(pose.astype(np.float32), seen), [50 * 100])
    assert area_of(pose[None], seen[None]).shape == (1, 1)


def test_slim_poses_and_single_joints_have_an_area_too():
    line = np.array([[100.0, 0.0], [100.0, 80.0], [100.0, 160.0]])
    assert area_of(line, np.ones(3, bool)) == 160**2 / 8
    turned = line[:, ::-1].copy()
    assert area_of(turned, np.ones(3, bool)) == 160**2 / 8
    for seen in ([True, False, False], [False] * 3):
        assert area_of(line, np.array(seen)) == 16**2
    assert area_of(np.zeros((2, 0, 2)), np.zeros((2, 0), bool)).tolist() == [256, 256]
    assert area_of(np.zeros((0, 3, 2)), np.zeros((0, 3), bool)).shape == (0,)


def test_in_metres_an_area_is_a_quarter_of_the_squared_diagonal():
    pose = np.array([[0.0, 0.0, 4.0], [0.4, 1.6, 4.2]])
    assert area_of(pose, np.ones(2, bool)) == pytest.approx((0.4**2 + 1.6**2 + 0.2**2) / 4)
    assert area_of(pose, np.array([True, False])) == pytest.approx(0.1**2)
    assert area_of(pose, np.ones(2, bool)) == pytest.approx(0.4 * 1.6, rel=0.1), "what width x height is from the front"


def crowd():
    """Two people far apart, and four doubles of them: scores, poses, joints seen."""
    rng = np.random.default_rng(0)
    persons, _ = people(2, room=1.0)
    persons[1] += 500
    poses = persons[[0, 1, 0, 1, 0, 0]] + rng.normal(0, 0.5, (6, 15, 2))
    return poses, np.ones((6, 15), bool), np.array([0.6, 0.9, 0.8, 0.2, 0.7, 0.1])


def test_of_doubles_the_best_stays_and_of_two_people_both():
    poses, seen, score = crowd()
    assert nms(poses, seen, score, 0.5, sigmas(POSETRACK15)).tolist() == [1, 2]
    assert nms(poses, seen, score, 1.0, sigmas(POSETRACK15)).tolist() == [1, 2, 4, 0, 3, 5]


def test_nms_is_greedy_and_not_a_chain():
    """Of three in a row, the last is like the second alone, which the first suppresses: it stays."""
    pose, _ = people(1)
    poses, seen = pose + np.array([0.0, 12.0, 24.0])[:, None, None], np.ones((3, 15), bool)
    weights = sigmas(POSETRACK15)
    alike = compared(poses, poses, seen, seen, weights)
    threshold = (alike[0, 1] + alike[0, 2]) / 2
    assert alike[0, 2] < threshold < alike[1, 2]
    assert nms(poses, seen, np.array([0.9, 0.8, 0.7]), threshold, weights).tolist() == [0, 2]
    assert nms(poses, seen, np.array([0.8, 0.9, 0.7]), threshold, weights).tolist() == [1]


def test_suppression_takes_frames_without_people():
    poses, seen = people(0)
    weights = sigmas(POSETRACK15)
    assert nms(poses, seen, np.zeros(0), 0.5, weights).tolist() == []
    pose, _ = people(2)
    unseen = np.zeros((2, 15), bool)
    assert nms(pose, unseen, np.array([0.1, 0.2]), 0.5, weights).tolist() == [1, 0], "nothing says that they are one"


@pytest.mark.parametrize("wrong", [-0.1, np.nan])
def test_scores_below_nothing_are_refused(wrong):
    poses, seen, score = crowd()
    score[3] = wrong
    with pytest.raises(InputError, match="score of pose 3"):
        nms(poses, seen, score, 0.5, sigmas(POSETRACK15))


@pytest.mark.slow
def test_a_thousand_poses_are_suppressed_in_bounded_time():
    poses, seen = people(1000, room=5000.0)
    score = np.random.default_rng(8).random(1000)
    with limited_time():
        assert len(nms(poses, seen, score, 0.5, sigmas(POSETRACK15))) > 900
