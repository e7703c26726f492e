"""stgraph: learning from sequences of skeletons.

The names below are imported when they are first used, so that `import stgraph` loads neither torch nor matplotlib.
"""

import importlib
import os
from typing import TYPE_CHECKING

__version__ = "0.2.0"

# Threads that wait for one another give their core away at once, unless the user says how they wait. By default they
# spin for milliseconds, and where other programs use the cores that takes the time of the thread that is waited for.
# OpenMP reads it when torch is loaded.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "passive"

if TYPE_CHECKING:
    from stgraph.data.dataset import Dataset
    from stgraph.errors import InputError
    from stgraph.formats.keypoints.estimator import PoseEstimator
    from stgraph.formats.keypoints.keypoints import Keypoints
    from stgraph.formats.keypoints.read import read_keypoints
    from stgraph.motion.motion import Motion
    from stgraph.skeleton import Skeleton
    from stgraph.tasks.action.recognise import recognise
    from stgraph.tasks.lifting.lift import lift
    from stgraph.tracking.tracker import Tracker
    from stgraph.training.engine import Engine
    from stgraph.training.live import live as Live
    from stgraph.training.task_run import TaskRun as Run

__all__ = [
    "Dataset",
    "Engine",
    "InputError",
    "Keypoints",
    "Live",
    "Motion",
    "PoseEstimator",
    "Run",
    "Skeleton",
    "Tracker",
    "__version__",
    "lift",
    "read_keypoints",
    "recognise",
]

_PLACES = {
    "Dataset": "stgraph.data.dataset",
    "Engine": "stgraph.training.engine",
    "InputError": "stgraph.errors",
    "Keypoints": "stgraph.formats.keypoints.keypoints",
    "Live": "stgraph.training.live:live",
    "Motion": "stgraph.motion.motion",
    "PoseEstimator": "stgraph.formats.keypoints.estimator",
    "Run": "stgraph.training.task_run:TaskRun",
    "Skeleton": "stgraph.skeleton",
    "Tracker": "stgraph.tracking.tracker",
    "lift": "stgraph.tasks.lifting.lift",
    "read_keypoints": "stgraph.formats.keypoints.read",
    "recognise": "stgraph.tasks.action.recognise",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
