"""Mixing over time by learned weights of the distance between frames."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

ALL = slice(None)


class TimeMixing(nn.Module):
    """y_t^h = sum_s w^h[s - t] x_s^h for |s - t| <= reach, over groups h of the channels; nothing lies outside.

    One product with a t x t matrix for each group. Sequences may be of any length.

    Args:
        groups: with weights of their own; divide the channels of each half.
        reach: steps before and after.
        causal: only before.
    """

    def __init__(self, groups: int, reach: int, causal: bool) -> None:
        super().__init__()
        self.groups, self.reach, self.causal = groups, reach, causal
        # They begin as averages over less and more time.
        distance = torch.arange(-reach, reach + 1).abs().to(torch.get_default_dtype())
        widths = torch.logspace(-0.4, torch.tensor(max(reach, 1.0)).log10().item(), groups)[:, None]
        bells = torch.exp(-0.5 * (distance / widths).square())
        if causal:
            bells[:, reach + 1 :] = 0
        bells = bells / bells.sum(1, keepdim=True)
        weight = bells + 0.02 * torch.randn_like(bells)
        self.weight = nn.Parameter(weight[:, : reach + 1] if causal else weight)

    def matrix(self, x: Float[Tensor, "b t c2"], kept: slice) -> Float[Tensor, "h s t"]:
        """What some steps of a sequence receive from each step of it."""
        steps = x.shape[1] if kept == ALL else int(x.shape[1])  # a constant of a trace, and with it the matrix
        step = torch.arange(steps, device=self.weight.device)
        place = step - step[kept, None] + self.reach
        weight = F.pad(self.weight, (1, 1))  # a zero on either side, for the steps that are out of reach
        return weight[:, place.clamp(-1, self.weight.shape[1]) + 1]

    def forward(self, x: Float[Tensor, "b t c2"], kept: slice = ALL) -> Float[Tensor, "b s c2"]:
        """Mix every group of both halves.

        Args:
            kept: the steps to give.
        """
        rows = rearrange(x, "b t (two h d) -> h t (b two d)", two=2, h=self.groups)
        mixed = torch.bmm(self.matrix(x, kept), rows)
        return rearrange(mixed, "h t (b two d) -> b t (two h d)", b=x.shape[0], two=2)
