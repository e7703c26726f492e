"""The frame of a plot: a heading, a line about what is plotted, and a quiet grid."""

from collections.abc import Mapping
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def titled_axes(
    size: tuple[float | int, float | int], title: str, subtitle: str, grid: Literal["x", "y", "both"]
) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of empty axes."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left")
    axes.set_title(subtitle, fontsize=9, color="0.35", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def run_facts(report: Mapping) -> str:
    """The line about a report's run: experiment, input, and whether its data are synthetic."""
    about = report["about"]
    facts = [about.get("experiment"), about.get("input"), "synthetic data" if about.get("synthetic") else ""]
    return ", ".join(filter(None, facts))
