"""Recognised actions: counts are plain counts, and actions without training clips are left out and reported."""

import numpy as np
import pytest
import torch

from stgraph.scoring.classification import ActionScores
from stgraph.tasks.lifting.plots import plot_recognition

CLASSES = ["Sitting", "Walking", "Waiting"]
RECORDINGS = {"id": list("abcde"), "action": ["Walking", "Sitting", "Dancing", "Walking", "Waiting"]}


def hand_in(scores, counted, recording, batch):
    to = ActionScores(CLASSES, RECORDINGS)
    for index in torch.randperm(len(recording)).split(batch):
        to.add(recording[index], scores[index], counted[index])
    return to.report()


@pytest.fixture
def windows():
    """Scores (b n s j), counted frames and recordings of windows; recording e is never seen."""
    generator = torch.Generator().manual_seed(0)
    recording = torch.tensor([0, 0, 1, 1, 1, 2, 3])
    scores = torch.randn(7, 3, 5, 4, generator=generator)
    return scores, torch.rand(7, 5, generator=generator) < 0.7, recording


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_counts_are_plain_counts(windows, batch):
    scores, counted, recording = windows
    report = hand_in(*windows[:2], recording, batch)
    frames, clips = np.zeros((3, 3), int), np.zeros((3, 3), int)
    for number, label in ((0, 1), (1, 0), (3, 1)):
        means = torch.cat([scores[w].mean(-1)[:, counted[w]] for w in torch.nonzero(recording == number)[:, 0]], dim=1)
        for found in means.argmax(0):
            frames[label, found] += 1
        clips[label, means.mean(1).argmax()] += 1
    for part, confusion in (("frames", frames), ("recordings", clips)):
        assert report[part]["confusion"] == confusion.tolist()
        assert report[part]["count"] == confusion.sum()
        assert report[part]["accuracy"] == pytest.approx(100 * np.trace(confusion) / confusion.sum())
        seen = confusion[:2]  # without clips of Waiting
        assert report[part]["class_accuracy"] == pytest.approx(100 * (np.diag(seen) / seen.sum(1)).mean())
        assert report[part]["largest_class"] == pytest.approx(100 * confusion.sum(1).max() / confusion.sum())
    assert report["unknown"] == {"Dancing": 1}


def test_nothing_to_score_is_reported(windows):
    scores, counted, _ = windows
    report = hand_in(scores, counted, torch.full((7,), 2), 7)
    assert report["frames"]["count"] == 0 and report["frames"]["accuracy"] is None
    assert plot_recognition({"recognition": report, "about": {}}) is None and plot_recognition({}) is None


@pytest.mark.slow
def test_the_plot_shows_shares_of_the_classes_that_occur(windows):
    scores, counted, recording = windows
    scores[:, 2] = -10  # nothing is recognised as waiting either
    report = hand_in(scores, counted, recording, 7)
    figure = plot_recognition({"recognition": report, "about": {}, "protocol": {"name": "standard"}})
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == CLASSES[:2]
    shares = axes.images[0].get_array()
    np.testing.assert_allclose(shares.sum(1), 100)
    confusion = np.array(report["frames"]["confusion"])[:2, :2]
    np.testing.assert_allclose(shares, 100 * confusion / confusion.sum(1, keepdims=True))
