"""The frame of a plot: a heading, a line about what is plotted, and a quiet grid."""

import textwrap
from collections.abc import Mapping
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stgraph.figures.legible import legible


def titled_axes(
    size: tuple[float | int, float | int], title: str, subtitle: str, grid: Literal["x", "y", "both"]
) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of empty axes."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    figure.suptitle(wrapped(title, size[0], 12), fontweight="bold", x=0.01, ha="left")
    axes.set_title(wrapped(subtitle, size[0] - 1, 9), fontsize=9, color="0.35", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def wrapped(text: str, width: float | int, points: float | int) -> str:
    """A heading in as many lines as it takes, that no end of it is cut off; legible.

    Args:
        width: inches that there are. points: size of the letters, most of which are at most 0.65 of it wide.
    """
    letters = max(int(72 * width / (0.65 * points)), 8)
    return legible("\n".join(textwrap.wrap(text, letters)))


def run_facts(report: Mapping) -> str:
    """The line about a report's run: experiment, input, protocol, and whether its data are synthetic."""
    about = report["about"]
    facts = [about.get("experiment"), about.get("input") or about.get("detector")]
    facts += [f"protocol {report['protocol']['name']}"] if "protocol" in report else []
    facts += ["synthetic data"] if about.get("synthetic") else []
    return ", ".join(filter(None, facts))
