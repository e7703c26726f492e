"""Tracked people as pictures: who is who is seen by the colour."""

import numpy as np
from matplotlib.colors import to_rgb

from stgraph.figures.clip import Clip
from stgraph.figures.people import COLOURS, TrackedPeople, people_page
from stgraph.skeleton import POSETRACK15


def test_no_two_people_share_a_colour_whatever_their_numbers():
    person = 1 + len(COLOURS) * np.arange(3)
    body = np.random.default_rng(0).uniform(0, 80, (1, len(POSETRACK15), 2))
    pose = body + np.array([[[40, 60]], [[160, 60]], [[280, 60]]])
    predicted = np.zeros(pose.shape[:2], bool)
    people = TrackedPeople(np.zeros(3, int), person, pose, predicted, (400, 200), 1)
    (picture,) = people_page(people, POSETRACK15, Clip(fps=25)).play([0])
    drawn = [np.abs(picture / 255 - to_rgb(colour)).max(axis=2) < 0.02 for colour in COLOURS]
    assert [bool(pixels.sum() > 50) for pixels in drawn] == [True] * 3 + [False] * 5
    # From left to right as the people stand.
    assert np.all(np.diff([np.nonzero(pixels)[1].mean() for pixels in drawn[:3]]) > 0)
