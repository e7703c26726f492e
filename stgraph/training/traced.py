"""A network traced for inputs of one form: without the time that Python takes between operations."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn


def traced(module: nn.Module, *example: Tensor) -> Callable[..., tuple[Tensor, ...]]:
    """A module with tensors alone as arguments and results, traced with these and its weights as constants.

    A small network on few people takes half of the time. torch deprecates tracing in favour of compilers, which need a
    toolchain on the user's machine.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.freeze(torch.jit.trace(module.eval(), example, check_trace=False))
        for _ in range(2):  # it is optimised while it runs for the first times
            network(*example)
        return network
