"""A recognised clip animated: every joint's contribution on the moving skeletons, beside the running prediction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.patches import Rectangle

from stgraph.errors import InputError
from stgraph.figures.animation import show_box
from stgraph.figures.bones import FLOOR, GHOST, LEFT, MIDDLE, RIGHT, bone_colours, depth_order, segments, tint
from stgraph.figures.clip import Clip, View
from stgraph.figures.legible import legible
from stgraph.figures.page import NOTE, Clock, Page, shorten
from stgraph.figures.projection import bounds, ground_lines, on_screen, upright
from stgraph.figures.video import write_clip
from stgraph.skeleton import Skeleton

WIDTH, HEIGHT = 760, 400  # pixels, at which everything has its design size
LEAST = (304, 160)  # width and height at which texts can still be read, pixels
SHOWN = 5  # classes of the prediction
# From little to much; distinct for the colour-blind, and few enough for a GIF.
LEVELS = tuple(to_hex(colour) for colour in colormaps["magma_r"](np.linspace(0.12, 0.9, 10)))
CORRECT, WRONG, OTHER, EDGE = "#1b7f79", "#c26a00", "#a3abb3", "#222222"
SMALLEST, LARGEST = 4.0, 15.0  # points across a joint's disc
PERSON = 200  # pixels of a person from end to end whose discs have these sizes


@dataclass(frozen=True)
class RecognisedClip:
    """A clip with the contributions of the joints and the class probabilities along time.

    Attributes:
        pose: of every person m. Pixels x and y, or metres in camera axes (x right, y down, z forward); a person is
            absent and a joint missing where it is NaN.
        contribution: of joints to the decision, 0..1, over the t frames or the fewer steps s of a model with strides;
            NaN counts as nothing.
        probabilities: of the classes as time goes on, 0..1, over the t frames or fewer steps r.
        classes: their names.
        label: number of the true class; None: unknown.
        image: width and height in pixels, drawn as a border around 2D poses.
        rotation: of the camera, quaternion w x y z, camera to world (z up), for the vertical of 3D poses; None: the
            image's vertical.

    Raises:
        InputError: shapes that do not go together, or values outside of 0..1.
    """

    pose: Float[np.ndarray, "m t j d"]
    contribution: Float[np.ndarray, "m s j"]
    probabilities: Float[np.ndarray, "r n"]
    classes: Sequence[str]
    label: int | None = None
    image: tuple[int, int] | None = None
    rotation: Float[np.ndarray, "4"] | None = None

    def __post_init__(self) -> None:
        frames, dimensions = self.pose.shape[1], self.pose.shape[3]
        if not frames or dimensions not in (2, 3):
            expected = "(person, frame, joint, 2 or 3) with a frame or more"
            raise InputError(where="pose", found=str(self.pose.shape), expected=expected)
        if self.probabilities.shape[1] != len(self.classes) or not 0 <= (self.label or 0) < len(self.classes):
            raise InputError(
                where="probabilities",
                found=f"{self.probabilities.shape} and label {self.label}",
                expected=f"a column for each of the {len(self.classes)} classes, and the number of one of them",
            )
        present = self.contribution[~np.isnan(self.contribution)]
        for name, steps, shares in (
            ("contribution", self.contribution.shape[1], present),
            ("probabilities", len(self.probabilities), self.probabilities),
        ):
            if not 0 < steps <= frames or not ((shares >= -1e-4) & (shares <= 1 + 1e-4)).all():
                expected = f"1 to {frames} steps of values in 0..1"
                raise InputError(where=name, found=str(getattr(self, name).shape), expected=expected)

    def __len__(self) -> int:
        return self.pose.shape[1]

    def steps(self, count: int) -> Int[np.ndarray, " t"]:
        """The step that each frame is in."""
        return np.arange(len(self)) * count // len(self)

    def cut(self, first: int, end: int) -> "RecognisedClip":
        """The frames from `first` to before `end`."""
        contribution = self.contribution[:, self.steps(self.contribution.shape[1])][:, first:end]
        probabilities = self.probabilities[self.steps(len(self.probabilities))][first:end]
        return replace(self, pose=self.pose[:, first:end], contribution=contribution, probabilities=probabilities)


class _People:
    """Skeletons whose joints are discs; the larger and darker, the more a joint contributes."""

    def __init__(self, axes: Axes, clip: RecognisedClip, skeleton: Skeleton, scale: float, view: View) -> None:
        self.skeleton, self.scale = skeleton, scale
        self.level = np.nan_to_num(clip.contribution[:, clip.steps(clip.contribution.shape[1])]).clip(0, 1)
        # On the screen: x, y (larger is higher in the picture) and the distance of every joint.
        if clip.pose.shape[-1] == 2:
            self.screen = np.concatenate([clip.pose * (1, -1), np.zeros_like(clip.pose[..., :1])], axis=-1)
            if clip.image:
                width, height = clip.image
                axes.add_patch(Rectangle((0, -height), width, height, fill=False, edgecolor=GHOST, linewidth=scale))
        else:
            points = upright(clip.pose, clip.rotation)
            low, high = bounds(points, "joints")
            middle = (low + high) / 2
            self.screen = on_screen(points - middle, view)
            ground = on_screen(ground_lines(low - middle, high - middle), view)[..., :2]
            axes.add_collection(LineCollection(list(ground), colors=FLOOR, linewidths=0.8 * scale), autolim=False)
        self.visible = np.all(np.isfinite(self.screen), axis=-1)
        self._fit(axes)
        persons = len(self.screen)
        self.tints = [tint(colour) for colour in bone_colours(skeleton)] * persons
        self.bones = LineCollection([], linewidths=2.6 * self.zoom, capstyle="round")
        axes.add_collection(self.bones, autolim=False)
        self.discs = axes.scatter([], [], zorder=3, linewidths=0.8 * self.zoom, edgecolors="white", clip_on=False)
        style: dict = {"fontsize": 9 * scale, "ha": "center", "va": "bottom", "color": "0.3", "fontweight": "bold"}
        self.tags = [axes.text(0, 0, str(person + 1), **style) for person in range(persons) if persons > 1]
        self.moving = [self.bones, self.discs, *self.tags]

    def _fit(self, axes: Axes) -> None:
        """Show all persons all through the clip, with equal axes and room for the discs."""
        low, high = (bound[:2] for bound in bounds(self.screen, "joints"))
        # Pixels that the discs and the persons' numbers take at the edges.
        self.unit = show_box(axes, low, high, room=self.scale * np.array([24, 44]))
        present = np.argwhere(self.visible.any(-1)).tolist()
        bodies = [self.screen[person, frame, self.visible[person, frame], :2] for person, frame in present]
        extent = np.median([np.ptp(body, axis=0).max() for body in bodies])
        # Discs of small people are small, so that they do not hide one another.
        self.zoom = self.scale * float(np.clip(extent / self.unit / self.scale / PERSON, 0.4, 1))

    def update(self, frame: int) -> None:
        """Set bones, discs and the persons' numbers to a frame."""
        people, visible = self.screen[:, frame], self.visible[:, frame]
        order = depth_order(people, self.skeleton)
        self.bones.set_segments(list(segments(people[..., :2], self.skeleton).reshape(-1, 2, 2)[order]))
        self.bones.set_color([self.tints[number] for number in order])
        points, level = people[visible][:, :2], self.level[:, frame][visible]
        order = np.argsort(level, kind="stable")  # what contributes most is on top
        self.discs.set_offsets(points[order])
        self.discs.set_sizes((disc(level[order]) * self.zoom) ** 2)
        self.discs.set_facecolor([LEVELS[number] for number in colour_number(level[order])])
        for number, tag in enumerate(self.tags):
            body = people[number][visible[number]]
            tag.set_visible(len(body) > 0)
            if len(body):
                top = body[body[:, 1].argmax()]
                tag.set_position((top[0], top[1] + 9 * self.scale * self.unit))


def disc(level: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Points across a disc."""
    return SMALLEST + (LARGEST - SMALLEST) * level


def colour_number(level: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Which of the colours a contribution of 0..1 has."""
    return np.minimum(level * len(LEVELS), len(LEVELS) - 1).astype(int)


def shown_classes(clip: RecognisedClip) -> list[int]:
    """The classes to show: those that lead the longest, then the likeliest, and always the true one."""
    leads = np.bincount(clip.probabilities.argmax(1), minlength=len(clip.classes))
    order = np.lexsort((-clip.probabilities.mean(0), -leads))[:SHOWN].tolist()
    if clip.label is not None and clip.label not in order:
        order[-1] = clip.label
    return order


class _Prediction:
    """The likeliest classes of the clip as bars, and the best one along time: right or wrong."""

    def __init__(self, axes: Axes, strip: Axes, clip: RecognisedClip, scale: float) -> None:
        self.axes, self.clip = axes, clip
        self.step, self.shown = clip.steps(len(clip.probabilities)), shown_classes(clip)
        rows = len(self.shown) + (len(clip.classes) > len(self.shown))
        axes.set(xlim=(0, 1), ylim=(max(rows, 4) - 0.35, -1.25))
        room = axes.get_window_extent().width
        self.bars, self.numbers = [], []
        for row in range(rows):
            number = self.shown[row] if row < len(self.shown) else None
            true = clip.label is not None and number == clip.label
            rest = len(clip.classes) - len(self.shown)
            name = f"{rest} other{'s' * (rest > 1)}" if number is None else legible(clip.classes[number])
            style = {"fontsize": 9 * scale, "va": "bottom"}
            text = axes.text(0, row - 0.07, name, fontweight="bold" if true else "normal", **style)
            shorten(text, room - (48 + 34 * true) * scale)
            if true:
                end = axes.transData.inverted().transform(text.get_window_extent())[1, 0]
                axes.text(end + 6 * scale / room, row - 0.07, "true", color=CORRECT, **style)
            axes.add_patch(Rectangle((0, row), 1, 0.42, facecolor="0.94"))
            colour = CORRECT if true else "0.8" if number is None else OTHER
            self.bars.append(axes.add_patch(Rectangle((0, row), 0, 0.42, facecolor=colour, edgecolor=EDGE)))
            self.numbers.append(axes.text(1, row - 0.07, "", ha="right", **style))
        self.edge = 1.4 * scale
        self.best = axes.text(0, -0.95, "", fontsize=11 * scale, fontweight="bold", va="bottom")
        self.room = room - 60 * scale
        named = clip.probabilities.argmax(1)[self.step]
        right = np.full(len(clip), 2) if clip.label is None else (named == clip.label).astype(int)
        colours = ListedColormap([WRONG, CORRECT, OTHER])
        strip.imshow(right[None], cmap=colours, vmin=0, vmax=2, aspect="auto", extent=(0, len(clip), 0, 1))
        self.rest = Rectangle((0, 0), len(clip), 1, facecolor="white", alpha=0.7, linewidth=0)
        strip.add_patch(self.rest)
        self.now = strip.plot([0, 0], [-0.15, 1.15], color=EDGE, linewidth=1.5 * scale, clip_on=False)[0]
        self.moving = [*self.bars, *self.numbers, self.best, self.rest, self.now]

    def update(self, frame: int) -> None:
        """Set bars, numbers, the best class and the time to a frame."""
        values = self.clip.probabilities[self.step[frame]]
        best = int(values.argmax())
        shown = values[self.shown]
        if len(self.bars) > len(self.shown):
            shown = np.append(shown, np.delete(values, self.shown).sum().clip(0, 1))
        for row, (bar, number, value) in enumerate(zip(self.bars, self.numbers, shown, strict=True)):
            leads = row < len(self.shown) and self.shown[row] == best
            bar.set(width=value, linewidth=self.edge if leads else 0)
            number.set(text=f"{100 * value:.0f} %", fontweight="bold" if leads else "normal")
        label = self.clip.label
        colour = EDGE if label is None else CORRECT if best == label else WRONG
        self.best.set(text=legible(self.clip.classes[best]), color=colour)
        shorten(self.best, self.room)
        self.best.set_text(f"{self.best.get_text()}  {100 * values[best]:.0f} %")
        self.rest.set_x(frame + 1)
        self.now.set_xdata([frame + 1] * 2)


def _key(axes: Axes, skeleton: Skeleton, scale: float) -> None:
    """The legend of the discs' sizes and colours and the bones' colours, in pixels of the design."""
    box = axes.get_window_extent()
    axes.set(xlim=(0, box.width / scale), ylim=(0, box.height / scale))
    style = {"fontsize": 8.5 * scale, "va": "center", "color": "0.3"}
    axes.text(0, 12, "contribution   0", **style)
    level = np.linspace(0, 1, 6)
    levels = [LEVELS[number] for number in colour_number(level)]
    place = 96 + np.cumsum(6 + 1.1 * disc(level))
    axes.scatter(place, 0 * place + 12, (disc(level) * scale) ** 2, levels, linewidths=0.8 * scale, edgecolors="white")
    axes.text(place[-1] + 14, 12, "1", **style)
    sides = [("left", LEFT), ("right", RIGHT), ("middle", MIDDLE)] if skeleton.left else []
    for number, (name, colour) in enumerate(sides):
        start = box.width / scale - 158 + (0, 45, 96)[number]
        axes.plot([start, start + 12], [12, 12], color=tint(colour), linewidth=2.6 * scale)
        axes.text(start + 15, 12, name, **style)


def clip_page(recognised: RecognisedClip, skeleton: Skeleton, clip: Clip) -> Page:
    """The page that shows a recognised clip: the joints' contributions beside the running prediction.

    The name of the clip's class is added to the title where it is not part of it.

    Raises:
        InputError: another number of joints than the skeleton's, no joint to draw, or a picture too small to read.
    """
    if recognised.pose.shape[2] != len(skeleton):
        expected = f"the {len(skeleton)} joints of {skeleton.name}"
        raise InputError(where="pose", found=str(recognised.pose.shape), expected=expected)
    size = width, height = clip.pixels((WIDTH, HEIGHT), LEAST)
    scale = min(width / WIDTH, height / HEIGHT)
    if recognised.label is not None and recognised.classes[recognised.label] not in clip.title:
        clip = replace(clip, title=f"{clip.title}  ({recognised.classes[recognised.label]})")
    page = Page(clip, size, scale)

    middle = 0.55 * width / scale
    people = _People(page.axes(8, 56, middle, -34), recognised, skeleton, scale, clip.view)
    _key(page.axes(8, 28, middle, 52), skeleton, scale)
    bars, strip, line = (page.axes(middle + 22, bottom, -14, top) for bottom, top in ((98, -38), (58, 72), (38, 90)))
    prediction = _Prediction(bars, strip, recognised, scale)
    style: dict = {"va": "center", "transform": line.transAxes}
    line.text(0, 0.85, "likeliest class along time", fontsize=8.5 * scale, color="0.3", **style)
    if recognised.label is not None:
        style |= {"fontsize": 8.5 * scale, "ha": "right"}
        legend = line.text(1, 0.85, "■ wrong", color=WRONG, **style)
        edge = 1 - (legend.get_window_extent().width + 6 * scale) / line.get_window_extent().width
        line.text(edge, 0.85, "■ right", color=CORRECT, **style)
    clock = line.text(0, 0.12, "", fontsize=10 * scale, color="0.3", va="center", transform=line.transAxes)
    page.stages += [people, prediction, Clock(clock, clip.fps, len(recognised))]
    return page


def animate_clip(recognised: RecognisedClip, skeleton: Skeleton, path: Path | str, clip: Clip) -> Path:
    """Draw a recognised clip into a .gif or .mp4. Raises InputError as `clip_page` and `write_clip` do."""
    drawn = clip_page(recognised, skeleton, clip).play(clip.indices(len(recognised)))
    return write_clip(drawn, path, clip, (*LEVELS, *map(tint, (LEFT, RIGHT, MIDDLE)), CORRECT, WRONG, OTHER, NOTE))
