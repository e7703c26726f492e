"""Lifting: from 2D joints over time to 3D joints over time."""

import argparse

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
