"""The check of shapes and types in tests: beartype's, in a scope of jaxtyping's axes, made when first called.

jaxtyping's own decorator makes two checked copies of every function when it is imported, binds each call's arguments to
their names, and looks at every argument twice. All that serves its messages, and takes most of the time of many tests.
Whether a call fits depends on the kinds of its arguments and its result alone (`kind`): each combination of them is
checked once for every function.
"""

import dataclasses
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, wraps
from types import FunctionType
from typing import Any

import jaxtyping
import numpy as np
import torch
from beartype import BeartypeConf, beartype

jaxtyped = jaxtyping.jaxtyped
typed = beartype(conf=BeartypeConf(violation_type=TypeError))  # as jaxtyping's own
ARRAYS = {torch.Tensor, torch.nn.Parameter, np.ndarray}
PLAIN: set[type] = {bool, int, float, type(None)}  # classes of values that are looked at no further
MOST = 16  # values of a container whose kinds are looked at, and characters of a text
DEEPEST = 4  # containers in containers that are looked into; some tests make values that hold themselves


class Unknown(Exception):
    """A value whose kind does not decide whether it fits."""


def kind(value: Any, depth: int = 0) -> object:
    """All of a value that a check of its shape and type can depend on, hashable.

    Raises Unknown where that is too much, or where the shape is not made of numbers, as while a network is exported.
    """
    cls = type(value)
    if cls in ARRAYS:
        if not {*map(type, value.shape)} <= {int}:
            raise Unknown
        return cls, value.dtype, *value.shape
    if cls in PLAIN:
        return cls
    if cls is str or cls in (list, tuple, dict):
        if len(value) > MOST or depth == DEEPEST:
            raise Unknown
        if cls is str:  # a Literal takes some texts alone
            return value
        held = [*value, *value.values()] if cls is dict else value
        return cls, *(kind(part, depth + 1) for part in held)
    if issubclass(cls, type):
        return value
    if issubclass(cls, torch.Tensor | np.ndarray | str | list | tuple | dict | set | frozenset):
        raise Unknown
    PLAIN.add(cls)
    return cls


def known(value: Any) -> object | None:
    """The kind of a value; None where it does not decide."""
    try:
        return kind(value)
    except Unknown:
        return None


def checked(decorated: Any = None, /, **_: Any) -> Any:
    """Takes the place of jaxtyping's decorator: an axis has one length in all arguments and the result of a call.

    Classes are checked where they are dataclasses, when they are made.
    """
    if decorated is None:
        return checked
    if inspect.isclass(decorated):
        if dataclasses.is_dataclass(decorated) and not hasattr(decorated.__init__, "__wrapped__"):
            decorated.__init__ = checked(decorated.__init__)
        return decorated
    if not isinstance(decorated, FunctionType) or not decorated.__annotations__:
        return decorated
    if inspect.isgeneratorfunction(decorated):  # its results are made after the call's scope
        return jaxtyped(decorated, typechecker=typed)
    checks: Checks | None = None

    @wraps(decorated)
    def call(*args: Any, **options: Any) -> Any:
        nonlocal checks
        checks = checks or Checks(decorated)
        return checks.call(args, options)

    return call


class Checks:
    """A function's calls, checked where their kinds are new."""

    def __init__(self, function: FunctionType) -> None:
        for name, annotation in function.__annotations__.items():
            if isinstance(annotation, str):  # a class that is not made yet, or is imported for type checkers alone
                function.__annotations__[name] = Any
                with suppress(NameError):
                    function.__annotations__[name] = eval(annotation, function.__globals__)
        self.function = function
        self.fit: dict[object, set[object]] = {}  # of arguments that fit, the results that fit them
        # An axis as in "b {frames}" depends on more than kinds.
        self.named = any("{" in str(annotation) for annotation in function.__annotations__.values())
        self.checked = jaxtyped(typed(function), typechecker=None) if self.named else typed(function)

    def call(self, args: tuple, options: dict[str, Any]) -> Any:
        """What the function answers. Raises TypeError where the call does not fit its annotations."""
        given = None if self.named else known((args, *options.items()))
        if given is None or given not in self.fit:
            with jaxtyped("context"):
                answer = self.checked(*args, **options)
            if given is not None and (found := known(answer)) is not None:
                self.fit[given] = {found}
            return answer
        answer = self.function(*args, **options)
        found = known(answer)
        if found is None or found not in self.fit[given]:
            with jaxtyped("context"):
                self.answers(answer, args, options)
            self.fit[given].add(found)
        return answer

    @cached_property
    def answers(self) -> Callable[[Any, tuple, dict[str, Any]], object]:
        """Checks an answer with the arguments that it was for, by a function of the same form that returns it."""
        given: list[Any] = []
        forms = inspect.signature(self.function).parameters.values()
        forms = [
            form.replace(annotation=form.empty, default=form.empty if form.default is form.empty else None)
            for form in forms
        ]
        names: dict[str, Any] = self.function.__globals__ | {"answers_": given}
        exec(f"def answer{inspect.Signature(forms)}: return answers_.pop()", names)
        answer = names["answer"]
        for name in ("__annotations__", "__module__", "__qualname__"):
            setattr(answer, name, getattr(self.function, name))
        check = typed(answer)

        def answers(answer: Any, args: tuple, options: dict[str, Any]) -> None:
            given.append(answer)
            check(*args, **options)

        return answers


jaxtyping.jaxtyped = checked
