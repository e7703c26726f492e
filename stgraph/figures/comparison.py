"""One point for each model: what it costs and how it is scored."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from stgraph.figures.axes import titled_axes
from stgraph.figures.legible import legible

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#bab0ac", "#eeca3b", "#333333")
MARKERS = "osD^vPX"
LONGEST = 110  # letters of a line under the plot


def plot_comparison(report: Mapping) -> Figure:
    """The first score against operations a frame, with the spread over seeds; larger points have more parameters.

    Args:
        report: `scores` (name -> title, decimals) and `rows`, each with `exp`, `mmac`, `parameters`, `about`,
            `synthetic`, the score and perhaps its standard deviation: those of a comparison.
    """
    rows, (name, (title, decimals)) = report["rows"], next(iter(report["scores"].items()))
    facts = ", ".join([*list(rows[0]["about"].values())[:2], *(["synthetic data"] if rows[0]["synthetic"] else [])])
    subtitle = f"{facts}; larger points have more parameters"
    figure, axes = titled_axes((8, 4.6 + 0.2 * len(rows)), f"{title} against cost", subtitle, "both")
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        place, label = (row["mmac"], row[name]), f"{row['exp']}, {row[name]:.{decimals}f}"
        label = label if len(label) <= LONGEST else f"{label[: LONGEST - 12]}…{label[-11:]}"
        size = 20 + 60 * (row["parameters"] / max(entry["parameters"] for entry in rows)) ** 0.5
        axes.errorbar(*place, row.get(f"{name}_std"), color=colour, capsize=3, linewidth=1)
        axes.scatter(*place, size, color=colour, marker=MARKERS[number % len(MARKERS)], zorder=3, label=legible(label))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.12)
    axes.set(xlabel="million multiplications with additions a frame", ylabel=title)
    figure.legend(frameon=False, fontsize=8, loc="outside lower left", borderaxespad=0.2)
    return figure
