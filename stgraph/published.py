"""Published checkpoints of other implementations, read without running anything in them and turned into ours."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stgraph import params
from stgraph.errors import InputError
from stgraph.models import MODELS
from stgraph.params import Settings
from stgraph.run import build
from stgraph.skeleton import Skeleton
from stgraph.tasks import TASKS

# Keys of a published, flat params.json that mean the same as one of ours.
FLAT_KEYS = {
    "learning_rate": "optim.lr",
    "weight_decay": "optim.weight_decay",
    "lr_gamma": "optim.decay",
    "num_epochs": "optim.epochs",
    "batch_size": "optim.batch_size",
    "in_frames": "data.frames",
    "dropout": "model.dropout",
}
DETECTORS = {"cpn": "cpn_ft_h36m_dbb", "gt": "gt"}


class Skipped:
    """Stands in for the NumPy numbers that training left beside the weights, so that nothing of NumPy's is run."""

    def __init__(self, *content: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


NUMPY_NUMBERS = [
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "numpy.float32", "numpy.float64"),
    *("numpy.dtypes.Float32DType", "numpy.dtypes.Float64DType", "numpy.dtypes.Int64DType", "_codecs.encode"),
]


def load_published(path: Path) -> dict[str, Tensor]:
    """The `state_dict` of a checkpoint. Nothing in it is run: tensors, containers and numbers are all it may hold.

    Raises:
        InputError: missing or damaged, holds anything else, or holds no weights.
    """
    try:
        with torch.serialization.safe_globals([(Skipped, name) for name in NUMPY_NUMBERS]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give the path of a checkpoint") from error
    except Exception as error:  # torch raises many types for a damaged file
        # Its own messages go on to advise loading the file in the way that runs what it holds.
        code = re.search(r"GLOBAL (\S+)", str(error))
        found = f"it holds {code[1]}, which was not run" if code else "it is not a whole file from torch.save"
        raise InputError(
            f"{path}: {found}; expected tensors, containers and numbers alone, because anything else can run code; "
            "get it again, or save its state_dict by itself"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        found = (
            f"a dictionary of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        )
        raise InputError(f"{path}: found {found}; expected tensors by name, by themselves or under 'state_dict'")
    return {name.removeprefix("module."): value for name, value in state.items()}


def flat_overrides(path: Path) -> list[str]:
    """What a published settings file sets, as overrides of ours. Raises InputError if it is not such a file."""
    try:
        flat = json.loads(path.read_text())
        pairs = [(ours, flat[key]) for key, ours in FLAT_KEYS.items() if key in flat]
        if "ds_category" in flat:
            pairs.append(("data.detector", DETECTORS.get(flat["ds_category"], flat["ds_category"])))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}; expected the flat JSON settings of a published checkpoint") from error
    return [f"{key}={json.dumps(value)}" for key, value in pairs]


def convert(
    model: str, state: dict[str, Tensor], like: str, overrides: list[str], skeleton: Skeleton, where: str
) -> tuple[Settings, dict[str, Tensor]]:
    """Settings and weights of ours. Raises InputError that lists the keys and shapes that do not fit."""
    section, weights = MODELS.get(model).from_published(state, len(skeleton))
    overrides = [*overrides, f"model.name={model}"]
    overrides += [f"model.{key}={json.dumps(value)}" for key, value in section.items()]
    settings = params.load(like, overrides)
    heads = build(TASKS, settings.task, skeleton).heads
    ours = build(MODELS, settings.model, skeleton, in_channels=2, heads=heads).state_dict()
    shapes = {
        f"{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
        for name, value in ours.items()
        if name in weights and weights[name].shape != value.shape
    }
    problems = {
        "missing": ours.keys() - weights.keys(),
        "unknown": weights.keys() - ours.keys(),
        "of other shape": shapes,
    }
    if any(problems.values()):
        listed = "\n  ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in problems.items() if names)
        raise InputError(f"{where}: not the weights of a published {model}\n  {listed}\nname the model it belongs to")
    return settings, weights
