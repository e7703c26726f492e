"""Which windows a protocol cuts and which frames it counts."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from stgraph.tasks.lifting.plan import ModelWindow, cut_windows, describe_windows, plan_windows, side_by_side
from stgraph.tasks.lifting.protocols import PROTOCOLS, find_protocol

GOLDEN = Path(__file__).parents[2] / "golden"
LENGTHS = np.array([1, 2, 7, 26, 27, 28, 81, 100, 163, 500])


def times_scored(windows, track, length):
    """How often each frame of a track counts, and how often frames outside it do."""
    scored = [np.arange(first, last) for _, _, first, last in windows[windows[:, 0] == track]]
    frames = np.concatenate(scored)
    inside = (frames >= 0) & (frames < length)
    return np.bincount(frames[inside], minlength=length), (~inside).sum()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_frame_counts(protocol):
    for outputs, before, whole in itertools.product((1, 9, 27, 80, 81), (0, 13), (False, True)):
        windows = cut_windows(protocol, LENGTHS, outputs, before, whole)
        assert (np.diff(windows[:, 0]) >= 0).all()
        first_output = windows[:, 1] + before
        assert (windows[:, 2] >= first_output).all()
        assert (windows[:, 3] <= first_output + outputs).all()
        for track, length in enumerate(LENGTHS):
            times, outside = times_scored(windows, track, length)
            if not (protocol.tail or whole or length < outputs):
                times = times[: length // outputs * outputs]
            assert (times == 1).all() and outside == 0 if protocol.once else (times >= 1).all()


def test_standard_scores_the_centre_third():
    windows = cut_windows(find_protocol("standard"), np.array([200]), 81)
    assert (np.diff(windows[:, 1]) == 27).all()
    assert (windows[:, 2] - windows[:, 1] >= 27).all()
    assert (windows[:, 3] - windows[:, 1] <= 54).all()


def test_tgraphnet_windows_match_reference():
    golden = np.load(GOLDEN / "tgraphnet_generators.npz")
    lengths = np.array([len(golden[f"p3_{track}"]) for track in range(5)])
    windows = cut_windows(find_protocol("tgraphnet"), lengths, 81)
    np.testing.assert_array_equal(windows[:, [0, 2, 3]], golden["eval31_25/pairs"][:, :3])
    for (track, start, _, _), expected in zip(windows, golden["eval31_25/b3"], strict=True):
        frames = np.clip(start + np.arange(81), 0, lengths[track] - 1)
        np.testing.assert_array_equal(golden[f"p3_{track}"][frames], expected)


def test_side_by_side_windows_match_reference():
    golden = np.load(GOLDEN / "tgraphnet_generators.npz")
    for track in (0, 4):
        poses = golden[f"p2_{track}"]
        table = side_by_side(np.array([len(poses)]), 81)
        frames = np.clip(table[:, 1:] + np.arange(81), 0, len(poses) - 1)
        np.testing.assert_array_equal(poses[frames], golden[f"eval_data_prepare81/seq{track}_2d"])


def test_mixste_counts_the_overlap_twice():
    times, outside = times_scored(cut_windows(find_protocol("mixste"), np.array([163]), 81), 0, 163)
    assert (times == 2).sum() == 3 * 81 - 163 and outside == 0
    times, outside = times_scored(cut_windows(find_protocol("mixste"), np.array([7]), 81), 0, 7)
    assert (times == 1).all() and outside == 74


def test_motionbert_leaves_out_what_no_whole_window_covers():
    for length, scored in ((163, 162), (162, 162), (40, 40)):
        times, outside = times_scored(cut_windows(find_protocol("motionbert"), np.array([length]), 81), 0, length)
        assert outside == 0 and (times[:scored] == 1).all() and (times[scored:] == 0).all()
    sliding = plan_windows(find_protocol("motionbert"), np.array([163]), ModelWindow(27, 13, 13, sliding=True))
    assert (sliding.table[:, 3] - sliding.table[:, 2]).sum() == 163


def test_videopose3d_centres_a_window_on_each_frame():
    windows = cut_windows(find_protocol("videopose3d"), np.array([5]), 27)
    np.testing.assert_array_equal(windows[:, 1], np.arange(5) - 13)
    np.testing.assert_array_equal(windows[:, 2], np.arange(5))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_names_and_descriptions(protocol):
    assert find_protocol(protocol.name) is protocol
    for model, expected in (
        (ModelWindow(81), "81 frames"),
        (ModelWindow(1), "by itself"),
        (ModelWindow(27, before=26), "26 before it"),
        (ModelWindow(27, before=13, after=13), "13 before and 13 after it"),
    ):
        assert expected in describe_windows(protocol, model)
