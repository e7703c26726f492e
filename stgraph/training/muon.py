"""Muon: steps of a matrix along its momentum with all singular values made equal, beside AdamW for all other weights.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; J. Liu et al., "Muon is scalable for
LLM training", 2025, for the weight decay and for steps whose size does not depend on the matrix's. All matrices of one
shape are made orthogonal by the same batched products, in 32 bits: torch.optim.Muon takes them one by one in bfloat16,
which processors without such products compute many times more slowly.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.errors import InputError

LEAST = 64  # a matrix has at least so many rows and columns; smaller ones are embeddings of coordinates, and heads
STEP = 0.4  # root mean square of a step's entries, times the learning rate; AdamW's have 0.2 to 0.4
ITERATIONS = 3  # the singular values of normal draws then lie between 0.7 and 1.2, with five between 0.7 and 1.13
COEFFICIENTS = 3.4445, -4.7750, 2.0315


def orthogonalised(x: Float[Tensor, "n r c"]) -> Float[Tensor, "n r c"]:
    """U V^T of every U S V^T, nearly: X <- a X + (b A + c A^2) X with A = X X^T, from X / |X|; r at most c."""
    first, third, fifth = COEFFICIENTS
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=third, alpha=fifth), x, beta=first)
    return x


class Muon(torch.optim.AdamW):
    """W <- (1 - lr decay) W - lr STEP sqrt(max(r, c)) U V^T with U S V^T = (1 - m) G + m M and M <- m M + (1 - m) G.

    G is the gradient of a weight (r c), the axes of a convolution's taps joined to its columns.

    Args:
        model: whose weights are learned; those of at least `LEAST` rows and columns as matrices.
        momentum: m.
        options: of AdamW.

    Raises:
        InputError: a model that has no such weight.
    """

    def __init__(self, model: nn.Module, momentum: float, **options: Any) -> None:
        kinds: dict[bool, list[Tensor]] = {False: [], True: []}
        for weight in model.parameters():
            kinds[weight.ndim > 1 and min(len(weight), weight[0].numel()) >= LEAST].append(weight)
        if not kinds[True]:
            problem = f"no weight of the model has {LEAST} rows and columns"
            raise InputError(problem, where='optim.name "muon"', remedy='set it to "adamw"')
        groups = [{"params": weights, "matrices": matrices} for matrices, weights in kinds.items() if weights]
        super().__init__(groups, **options)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of all weights; matrices have no gradient after it."""
        for group in self.param_groups:
            if group["matrices"]:
                weights = sorted((weight for weight in group["params"] if weight.grad is not None), key=sides)
                for _, alike in groupby(weights, sides):
                    self.step_matrices(list(alike), group["lr"], group["weight_decay"])
        return super().step(closure)

    def step_matrices(self, weights: list[Tensor], lr: float, decay: float) -> None:
        """A step of weights whose matrices have the same sides, either one being the rows."""
        directions = []
        for weight in weights:
            state = self.state[weight]
            if not state:  # by AdamW's names, which loads it and looks at the step
                state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(weight))
            assert weight.grad is not None
            average = state["exp_avg"].lerp_(weight.grad, 1 - self.momentum)
            matrix = weight.grad.lerp(average, self.momentum).flatten(1)
            directions.append(matrix.mT if tall(weight) else matrix)
            weight.grad = None
        size = STEP * directions[0].shape[1] ** 0.5
        for weight, step in zip(weights, orthogonalised(torch.stack(directions)), strict=True):
            step = (step.mT if tall(weight) else step).reshape_as(weight)
            weight.mul_(1 - lr * decay).add_(step, alpha=-lr * size)


def tall(weight: Tensor) -> bool:
    """Whether a weight's matrix has more rows than columns."""
    return len(weight) > weight[0].numel()


def sides(weight: Tensor) -> list[int]:
    """The shorter and the longer side of a weight's matrix."""
    return sorted((len(weight), weight[0].numel()))
