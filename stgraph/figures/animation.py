"""Skeletons drawn and animated: 2D input, true and predicted 3D side by side.

Bones are projected (`projection.py`) and drawn as 2D lines over a background that is rendered once, which is what makes
a clip of 100 frames take a second instead of a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox

from stgraph.errors import InputError
from stgraph.figures.backdrop import Backdrop, Pictures, outline
from stgraph.figures.bones import FLOOR, GHOST, LEFT, RIGHT, bone_colours, bone_ends, depth_order, segments, tint
from stgraph.figures.clip import Clip, View
from stgraph.figures.legible import legible
from stgraph.figures.page import NOTE, Clock, Page
from stgraph.figures.projection import FLOOR_RADIUS, bounds, floor_lines, ground_lines, on_screen, seen, upright
from stgraph.figures.video import write_clip
from stgraph.skeleton import Skeleton

PANEL_HEIGHT = 340  # pixels, at which text has its design size


@dataclass(frozen=True)
class ImagePanel:
    """Joints in the image, of one person or of several.

    Attributes:
        pose: pixels x, y and, if given, confidence; a joint of confidence 0 is not drawn.
        width, height: the image's size in pixels; its border is drawn.
        names: of the people, written above their heads.
        pictures: the frames of the video, which are then shown whole behind the joints.
    """

    title: str
    pose: Float[np.ndarray, "t *m j d"]
    width: int
    height: int
    names: Sequence[str] = ()
    pictures: Pictures | None = None


@dataclass(frozen=True)
class PosePanel:
    """Joints in space, of one person or of several.

    Attributes:
        pose: metres, camera axes (x right, y down, z forward); NaN where a person is absent.
        rotation: the camera's quaternion w x y z, camera to world (z up), which gives the direction up; without it, up
            is the image's top.
        path: where the root is, metres in camera axes. The one person is drawn in one place and the floor moves
            underneath; without a path, people move over the floor as `pose` says.
        error: of every frame, mm, written into the picture.
        guessed: joints whose bones are pale.
        floor: its height above the origin of the axes, metres; by default it is under the lowest joint.
        names: of the people, written above their heads.
    """

    title: str
    pose: Float[np.ndarray, "t *m j 3"]
    rotation: Float[np.ndarray, "4"] | None = None
    path: Float[np.ndarray, "t 3"] | None = None
    error: Float[np.ndarray, " t"] | None = None
    guessed: Bool[np.ndarray, "t *m j"] | None = None
    floor: float | None = None
    names: Sequence[str] = ()


Panel = ImagePanel | PosePanel


class _Stage:
    """One panel on the page: its title, and the lines that move."""

    def __init__(self, axes: Axes, panel: Panel, skeleton: Skeleton, scale: float) -> None:
        self.axes, self.skeleton = axes, skeleton
        axes.set_axis_off()
        axes.set_title(legible(panel.title), fontsize=10 * scale, pad=4 * scale)
        self.colours = np.array(bone_colours(skeleton))
        self.floor = LineCollection([], colors=FLOOR, linewidths=0.8 * scale)
        self.lines = LineCollection([], linewidths=2.8 * scale, capstyle="round", joinstyle="round")
        self.text = axes.text(0.5, 0.005, "", transform=axes.transAxes, fontsize=10 * scale, ha="center", va="bottom")
        style = {"fontsize": 8.5 * scale, "ha": "center", "va": "bottom", "color": "0.3", "fontweight": "bold"}
        above = {"xytext": (0, 5 * scale), "textcoords": "offset points"}
        self.names = [axes.annotate(legible(name), (0, 0), **above, **style) for name in panel.names]
        self.moving: Sequence[Artist] = [self.floor, self.lines, self.text, *self.names]
        for lines in (self.floor, self.lines):
            axes.add_collection(lines, autolim=False)

    def put_names(self, points: Float[np.ndarray, "*m j 2"], up: int) -> None:
        """Put each person's name above the topmost joint; `up` is -1 where y goes down."""
        for name, body in zip(self.names, points.reshape(-1, *points.shape[-2:]), strict=False):
            body = body[np.isfinite(body).all(-1)]
            name.set_visible(len(body) > 0)
            if len(body):
                name.xy = body[(up * body[:, 1]).argmax()]


class _ImageStage(_Stage):
    def __init__(self, axes: Axes, panel: ImagePanel, skeleton: Skeleton, scale: float) -> None:
        super().__init__(axes, panel, skeleton, scale)
        self.points = seen(panel.pose)
        self.lines.set_color(self.colours.tolist())
        low, high = bounds(self.points, panel.title)
        margin = 0.08 * (high - low).max()
        if panel.pictures is not None:
            low, high, margin = np.zeros(2), np.array([panel.width, panel.height]), 0.0
            for artist, edge in ((self.lines, 4.4), *((name, 2.0) for name in self.names)):
                artist.set_path_effects(outline(edge * scale))
            # Joints beyond the picture are guesses of the estimator.
            self.lines.set_clip_box(TransformedBbox(Bbox([low, high]), axes.transData))
        show_box(axes, low - margin, high + margin)
        axes.invert_yaxis()
        # The image's border, where it is in view as a whole: one edge of it would be a stray line.
        edges = np.sort([axes.get_xlim(), axes.get_ylim()])
        if (edges[:, 0] <= 0).all() and (edges[:, 1] >= (panel.width, panel.height)).all():
            border = Rectangle((0, 0), panel.width, panel.height, fill=False, edgecolor=GHOST, linewidth=scale)
            axes.add_patch(border)

    def update(self, frame: int) -> None:
        """Set the moving lines to a frame."""
        self.lines.set_segments(list(segments(self.points[frame], self.skeleton).reshape(-1, 2, 2)))
        self.put_names(self.points[frame], -1)


class _PoseStage(_Stage):
    floor_height: float = 0.0  # metres; set for all panels together

    def __init__(self, axes: Axes, panel: PosePanel, skeleton: Skeleton, scale: float, view: View) -> None:
        super().__init__(axes, panel, skeleton, scale)
        bounds(panel.pose, panel.title)
        self.panel, self.view = panel, view
        self.pose = upright(panel.pose, panel.rotation)
        bones = bone_ends(skeleton)
        guessed = np.zeros(panel.pose.shape[:-1], bool) if panel.guessed is None else panel.guessed
        self.pale = np.logical_or(*(guessed[..., ends] for ends in bones)).reshape(len(guessed), -1)
        self.colours = np.tile(self.colours, self.pale.shape[1] // max(len(skeleton.bones), 1))
        self.tints = np.array([tint(colour) for colour in self.colours])
        if panel.path is None:  # the floor lies around the middle of the path, and as far as people go
            self.path = np.zeros((len(panel.pose), 3))
            middle = np.nanmean(self.pose[..., skeleton.root, :].reshape(-1, 3), axis=0)
            self.pose = self.pose - middle * (1, 1, 0)
            low, high = bounds(self.pose, panel.title)
            self.extent = np.minimum(low, -FLOOR_RADIUS), np.maximum(high, FLOOR_RADIUS)
        else:  # in place: the root's height moves the person, the rest of its path moves the floor
            self.path = upright(panel.path, panel.rotation)
            self.pose = self.pose - self.pose[:, [skeleton.root]] + self.path[:, None] * (0, 0, 1)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds on the screen of the pose all through the clip and of the floor; metres."""
        floor = on_screen(self.floor_at(0).reshape(-1, 3), self.view)
        low, high = bounds(on_screen(self.pose, self.view), self.panel.title)
        return np.minimum(low, floor.min(0))[:2], np.maximum(high, floor.max(0))[:2]

    def floor_at(self, frame: int) -> Float[np.ndarray, "line end 3"]:
        """The lines of the floor."""
        if self.panel.path is not None:
            return floor_lines(self.floor_height, self.path[frame, :2])
        low, high = self.extent
        return ground_lines(np.array([*low[:2], self.floor_height]), high)

    def update(self, frame: int) -> None:
        """Set the moving lines, the floor and the error to a frame."""
        self.floor.set_segments(list(on_screen(self.floor_at(frame), self.view)[..., :2]))
        screen = on_screen(self.pose[frame], self.view)
        order = depth_order(screen, self.skeleton)
        self.lines.set_segments(list(segments(screen[..., :2], self.skeleton).reshape(-1, 2, 2)[order]))
        self.lines.set_color(np.where(self.pale[frame], self.tints, self.colours)[order].tolist())
        self.put_names(screen[..., :2], 1)
        if self.panel.error is not None:
            self.text.set_text(f"error {self.panel.error[frame]:.0f} mm")


def show_box(axes: Axes, low: np.ndarray, high: np.ndarray, room: np.ndarray | float | int = 0) -> float:
    """Show a box in the middle of equal axes, `room` pixels left free; returns units of the box in a pixel."""
    pixels = np.array([axes.get_window_extent().width, axes.get_window_extent().height])
    unit, middle = max(*((high - low) / (pixels - room)), 1e-9), (low + high) / 2
    (left, bottom), (right, top) = middle - unit * pixels / 2, middle + unit * pixels / 2
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return float(unit)


def pose_page(panels: Sequence[Panel], skeleton: Skeleton, clip: Clip) -> Page:
    """The page that shows panels side by side; its frames are those of the poses.

    Raises:
        InputError: panels of different lengths or joint counts, no frames, or a picture too small to read.
    """
    check_panels(panels, skeleton)
    width, height = size = clip.pixels((960, 340), (100 * len(panels), 100))
    page = Page(clip, size, min(height / PANEL_HEIGHT, width / (320 * len(panels))))
    scale, top, bottom = page.scale, 52 * page.scale / height, 24 * page.scale / height
    for number, panel in enumerate(panels):
        box = ((number + 0.02) / len(panels), bottom, 0.96 / len(panels), 1 - top - bottom)
        axes = page.figure.add_axes(box)
        if isinstance(panel, ImagePanel):
            stage = _ImageStage(axes, panel, skeleton, scale)
            if panel.pictures is not None:
                page.stages.append(Backdrop(axes, panel.pictures, (panel.width, panel.height)))
            page.stages.append(stage)
        else:
            page.stages.append(_PoseStage(axes, panel, skeleton, scale, clip.view))
    share_limits([stage for stage in page.stages if isinstance(stage, _PoseStage)])
    page.figure.legend(
        [Line2D([], [], color=colour, linewidth=2.8 * scale) for colour in (LEFT, RIGHT)],
        ["left", "right"],
        loc="lower right",
        ncols=2,
        frameon=False,
        fontsize=8.5 * scale,
        borderaxespad=0.1,
        handlelength=1.4,
    )
    # Below the first panel, where no title of any length reaches it; a picture may fill the panel down to its edge.
    below = "top" if has_pictures(panels) else "baseline"
    low = bottom - (3 * scale / height if below == "top" else 0)
    time = page.figure.text(0.5 / len(panels), low, "", fontsize=10 * scale, ha="center", va=below, color="0.3")
    page.stages.append(Clock(time, clip.fps))
    return page


def share_limits(stages: Sequence[_PoseStage]) -> None:
    """One scale and one floor for all panels in space, so that they can be compared."""
    if not stages:
        return
    floor = stages[0].panel.floor
    floor = float(bounds(stages[0].pose, stages[0].panel.title)[0][2]) if floor is None else floor
    for stage in stages:
        stage.floor_height = floor
    boxes = np.array([stage.box() for stage in stages])
    low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
    # Room below for the error, which is written there.
    low[1] -= 0.09 * (high - low)[1]
    for stage in stages:
        show_box(stage.axes, low - 0.04, high + 0.04)


def check_panels(panels: Sequence[Panel], skeleton: Skeleton) -> None:
    """Raises InputError for panels that do not go together."""
    shapes = {panel.title: panel.pose.shape for panel in panels}
    if {shape[-2] for shape in shapes.values()} != {len(skeleton)} or len({shape[0] for shape in shapes.values()}) != 1:
        expected = f"the same frames of the {len(skeleton)} joints of {skeleton.name}"
        raise InputError(where=f"panels {shapes}", expected=expected)
    if not all(shape[0] for shape in shapes.values()):
        remedy = "choose an earlier start or a longer clip"
        raise InputError("no frames to draw", where=f"panels {', '.join(shapes)}", remedy=remedy)


def animate(panels: Sequence[Panel], skeleton: Skeleton, path: Path | str, clip: Clip) -> Path:
    """Draw panels into a .gif or .mp4. Raises InputError as `pose_page` and `write_clip` do."""
    drawn = pose_page(panels, skeleton, clip).play(clip.indices(len(panels[0].pose)))
    return write_clip(drawn, path, clip, None if has_pictures(panels) else (LEFT, RIGHT, NOTE))


def has_pictures(panels: Sequence[Panel]) -> bool:
    """Whether frames of a video are drawn."""
    return any(isinstance(panel, ImagePanel) and panel.pictures is not None for panel in panels)
