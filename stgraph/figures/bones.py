"""Bones as lines in the colours of their sides, in the image and on the screen."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb

from stgraph.figures.clip import View
from stgraph.figures.projection import on_screen, seen
from stgraph.skeleton import Skeleton

# Distinguishable for the colour-blind, too.
LEFT, RIGHT, MIDDLE = "#1f6fb4", "#d8432f", "#333333"
SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
GHOST, FLOOR = "#b9b9b9", "#dcdcdc"


def bone_colours(skeleton: Skeleton) -> list[str]:
    """A colour for every bone, by the side of the joint at its end."""
    sides = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    return [sides.get(joint, MIDDLE) for joint, _ in skeleton.bones]


def tint(colour: str) -> str:
    """A light shade of a colour."""
    red, green, blue = (0.4 * part + 0.6 for part in to_rgb(colour))
    return to_hex((red, green, blue))


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
