"""Baselines of lifting: the mean training pose, and a ridge regression of each frame by itself."""

from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.data.windows import Windows
from stgraph.models.base import Model
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.task import Batch


class FrameLinear(Model):
    """An affine map from the joints of a frame to its pose.

    Args:
        weight: (j * c, j * 3). bias: (j * 3), metres.
    """

    sliding = True

    def __init__(self, weight: Float[Tensor, "i o"], bias: Float[Tensor, " o"]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())

    def forward(self, x: Float[Tensor, "b c t j"], **inputs: Tensor) -> dict[str, Tensor]:
        """The pose head's output (b 3 t j)."""
        pose = rearrange(x, "b c t j -> b t (j c)") @ self.weight + self.bias
        return {"pose": rearrange(pose, "b t (j c) -> b c t j", c=3)}


def fit_baselines(task: Lifting, windows: Windows, ridge: float) -> dict[str, Model]:
    """Mean pose, and ridge regression: W = (X'X + ridge n I)^-1 X'Y on centred X and Y, over every frame of windows.

    Args:
        ridge: share of the inputs' variance.
    """
    inputs = windows.batch(torch.arange(1))["x"].shape[1] * len(windows.skeleton)
    size = 1 + inputs + 3 * len(windows.skeleton)
    products, count = torch.zeros(size, size, dtype=torch.float64), 0
    for index in torch.arange(len(windows)).split(1024):
        batch = cast(Batch, windows.batch(index))
        x = rearrange(batch["x"], "b c t j -> b t (j c)")[batch["inside"]].cpu().double()
        y = rearrange(task.target(batch), "b t j c -> b t (j c)")[batch["inside"]].cpu().double()
        both = torch.cat([torch.ones_like(x[:, :1]), x, y], dim=1)
        products, count = products + both.T @ both, count + len(both)
    mean = products[0, 1:] / count
    covariance = products[1:, 1:] / count - mean.outer(mean)
    of_inputs = covariance[:inputs, :inputs]
    penalty = ridge * of_inputs.diagonal().mean() * torch.eye(inputs, dtype=torch.float64)
    weight = torch.linalg.solve(of_inputs + penalty, covariance[:inputs, inputs:])
    return {
        "mean pose": FrameLinear(torch.zeros_like(weight), mean[inputs:]),
        "ridge regression": FrameLinear(weight, mean[inputs:] - mean[:inputs] @ weight),
    }
