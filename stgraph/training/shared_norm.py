"""Batch norms whose statistics are those of all processes' samples, on CPUs, where torch's own needs GPUs."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Values = Float[Tensor, "b c *place"]
Channels = Float[Tensor, " c"]


def of_all(values: Channels) -> Float[Tensor, "processes c"]:
    """The values of every process."""
    gathered = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, values)
    return torch.stack(gathered)


class SharedNormalisation(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) w + b, mean and variance over the samples of all processes.

    With x' = (x - mean) / sqrt(var + eps) and g the gradient by y, the one by x is

        w / sqrt(var + eps) (g - mean(g) - x' mean(g x')),

    whose means are over all processes, too. Gradients by w and b are those of this process's samples, which the
    training averages with the others'. Beside y it gives mean, variance and how many values of a channel there are.
    All passes over the samples are torch's own, of norms with statistics that are given.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Values, weight: Channels, bias: Channels, eps: float
    ) -> tuple[Values, Channels, Channels, Tensor]:
        own = torch.batch_norm_update_stats(x, None, None, 0.0)
        number = torch.full_like(own[0], x.numel() / x.shape[1])
        means, variances, counts = of_all(torch.cat([*own, number])).chunk(3, dim=1)
        count = counts[:, 0].sum()
        mean = (means * counts).sum(dim=0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(dim=0) / count
        ctx.save_for_backward(x, mean, variance, weight, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Values, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, weight, count = ctx.saved_tensors
        inverse = (variance + ctx.eps).rsqrt()
        back = torch.ops.aten.native_batch_norm_backward
        # With given statistics, the gradient by x is the first of the three terms.
        to_x, to_weight, to_bias = back(grad, x, weight, mean, variance, mean, inverse, False, ctx.eps, [True] * 3)
        mean_product, mean_grad = (of_all(torch.cat([to_weight, to_bias])).sum(dim=0) / count).chunk(2)
        scale = -weight * inverse
        others = F.batch_norm(x, mean, variance, scale * mean_product, scale * mean_grad, False, 0.0, ctx.eps)
        return to_x.add_(others), to_weight, to_bias, None


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
