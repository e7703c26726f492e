"""Another implementation's module, timed on the same batch in turn with an experiment's model."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from stgraph.errors import InputError
from stgraph.skeleton import Skeleton

Build = Callable[[Skeleton, int, Mapping[str, int]], nn.Module]


def other_module(path: Path, skeleton: Skeleton, in_channels: int, heads: Mapping[str, int]) -> nn.Module:
    """What `build(skeleton, in_channels, heads)` of a Python file gives, which is run as a program.

    Raises:
        InputError: no such file, or it has no such function.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise InputError("no such Python file", where=path, remedy="give the path of a .py file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "build", None)):
        raise InputError(
            "has no function `build`",
            where=path,
            remedy="define build(skeleton, in_channels, heads), which returns a torch module of (b c t j)",
        )
    return cast(Build, module.build)(skeleton, in_channels, heads)


def squares(outputs: object) -> Tensor:
    """The sum of the mean squares of all outputs, in whatever containers: a loss that costs next to nothing."""
    leaves = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
    return torch.stack([leaf.square().mean() for leaf in leaves]).sum()


def forward(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """A prediction."""

    def work() -> None:
        with torch.no_grad():
            module.eval()(x)

    return work


def gradients(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """A forward in training and the gradients of what is learned, without loading, loss and optimizer."""

    def work() -> None:
        module.zero_grad()
        squares(module.train()(x)).backward()

    return work
