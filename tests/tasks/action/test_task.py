"""The action task: clip scores over persons, weights and smoothing that are what they say, classes that settle."""

import pytest
import torch
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.skeleton import H36M17
from stgraph.tasks.action.task import Action, clip_scores

CLASSES = ["a", "b", "c"]


@pytest.fixture
def dense():
    """(p n s j) of five persons and the clip of each; clip 1 has no person."""
    return torch.randn(5, 3, 4, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 2, 3, 3])


def test_a_clips_score_is_the_mean_over_its_persons(dense):
    scores, clip = dense
    found = clip_scores(scores, clip, 4)
    for number, members in ((0, [0, 1]), (2, [2]), (3, [3, 4])):
        torch.testing.assert_close(found[number], scores[members].mean(dim=(0, 2, 3)))
    assert not found[1].any()


def batch_of(dense, label):
    scores, clip = dense
    return {"clip": clip, "label": torch.tensor(label)}, {"action": scores}


def test_the_loss_is_the_weighted_smoothed_cross_entropy(dense):
    batch, outputs = batch_of(dense, [0, 1, 2, -1])
    task = Action(H36M17, classes=CLASSES, label_smoothing=0.1, class_weights={"a": 2.0, "b": 0.5, "c": 1.5})
    scores = clip_scores(*dense, 4)
    parts = [F.cross_entropy(scores[[n]], batch["label"][[n]], label_smoothing=0.1) for n in range(3)]
    wanted = (2.0 * parts[0] + 0.5 * parts[1] + 1.5 * parts[2]) / 4  # an unknown class adds nothing
    torch.testing.assert_close(task.loss(task.terms(batch, outputs)), wanted)
    errors = task.errors(batch, outputs)["accuracy_percent"]
    assert errors.flatten().tolist() == (100.0 * (scores.argmax(1) == batch["label"])).tolist()


def settled(actions, listed=(), **section):
    full = {"classes": None, "class_weights": None, "label_smoothing": 0.0, "persons": "present"} | section
    return Action.settle(full, actions, list(listed), "data.h5")


def test_classes_settle_from_settings_file_or_clips_in_this_order():
    assert settled(["b", "a", "b"])["classes"] == ["a", "b"]
    assert settled(["b", "a"], listed=["c", "b", "a"])["classes"] == ["c", "b", "a"]
    assert settled(["b", "a"], listed=["c", "b", "a"], classes=["b", "a"])["classes"] == ["b", "a"]


def test_balanced_weights_are_inverse_to_the_clips_and_one_on_average():
    actions = ["a"] * 6 + ["b"] * 2
    weights = settled(actions, class_weights="balanced")["class_weights"]
    assert weights["b"] == pytest.approx(3 * weights["a"])
    assert sum(weights[name] for name in actions) / len(actions) == pytest.approx(1)
    unseen = settled(actions, listed=["a", "b", "c"], class_weights="balanced")["class_weights"]
    assert set(unseen) == {"a", "b", "c"} and unseen["a"] == weights["a"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": ["a", "a"]}, "all 2 training clips are of one class"),
        ({"actions": ["a", "b"], "classes": ["a", "c"]}, "training clips of b, which it does not name"),
        ({"actions": ["a", "b"], "class_weights": {"z": 1.0}}, "class_weights: found z; expected some of"),
    ],
)
def test_classes_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        settled(options.pop("actions"), **options)


def test_settings_that_contradict_one_another_are_named():
    section = {"classes": ["a", "a"], "class_weights": {"b": 1.0}}
    problems = Action.check(section, 10)
    assert any("stands in it twice" in problem for problem in problems)
    assert any("class_weights: b" in problem for problem in problems)
