"""Reports on disk, and their plots."""

import json

import numpy as np
import pytest
import torch

from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.evaluation import Evaluator, Tracks
from stgraph.tasks.lifting.plan import ModelWindow
from stgraph.tasks.lifting.plots import MOST_BARS, plot_actions, plot_joints, plot_worst
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.tasks.lifting.report import POSES
from stgraph.training.report import write_json


def make_report(actions=3, **about):
    """A report on one recording per action, each with a larger error than the one before."""
    names = [f"action {number}" for number in range(actions)]
    recordings = {"id": [f"S1/{name}/c" for name in names], "action": names, "take": names}
    recordings |= {"subject": ["S1"] * actions, "camera": ["c"] * actions, "fps": [50.0] * actions}
    tracks = Tracks(recordings, np.arange(actions), np.full(actions, 40))
    to = Evaluator(find_protocol("standard"), H36M17, tracks, ModelWindow(9), output="global")
    target = torch.randn(len(to.plan.table), 9, 17, 3, generator=torch.Generator().manual_seed(0))
    size = torch.from_numpy(to.plan.table[:, 0] + 1)[:, None, None, None] / 1000
    to.add(torch.arange(len(to.plan.table)), target + size * torch.tensor([1.0, 0, 0]), target)
    return to.report(**about)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.slow
def test_written_report_is_whole_and_readable(tmp_path):
    report = make_report(experiment="demo", source="somewhere", detector="gt")
    (tmp_path / "report.json").write_text("old")
    paths = POSES.write(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG") and f"({path.name})" in (tmp_path / "report.md").read_text()


def test_a_failing_write_keeps_the_old_file(tmp_path):
    path = write_json({"old": 1}, tmp_path / "report.json")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json({"broken": float("nan")}, path)
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_markdown_states_scores_protocol_and_source():
    report = make_report(experiment="demo", source="somewhere", detector="gt")
    text = " ".join(POSES.markdown(report).split())
    for expected in ("# Evaluation of demo", "somewhere", "`standard`", "centre third", "| action 2 |", "RWrist"):
        assert expected in text
    assert f"| **P1** | MPJPE: mean distance of the joints | mm | {report['metrics']['P1']:.2f} |" in text
    assert f"{report['metrics']['path']:.2f}" in text
    assert "Synthetic" not in text


@pytest.mark.slow
def test_synthetic_data_is_marked_everywhere():
    report = make_report(synthetic=True)
    assert "Synthetic data" in POSES.markdown(report)
    for plot in (plot_joints, plot_actions, plot_worst):
        assert "synthetic" in plot(report).axes[0].get_title(loc="left")


@pytest.mark.slow
def test_bars_carry_their_values_worst_action_first():
    report = make_report()
    actions = report["by"]["action"]
    expected = [f"{actions[f'action {n}']['P1']:.1f} / {actions[f'action {n}']['P2']:.1f}" for n in (2, 1, 0)]
    assert texts(plot_actions(report)) == expected
    assert len(texts(plot_joints(report))) == 17


@pytest.mark.slow
def test_many_actions_are_cut_to_the_worst():
    figure = plot_actions(make_report(actions=MOST_BARS + 5))
    assert len(texts(figure)) == MOST_BARS
    assert f"worst {MOST_BARS} of {MOST_BARS + 5}" in figure.get_suptitle()


def test_worst_recording_is_drawn_along_its_whole_time():
    report = make_report()
    assert report["worst"]["recording"] == "S1/action 2/c"
    line = plot_worst(report).axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.arange(40) / 50)
    np.testing.assert_allclose(line.get_ydata(), 3 * 16 / 17, atol=2e-3)


@pytest.mark.slow
def test_very_many_tracks_are_drawn_as_one():
    """A recording of frames that stand alone has thousands of tracks."""
    report = make_report()
    tracks = [{"frame": [frame], "P1": [float(frame)]} for frame in range(3000)]
    axes = plot_worst(report | {"worst": report["worst"] | {"tracks": tracks}}).axes[0]
    assert len(axes.lines) == 3 and len(axes.get_legend().get_texts()) == 3
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.arange(3000))
