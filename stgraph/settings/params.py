"""params.json -> validated, frozen settings."""

import difflib
import json
import reprlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, NonNegativeInt, ValidationError, create_model
from pydantic_core import ErrorDetails

from stgraph.errors import InputError
from stgraph.formats.json_files import read_json
from stgraph.settings.places import PARAMS, experiment_file, packaged
from stgraph.settings.registry import MODELS, TASKS, ModelClass, Registry, TaskClass
from stgraph.settings.sections import DataSettings, OptimSettings, Section

FOLDER = PARAMS
PACKAGED = packaged("params")
DEEPEST = 32  # levels of objects and lists in settings


Checked = TypeVar("Checked", bound=BaseModel)


class Settings(Section):
    """One experiment. The task and model sections are the keyword arguments of the class they name.

    The task says which settings its data have.
    """

    task: dict[str, Any]
    data: DataSettings
    model: dict[str, Any]
    optim: OptimSettings = OptimSettings.model_validate({})
    seed: NonNegativeInt = 333


def experiments() -> list[str]:
    """Names of the experiments: those of the working folder's params/, and the packaged ones."""
    return sorted({path.parent.name for folder in (FOLDER, PACKAGED) for path in folder.glob("*/params.json")})


def load(exp: str, overrides: Sequence[str] = ()) -> Settings:
    """Settings of an experiment by the name of its folder, with `--set` overrides such as "optim.lr=3e-4".

    Raises:
        InputError: unknown experiment, or everything that is wrong with the settings at once.
    """
    path = experiment_file(exp, FOLDER)
    if path is None:
        close = difflib.get_close_matches(exp, experiments(), n=1)
        problem = f"no such experiment in {Path.cwd()}{f' (did you mean {close[0]}?)' if close else ''}"
        where, remedy = FOLDER / exp / "params.json", f"make it, or take one of {', '.join(experiments())}"
        raise InputError(problem, where=where, remedy=remedy)
    values = read_json(path, "an object of sections task, data, model")
    where = f"{path} with --set {' '.join(overrides)}" if overrides else str(path)
    return validate(apply_overrides(values, overrides) if isinstance(values, dict) else values, where)


def apply_overrides(values: dict, overrides: Sequence[str]) -> dict:
    """Nested values with "section.key=value" overrides; a value is JSON, or else text."""
    check_depth(values, "settings")
    values = json.loads(json.dumps(values))
    for override in overrides:
        place, equals, text = override.partition("=")
        *sections, key = place.split(".")
        if not equals or not key or len(sections) > DEEPEST:
            raise InputError(
                where=f"--set {reprlib.repr(override)}", expected="SECTION.KEY=VALUE, such as optim.lr=3e-4"
            )
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                problem = f"{section} is {inner!r} and has no keys"
                raise InputError(problem, where=f"--set {override}", remedy=f"set {section} itself")
        try:
            inner[key] = json.loads(text)
        except ValueError:
            inner[key] = text
        except RecursionError as error:
            raise InputError(f"nested more than {DEEPEST} levels deep", where=f"--set {place}") from error
    return values


def check_depth(values: object, where: str) -> None:
    """Raises InputError for objects and lists so deep within one another that the checks which follow would fail."""
    level = [values]
    for _ in range(DEEPEST + 1):
        level = [part for value in level for part in (value.values() if isinstance(value, dict) else value)]
        level = [part for part in level if isinstance(part, dict | list)]
    if level:
        raise InputError(f"nested more than {DEEPEST} levels deep", where=where, remedy="mend the settings")


def validate(values: object, where: str) -> Settings:
    """Check every section. Raises InputError that lists all problems with their paths."""
    problems: list[str] = []
    if not isinstance(values, dict):
        raise InputError(where=where, found=type(values).__name__, expected="an object of sections task, data, model")
    check_depth(values, where)
    task_name, data_class = _named(TASKS, values.get("task")), None
    if task_name:
        data_class = cast(type[DataSettings], TASKS.get(task_name).data_class())
    settings = _section(_settings_of(data_class), values, (), problems)
    named = {
        "task": _named_section(TASKS, values.get("task"), problems),
        "model": _named_section(MODELS, values.get("model"), problems),
    }
    if settings:
        problems += [f"optim.{problem}" for problem in settings.optim.problems()]
    if data_class and (data := settings.data if settings else _section(data_class, values.get("data"), None, problems)):
        problems += [f"data.{problem}" for problem in data.problems()]
        for registry in (TASKS, MODELS):
            if section := named[registry.kind]:
                cls = cast(type[ModelClass], registry.class_of(section["name"]))
                problems += [f"{registry.kind}.{problem}" for problem in _impossible(cls.check, section, data)]
    if named["task"] and named["model"]:
        problems += _misfits(named["task"], named["model"]["name"])
    if problems or not settings:
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise InputError("\n  ".join([count, *problems]), where=where)
    return settings.model_copy(update=named)


def _impossible(check: Callable[[dict, int], list[str]], section: dict, data: DataSettings) -> list[str]:
    """What a section cannot do with the frames of training, and with those of scoring where they are others."""
    problems = []
    for key in ("frames", "test_frames"):
        if frames := getattr(data, key, None):
            problems += [problem.replace("data.frames", f"data.{key}") for problem in check(section, frames)]
    return list(dict.fromkeys(problems))


def _misfits(task: dict, model: str) -> list[str]:
    """What the task asks for and the model does not have."""
    cls, entry = MODELS.get(model), TASKS.get(task["name"])
    if entry.needs not in cls.serves:
        fitting = [name for name in MODELS.names() if entry.needs in MODELS.get(name).serves]
        return [f'model.name: found "{model}"; task "{task["name"]}" is for {", ".join(fitting)}']
    task_class = cast(type[TaskClass], entry.task_class())
    return [f"task.{problem} in model {model!r}" for problem in task_class.check_model(task, cls)]


@lru_cache
def _settings_of(data: type[DataSettings] | None) -> type[Settings]:
    """Settings whose data section is of this class; of any content where the task is unknown."""
    return create_model("Settings", __base__=Settings, data=(data or dict[str, Any], ...))


def _named(registry: Registry, section: object) -> str | None:
    """The name in a task or model section, where there is such a task or model."""
    name = section.get("name") if isinstance(section, dict) else None
    return name if name in registry.names() else None


def _section(schema: type[Checked], values: object, path: tuple | None, problems: list[str]) -> Checked | None:
    """A validated section, or None with its problems added (unless `path` is None)."""
    try:
        return schema.model_validate_json(json.dumps(values))
    except ValidationError as error:
        if path is not None:
            problems += [explain(problem, path, schema) for problem in error.errors(include_url=False)]
        return None


def _named_section(registry: Registry, values: object, problems: list[str]) -> dict | None:
    """The task or model section with its defaults, checked against the class it names."""
    if not isinstance(values, dict):
        return None  # reported with the sections
    if not (name := _named(registry, values)):
        names = ", ".join(registry.names())
        problems.append(f"{registry.kind}.name: found {values.get('name')!r}; expected one of {names}")
        return None
    section = _section(registry.schema(name), values, (registry.kind,), problems)
    return section.model_dump() if section else None


def explain(problem: ErrorDetails, path: tuple, schema: type[BaseModel]) -> str:
    """One line on one problem: the key's path, its value, what is allowed."""
    key = ".".join(map(str, (*path, *problem["loc"])))
    if problem["type"] == "extra_forbidden":
        inner = schema
        for step in problem["loc"][:-1]:
            inner = cast(type[BaseModel], inner.model_fields[str(step)].annotation)
        keys = list(inner.model_fields)
        close = difflib.get_close_matches(str(problem["loc"][-1]), keys, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key}: unknown key; {hint}known: {', '.join(keys)}"
    if problem["type"] == "missing":
        return f"{key}: missing; give it a value"
    if problem["type"] == "json_invalid":  # text that UTF-8 cannot hold
        return f"{key or 'settings'}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
    return f"{key}: found {json.dumps(problem['input'])}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def with_task(settings: Settings, section: dict) -> Settings:
    """The settings with another task section."""
    return settings.model_copy(update={"task": section})


def with_data(settings: Settings, **changes: object) -> Settings:
    """The settings with other values in the data section."""
    return settings.model_copy(update={"data": settings.data.model_copy(update=changes)})
