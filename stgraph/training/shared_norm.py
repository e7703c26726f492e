"""Batch norms whose statistics are those of all processes' samples, on CPUs, where torch's own needs GPUs."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable

Values = Float[Tensor, "b c *place"]
Channels = Float[Tensor, " c"]


def sum_of_all(values: Tensor) -> Tensor:
    """The sum over processes, in place."""
    distributed.all_reduce(values)
    return values


def per_channel(x: Values) -> list[int]:
    """The axes that a channel's statistics are taken over."""
    return [axis for axis in range(x.ndim) if axis != 1]


def along(values: Channels, x: Values) -> Tensor:
    """A value of each channel in a shape that broadcasts to x."""
    return values.view(-1, *[1] * (x.ndim - 2))


class SharedNormalisation(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) w + b, mean and variance over the samples of all processes.

    With x' = (x - mean) / sqrt(var + eps) and g the gradient by y, the one by x is

        w / sqrt(var + eps) (g - mean(g) - x' mean(g x')),

    whose means are over all processes, too. Gradients by w and b are those of this process's samples, which the
    training averages with the others'. Beside y it gives mean, variance and how many values of a channel there are.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Values, weight: Channels, bias: Channels, eps: float
    ) -> tuple[Values, Channels, Channels, Tensor]:
        axes = per_channel(x)
        sums = sum_of_all(torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])]))
        count, mean = sums[-1], sums[:-1] / sums[-1]
        centred = x - along(mean, x)
        variance = sum_of_all(centred.square().sum(axes)) / count
        inverse = (variance + eps).rsqrt()
        ctx.save_for_backward(x, mean, inverse, weight, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return centred.mul_(along(inverse * weight, x)).add_(along(bias, x)), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Values, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, inverse, weight, count = ctx.saved_tensors
        axes = per_channel(x)
        normal = (x - along(mean, x)).mul_(along(inverse, x))
        to_bias, to_weight = grad.sum(axes), (grad * normal).sum(axes)
        mean_grad, mean_product = sum_of_all(torch.stack([to_bias, to_weight])) / count
        to_x = normal.mul_(-along(mean_product, x)).add_(grad - along(mean_grad, x))
        return to_x.mul_(along(inverse * weight, x)), to_weight, to_bias, None


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """A batch norm that takes its statistics over all processes while it trains."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of places."""

    def forward(self, input: Values) -> Values:
        """(b c ...) -> (b c ...); in 32 bits or more, whatever the input has."""
        if not self.training:
            return super().forward(input)
        x = input.to(self.weight.dtype)
        y, mean, variance, count = cast(
            tuple[Tensor, ...], SharedNormalisation.apply(x, self.weight, self.bias, self.eps)
        )
        with torch.no_grad():
            assert self.num_batches_tracked is not None and self.running_mean is not None
            assert self.running_var is not None and self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return y.to(input.dtype)


def share_statistics(model: nn.Module) -> nn.Module:
    """Turn every batch norm of the model into one that shares its statistics. Weights and their names stay."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.__class__ = SharedBatchNorm  # pyright: ignore[reportAttributeAccessIssue] - the attributes are the same
    return model
