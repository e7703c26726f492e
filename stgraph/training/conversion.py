"""Experiments made from published checkpoints: settings, and weights that are checked against our model."""

import json
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from stgraph.errors import InputError
from stgraph.formats.files import replaced, sha256
from stgraph.formats.json_files import read_json
from stgraph.models.base import Model
from stgraph.models.published import find_model, load_published, to_published
from stgraph.settings import params
from stgraph.settings.params import Settings
from stgraph.settings.places import CHECKPOINTS, check_name
from stgraph.settings.registry import MODELS, TASKS, build
from stgraph.training.checkpoint import Origin, Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from stgraph.training.task import Task

# Keys of a published params.json, which has no sections -> the keys of ours.
SETTINGS_KEYS = {
    "learning_rate": "optim.lr",
    "weight_decay": "optim.weight_decay",
    "lr_gamma": "optim.decay",
    "num_epochs": "optim.epochs",
    "batch_size": "optim.batch_size",
    "in_frames": "data.frames",
    "dropout": "model.dropout",
}


def from_published(
    family: str,
    checkpoint: Path,
    exp: str,
    *,
    published_settings: Path | None = None,
    like: str | None = None,
    classes: list[str] | None = None,
) -> str:
    """Make an experiment and its weights of a published checkpoint; returns a text about it.

    Args:
        exp: what to call it in params/ and checkpoints/.
        published_settings: their file; params.json beside the checkpoint where there is one.
        like, classes: see `convert`.

    Raises:
        InputError: a name that is none, there is such an experiment already, or the checkpoint cannot be converted.
    """
    check_name("--exp", exp)
    target, experiment = CHECKPOINTS / exp / "best.safetensors", params.FOLDER / exp / "params.json"
    for path in (target, experiment):
        if path.exists():
            raise InputError("exists", where=path, remedy="choose another name with --exp, or remove it")
    beside = checkpoint.with_name("params.json")
    published_settings = published_settings or (beside if beside.exists() else None)
    overrides = published_overrides(published_settings) if published_settings else []
    state, rest = load_published(checkpoint)
    model = find_model(family, state, str(checkpoint))
    published = cast(type[Model], MODELS.get(model)).published_for(state)
    settings, weights = convert(model, state, overrides, str(checkpoint), like=like, classes=classes)
    origin = Origin(f"published checkpoint {checkpoint.name}", "its publisher's", sha256(checkpoint), False)
    epoch = rest.pop("epoch", None)
    epoch = float(epoch) if isinstance(epoch, int | float) else 0.0  # it may be an object that was not run
    save_weights(target, Weights(weights, settings, published.skeleton, origin=origin, epoch=epoch, scores={}))
    with replaced(experiment) as temporary:
        temporary.write_text(json.dumps(settings.model_dump(), indent=2) + "\n")
    like = like or published.like
    used = f"settings from {published_settings}, and those of {like}" if overrides else f"settings of {like}"
    lines = [
        f"{checkpoint}: {len(state)} entries of {model} -> {target} ({len(weights)} weights)",
        f"{experiment}: {used}, and what the weights' shapes determine",
    ]
    return "\n".join(lines + ([f"not used: {', '.join(rest)}"] if rest else []))


def write_published(family: str, exp: str, path: Path) -> str:
    """Write a trained run's weights under the names of the published implementation; returns a line about it."""
    if path.exists():
        raise InputError("exists", where=path, remedy="choose another file, or remove it")
    state = to_published(family, Run.load(exp, Engine("cpu")).model, f"--exp {exp}")
    with replaced(path) as temporary:
        torch.save(state, temporary)
    return f"{exp} -> {path} ({len(state)} entries under {family}'s names)"


def published_overrides(path: Path) -> list[str]:
    """A published settings file as overrides of ours. Raises InputError if it is not such a file."""
    expected = "the settings of a published checkpoint, a JSON object"
    values = read_json(path, expected)
    if not isinstance(values, dict):
        raise InputError(where=path, found=type(values).__name__, expected=expected)
    pairs = [(ours, values[key]) for key, ours in SETTINGS_KEYS.items() if key in values]
    if category := values.get("ds_category"):
        pairs.append(("data.detector", {"cpn": "cpn_ft_h36m_dbb"}.get(category, category)))
    return [f"{key}={json.dumps(value)}" for key, value in pairs]


def convert(
    model: str,
    state: dict[str, Tensor],
    overrides: list[str],
    where: str,
    *,
    like: str | None = None,
    classes: list[str] | None = None,
) -> tuple[Settings, dict[str, Tensor]]:
    """Our settings and our weights of a published checkpoint.

    Args:
        model: as `stgraph.models.published.find_model` gives it.
        state: as `stgraph.models.published.load_published` gives it.
        overrides: of the settings, "section.key=value"; what the shapes determine takes precedence.
        where: names the checkpoint in messages.
        like: experiment that gives all other settings; by default the model's own.
        classes: names of a recogniser's classes; by default those of `like`, or numbers where it has others.

    Raises:
        InputError: keys and shapes that do not fit, all listed, or settings that do not.
    """
    kind = cast(type[Model], MODELS.get(model))
    published = kind.published_for(state)
    if like and (other := params.load(like).model["name"]) != model:
        raise InputError(
            f"an experiment with the model {other}, and {where} holds a {model}",
            where=f"--like {like}",
            expected=f"one with that model, such as {published.like}",
        )
    try:
        inferred, weights = kind.from_published(state, len(published.skeleton))
    except InputError as error:
        raise InputError(str(error), where=where) from error
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"weights of a shape that no published {model} has ({reason})",
            where=where,
            expected="a checkpoint as published",
            remedy="get it again",
        ) from error
    if "task.classes" in inferred:
        inferred["task.classes"] = class_names(inferred["task.classes"], classes, like or published.like, where)
    elif classes is not None:
        raise InputError(f"a {model} recognises no classes", where=where, remedy="leave --classes out")
    overrides = [*overrides, f"model.name={model}", f"data.skeleton={published.skeleton.name}"]
    overrides += [f"{key if '.' in key else f'model.{key}'}={json.dumps(value)}" for key, value in inferred.items()]
    settings = params.load(like or published.like, overrides)
    task: Task = build(TASKS, settings.task, published.skeleton)
    context = {"in_channels": settings.data.channels, "heads": task.heads}
    built: Model = build(MODELS, settings.model, published.skeleton, **context)
    ours = built.state_dict()
    # PyTorch before 0.4.1 did not count the batches that a norm has seen; nothing depends on their number.
    weights = {name: value for name, value in ours.items() if name.endswith("num_batches_tracked")} | weights
    problems = {
        "missing": ours.keys() - weights.keys(),
        "unknown": weights.keys() - ours.keys(),
        "of other shape": {
            f"{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
            for name, value in ours.items()
            if name in weights and weights[name].shape != value.shape
        },
    }
    if any(problems.values()):
        listed = "\n  ".join(f"{problem}: {', '.join(sorted(names))}" for problem, names in problems.items() if names)
        raise InputError(
            f"not the weights of a published {model} of {len(published.skeleton)} joints\n  {listed}\n"
            "get the checkpoint again, or give --like an experiment with the settings that it was trained with",
            where=where,
        )
    return settings, weights


def class_names(numbered: list[str], named: list[str] | None, like: str, where: str) -> list[str]:
    """Names of the classes: those named, or the experiment's if it has as many, or numbered ones.

    Raises:
        InputError: another number of names than of classes.
    """
    if named is None:
        of_like = params.load(like).task.get("classes") or []
        return of_like if len(of_like) == len(numbered) else numbered
    if len(named) != len(numbered):
        raise InputError(
            f"{len(named)} names, and {where} scores {len(numbered)} classes",
            where="--classes",
            remedy="give one name in each line, in the order that it was trained with",
        )
    return named


def read_names(path: Path) -> list[str]:
    """Lines of a text that are not empty. Raises InputError if there is no such text."""
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(str(error), where=path, expected="a text with one name in each line") from error
