"""Things that settings choose by name. A constructor's keyword-only arguments are the settings it takes."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, create_model

from stgraph.errors import InputError


class Registry:
    """Classes of one package by name; importing the package's modules fills it.

    Args:
        kind: what the classes are, for messages ("model", "task").
        package: the package whose modules register classes; one file each.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package, self.classes = kind, package, {}

    def register(self, name: str) -> Callable[[type], type]:
        """Decorator: make a class available under a name."""

        def add(cls: type) -> type:
            self.classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Every registered name."""
        for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__, f"{self.package}."):
            importlib.import_module(module.name)
        return sorted(self.classes)

    def get(self, name: str) -> type:
        """The class of a name. Raises InputError with the names there are."""
        if name not in self.names():
            raise InputError(f"unknown {self.kind} {name!r}; there are {', '.join(self.names())}")
        return self.classes[name]

    def schema(self, name: str) -> type[BaseModel]:
        """Validator of a section of params.json, made from the constructor's keyword-only arguments."""
        arguments = inspect.signature(self.get(name).__init__).parameters.values()
        fields = {
            argument.name: (argument.annotation, ... if argument.default is argument.empty else argument.default)
            for argument in arguments
            if argument.kind is argument.KEYWORD_ONLY
        }
        config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
        return create_model(f"{self.kind}_{name}", __config__=config, name=(str, ...), **fields)


MODELS = Registry("model", "stgraph.models")
TASKS = Registry("task", "stgraph.tasks")


def build(registry: Registry, section: dict, *positional: object, **context: object) -> object:
    """The task or model that a section of the settings names."""
    settings = {key: value for key, value in section.items() if key != "name"}
    return registry.get(section["name"])(*positional, **context, **settings)
