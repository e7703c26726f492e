"""The built-in set is CMU's motion, large enough to train on and small enough to ship."""

import argparse

import numpy as np
import pytest

from data_prep.checks.anatomy import check_bones, check_person
from data_prep.source import Source
from data_prep.sources.builtin.options import arguments
from data_prep.sources.builtin.source import MOTION, TEST, UNIT, read
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npz


def source(*words: str) -> Source:
    parser = argparse.ArgumentParser()
    arguments(parser)
    return read(parser.parse_args(words))


def test_the_extract_is_people_of_many_actions():
    motion = load_npz(MOTION)
    assert MOTION.stat().st_size < 4e6
    assert sum(map(len, motion.values())) > 20_000
    for key, pose in motion.items():
        check_person(pose * UNIT, key, "m")
        check_bones(pose * UNIT, key)
    actions = {key.split("/")[1].rpartition(" ")[0] for key in motion}
    assert len({key.split("/")[0] for key in motion}) == 15 and len(actions) == 13
    shares = np.array([sum(len(pose) for key, pose in motion.items() if key.startswith(f"{one}/")) for one in TEST])
    assert (shares > 1000).all()


@pytest.mark.slow
def test_recordings_have_actions_and_a_split_by_subject():
    result = source("--subjects", "S35", "S32")
    recordings = list(result.recordings)
    assert len(recordings) == result.total == 4 * 11
    assert {recording.action for recording in recordings} == {"walk", "run"}
    assert {recording.id for recording in recordings} >= {"S35/run 17/54138969", "S32/walk 02/60457274"}
    assert all(set(track.pose2d) == {"gt", "sim"} for recording in recordings for track in recording.tracks)
    assert result.splits == {"standard": {"train": ["S32"], "test": ["S35"]}}
    assert "CMU" in result.source and "NSF EIA-0196217" in result.terms and result.inputs == [MOTION]
    assert set(source().splits["standard"]["test"]) == set(TEST)


@pytest.mark.parametrize(
    ("words", "message"), [(["--subjects", "S9"], "no subject S9; there are S01"), (["--seed", "-1"], "--seed -1")]
)
def test_mistakes(words, message):
    with pytest.raises(InputError, match=message):
        source(*words)
