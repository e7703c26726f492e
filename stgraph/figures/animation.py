"""Skeletons drawn and animated: 2D input, true and predicted 3D side by side.

Bones are projected here and drawn as 2D lines over a background that is rendered once, which is what makes a clip of
100 frames take a second instead of a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stgraph.errors import InputError
from stgraph.figures.clip import Clip, View
from stgraph.figures.page import NOTE, Clock, Page
from stgraph.figures.video import write_clip
from stgraph.skeleton import Skeleton

# Distinguishable for the colour-blind, too.
LEFT, RIGHT, MIDDLE = "#1f6fb4", "#d8432f", "#333333"
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
GHOST, FLOOR = "#b9b9b9", "#dcdcdc"
SQUARE, FLOOR_RADIUS = 0.5, 0.8  # metres: the floor's squares, and how far it is drawn around the person
PANEL_HEIGHT = 340  # pixels, at which text has its design size


@dataclass(frozen=True)
class ImagePanel:
    """Joints in the image.

    Attributes:
        pose: pixels x, y and, if given, confidence; a joint of confidence 0 is not drawn.
        width, height: the image's size in pixels; its border is drawn.
    """

    title: str
    pose: Float[np.ndarray, "t j d"]
    width: int
    height: int


@dataclass(frozen=True)
class PosePanel:
    """Joints in space.

    Attributes:
        pose: metres, camera axes (x right, y down, z forward).
        rotation: the camera's quaternion w x y z, camera to world (z up), which gives the direction up; without it, up
            is the image's top.
        path: where the root is, metres in camera axes. The person is drawn in one place and the floor moves
            underneath; without a path, the person moves over the floor as `pose` says.
        error: of every frame, mm, written into the picture.
    """

    title: str
    pose: Float[np.ndarray, "t j 3"]
    rotation: Float[np.ndarray, "4"] | None = None
    path: Float[np.ndarray, "t 3"] | None = None
    error: Float[np.ndarray, " t"] | None = None


Panel = ImagePanel | PosePanel

# Geometry of the drawing ----------------------------------------------------------------------------------------------


def upright(
    points: Float[np.ndarray, "... 3"], rotation: Float[np.ndarray, "4"] | None = None
) -> Float[np.ndarray, "... 3"]:
    """Camera axes to right, away and up, with the camera's tilt and roll taken out where its rotation is known."""
    up = np.array([0.0, -1.0, 0.0])
    if rotation is not None:
        w, x, y, z = rotation
        up = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # the world's z seen by it
    # Level, and to the image's right; for a camera that is rolled onto its side, to its bottom.
    axis = np.eye(3)[0] if abs(up[0]) < 0.99 else np.eye(3)[1]
    right = axis - (axis @ up) * up
    right /= np.linalg.norm(right)
    return points @ np.stack([right, np.cross(up, right), up], axis=-1)


def on_screen(points: Float[np.ndarray, "... 3"], view: View) -> Float[np.ndarray, "... 3"]:
    """Right, away and up to the screen: x right, y up, and the distance behind the screen (orthographic), metres."""
    azimuth, elevation = np.radians([view.azimuth, view.elevation])
    x, away, up = np.moveaxis(points, -1, 0)
    x, away = x * np.cos(azimuth) + away * np.sin(azimuth), away * np.cos(azimuth) - x * np.sin(azimuth)
    y = up * np.cos(elevation) + away * np.sin(elevation)
    return np.stack([x, y, away * np.cos(elevation) - up * np.sin(elevation)], axis=-1)


def floor_lines(height: float, centre: Float[np.ndarray, "2"]) -> Float[np.ndarray, "line end 3"]:
    """Lines of the floor's squares around the origin of the drawing, for a person who stands at `centre`."""
    lines = []
    for axis in range(2):
        first = -FLOOR_RADIUS + (-centre[axis] + FLOOR_RADIUS) % SQUARE
        for place in np.arange(first, FLOOR_RADIUS + 1e-6, SQUARE):
            ends = np.full((2, 3), height)
            ends[:, axis], ends[:, 1 - axis] = place, (-FLOOR_RADIUS, FLOOR_RADIUS)
            lines.append(ends)
    return np.array(lines)


def seen(pose: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... 2"]:
    """x and y, NaN where the confidence is 0."""
    return pose if pose.shape[-1] == 2 else np.where(pose[..., 2:] > 0, pose[..., :2], np.nan)


def bounds(points: Float[np.ndarray, "... d"], title: str) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest coordinates. Raises InputError where there is nothing to show."""
    points = points.reshape(-1, points.shape[-1])
    points = points[np.isfinite(points).all(-1)]
    if not len(points):
        remedy = "choose another recording or start"
        raise InputError("no joint of the clip is finite and seen", where=f"panel {title!r}", remedy=remedy)
    return points.min(0), points.max(0)


# Bones ----------------------------------------------------------------------------------------------------------------


def bone_colours(skeleton: Skeleton) -> list[str]:
    """A colour for every bone, by the side of the joint at its end."""
    sides = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    return [sides.get(joint, MIDDLE) for joint, _ in skeleton.bones]


def bone_ends(skeleton: Skeleton) -> tuple[Int[np.ndarray, " bone"], Int[np.ndarray, " bone"]]:
    """Joint and parent of every bone."""
    joint, parent = np.array(skeleton.bones, dtype=int).reshape(-1, 2).T
    return joint, parent


def segments(points: Float[np.ndarray, "*p j 2"], skeleton: Skeleton) -> Float[np.ndarray, "*p bone 2 2"]:
    """Bones as lines from parent to joint; a bone with a missing (NaN) end is missing."""
    joint, parent = bone_ends(skeleton)
    return np.stack([points[..., parent, :], points[..., joint, :]], axis=-2)


def depth_order(screen: Float[np.ndarray, "*p j 3"], skeleton: Skeleton) -> Int[np.ndarray, " line"]:
    """The bones of all people from far to near."""
    joint, parent = bone_ends(skeleton)
    return np.argsort(-(screen[..., joint, 2] + screen[..., parent, 2]).ravel(), kind="stable")


def add_lines(axes: Axes, bones: Float[np.ndarray, "line 2 2"], colours: Sequence[str], width: float | int) -> None:
    """Add still bones to axes, the last on top."""
    axes.add_collection(LineCollection(list(bones), colors=colours, linewidths=width, capstyle="round"))


def draw_pose2d(
    axes: Axes, pose: Float[np.ndarray, "j d"], skeleton: Skeleton, width: float = 2.5, colour: str | None = None
) -> None:
    """Draw joints in the image, x right and y down as in pixels; `axes` must have its y axis inverted.

    Args:
        pose: pixels x, y and, if given, confidence (0 = not drawn).
        colour: of all bones; by default each has that of its side.
    """
    colours = bone_colours(skeleton) if colour is None else [colour]
    add_lines(axes, segments(seen(pose), skeleton), colours, width)


def draw_pose3d(axes: Axes, pose: Float[np.ndarray, "j 3"], skeleton: Skeleton, view: View | None = None) -> None:
    """Draw joints in space, given as right, away and up in metres (see `upright`), nearest bones on top."""
    screen = on_screen(pose, view or View())
    order = depth_order(screen, skeleton)
    colours = [bone_colours(skeleton)[bone] for bone in order]
    add_lines(axes, segments(screen[:, :2], skeleton)[order], colours, 2.5)


# Animation ------------------------------------------------------------------------------------------------------------


class _Stage:
    """One panel on the page: its title, and the lines that move."""

    def __init__(self, axes: Axes, title: str, skeleton: Skeleton, scale: float) -> None:
        self.axes, self.skeleton = axes, skeleton
        axes.set_axis_off()
        axes.set_title(title, fontsize=10 * scale, pad=4 * scale)
        self.colours = np.array(bone_colours(skeleton))
        self.floor = LineCollection([], colors=FLOOR, linewidths=0.8 * scale)
        self.lines = LineCollection([], linewidths=2.8 * scale, capstyle="round", joinstyle="round")
        self.text = axes.text(0.5, 0.005, "", transform=axes.transAxes, fontsize=10 * scale, ha="center", va="bottom")
        self.moving: Sequence[Artist] = [self.floor, self.lines, self.text]
        for lines in (self.floor, self.lines):
            axes.add_collection(lines, autolim=False)


class _ImageStage(_Stage):
    def __init__(self, axes: Axes, panel: ImagePanel, skeleton: Skeleton, scale: float) -> None:
        super().__init__(axes, panel.title, skeleton, scale)
        self.points = seen(panel.pose)
        self.lines.set_color(self.colours.tolist())
        low, high = bounds(self.points, panel.title)
        margin = 0.08 * (high - low).max()
        show_box(axes, low - margin, high + margin)
        axes.invert_yaxis()
        border = Rectangle((0, 0), panel.width, panel.height, fill=False, edgecolor=GHOST, linewidth=scale)
        axes.add_patch(border)

    def update(self, frame: int) -> None:
        """Set the moving lines to a frame."""
        self.lines.set_segments(list(segments(self.points[frame], self.skeleton)))


class _PoseStage(_Stage):
    floor_height: float = 0.0  # metres; set for all panels together

    def __init__(self, axes: Axes, panel: PosePanel, skeleton: Skeleton, scale: float, view: View) -> None:
        super().__init__(axes, panel.title, skeleton, scale)
        bounds(panel.pose, panel.title)
        self.panel, self.view = panel, view
        self.pose = upright(panel.pose, panel.rotation)
        if panel.path is None:  # the floor lies around the middle of the path
            self.path = np.zeros((len(panel.pose), 3))
            self.pose = self.pose - np.nanmean(self.pose[:, skeleton.root], axis=0) * (1, 1, 0)
        else:  # in place: the root's height moves the person, the rest of its path moves the floor
            self.path = upright(panel.path, panel.rotation)
            self.pose = self.pose - self.pose[:, [skeleton.root]] + self.path[:, None] * (0, 0, 1)

    def box(self, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """Bounds on the screen of the pose all through the clip and of the floor's corners; metres."""
        corners = np.array([[x, y, floor] for x in (-1, 1) for y in (-1, 1)]) * (FLOOR_RADIUS, FLOOR_RADIUS, 1)
        low, high = bounds(on_screen(self.pose, self.view), self.panel.title)
        edge = on_screen(corners, self.view)
        return np.minimum(low, edge.min(0))[:2], np.maximum(high, edge.max(0))[:2]

    def update(self, frame: int) -> None:
        """Set the moving lines, the floor and the error to a frame."""
        floor = on_screen(floor_lines(self.floor_height, self.path[frame, :2]), self.view)
        self.floor.set_segments(list(floor[..., :2]))
        screen = on_screen(self.pose[frame], self.view)
        order = depth_order(screen, self.skeleton)
        self.lines.set_segments(list(segments(screen[:, :2], self.skeleton)[order]))
        self.lines.set_color(self.colours[order].tolist())
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
    size = clip.pixels((960, 340))
    check_panels(panels, skeleton, size)
    width, height = size
    page = Page(clip, size, min(height / PANEL_HEIGHT, width / (320 * len(panels))))
    scale, top, bottom = page.scale, 52 * page.scale / height, 24 * page.scale / height
    for number, panel in enumerate(panels):
        box = ((number + 0.02) / len(panels), bottom, 0.96 / len(panels), 1 - top - bottom)
        axes = page.figure.add_axes(box)
        if isinstance(panel, ImagePanel):
            page.stages.append(_ImageStage(axes, panel, skeleton, scale))
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
    # Below the first panel, where no title of any length reaches it.
    time = page.figure.text(0.5 / len(panels), bottom, "", fontsize=10 * scale, ha="center", color="0.3")
    page.stages.append(Clock(time, clip.fps))
    return page


def share_limits(stages: Sequence[_PoseStage]) -> None:
    """One scale and one floor for all panels in space, so that they can be compared."""
    if not stages:
        return
    floor = float(bounds(stages[0].pose, stages[0].panel.title)[0][2])
    boxes = np.array([stage.box(floor) for stage in stages])
    low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
    # Room below for the error, which is written there.
    low[1] -= 0.09 * (high - low)[1]
    for stage in stages:
        stage.floor_height = floor
        show_box(stage.axes, low - 0.04, high + 0.04)


def check_panels(panels: Sequence[Panel], skeleton: Skeleton, size: tuple[int, int]) -> None:
    """Raises InputError for panels that do not go together."""
    shapes = {panel.title: panel.pose.shape for panel in panels}
    if len({shape[:2] for shape in shapes.values()}) != 1 or next(iter(shapes.values()))[1] != len(skeleton):
        expected = f"the same frames of the {len(skeleton)} joints of {skeleton.name}"
        raise InputError(where=f"panels {shapes}", expected=expected)
    if not all(shape[0] for shape in shapes.values()):
        remedy = "choose an earlier start or a longer clip"
        raise InputError("no frames to draw", where=f"panels {', '.join(shapes)}", remedy=remedy)
    if size[0] < 100 * len(panels) or size[1] < 100 or max(size) > 8192:
        expected = f"at least {100 * len(panels)} x 100 pixels and at most 8192 a side"
        raise InputError(where=f"size {size[0]} x {size[1]}", expected=expected)


def animate(panels: Sequence[Panel], skeleton: Skeleton, path: Path | str, clip: Clip) -> Path:
    """Draw panels into a .gif or .mp4. Raises InputError as `pose_page` and `write_clip` do."""
    drawn = pose_page(panels, skeleton, clip).play(clip.indices(len(panels[0].pose)))
    return write_clip(drawn, path, clip, (LEFT, RIGHT, NOTE))
