"""Tracked people as pictures: who is who is seen by the colour."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from stgraph.figures.clip import Clip
from stgraph.figures.people import COLOURS, STYLES, TrackedPeople, people_page
from stgraph.skeleton import POSETRACK15


@pytest.mark.slow
def test_no_two_people_share_a_colour_whatever_their_numbers():
    person = 1 + len(COLOURS) * np.arange(3)
    body = np.random.default_rng(0).uniform(0, 80, (1, len(POSETRACK15), 2))
    pose = body + np.array([[[40, 60]], [[160, 60]], [[280, 60]]])
    people = TrackedPeople(np.zeros(3, int), person, pose, np.zeros(pose.shape[:2], int), (400, 200), 1)
    (picture,) = people_page(people, POSETRACK15, Clip(fps=25)).play([0])
    drawn = [np.abs(picture / 255 - to_rgb(colour)).max(axis=2) < 0.02 for colour in COLOURS]
    assert [bool(pixels.sum() > 50) for pixels in drawn] == [True] * 3 + [False] * 5
    # From left to right as the people stand.
    assert np.all(np.diff([np.nonzero(pixels)[1].mean() for pixels in drawn[:3]]) > 0)


@pytest.mark.slow
def test_detected_merged_and_predicted_limbs_are_drawn_differently():
    body = np.random.default_rng(0).uniform(0, 120, (1, len(POSETRACK15), 2)) + 40
    ink = []
    for origin in range(len(STYLES)):
        people = TrackedPeople(np.zeros(1, int), np.ones(1, int), body, np.full(body.shape[:2], origin), (200, 200), 1)
        page = people_page(people, POSETRACK15, Clip(fps=25))
        assert [text.get_text() for text in page.figure.legends[0].get_texts()] == ["detected", "merged", "predicted"]
        (picture,) = page.play([0])
        ink.append((np.abs(picture / 255 - to_rgb(COLOURS[0])).max(axis=2) < 0.1).sum())
    detected, merged, predicted = ink
    assert merged < 0.7 * detected and predicted < 0.9 * detected and abs(merged - predicted) > 0.05 * detected
