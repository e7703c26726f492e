"""Who is trained, validated and tested on: what the settings name, else what the file's split says."""

import json
from functools import cache

import pytest

from stgraph.data.splits import part, settle_subjects
from stgraph.errors import InputError
from tests.tasks.action.clip_people import settings, write_clips

WHOLE = {"train": ["S1", "S2"], "validation": ["S3"], "test": ["S4"]}
UNSET = {"train": None, "validation": None, "test": None}


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    """The dataset with a split, or with none; each is written once."""

    @cache
    def written(text):
        split = json.loads(text)
        return write_clips(tmp_path_factory.mktemp("split") / "x.h5", splits={"standard": split} if split else {})

    return lambda split: written(json.dumps(split))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "data", "name", "expected"),
    [
        (WHOLE, {}, "train", "S1 S2"),
        (WHOLE, {}, "validation", "S3"),
        (WHOLE, {}, "test", "S4"),
        # Subjects that the settings name are it, and are taken out of the other parts.
        (WHOLE, {"train": ["S3"]}, "train", "S3"),
        (WHOLE, {"test": ["S2"]}, "train", "S1"),
        (WHOLE, {"validation": ["S2"]}, "train", "S1"),
        (WHOLE, {"train": ["S1", "S4"], "validation": []}, "train", "S1 S4"),
        (WHOLE, {"train": ["S4"]}, "test", None),
        # What the split does not have.
        ({"test": ["S4"]}, {}, "train", "S1 S2 S3"),
        ({"test": ["S4"]}, {"validation": ["S2"]}, "train", "S1 S3"),
        ({"validation": ["S3"]}, {"validation": []}, "test", "S3"),
        ({"validation": ["S3"]}, {"validation": []}, "train", "S1 S2 S4"),
        ({"train": ["S1"]}, {}, "validation", None),
        ({"train": ["S1"]}, {}, "test", None),
        # No split at all.
        (None, {}, "train", "S1 S2 S3 S4"),
        (None, {"test": ["S2"]}, "train", "S1 S3 S4"),
        (None, {"test": ["S2"], "validation": ["S3"]}, "train", "S1 S4"),
        (None, {}, "test", None),
        (None, {"validation": []}, "validation", None),
    ],
)
def test_parts_are_what_settings_and_split_say(split, data, name, expected, divided):
    found = divided(split)
    chosen = settings(data=UNSET | data)
    if expected is None:
        with pytest.raises(InputError, match=r"x.h5: nothing is in ('|subjects ).*--subjects` \(S1, S2, S3, S4\)"):
            part(chosen, found, name)
        return
    kept = part(chosen, found, name)
    assert " ".join(sorted(set(found.recordings["subject"][kept]))) == expected
    assert kept.sum() == 6 * len(expected.split())


def test_what_chose_the_epoch_is_no_test(tmp_path):
    found = write_clips(tmp_path / "x.h5", splits={"standard": {"validation": ["S3"]}})
    message = r"x.h5: its split 'standard' has no test recordings, .*evaluate --scored validation"
    with pytest.raises(InputError, match=message):
        part(settings(data=UNSET | {"validation": None}), found, "test")


@pytest.mark.slow
def test_other_splits_single_clips_actions_and_cameras(tmp_path):
    splits = {"mixed": {"train": ["S1"], "test": ["S1/wave 0/front", "S2"]}}
    found = write_clips(tmp_path / "x.h5", splits=splits)
    chosen = settings(data=UNSET | {"split": "mixed"})
    train, test = (part(chosen, found, name) for name in ("train", "test"))
    assert train.sum() == 5 and test.sum() == 7 and not (train & test).any()
    waving = part(settings(data=UNSET | {"split": "mixed", "actions": ["wave"], "cameras": ["front"]}), found, "test")
    assert found.recordings["id"][waving].tolist() == ["S1/wave 0/front", "S2/wave 0/front", "S2/wave 1/front"]
    for data, message in (
        ({"split": "x-view"}, "has no split 'x-view'; it has mixed; choose one with `train --set data.split=NAME`"),
        ({"actions": ["dance"]}, "no action dance; it has jump, sit, wave"),
        ({"cameras": ["side"]}, "no camera side; it has front"),
        ({"test": ["S9"]}, "no subject S9; it has S1, S2, S3, S4"),
    ):
        with pytest.raises(InputError, match=message):
            part(settings(data=UNSET | {"split": "mixed"} | data), found, "test")


@pytest.mark.parametrize(
    ("split", "data", "expected"),
    [
        (WHOLE, {}, "S1 S2 | | S4"),
        (WHOLE, {"validation": None}, "S1 S2 | S3 | S4"),
        (WHOLE, {"train": ["S3"], "test": []}, "S3 | |"),
        (WHOLE, {"validation": ["S2"]}, "S1 | S2 | S4"),
        ({"validation": ["S3"]}, {}, "S1 S2 S4 | | S3"),
        ({"validation": ["S3"]}, {"validation": None}, "S1 S2 S4 | S3 |"),
        ({"test": ["S4"]}, {"validation": ["S1"]}, "S2 S3 | S1 | S4"),
        (None, {}, "S1 S2 S3 S4 | |"),
    ],
)
def test_subjects_in_place_of_recordings(split, data, expected, divided):
    dataset = divided(split)
    chosen = settings(data=UNSET | {"validation": []} | data)
    found = settle_subjects(chosen, dataset).data
    assert [found.train, found.validation, found.test] == [part.split() for part in expected.split("|")]
