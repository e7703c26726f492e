"""Mixing over time by learned weights of the distance between frames."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


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

    def matrix(self, x: Float[Tensor, "b t c2"]) -> Float[Tensor, "h t t"]:
        """What every step of a sequence receives from each."""
        step = torch.arange(x.shape[1], device=self.weight.device)
        place = step - step[:, None] + self.reach
        within = (place >= 0) & (place < self.weight.shape[1])
        return self.weight[:, place.clamp(0, self.weight.shape[1] - 1)] * within

    def forward(self, x: Float[Tensor, "b t c2"]) -> Float[Tensor, "b t c2"]:
        """Mix every group of both halves."""
        rows = rearrange(x, "b t (two h d) -> h t (b two d)", two=2, h=self.groups)
        mixed = torch.bmm(self.matrix(x), rows)
        return rearrange(mixed, "h t (b two d) -> b t (two h d)", b=x.shape[0], two=2)
