"""Checkpoint files: weights with their settings, and the state for resuming. Written atomically, never unpickled."""

import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from stgraph import __version__
from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.formats.json_files import parse_json
from stgraph.formats.torch_files import load_torch
from stgraph.settings.params import Settings, validate
from stgraph.settings.places import CHECKPOINTS
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton, skeleton_from

FOLDER = CHECKPOINTS
REMEDY = "train again, or turn another's checkpoint into one with `python -m stgraph.convert`"
Epoch = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Origin:
    """What a model was trained on; travels in its checkpoint and into every report.

    Attributes:
        source, terms: of the dataset, as text.
        data_hash: `Dataset.hash`.
        synthetic: whether the motion was made up.
        fps: frames per second of its recordings; None where they differ or are unknown.
    """

    source: str
    terms: str
    data_hash: str
    synthetic: bool
    fps: float | None = None


@dataclass(frozen=True)
class Weights:
    """The content of a .safetensors checkpoint.

    Attributes:
        epoch: that the weights are of.
        trained: epochs in all, where the minutes ended before the planned ones; else None.
    """

    state: dict[str, Tensor]
    settings: Settings
    skeleton: Skeleton
    origin: Origin
    epoch: float
    scores: dict[str, float]
    trained: float | None = None


class Metadata(BaseModel):
    """The metadata of a .safetensors checkpoint, JSON by its name."""

    settings: dict[str, Any]
    skeleton: dict[str, Any]
    origin: Origin
    epoch: Epoch
    scores: dict[str, float]
    trained: Epoch | None = None


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights with everything that evaluating them needs in the file's metadata."""
    metadata = {
        "settings": weights.settings.model_dump(),
        "skeleton": asdict(weights.skeleton),
        "origin": asdict(weights.origin),
        "epoch": weights.epoch,
        "scores": weights.scores,
        "trained": weights.trained,
        "version": __version__,
    }
    state = {name: value.detach().cpu().contiguous().clone() for name, value in weights.state.items()}
    data = safetensors.torch.save(state, {key: json.dumps(value) for key, value in metadata.items()})
    with replaced(path) as temporary:
        temporary.write_bytes(data)


def load_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote. Raises InputError for a damaged or foreign file, or weights that are NaN."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = {key: parse_json(value, f"{path}, {key}") for key, value in (file.metadata() or {}).items()}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        metadata = Metadata.model_validate(found)
        settings = validate(metadata.settings, f"{path}, settings")
        model = MODELS.get(settings.model["name"])
        state = {model.current_name(name): value for name, value in state.items()}
        if wrong := [name for name, value in state.items() if not value.isfinite().all()]:
            problem = f"{len(wrong)} of {len(state)} weights hold numbers that are not finite, such as {wrong[0]}"
            raise InputError(problem, where=path, remedy=REMEDY)
        skeleton = skeleton_from(metadata.skeleton, f"{path}, skeleton")
        about = metadata.origin, metadata.epoch, metadata.scores, metadata.trained
        return Weights(state, settings, skeleton, *about)
    except InputError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f"metadata {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"not a whole stgraph checkpoint ({reason})", where=path, remedy=REMEDY) from error
    except (safetensors.SafetensorError, OSError, TypeError, ValueError) as error:
        raise InputError(f"not a whole stgraph checkpoint ({error!r})", where=path, remedy=REMEDY) from error


def note_trained(path: Path, trained: float | None) -> None:
    """Write into a checkpoint for how many epochs it was trained where that is fewer than planned."""
    if not path.exists():
        return
    weights = load_weights(path)
    if weights.trained != trained:
        save_weights(path, replace(weights, trained=trained))


def save_last(path: Path, state: dict[str, Any]) -> None:
    """Write what resuming needs: tensors and plain containers alone."""
    # Through memory, so that a full disk is Python's OSError and not a message of the serialiser's.
    data = io.BytesIO()
    torch.save(state, data)
    with replaced(path) as temporary:
        temporary.write_bytes(data.getbuffer())


def load_last(path: Path) -> dict[str, Any]:
    """Read what `save_last` wrote, without running pickled code."""
    try:
        return load_torch(path)
    except InputError:
        raise
    except Exception as error:  # torch raises many types for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]  # an empty file has no text
        problem = f"cannot be resumed from ({reason})"
        raise InputError(problem, where=path, remedy="begin anew with `train --restart`") from error
