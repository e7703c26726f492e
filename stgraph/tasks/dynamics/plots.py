"""Plots of a tracker's report: errors of predictions by horizon, and recovered joints by length of the gap."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#1f6fb4", "#8a8a8a", "#e08a00", "#2f9e44", "#8e44ad", "#12a5a5")


def plot_forecasts(report: Mapping) -> "Figure":
    """Mean error of every predictor's predictions, some frames ahead."""
    from stgraph.figures.axes import run_facts, titled_axes
    from stgraph.figures.legible import legible

    figure, axes = titled_axes((7.5, 4.0), "Error of predictions", run_facts(report), "y")
    for (name, errors), colour in zip(report["forecast"]["error"].items(), COLOURS, strict=False):
        horizons = [int(horizon) for horizon in errors]
        axes.plot(horizons, list(errors.values()), "o-", color=colour, label=legible(name), linewidth=2, markersize=4)
    axes.set(xlabel="frames ahead", ylabel=f"mean error, {report['forecast']['unit']}", xticks=horizons)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def plot_recovered(report: Mapping) -> "Figure | None":
    """Share of the missed joints that are recovered, by the length of the gap, for every predictor."""
    from stgraph.figures.axes import run_facts, titled_axes
    from stgraph.figures.legible import legible

    if "tracking" not in report:
        return None
    figure, axes = titled_axes((7.5, 4.0), "Missed joints that are recovered", run_facts(report), "y")
    gaps = next(iter(report["tracking"].values()))["recovery"]["gap"]
    width = 0.8 / len(report["tracking"])
    for number, (name, scores) in enumerate(report["tracking"].items()):
        recall = [scores["recovery"]["gap"][gap]["recall"] or 0 for gap in gaps]
        places = [place + (number + 0.5) * width - 0.4 for place in range(len(gaps))]
        axes.bar(places, recall, width, color=COLOURS[number % len(COLOURS)], label=legible(name))
    axes.set(xlabel="frames of the gap", ylabel="recovered, %", xticks=range(len(gaps)), ylim=(0, 100))
    axes.set_xticklabels([f"{gap}\n({row['missed']:,} joints)" for gap, row in gaps.items()], fontsize=8)
    axes.legend(frameon=False)
    return figure


TRACK_PLOTS = {"forecast": plot_forecasts, "recovered": plot_recovered}
