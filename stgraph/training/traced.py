"""A function of tensors traced for inputs of one form: without the time that Python takes between operations."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

Traceable = Callable[..., tuple[Tensor, ...]]


class Calling(nn.Module):
    """A function as a module that has the weights of the one that it calls."""

    def __init__(self, function: Traceable, module: nn.Module | None) -> None:
        super().__init__()
        self.function, self.module = function, module

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Call the function."""
        return self.function(*values)


def traced(function: Traceable, *example: Tensor, module: nn.Module | None = None) -> Traceable:
    """A function with tensors alone as arguments and results, traced with these and the module's weights as constants.

    A small network on few people takes half of the time. torch deprecates tracing in favour of compilers, which need a
    toolchain on the user's machine.

    Args:
        function: what is traced.
        example: arguments of the shapes that it is called with.
        module: what it calls, if that has weights.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.freeze(torch.jit.trace(Calling(function, module).eval(), example, check_trace=False))
        for _ in range(2):  # it is optimised while it runs for the first times
            network(*example)
        return network
