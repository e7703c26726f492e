"""Plots of an evaluation's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P1_COLOUR, P2_COLOUR, MEAN_COLOUR = "#4c78a8", "#a9c6e3", "#d1495b"
# More bars than this on one page cannot be read.
MOST_BARS = 40
# More tracks than this cannot be distinguished: frames that stand alone are a track each.
MOST_TRACKS = 12


def plot_joints(report: Mapping) -> "Figure":
    """P1 and P2 of every joint, in the skeleton's order."""
    return _bars(report["by"]["joint"], "Error by joint", report)


def plot_actions(report: Mapping) -> "Figure":
    """P1 and P2 of every action, worst first; where there are very many, the worst of them."""
    actions = report["by"]["action"]
    worst = sorted(actions, key=lambda name: -actions[name]["P1"])[:MOST_BARS]
    title = "Error by action" + (f", the worst {MOST_BARS} of {len(actions)}" if len(worst) < len(actions) else "")
    return _bars({name: actions[name] for name in worst}, title, report)


def plot_worst(report: Mapping) -> "Figure":
    """P1 along time of the recording with the largest one."""
    from stgraph.figures.axes import run_facts, titled_axes

    worst = report["worst"]
    figure, axes = titled_axes((8, 4.0), f"Worst recording: {worst['recording']}", run_facts(report), "y")
    tracks = worst["tracks"]
    if len(tracks) > MOST_TRACKS:
        frame, error = (np.concatenate([track[name] for track in tracks]) for name in ("frame", "P1"))
        axes.plot(frame / worst["fps"], error, ".", color=P1_COLOUR, markersize=2, label=f"{len(tracks):,} tracks")
        tracks = []
    for number, track in enumerate(tracks):
        frame, error = np.array(track["frame"]), np.array(track["P1"])
        apart = np.diff(frame)
        gaps = np.flatnonzero(apart > worst["frame_step"]) + 1  # frames that are not scored break the line
        time, error = np.insert(frame / worst["fps"], gaps, np.nan), np.insert(error, gaps, np.nan)
        label = f"track {number + 1}" if len(tracks) > 1 else "P1"
        axes.plot(time, error, color=None if number else P1_COLOUR, linewidth=1.2, label=label)
        if not number:
            axes.fill_between(time, error, color=P2_COLOUR, alpha=0.4, linewidth=0)
    axes.axhline(worst["P1"], color=MEAN_COLOUR, linestyle="--", linewidth=1, label=f"its mean, {worst['P1']:.1f} mm")
    axes.axhline(report["metrics"]["P1"], color="0.3", linestyle=":", linewidth=1, label="mean of all")
    axes.set(xlabel="time, s", ylabel="P1, mm")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.legend(frameon=False, ncols=3, loc="upper right", bbox_to_anchor=(1, 1.12), fontsize=9)
    return figure


def plot_recognition(report: Mapping) -> "Figure | None":
    """Recognised against true actions, over frames and over recordings; None where none was scored."""
    from stgraph.figures.axes import run_facts
    from stgraph.figures.confusion import plot_confusion

    if not (scores := report.get("recognition")):
        return None
    matrices = {name: np.array(scores[name]["confusion"]) for name in ("frames", "recordings")}
    return plot_confusion(matrices, scores["classes"], "Recognised against true actions", run_facts(report))


def plot_calibration(report: Mapping) -> "Figure | None":
    """Errors that were made over errors that were expected; None for a model that expects none."""
    from stgraph.figures.axes import run_facts, titled_axes

    if not (bins := report.get("calibration")):
        return None
    figure, axes = titled_axes((6, 5.0), "How certain it is", run_facts(report), "both")
    expected, made, share = (np.array([entry[key] for entry in bins]) for key in ("expected", "made", "share"))
    limits = [0, 1.05 * max(expected.max(), made.max())]
    axes.plot(limits, limits, color="0.3", linestyle=":", linewidth=1, label="as expected")
    axes.plot(expected, made, color=P1_COLOUR, linewidth=1.2)
    axes.scatter(expected, made, s=20 + 400 * share, color=P1_COLOUR, alpha=0.7, label="joints (area: how many)")
    axes.set(xlabel="expected error, mm", ylabel="mean error, mm", xlim=limits, ylim=limits)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    return figure


CALIBRATION = "calibration"
PLOTS = {"joints": plot_joints, "actions": plot_actions, "worst": plot_worst, "recognition": plot_recognition}
PLOTS[CALIBRATION] = plot_calibration


def _bars(scores: Mapping[str, Mapping[str, float]], title: str, report: Mapping) -> "Figure":
    """Horizontal bars, P1 with P2 inside it, with their values."""
    from stgraph.figures.axes import run_facts, titled_axes
    from stgraph.figures.legible import legible

    figure, axes = titled_axes((8, 1.5 + 0.3 * len(scores)), title, run_facts(report), "x")
    place, names = np.arange(len(scores)), list(scores)
    p1, p2 = (np.array([entry[metric] for entry in scores.values()]) for metric in ("P1", "P2"))
    axes.barh(place, p1, 0.72, color=P1_COLOUR, label="P1, MPJPE")
    axes.barh(place, p2, 0.36, color=P2_COLOUR, label="P2, after alignment")
    label = {"va": "center", "fontsize": 8.5, "color": "0.2", "bbox": {"pad": 1, "color": "white"}}
    for y, (wide, narrow) in enumerate(zip(p1, p2, strict=True)):
        axes.annotate(f"{wide:.1f} / {narrow:.1f}", (max(wide, narrow), y), (4, 0), textcoords="offset points", **label)
    mean = report["metrics"]["P1"]
    mean_label = f"mean P1 over {report['protocol']['mean_over']}s, {mean:.1f} mm"
    axes.axvline(mean, color=MEAN_COLOUR, linestyle="--", linewidth=1, label=mean_label)
    axes.set_yticks(place, [legible(name) for name in names])
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.set_xlim(0, max(1e-9, *p1, *p2) * 1.14)
    axes.set_xlabel("mm (P1 / P2)")
    axes.tick_params(axis="y", length=0)
    figure.legend(frameon=False, ncols=3, loc="outside lower right", fontsize=9)
    return figure
