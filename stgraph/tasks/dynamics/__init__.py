"""Dynamics: from a person's joints in past frames to those of the current frame."""

import argparse

from stgraph.settings.registry import TASKS, TaskEntry


def options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `evaluate` for this task."""
    group.add_argument("--mode", choices=("strict", "official"), help="how tracking is scored (strict)")


TASKS.add(
    "dynamics",
    TaskEntry(
        name="dynamics",
        title="pose dynamics",
        needs="tracks",
        task="stgraph.tasks.dynamics.task:Dynamics",
        run="stgraph.tasks.dynamics.commands:DynamicsCommands",
        data="stgraph.tasks.dynamics.settings:TrackSettings",
        served_by="track people with `python -m stgraph.track`, and score it with `python -m stgraph.evaluate`",
        options=options,
    ),
)
