"""A run frame by frame, in a program."""

from typing import Any

from stgraph.errors import InputError
from stgraph.training.task_run import TaskRun


def live(run: TaskRun, **options: Any) -> Any:
    """A run that is given a video frame by frame, by its `update`, with a memory of fixed size.

    Of a recogniser, `update(poses)` gives the probability of every class (`stgraph.tasks.action.live.Live`); of a
    lifter, the frames whose 3D is ready (`stgraph.tasks.lifting.live.LiveLifter`). Their options are stated there.

    Raises:
        InputError: no such run, or options that it does not work with.
    """
    if not isinstance(run, TaskRun):
        raise InputError(where="run", found=repr(run), expected="a trained run", remedy="load one with Run.load")
    return run.live(**options)
