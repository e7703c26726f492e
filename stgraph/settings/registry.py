"""What settings choose by name: models and tasks. Importing a package's modules fills its registry."""

import importlib
import inspect
import pkgutil
from argparse import _ArgumentGroup
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel, ConfigDict, create_model

from stgraph.errors import InputError

Item = TypeVar("Item")
Class = TypeVar("Class", bound=type)


class ModelClass(Protocol):
    """What settings need of a model's class; see `stgraph.models.base.Model`."""

    serves: ClassVar[tuple[str, ...]]
    predicts_root: ClassVar[bool]

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]: ...

    @classmethod
    def current_name(cls, weight: str) -> str: ...


class TaskClass(Protocol):
    """What settings need of a task's class; see `stgraph.training.task.Task`."""

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]: ...

    @staticmethod
    def check_model(settings: dict, model: type) -> list[str]: ...


def no_options(group: _ArgumentGroup) -> None:
    """Of a command that has no options for a task."""


@dataclass(frozen=True)
class TaskEntry:
    """Facts about a task that need no torch: commands list its options, settings find its classes.

    Attributes:
        name: in the settings' task section.
        title: of its experiments, plural, for --help and messages: "lifters".
        needs: the kind of output that it needs of a model, one of those in `Model.serves`.
        task, run, data: "module:Class" of its `Task`, its `TaskRun` and its data section; imported when needed.
        served_by: which commands show the results of its runs, as a remedy in messages.
        options: adds the options of `evaluate` for this task; the names are those of `evaluate` of its run.
        predict_options: the same of `predict`.
    """

    name: str
    title: str
    needs: str
    task: str
    run: str
    data: str
    served_by: str
    options: Callable[[_ArgumentGroup], None]
    predict_options: Callable[[_ArgumentGroup], None] = no_options

    def task_class(self) -> type:
        """The subclass of `stgraph.training.task.Task`."""
        return _imported(self.task)

    def run_class(self) -> type:
        """The subclass of `stgraph.training.task_run.TaskRun`."""
        return _imported(self.run)

    def data_class(self) -> type[BaseModel]:
        """The subclass of `stgraph.settings.sections.DataSettings`."""
        return _imported(self.data)


class Registry(Generic[Item]):
    """Items of one package by name.

    Args:
        kind: what the items are, for messages ("model", "task").
        package: the package whose modules register them; one file or folder each.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self.items: dict[str, Item] = {}

    def add(self, name: str, item: Item) -> None:
        """Make an item available under a name."""
        self.items[name] = item

    def register(self, name: str) -> Callable[[Class], Class]:
        """Decorator: make a class available under a name."""

        def add(cls: Class) -> Class:
            self.add(name, cast(Item, cls))
            return cls

        return add

    def names(self) -> list[str]:
        """Every registered name."""
        for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__, f"{self.package}."):
            importlib.import_module(module.name)
        return sorted(self.items)

    def get(self, name: str) -> Item:
        """The item of a name. Raises InputError with the names there are."""
        if name not in self.names():
            raise InputError(f"unknown {self.kind} {name!r}", expected=f"one of {', '.join(self.names())}")
        return self.items[name]

    def class_of(self, name: str) -> type:
        """The class whose constructor takes a section of the settings: the item itself, or a task entry's task."""
        item = self.get(name)
        return item.task_class() if isinstance(item, TaskEntry) else cast(type, item)

    def schema(self, name: str) -> type[BaseModel]:
        """Validator of a section of params.json, made from the constructor's keyword-only arguments."""
        fields = {
            argument.name: (argument.annotation, ... if argument.default is argument.empty else argument.default)
            for argument in inspect.signature(self.class_of(name).__init__).parameters.values()
            if argument.kind is argument.KEYWORD_ONLY
        }
        config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
        values: dict[str, Any] = {"name": (str, ...), **fields}
        return create_model(f"{self.kind}_{name}", __config__=config, **values)


MODELS: Registry[type[ModelClass]] = Registry("model", "stgraph.models")
TASKS: Registry[TaskEntry] = Registry("task", "stgraph.tasks")


def build(registry: Registry, section: dict, *positional: object, **context: object) -> Any:
    """An object of the class that a section of the settings names; the caller knows of which base it is."""
    settings = {key: value for key, value in section.items() if key != "name"}
    return registry.class_of(section["name"])(*positional, **context, **settings)


def _imported(place: str) -> type:
    """The class at "module:Class"."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
