"""params.json -> validated, frozen settings."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from stgraph.errors import InputError
from stgraph.models import MODELS
from stgraph.registry import Registry
from stgraph.skeleton import SKELETONS
from stgraph.tasks import TASKS

FOLDER = Path("params")


Subjects = list[str] | None
Momentum = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A section of params.json: no unknown keys, no converted types, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataSettings(Section):
    """Which windows of which recordings."""

    dataset: str = Field(description="NAME of the file data/NAME.h5, or a path with an ending")
    detector: str = Field(description="2D detections that are the input; 'gt' is the exact projection")
    skeleton: Literal[tuple(SKELETONS)] | None = Field(None, description="take these joints; null: all the file has")
    frames: PositiveInt = Field(81, description="length of a window")
    stride: PositiveInt = Field(5, description="frames between training windows")
    frame_step: PositiveInt = Field(1, description="use every n-th frame of a recording")
    flip: bool = Field(False, description="add the mirrored twin of every training window")
    confidence: bool = Field(False, description="the detector's confidence is a third input channel")
    actions: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="use these actions alone")
    train: Subjects = Field(None, min_length=1, description="subjects; null: as the file's split says, or all others")
    validation: Subjects = Field([], description="subjects that choose the best epoch; empty: the last epoch is it")
    test: Subjects = Field(None, description="subjects that `evaluate` scores; null: as the file's split says")


class OptimSettings(Section):
    """AdamW and its learning rate."""

    lr: PositiveFloat = 0.001
    weight_decay: NonNegativeFloat = 1e-5
    amsgrad: bool = True
    schedule: Literal["decay", "cosine"] = Field(
        "decay", description="of the learning rate: by `decay`, or to zero over the epochs or minutes there are"
    )
    decay: Annotated[float, Field(gt=0, le=1, description="factor on the learning rate after every epoch")] = 0.99
    decay_steps: PositiveInt | None = Field(None, description="decay after so many steps instead of every epoch")
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 64
    max_norm: PositiveFloat | None = Field(None, description="limit of the gradient's norm")
    ema: Annotated[float, Field(ge=0, lt=1, description="decay of averaged weights; 0: off")] = 0.0
    patience: NonNegativeInt = Field(0, description="stop after so many epochs without a better validation; 0: off")
    norm_momentum: tuple[Momentum, Momentum] | None = Field(
        None, description="momentum of batch norms in the first and last epoch, geometric between; null: as built"
    )
    freeze_norm: bool = Field(False, description="batch norms keep their running statistics, as in fine-tuning")


class Settings(Section):
    """One experiment. The task and model sections are the keyword arguments of the class they name."""

    task: dict[str, Any]
    data: DataSettings
    model: dict[str, Any]
    optim: OptimSettings = OptimSettings()
    seed: NonNegativeInt = 333


def experiments() -> list[str]:
    """Names of the experiment folders."""
    return sorted(path.parent.name for path in FOLDER.glob("*/params.json"))


def load(exp: str, overrides: Sequence[str] = ()) -> Settings:
    """Settings of an experiment by the name of its folder, with `--set` overrides such as "optim.lr=3e-4".

    Raises:
        InputError: unknown experiment, or everything that is wrong with the settings at once.
    """
    path = FOLDER / exp / "params.json"
    if not path.exists():
        close = difflib.get_close_matches(exp, experiments(), n=1)
        raise InputError(
            f"{path}: no such experiment{f' (did you mean {close[0]}?)' if close else ''}; there are "
            f"{', '.join(experiments()) or f'none, since there is no folder {FOLDER.resolve()}'}"
        )
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}; mend the file at that place") from error
    return validate(apply_overrides(values, overrides) if isinstance(values, dict) else values, str(path))


def apply_overrides(values: dict, overrides: Sequence[str]) -> dict:
    """Nested values with "section.key=value" overrides; a value is JSON, or else text."""
    values = json.loads(json.dumps(values))
    for override in overrides:
        place, equals, text = override.partition("=")
        *sections, key = place.split(".")
        if not equals or not key:
            raise InputError(f"--set {override}: expected SECTION.KEY=VALUE, such as optim.lr=3e-4")
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InputError(f"--set {override}: {section} is {inner!r} and has no keys; set {section} itself")
        try:
            inner[key] = json.loads(text)
        except ValueError:
            inner[key] = text
    return values


def validate(values: object, where: str) -> Settings:
    """Check every section. Raises InputError that lists all problems with their paths."""
    problems: list[str] = []
    if not isinstance(values, dict):
        raise InputError(f"{where}: found {type(values).__name__}, expected an object of sections task, data, model")
    settings = _section(Settings, values, (), problems)
    named = {
        "task": _named_section(TASKS, values.get("task"), problems),
        "model": _named_section(MODELS, values.get("model"), problems),
    }
    data = settings.data if settings else _section(DataSettings, values.get("data"), None, problems)
    for part in ("validation", "test") if data else ():
        shared = sorted(set(data.train or ()) & set(getattr(data, part) or ()))
        if shared:
            problems.append(f"data.{part}: {', '.join(shared)} also in data.train; a subject is in one of them alone")
    for name, registry in (("task", TASKS), ("model", MODELS)):
        if data and named[name]:
            section = named[name].model_dump()
            check = registry.get(section["name"]).check
            problems += [f"{name}.{problem}" for problem in check(section, data.frames)]
    if named["task"] and named["model"] and not MODELS.get(named["model"].name).predicts_root:
        problems += [
            f"task.{key}: found {json.dumps(value)}; model {named['model'].name!r} gives the root no output"
            for key, value in (("output", "global"), ("root", "learned"))
            if getattr(named["task"], key, None) == value
        ]
    if settings:
        problems += ignored(settings.optim)
    if problems:
        raise InputError(f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}\n  " + "\n  ".join(problems))
    return settings.model_copy(update={name: section.model_dump() for name, section in named.items()})


def ignored(optim: OptimSettings) -> list[str]:
    """Settings of the optimizer that others would leave without effect."""
    problems = []
    if optim.schedule == "cosine" and optim.decay_steps:
        problems.append('optim.decay_steps: schedule "cosine" has no steps; leave one of the two out')
    if optim.freeze_norm and optim.norm_momentum:
        problems.append("optim.norm_momentum: frozen norms have none; leave it or freeze_norm out")
    return problems


def _section(schema: type[BaseModel], values: Any, path: tuple | None, problems: list[str]) -> Any:
    """A validated section, or None with its problems added (unless `path` is None)."""
    try:
        return schema.model_validate_json(json.dumps(values))
    except ValidationError as error:
        if path is not None:
            problems += [explain(problem, path, schema) for problem in error.errors(include_url=False)]
        return None


def _named_section(registry: Registry, values: Any, problems: list[str]) -> Any:
    """The task or model section, checked against the class it names."""
    if not isinstance(values, dict):
        return None  # reported with the sections
    name = values.get("name")
    if name not in registry.names():
        problems.append(f"{registry.kind}.name: found {name!r}; expected one of {', '.join(registry.names())}")
        return None
    return _section(registry.schema(name), values, (registry.kind,), problems)


def explain(problem: dict, path: tuple, schema: type[BaseModel]) -> str:
    """One line on one problem: the key's path, what was found, what is allowed."""
    key = ".".join(map(str, (*path, *problem["loc"])))
    if problem["type"] == "extra_forbidden":
        inner = schema
        for step in problem["loc"][:-1]:
            inner = inner.model_fields[step].annotation
        known = [name for name in inner.model_fields]
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key}: unknown key; {hint}known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key}: missing; give it a value"
    return f"{key}: found {json.dumps(problem['input'])}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def with_task(settings: Settings, section: dict) -> Settings:
    """The settings with another task section."""
    return settings.model_copy(update={"task": section})


def with_data(settings: Settings, **changes: object) -> Settings:
    """The settings with other values in the data section."""
    return settings.model_copy(update={"data": settings.data.model_copy(update=changes)})
