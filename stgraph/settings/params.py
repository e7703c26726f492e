"""params.json -> validated, frozen settings."""

import difflib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, NonNegativeInt, ValidationError, create_model

from stgraph.errors import InputError
from stgraph.settings.registry import MODELS, TASKS, Registry
from stgraph.settings.sections import DataSettings, OptimSettings, Section

FOLDER = Path("params")


class Settings(Section):
    """One experiment. The task and model sections are the keyword arguments of the class they name.

    The task says which settings its data have.
    """

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
    settings = _section(_settings_of(_data_schema(values.get("task"))), values, (), problems)
    named = {
        "task": _named_section(TASKS, values.get("task"), problems),
        "model": _named_section(MODELS, values.get("model"), problems),
    }
    data = settings.data if settings else _section(_data_schema(values.get("task")), values.get("data"), None, problems)
    for section in ("data", "optim") if settings else ("data",) if data else ():
        found = data if section == "data" else settings.optim
        problems += [f"{section}.{problem}" for problem in found.problems()]
    for name, registry in (("task", TASKS), ("model", MODELS)):
        if data and named[name]:
            section = named[name].model_dump()
            check = registry.get(section["name"]).check
            problems += [f"{name}.{problem}" for problem in _impossible(check, section, data)]
    if named["task"] and named["model"]:
        problems += _misfits(named["task"], named["model"].name)
    if problems:
        raise InputError(f"{where}: {len(problems)} problem{'s' * (len(problems) > 1)}\n  " + "\n  ".join(problems))
    return settings.model_copy(update={name: section.model_dump() for name, section in named.items()})


def _impossible(check: Callable[[dict, int], list[str]], section: dict, data: DataSettings) -> list[str]:
    """What a section cannot do with the frames of training, and with those of scoring where they are others."""
    lengths = {"frames": data.frames, "test_frames": getattr(data, "test_frames", None)}
    found = {key: check(section, frames) for key, frames in lengths.items() if frames}
    named = (problem.replace("data.frames", f"data.{key}") for key, each in found.items() for problem in each)
    return list(dict.fromkeys(named))


def _misfits(task: BaseModel, model: str) -> list[str]:
    """What the task asks for and the model does not have."""
    cls = MODELS.get(model)
    if task.name not in cls.tasks:
        fitting = [name for name in MODELS.names() if task.name in MODELS.get(name).tasks]
        return [f'model.name: found "{model}"; task "{task.name}" is for {", ".join(fitting)}']
    if cls.predicts_root:
        return []
    return [
        f"task.{key}: found {json.dumps(value)}; model {model!r} gives the root no output"
        for key, value in (("output", "global"), ("root", "learned"))
        if getattr(task, key, None) == value
    ]


@lru_cache
def _settings_of(data: type[DataSettings]) -> type[Settings]:
    """Settings whose data section is of this class."""
    return create_model("Settings", __base__=Settings, data=(data, ...))


def _data_schema(task: Any) -> type[DataSettings]:
    """The data section that a task section asks for; that of the first task where it names none that there is."""
    name = task.get("name") if isinstance(task, dict) else None
    return TASKS.get(name if name in TASKS.names() else "lifting").data


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
