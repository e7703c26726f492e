"""The predictor that a command's --exp names."""

from typing import TYPE_CHECKING

from stgraph.errors import InputError
from stgraph.tracking.options import UNTRAINED

if TYPE_CHECKING:
    from stgraph.skeleton import Skeleton
    from stgraph.tracking.predictors import Predictor


def load_predictor(exp: str, device: str, precision: str) -> "tuple[Predictor, Skeleton | None]":
    """The predictor, and the skeleton that it is for; None for any.

    Args:
        exp: a trained run, or one of `UNTRAINED`.
        device, precision: see `stgraph.training.engine.Engine`.

    Raises:
        InputError: no such run, or one that predicts no 2D tracks.
    """
    from stgraph.tracking.predictors import find_predictor

    if exp in UNTRAINED:
        return find_predictor(exp), None
    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    try:
        run = TaskRun.load(exp, Engine(device, precision=precision))
        predictor = run.predictor()
    except InputError as error:
        raise InputError(str(error), remedy=f"{', '.join(UNTRAINED)} need no training") from error
    if run.settings.data.channels != 2:
        remedy = "PoseTrack's files are 2D, train with data.detector"
        raise InputError("predicts 3D poses", where=f"--exp {exp}", remedy=remedy)
    return predictor, run.skeleton
