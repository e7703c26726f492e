"""Action: from the motion of one or more persons to the class of the clip."""

import argparse

from stgraph.settings.registry import TASKS, TaskEntry


def options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `evaluate` for this task."""
    group.add_argument("--views", type=int, help="samples of each clip, whose probabilities are averaged (1)")
    group.add_argument(
        "--per-frame",
        action="store_true",
        default=None,
        help="write what each frame was recognised as to frames.csv as well",
    )


def predict_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of `predict` for this task."""
    add = group.add_argument
    add("--window", type=int, help="frames that are recognised at a time (as many as the model sees of a clip)")
    add("--step", type=int, help="frames from one window to the next (a quarter of the window)")
    text = "recognise all people as one clip, for classes that need two; otherwise each person is one"
    add("--together", action="store_true", default=None, help=text)


TASKS.add(
    "action",
    TaskEntry(
        name="action",
        title="recognisers",
        needs="clips",
        task="stgraph.tasks.action.task:Action",
        run="stgraph.tasks.action.commands:ActionCommands",
        data="stgraph.tasks.action.settings:ClipSettings",
        served_by="score and draw recognisers with `python -m stgraph.evaluate` and `python -m stgraph.render`",
        options=options,
        predict_options=predict_options,
    ),
)
