"""Published checkpoints of other implementations, read without running anything in them and turned into ours."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stgraph.errors import InputError
from stgraph.models.base import Model, Published
from stgraph.settings import params
from stgraph.settings.params import Settings
from stgraph.settings.registry import MODELS, TASKS, build

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
    """Stands in for what training left beside the weights, so that nothing of NumPy's is run."""

    def __init__(self, *content: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Numbers, and the state of a random generator, in the names of NumPy 1 and 2.
NUMPY_NAMES = [
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "numpy.float32", "numpy.float64", "_codecs.encode"),
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float32", "Float64", "Int64", "UInt32")),
    *("numpy.random.__RandomState_ctor", "numpy.random._pickle.__randomstate_ctor"),
    *("numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937"),
]
WEIGHTS = ("state_dict", "model_pos")  # where publishers put them


def load_published(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of a checkpoint, and what else it holds by its name.

    Nothing in it is run: tensors, containers, numbers and NumPy's random state are all it may hold.

    Raises:
        InputError: missing or damaged, holds anything else, or holds no weights.
    """
    try:
        with torch.serialization.safe_globals([(Skipped, name) for name in NUMPY_NAMES]):
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
    place = next((name for name in WEIGHTS if isinstance(content, dict) and name in content), None)
    state = content[place] if place else content
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        found = (
            f"a dictionary of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        )
        places = " or ".join(map(repr, WEIGHTS))
        raise InputError(f"{path}: found {found}; expected tensors by name, by themselves or under {places}")
    rest = {str(name): value for name, value in content.items() if name != place and value is not None} if place else {}
    return {str(name).removeprefix("module."): value for name, value in state.items()}, rest


def families() -> list[str]:
    """Every family of published checkpoints that can be converted."""
    return sorted({published.family for _, published in convertible()})


def convertible() -> list[tuple[str, Published]]:
    """Every model that published checkpoints exist for, with what is known of those."""
    models = ((name, MODELS.get(name).published) for name in MODELS.names())
    return [(name, published) for name, published in models if published]


def find_model(family: str, state: dict[str, Tensor], where: str) -> str:
    """The model of a family that a checkpoint's names belong to.

    Raises:
        InputError: they belong to another family, which is named, or to none.
    """
    found = [
        (name, published)
        for name, published in convertible()
        if any(re.search(published.mark, entry) for entry in state)
    ]
    for name, published in found:
        if published.family == family:
            return name
    if found:
        other = found[0][1].family
        raise InputError(
            f"{where}: not a checkpoint of {family}: it looks like one of {other}; "
            f"run `python -m stgraph.convert {other} {where} --exp NAME`"
        )
    names = list(state)
    raise InputError(
        f"{where}: {len(names)} entries such as {', '.join(names[:3])}, which belong to no published model that can be "
        f"converted; expected a checkpoint of {' or '.join(families())}"
    )


def flat_overrides(path: Path) -> list[str]:
    """What a published settings file sets, as overrides of ours. Raises InputError if it is not such a file."""
    try:
        flat = json.loads(path.read_text())
        if not isinstance(flat, dict):
            raise TypeError(f"it holds a {type(flat).__name__}")
        pairs = [(ours, flat[key]) for key, ours in FLAT_KEYS.items() if key in flat]
        if "ds_category" in flat:
            pairs.append(("data.detector", DETECTORS.get(flat["ds_category"], flat["ds_category"])))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}; expected the flat JSON settings of a published checkpoint") from error
    return [f"{key}={json.dumps(value)}" for key, value in pairs]


def convert(
    model: str,
    state: dict[str, Tensor],
    overrides: list[str],
    where: str,
    like: str | None = None,
    classes: list[str] | None = None,
) -> tuple[Settings, dict[str, Tensor]]:
    """Settings and weights of ours.

    Args:
        model: as `find_model` gives it.
        state: as `load_published` gives it.
        overrides: of the settings, "section.key=value"; what the shapes tell comes after them.
        where: names the checkpoint in messages.
        like: experiment that gives all other settings; by default the model's own.
        classes: names of a recogniser's classes; by default those of `like`, or numbers where it has others.

    Raises:
        InputError: keys and shapes that do not fit, all listed, or settings that do not.
    """
    published = MODELS.get(model).published_for(state)
    if like and (other := params.load(like).model["name"]) != model:
        raise InputError(
            f"--like {like}: an experiment with the model {other}, and {where} holds a {model}; "
            f"expected one with that model, such as {published.like}"
        )
    try:
        told, weights = MODELS.get(model).from_published(state, len(published.skeleton))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{where}: weights of a shape that no published {model} has ({str(error).strip().splitlines()[0]}); "
            "expected a checkpoint as published, get it again"
        ) from error
    if "task.classes" in told:
        told["task.classes"] = class_names(told["task.classes"], classes, like or published.like, where)
    elif classes is not None:
        raise InputError(f"{where}: a {model} recognises no classes; leave --classes out")
    overrides = [*overrides, f"model.name={model}", f"data.skeleton={published.skeleton.name}"]
    overrides += [f"{key if '.' in key else f'model.{key}'}={json.dumps(value)}" for key, value in told.items()]
    settings = params.load(like or published.like, overrides)
    heads = build(TASKS, settings.task, published.skeleton).heads
    context = {"in_channels": settings.data.channels, "heads": heads}
    ours = build(MODELS, settings.model, published.skeleton, **context).state_dict()
    # PyTorch before 0.4.1 did not count the batches that a norm has seen; nothing depends on their number.
    weights = {name: value for name, value in ours.items() if name.endswith("num_batches_tracked")} | weights
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
        raise InputError(
            f"{where}: not the weights of a published {model} of {len(published.skeleton)} joints\n  {listed}\n"
            "get the checkpoint again, or give --like an experiment with the settings that it was trained with"
        )
    return settings, weights


def class_names(numbered: list[str], given: list[str] | None, like: str, where: str) -> list[str]:
    """Names for so many classes: those given, or the experiment's if it has as many, or numbered ones.

    Raises:
        InputError: more or fewer were given.
    """
    if given is None:
        of_like = params.load(like).task.get("classes") or []
        return of_like if len(of_like) == len(numbered) else numbered
    if len(given) != len(numbered):
        raise InputError(
            f"--classes: {len(given)} names, and {where} scores {len(numbered)} classes; give one name in each line, "
            "in the order that it was trained with"
        )
    return given


def read_names(path: Path) -> list[str]:
    """Lines of a text that are not empty. Raises InputError if there is no such text."""
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; expected a text with one name in each line") from error


def given_back(family: str, model: Model, where: str) -> dict[str, Tensor]:
    """A model's weights as the family's implementation reads them. Raises InputError if it does not read such ones."""
    if model.published is None or model.published.family != family or not hasattr(model, "to_published"):
        ways = [
            f"{known.family} ({name})" for name, known in convertible() if hasattr(MODELS.get(name), "to_published")
        ]
        raise InputError(
            f"{where}: a {type(model).__name__} cannot be written as a checkpoint of {family}; what can is "
            f"{', '.join(ways)}"
        )
    return model.to_published()
