"""Splits of clips: shares of every class, subjects apart, and the same from run to run."""

from argparse import ArgumentParser

import numpy as np
import pytest

from data_prep.options import split_arguments
from data_prep.reading.splitting import Clip, divided, division
from stgraph.errors import InputError


def rule(*words):
    parser = ArgumentParser()
    split_arguments(parser)
    return division(parser.parse_args(words))


def clips_of(**counts):
    return [Clip(f"{action}/{n}", f"P{n % 5}", action) for action, count in counts.items() for n in range(count)]


def counts(parts, action):
    return {part: sum(id.startswith(f"{action}/") for id in ids) for part, ids in parts.items()}


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.5])
def test_every_class_gives_its_share(share):
    clips = clips_of(a=100, b=37, c=7, d=2)
    parts, _ = divided(clips, rule("--test-share", str(share)))
    assert sorted(id for ids in parts.values() for id in ids) == sorted(clip.id for clip in clips)
    for action, count in (("a", 100), ("b", 37), ("c", 7), ("d", 2)):
        test = counts(parts, action)["test"]
        assert abs(test - share * count) <= 0.5 or test == 1
        assert 1 <= test < count


def test_single_clips_train_and_are_reported():
    parts, notes = divided(clips_of(a=10, lonely=1), rule())
    assert counts(parts, "lonely") == {"train": 1, "test": 0} and counts(parts, "a") == {"train": 8, "test": 2}
    assert any("classes with one clip left to train: lonely" in note for note in notes)


def test_validation_and_test_are_apart_and_leave_one_to_train():
    parts, _ = divided(clips_of(a=10, b=3, c=2), rule("--validation-share", "0.3", "--test-share", "0.3"))
    assert counts(parts, "a") == {"train": 4, "validation": 3, "test": 3}
    assert counts(parts, "b") == {"train": 1, "validation": 1, "test": 1}
    assert counts(parts, "c") == {"train": 1, "validation": 0, "test": 1}


def test_the_draw_depends_on_seed_and_id_alone():
    clips = clips_of(a=50, b=50)
    shuffled = [clips[n] for n in np.random.default_rng(0).permutation(len(clips))]
    first, again, other = (
        set(divided(some, rule("--seed", seed))[0]["test"])
        for some, seed in ((clips, "0"), (shuffled, "0"), (clips, "1"))
    )
    assert first == again != other
    more = set(divided([*clips, Clip("a/new", "P1", "a"), *clips_of(z=9)], rule())[0]["test"])
    assert len(first - more) <= 1


def test_subjects_are_held_back_whole():
    clips = clips_of(a=20, b=20)
    parts, notes = divided(clips, rule("--test-subjects", "P1", "P3", "--validation-subjects", "P2"))
    subject = {clip.id: clip.subject for clip in clips}
    people = {part: {subject[id] for id in ids} for part, ids in parts.items()}
    assert people == {"train": {"P0", "P4"}, "validation": {"P2"}, "test": {"P1", "P3"}}
    assert not any("flatters" in note for note in notes)
    parts, _ = divided(clips, rule("--test-subjects", "P1", "--validation-share", "0.25"))
    assert {subject[id] for id in parts["test"]} == {"P1"} and len(parts["validation"]) == 8
    _, notes = divided(clips, rule())
    assert any("the same subjects train and test, which flatters" in note for note in notes)


def test_no_share_trains_on_everything():
    parts, notes = divided(clips_of(a=4), rule("--test-share", "0"))
    assert [*parts] == ["train"] and sorted(parts["train"]) == ["a/0", "a/1", "a/2", "a/3"]
    assert "all clips train" in notes[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--test-share", "1"], "--test-share 1: expected a share"),
        (["--test-share", "0.5", "--validation-share", "0.5"], "1 together; leave some to train on"),
        (["--test-share", "0.5", "--test-subjects", "P1"], "both state the test part"),
        (["--test-subjects", "P1", "--validation-subjects", "P1"], "P1 in both"),
        (["--test-subjects", "P9"], "no subject P9; there are P0, P1, P2, P3, P4"),
        (["--test-subjects", "P0", "P1", "P2", "P3", "P4"], "they have all clips"),
    ],
)
def test_what_cannot_be_divided_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        divided(clips_of(a=20), rule(*words))
