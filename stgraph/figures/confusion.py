"""Plots of confusion matrices, and of what each joint contributes to the classes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from stgraph.figures.legible import legible

# Classes up to which there is room for counts in the cells, for two matrices on a page, and for names at the axes.
MOST_COUNTS, MOST_SIDE_BY_SIDE, MOST_NAMES = 12, 25, 60
LONGEST = 34  # letters of a class's name that are shown
RECALL, MEAN, TEXT = "#a9c6e3", "#d1495b", "0.3"
# Inches: a matrix with more classes than are named, a letter of a name, a confused pair in two lines.
WIDE, LETTER, PAIR = 8.6, 0.072, 0.34
Counts = Int[np.ndarray, "n n"]


def plot_confusion(
    matrices: Mapping[str, Counts], classes: Sequence[str], title: str, subtitle: str = ""
) -> Figure | None:
    """Confusion matrices with the recall of every class; None where nothing was counted.

    Colours are shares of the true class. Few classes have counts and shares in their cells, more of them shares
    alone, and very many are numbered, from 0 in the order of `classes`; where there are many, the most confused pairs
    are listed. Classes that do not occur, neither true nor recognised, have no row and no column.

    Args:
        matrices: what was counted ("frames", "recordings") -> counts (true class, recognised class). They stand side
            by side while they are small; of large ones, the last is drawn.
        classes: names, in the matrices' order.
    """
    matrices = {name: counts for name, counts in matrices.items() if counts.sum()}
    if not matrices:
        return None
    kept = {name: np.flatnonzero(counts.sum(0) + counts.sum(1)).tolist() for name, counts in matrices.items()}
    large = max(map(len, kept.values())) > MOST_SIDE_BY_SIDE
    drawn = list(matrices)[-1:] if large else list(matrices)
    sides = [_side(len(kept[name])) for name in drawn]
    longest = max(_width(classes[number]) for name in drawn for number in kept[name])
    at_axes = longest if max(sides) < WIDE else 0.4
    widths = [side + at_axes + 2.9 + large * (longest + 1.4) for side in sides]
    figure = _page(sum(widths), max(sides) + at_axes + 1.6, title, subtitle)
    pages = figure.subfigures(1, len(drawn), squeeze=False, width_ratios=widths)[0]
    for page, name in zip(pages, drawn, strict=True):
        _confusion(page, matrices[name], classes, kept[name], name)
    return figure


def _page(width: float, height: float, title: str, subtitle: str) -> Figure:
    """An empty figure of so many inches with its heading."""
    figure = Figure(figsize=(max(width, 5.0), height), layout="constrained")
    # An empty line keeps the place of the subtitle, which is set smaller.
    figure.suptitle(f"{legible(title)}\n", fontweight="bold", x=0.01, ha="left", linespacing=1.6)
    figure.text(0.01, 1 - 0.42 / height, legible(subtitle), fontsize=9, color="0.35", ha="left", va="center")
    return figure


def _side(count: int) -> float:
    """Inches of a matrix of so many classes."""
    if count > MOST_NAMES:
        return WIDE
    return max(count * (0.46 if count <= MOST_COUNTS else 0.3 if count <= MOST_SIDE_BY_SIDE else 0.21), 2.2)


def _confusion(page: SubFigure, counts: Counts, classes: Sequence[str], kept: list[int], counted: str) -> None:
    """The matrix of the classes that are kept, their recalls, and of many the most confused pairs."""
    counts, side, names = counts[np.ix_(kept, kept)], _side(len(kept)), [classes[number] for number in kept]
    pairs = [max(map(_width, names)) + 1.4] * (len(names) > MOST_SIDE_BY_SIDE)
    axes, bars, *lists = page.subplots(1, 2 + len(pairs), width_ratios=[side, 1.3, *pairs])
    total = counts.sum(1)
    share = np.where(total > 0, 100 * counts.T / np.maximum(total, 1), np.nan).T
    # The square root of the share: rare confusions differ more in colour than degrees of being right.
    image = _heat_map(axes, share, PowerNorm(0.5, 0, 100))
    _label(axes.yaxis, names, kept)
    _label(axes.xaxis, names, kept)
    axes.set(xlabel="recognised as", ylabel="true class")
    right = int(counts.trace())
    score = f"{right:,} of {total.sum():,} right, {100 * right / total.sum():.1f} %"
    axes.set_title(f"{counted}\n{score}", fontsize=9, loc="left", color=TEXT)
    if len(names) <= MOST_NAMES:
        written = counts > 0 if len(names) <= MOST_COUNTS else share >= 0.5
        places = [(row, column) for row, column in np.argwhere(written).tolist()]
        texts = {place: _cell(int(counts[place]), float(share[place]), len(names)) for place in places}
        _write(axes, image, texts, 7.5 if len(names) <= MOST_SIDE_BY_SIDE else 6.0)
    _recalls(bars, counts)
    _scale(page, image, [bars], side, "% of the true class").set_ticks([0, 1, 5, 20, 50, 100])
    for place in lists:
        _pairs(place, counts, names, kept, int(side / PAIR))


def _cell(count: int, share: float, classes: int) -> str:
    if classes > MOST_COUNTS:
        return f"{share:.0f}"
    return f"{count:,}\n{share:.0f} %" if share >= 0.5 else f"{count:,}"


def _heat_map(axes: Axes, values: Float[np.ndarray, "row column"], norm: Normalize) -> AxesImage:
    """Values as colours; NaN is grey."""
    axes.set_facecolor("0.9")
    image = axes.imshow(values, cmap="Blues", norm=norm, aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image


def _write(axes: Axes, image: AxesImage, texts: Mapping[tuple[int, int], str], size: float) -> None:
    """Texts into cells (row, column), light on dark."""
    level = np.asarray(image.norm(np.ma.asarray(image.get_array())))
    for (row, column), text in texts.items():
        colour = "white" if level[row, column] > 0.62 else "0.2"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour, linespacing=0.95)


def _scale(page: Figure | SubFigure, image: AxesImage, beside: Sequence[Axes], height: float, label: str) -> Colorbar:
    """What the colours mean, beside axes of so many inches."""
    scale = page.colorbar(image, ax=beside, location="right", aspect=height / 0.16, shrink=0.999, pad=0.05)
    scale.set_label(label, fontsize=8)
    scale.ax.tick_params(labelsize=8)
    scale.outline.set_visible(False)
    return scale


def _label(axis: XAxis | YAxis, names: Sequence[str], numbers: Sequence[int]) -> None:
    """Names of the rows or columns; where they are too many, the numbers of some of them."""
    if len(names) > MOST_NAMES:
        step = next(step for step in (5, 10, 20, 50, 100, 1000) if len(names) <= 25 * step)
        axis.set_ticks(range(0, len(names), step), [str(number) for number in numbers[::step]], fontsize=8)
        return
    axis.set_ticks(range(len(names)), map(_short, names), fontsize=8 if len(names) <= MOST_SIDE_BY_SIDE else 7)
    if isinstance(axis, XAxis):
        turn = (90, "center") if len(names) > MOST_COUNTS else (45, "top")
        for label in axis.get_ticklabels():
            label.set(rotation=turn[0], va=turn[1], ha="right", rotation_mode="anchor")


def _recalls(axes: Axes, counts: Counts) -> None:
    """A bar for every class: how much of it was recognised, with the counts where there is room."""
    right, total = counts.diagonal(), counts.sum(1)
    recall = 100 * right / np.maximum(total, 1)
    mean, named = recall[total > 0].mean(), len(counts) <= MOST_NAMES
    axes.barh(range(len(counts)), recall, 0.72 if named else 1.0, color=RECALL)
    axes.axvline(mean, color=MEAN, linestyle="--", linewidth=1)
    axes.set_title(f"recall, %\nmean {mean:.1f}", fontsize=9, color=MEAN)
    if named:
        style = {"va": "center", "fontsize": 7.5 if len(counts) <= MOST_SIDE_BY_SIDE else 6.5}
        for place, pair in enumerate(zip(right, total, strict=True)):
            text = "{:,}/{:,}".format(*pair) if pair[1] else "none"
            axes.annotate(text, (0, place), (3, 0), textcoords="offset points", **style)
    axes.set(xlim=(0, 100), ylim=(len(counts) - 0.5, -0.5), yticks=[], xticks=[0, 50, 100])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def confused_pairs(counts: Counts) -> list[tuple[int, int]]:
    """(true, recognised) of all confusions, the most frequent first, and of equal ones the larger share of its class.

    >>> confused_pairs(np.array([[5, 0, 1], [2, 2, 0], [1, 0, 0]]))
    [(1, 0), (2, 0), (0, 2)]
    """
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    share = wrong / np.maximum(counts.sum(1, keepdims=True), 1)
    order = np.lexsort((-share.ravel(), -wrong.ravel()))[: np.count_nonzero(wrong)]
    return [divmod(int(place), len(counts)) for place in order]


def _pairs(axes: Axes, counts: Counts, names: Sequence[str], numbers: Sequence[int], most: int) -> None:
    """The names of the most confused pairs, as many as there is room for."""
    axes.set_axis_off()
    axes.set_title("most confused\ntrue → recognised as", fontsize=9, loc="left", color=TEXT)
    labels = [_short(name) for name in names]
    if len(names) > MOST_NAMES:
        labels = [f"{number} {label}" for number, label in zip(numbers, labels, strict=True)]
    style = {"transform": axes.transAxes, "fontsize": 8, "va": "center", "linespacing": 1.1}
    for line, (true, recognised) in enumerate(confused_pairs(counts)[:most]):
        height = 1 - (line + 0.5) / most
        axes.text(0, height, f"{labels[true]}\n→ {labels[recognised]}", **style)
        share = f"{counts[true, recognised]:,} of {counts[true].sum():,}"
        axes.text(1, height, share, ha="right", color=TEXT, **style)


def plot_contributions(
    contributions: Float[np.ndarray, "n j"],
    classes: Sequence[str],
    joints: Sequence[str],
    title: str,
    subtitle: str = "",
) -> Figure:
    """What every joint contributes to every class, with the mean of the classes below.

    Args:
        contributions: means over the clips of each class, 0..1; NaN for a class without clips.
        joints: their names.
    """
    present = np.isfinite(contributions).all(1)
    mean = contributions[present].mean(0, keepdims=True) if present.any() else np.full((1, len(joints)), np.nan)
    rows = len(classes)
    longest = max(map(_width, classes)) if rows <= MOST_NAMES else 0.4
    side = WIDE if rows > MOST_NAMES else rows * (0.3 if rows <= MOST_SIDE_BY_SIDE else 0.21)
    below_axes = max(map(_width, joints))
    figure = _page(0.34 * len(joints) + longest + 1.4, side + below_axes + 1.5, title, subtitle)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[side, 0.3])
    norm = Normalize(0, max(np.max(contributions[present], initial=0.0), 1e-9))
    for axes, values in ((above, contributions), (below, mean)):
        image = _heat_map(axes, values, norm)
        if rows <= MOST_SIDE_BY_SIDE:
            texts = {place: f"{value:.2f}".lstrip("0") for place, value in np.ndenumerate(values) if np.isfinite(value)}
            _write(axes, image, texts, 7.5)
    _label(above.yaxis, classes, range(rows))
    below.set_yticks([0], ["mean"], fontsize=8)
    below.set_xticks(range(len(joints)), [_short(name) for name in joints], fontsize=8, rotation=90)
    above.tick_params(labelbottom=False)
    _scale(figure, image, [above, below], side, "mean contribution")
    return figure


def _width(name: str) -> float:
    """Inches of a name as it is shown."""
    return LETTER * max(len(_short(name)), 4)


def _short(name: str) -> str:
    return legible(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")
