"""One point for each model: what it costs and how far it is off."""

from collections.abc import Sequence

from matplotlib.figure import Figure

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#bab0ac", "#eeca3b", "#333333")


def plot_comparison(rows: Sequence[dict]) -> Figure:
    """P1 against operations a frame, with the spread over seeds; the size of a point grows with the parameters.

    Args:
        rows: `exp`, `mmac`, `P1`, `parameters` and perhaps `P1_std`, as `stgraph.comparison.compare` gives them.
    """
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(row["mmac"], row["P1"], row.get("P1_std"), color=colour, capsize=3, linewidth=1)
        size = 20 + 60 * (row["parameters"] / max(entry["parameters"] for entry in rows)) ** 0.5
        axes.scatter(row["mmac"], row["P1"], size, color=colour, zorder=3, label=f"{row['exp']}, {row['P1']:.1f} mm")
    axes.set_xscale("log")
    axes.margins(0.08)
    axes.set(xlabel="million multiplications with additions a frame", ylabel="P1, mm")
    axes.grid(alpha=0.25, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    about = rows[0]["about"]
    figure.suptitle("Error against cost", fontweight="bold", x=0.01, ha="left")
    synthetic = ", synthetic data" if about["synthetic"] else ""
    title = f"{about['data']}, {about['detector']}{synthetic}; larger points have more parameters"
    axes.set_title(title, fontsize=9, color="0.35", loc="left")
    figure.legend(frameon=False, fontsize=8.5, loc="outside right upper")
    return figure
