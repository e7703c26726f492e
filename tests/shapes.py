"""The check of shapes and types in tests: beartype's, in a scope of jaxtyping's axes, made when first called.

jaxtyping's own decorator makes two checked copies of every function when it is imported, binds each call's arguments to
their names, and looks at every argument twice. All that serves its messages, and takes most of the time of many tests.
"""

import dataclasses
import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import FunctionType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

jaxtyped = jaxtyping.jaxtyped
typed = beartype(conf=BeartypeConf(violation_type=TypeError))  # as jaxtyping's own


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
    function = None

    @wraps(decorated)
    def call(*args: Any, **options: Any) -> Any:
        nonlocal function
        function = function or with_checks(decorated)
        with jaxtyped("context"):
            return function(*args, **options)

    return call


def with_checks(function: FunctionType) -> Callable:
    """The function with beartype's checks of its arguments and its result."""
    for name, annotation in function.__annotations__.items():
        if isinstance(annotation, str):  # a class that is not made yet, or is imported for type checkers alone
            function.__annotations__[name] = Any
            with suppress(NameError):
                function.__annotations__[name] = eval(annotation, function.__globals__)
    named = any("{" in str(annotation) for annotation in function.__annotations__.values())  # as in "b {frames}"
    return jaxtyped(typed(function), typechecker=None) if named else typed(function)


jaxtyping.jaxtyped = checked
