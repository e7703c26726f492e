"""Lifting: from 2D joints over time to 3D joints over time."""

import argparse
from pathlib import Path

from stgraph.settings.registry import TASKS, TaskEntry
from stgraph.tasks.lifting.protocols import PROTOCOLS


def options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `evaluate` for this task."""
    group.add_argument("--protocol", help=f"{', '.join(PROTOCOLS)} (standard)")
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored input (as the protocol says)",
    )
    text = "score under other cameras, missing joints and other frame rates as well"
    group.add_argument("--conditions", action="store_const", const=True, help=text)


def predict_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `predict` for this task."""
    add = group.add_argument
    add("--height", type=float, help="metres of a standing person, for the scale (as the lifter expects people)")
    add("--camera", type=Path, metavar="FILE", help='JSON {"fx": ..., "fy": ..., "cx": ..., "cy": ...}, pixels')
    add("--fov", type=float, help="degrees that the camera sees across the image's longer side (49)")
    text = "trunk: estimated from upright people; camera: the camera is level (trunk)"
    add("--up", choices=("trunk", "camera"), help=text)
    add("--look-ahead", type=int, help="frames that an answer of --live waits for (as few as the network needs)")
    add("--smooth", type=float, help="seconds of a Gaussian over time, such as 0.05 (off)")


TASKS.add(
    "lifting",
    TaskEntry(
        name="lifting",
        title="lifters",
        needs="frames",
        task="stgraph.tasks.lifting.task:Lifting",
        run="stgraph.tasks.lifting.commands:LiftingCommands",
        data="stgraph.tasks.lifting.settings:WindowSettings",
        served_by="score and draw lifters with `python -m stgraph.evaluate` and `python -m stgraph.render`",
        options=options,
        predict_options=predict_options,
    ),
)
