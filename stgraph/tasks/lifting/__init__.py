"""Lifting: from 2D joints over time to 3D joints over time."""

import argparse

from stgraph.settings.registry import TASKS, TaskEntry

# Of `stgraph.tasks.lifting.protocols`, which --help does not wait for.
PROTOCOLS = (
    "standard",
    "videopose3d",
    "tgraphnet",
    "semgcn",
    "mixste",
    "motionbert",
    "3dhp",
    "3dhp14",
    "3dpw",
    "3dpw14",
)


def options(group: argparse._ArgumentGroup) -> None:
    """What `evaluate` can be asked for."""
    group.add_argument("--protocol", help=f"{PROTOCOLS} (standard)")
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the prediction for the mirrored input (as the protocol says)",
    )


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
    ),
)
