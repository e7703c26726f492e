"""Assignments of few possible pairs: as good as those of the whole table."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from stgraph.skeleton import POSETRACK15
from stgraph.tracking.assignment import assigned
from stgraph.tracking.similarity import alike, area, box, oks, sigmas, touching


@pytest.mark.parametrize(("shape", "share"), [((6, 5), 0.4), ((40, 60), 0.03), ((80, 80), 0.02), ((30, 30), 0.5)])
def test_the_sum_is_that_of_the_whole_table(shape, share):
    rng = np.random.default_rng(0)
    table = rng.uniform(0.01, 1, shape) * (rng.random(shape) < share)
    rows, columns = np.nonzero(table)
    match = assigned(rows, columns, table[rows, columns], shape)
    taken = np.flatnonzero(match >= 0)
    assert len(set(match[taken])) == len(taken) > 0
    assert (table[taken, match[taken]] > 0).all()
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    assert table[taken, match[taken]].sum() == pytest.approx(best)


def test_without_pairs_there_are_no_matches():
    nothing = np.zeros(0, int)
    assert assigned(nothing, nothing, np.zeros(0), (3, 0)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("people", [10, 120])
def test_pairs_that_are_near_are_all_that_are_alike(people):
    rng = np.random.default_rng(1)
    room = 100.0 * people
    poses = rng.normal(0, 40, (people, 15, 2)) + rng.uniform(0, room, (people, 1, 2))
    other = poses[::2] + rng.normal(0, 6, poses[::2].shape)
    seen, other_seen = rng.random(poses.shape[:2]) > 0.2, rng.random(other.shape[:2]) > 0.2
    seen[0] = False
    spread, weights = rng.uniform(0, 30, seen.shape), sigmas(POSETRACK15)
    areas = area(box(poses, seen))[:, None] + area(box(other, other_seen))
    pairs = poses[:, None], other[None], seen[:, None], other_seen[None]
    table = oks(*pairs, weights, areas=areas, spread=spread[:, None])
    rows, columns, value = alike((poses, seen), (other, other_seen), 0.2, weights, spread)
    found = np.zeros(table.shape)
    found[rows, columns] = value
    np.testing.assert_allclose(found, np.where(table > 0.2, table, 0), atol=1e-12)
    assert len(rows) >= people // 3


def test_of_people_who_are_far_apart_no_pairs_are_compared():
    centre = 500.0 * np.stack(np.divmod(np.arange(2000), 40), axis=1)
    radius = np.full(2000, 200.0)
    rows, columns = touching(centre, radius, centre + 3, radius)
    np.testing.assert_array_equal(rows, columns)
    assert len(rows) == 2000
