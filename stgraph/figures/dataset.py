"""Figures of a dataset: its subjects' bones, its detectors' errors, and example poses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stgraph.figures.axes import titled_axes, wrapped
from stgraph.figures.bones import FLOOR, GHOST, SIDES, draw_pose2d, draw_pose3d
from stgraph.figures.clip import View
from stgraph.figures.legible import legible
from stgraph.figures.projection import floor_lines, on_screen, seen
from stgraph.skeleton import Skeleton

EXAMPLE = 2.3  # inches across
SPAN = 1.0  # metres shown at least to either side of a person in space
MARGIN = 0.15  # of a person's extent, around it in the image


def plot_bones(bones: Mapping[str, Mapping[str, Mapping[str, float | None]]], title: str) -> Figure:
    """Mean length of every bone by subject, with its standard deviation.

    bones: subject -> bone -> "mean" and "std", metres.
    """
    subjects, names = list(bones), list(next(iter(bones.values())))
    size = (9, 1.6 + 0.34 * len(names) + 0.2 * (len(subjects) // 9))
    figure, axes = titled_axes(size, "Bone lengths by subject", title, "x")
    axes.tick_params(axis="y", length=0)
    colours = colormaps["turbo"](np.linspace(0.05, 0.95, max(len(subjects), 2)))
    places = np.linspace(-0.32, 0.32, len(subjects)) if len(subjects) > 1 else [0.0]
    for subject, colour, place in zip(subjects, colours, places, strict=False):
        mean, std = (np.array([bones[subject][name][key] for name in names], float) * 100 for key in ("mean", "std"))
        style = {"fmt": "o", "markersize": 3.5, "elinewidth": 1, "color": colour, "label": legible(subject)}
        axes.errorbar(mean, np.arange(len(names)) + place, xerr=std, **style)
    for row in range(0, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.96", zorder=0)
    axes.set_yticks(range(len(names)), map(legible, names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("cm; bars are one standard deviation over the subject's frames")
    figure.legend(loc="outside lower center", ncols=min(len(subjects), 9), frameon=False, fontsize=8)
    return figure


def plot_detectors(detectors: Mapping[str, Mapping], title: str) -> Figure:
    """2D error of every joint by detector: a bar to the median, a line to what 95 % stay below, a mark at the mean.

    detectors: name -> "reference" and "joints", the latter joint -> "mean", "median", "p95" (pixels) and "unseen".
    """
    joints = list(next(iter(detectors.values()))["joints"])
    step = 0.8 / len(detectors)
    size = (9, 1.8 + (0.22 + 0.16 * len(detectors)) * len(joints))
    figure, axes = titled_axes(size, "2D error by joint", title, "x")
    axes.tick_params(axis="y", length=0)
    colours = colormaps["tab10"](np.arange(10))
    for number, (name, detector) in enumerate(detectors.items()):
        place = np.arange(len(joints)) + (number - (len(detectors) - 1) / 2) * step
        mean, median, most, unseen = (
            np.array([detector["joints"][joint][key] for joint in joints], float)
            for key in ("mean", "median", "p95", "unseen")
        )
        colour = colours[number % len(colours)]
        axes.barh(place, median, 0.85 * step, color=colour, label=legible(f"{name} (against {detector['reference']})"))
        axes.hlines(place, median, most, color=colour, linewidth=1.5)
        axes.plot(mean, place, "|", color="black", markersize=6)
        for y, end, value, share in zip(place, np.nan_to_num(most), median, unseen, strict=True):
            text = f"{value:.1f}" + (f", {share:.1%} unseen" if share >= 0.0005 else "")
            text = text if np.isfinite(value) else "never seen"
            axes.annotate(text, (end, y), (4, 0), textcoords="offset points", va="center", fontsize=7.5, color="0.2")
    axes.set_yticks(range(len(joints)), map(legible, joints))
    axes.set_ylim(len(joints) - 0.5, -0.5)
    # Room for the text behind the longest line.
    axes.set_xlim(0, max(axes.get_xlim()[1] * 1.12, 1))
    axes.set_xlabel("pixels: bar to the median (number), line to what 95 % stay below, | the mean")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


@dataclass(frozen=True)
class Example:
    """One frame of a recording.

    Attributes:
        title: above it.
        pose2d: pixels and confidence. behind: other 2D, drawn in grey behind it.
        pose3d: relative to the root, as right, away and up in metres.
        width, height: of the image, pixels.
    """

    title: str
    width: int
    height: int
    pose2d: Float[np.ndarray, "j 3"] | None = None
    behind: Float[np.ndarray, "j 3"] | None = None
    pose3d: Float[np.ndarray, "j 3"] | None = None


def plot_examples(
    examples: Sequence[Example],
    skeleton: Skeleton,
    title: str,
    row_titles: tuple[str, str],
    missing: Collection[str] = (),
) -> Figure:
    """Poses in the image above, and in space below.

    Args:
        row_titles: what is drawn in either row.
        missing: joints that `pose2d` never has; bones are drawn past them.
    """
    width = EXAMPLE * len(examples) + 0.4
    figure = Figure(figsize=(width, 6.0), layout="constrained")
    axes = figure.subplots(2, len(examples), squeeze=False)
    figure.suptitle(wrapped(f"Example poses of {title}", width, 12), fontweight="bold", x=0.01, ha="left")
    # One scale for all, so that people can be compared.
    poses = [centred(example.pose3d) for example in examples if example.pose3d is not None]
    span = max([SPAN, *(1.05 * np.abs(on_screen(pose, View())[..., :2]).max() for pose in poses)])
    for (above, below), example in zip(axes.T, examples, strict=True):
        above.set_title(wrapped(example.title, EXAMPLE, 8.5), fontsize=8.5)
        _draw_image(above, example, skeleton, skeleton.without(*missing))
        _draw_space(below, example, skeleton, span)
    for row, text in zip(axes[:, 0], row_titles, strict=True):
        row.set_ylabel(text, fontsize=9)
    handles = [Line2D([], [], color=colour, linewidth=2.5, label=side) for side, colour in SIDES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _draw_image(axes: Axes, example: Example, skeleton: Skeleton, seen_skeleton: Skeleton) -> None:
    axes.set(xticks=[], yticks=[], aspect="equal")
    poses = [pose for pose in (example.behind, example.pose2d) if pose is not None]
    points = np.concatenate([seen(pose) for pose in poses]) if poses else np.empty((0, 2))
    points = points[np.isfinite(points).all(-1)]
    if not len(points):
        axes.text(0.5, 0.5, "nothing seen" if poses else "no 2D", ha="center", transform=axes.transAxes, fontsize=8.5)
        return
    if example.behind is not None:
        draw_pose2d(axes, example.behind, skeleton, 3.5, GHOST)
    if example.pose2d is not None:
        draw_pose2d(axes, example.pose2d[seen_skeleton.select_from(skeleton)], seen_skeleton, 2.0)
    axes.add_patch(Rectangle((0, 0), example.width, example.height, fill=False, edgecolor=FLOOR))
    middle = (points.min(0) + points.max(0)) / 2
    half = (0.5 + MARGIN) * max(np.ptp(points, axis=0).max(), 1e-6)
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))


def _draw_space(axes: Axes, example: Example, skeleton: Skeleton, span: float) -> None:
    axes.set(xticks=[], yticks=[], aspect="equal", xlim=(-span, span), ylim=(-span, span))
    axes.spines[:].set_visible(False)
    if example.pose3d is None:
        axes.text(0.5, 0.5, "no 3D", ha="center", transform=axes.transAxes, fontsize=8.5)
        return
    pose = centred(example.pose3d)
    lines = on_screen(floor_lines(float(pose[:, 2].min()), np.zeros(2)), View())[..., :2]
    axes.add_collection(LineCollection(list(lines), colors=FLOOR, linewidths=0.8))
    draw_pose3d(axes, pose, skeleton)


def centred(pose: Float[np.ndarray, "j 3"]) -> Float[np.ndarray, "j 3"]:
    """The pose with the middle of the person at height 0."""
    return pose - np.array([0, 0, (pose[:, 2].min() + pose[:, 2].max()) / 2])
