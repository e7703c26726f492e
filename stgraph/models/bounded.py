"""Making a model from a file's settings: no larger than the file's own weights, whatever the settings claim."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

SLACK = 1 << 20  # numbers of a table or of a weight before it gets its final form


class TooLargeError(ValueError):
    """A model with more weights than the file that describes it."""


class _LargestTensor(TorchFunctionMode):
    """Refuses to make a tensor of more numbers than there may be, before any memory is taken for it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        shape = args[0] if args and isinstance(args[0], list | tuple) else args
        if shape and all(isinstance(size, int) for size in shape) and math.prod(shape) > self.most:
            raise TooLargeError(f"a tensor of shape {tuple(shape)}")
        return func(*args, **kwargs or {})


@contextmanager
def no_larger_than(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Models that are made here have hardly more weights than a file, and no larger ones.

    Twice as many are allowed, since a module may be given another weight than it was made with.

    Args:
        state: the file's tensors by name.

    Raises:
        TooLargeError: as soon as there are too many.
    """
    tensors, numbers = 2 * len(state), 2 * sum(tensor.numel() for tensor in state.values())

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal tensors, numbers
        tensors, numbers = tensors - 1, numbers - parameter.numel()
        if min(tensors, numbers) < 0:
            raise TooLargeError("more weights")

    hook = register_module_parameter_registration_hook(count)
    try:
        with _LargestTensor(numbers + SLACK):
            yield
    finally:
        hook.remove()
