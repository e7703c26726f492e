"""Layers that commute with a mirror: what they give for a mirrored pose is the mirror of what they give for the pose.

Features are two halves (a, b) of the last axis which the mirror swaps. Every map of them that commutes with the swap is
one matrix for a + b and another for a - b, at half the work and half the weights of a map without the symmetry; a
nonlinearity of each entry commutes by itself. Coordinates become such features, and back, through an orthonormal basis
of what the mirror keeps (even) and what it negates (odd).
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.skeleton import Skeleton

Halves = Float[Tensor, "... c2"]


def mirror_basis(
    skeleton: Skeleton, signs: tuple[int, ...]
) -> tuple[Float[np.ndarray, "e n"], Float[np.ndarray, "o n"]]:
    """Orthonormal bases of the even and the odd vectors of n = joints * channels entries, ordered (joint, channel).

    The mirror swaps left and right joints and multiplies every channel by its sign.

    Args:
        signs: of each channel: -1 for x, 1 for what a mirror leaves as it is.
    """
    even, odd, eye = [], [], np.eye(len(skeleton) * len(signs))
    for joint, twin in enumerate(skeleton.mirror):
        for channel, sign in enumerate(signs):
            one, other = eye[joint * len(signs) + channel], sign * eye[twin * len(signs) + channel]
            if joint == twin:
                (even if sign > 0 else odd).append(one)
            elif joint < twin:
                even.append((one + other) / math.sqrt(2))
                odd.append((one - other) / math.sqrt(2))
    return np.array(even).reshape(-1, len(eye)), np.array(odd).reshape(-1, len(eye))


class MirrorLinear(nn.Module):
    """(a, b) -> (e + o, e - o) with e = W_even (a + b) + bias, o = W_odd (a - b).

    Args:
        width: of each half before.
        out_width: of each half after.
        gain: on the weights that keep the size of what goes in.
    """

    def __init__(self, width: int, out_width: int, gain: float = 1.0) -> None:
        super().__init__()
        self.even, self.odd = nn.Linear(width, out_width), nn.Linear(width, out_width, bias=False)
        for linear in (self.even, self.odd):
            nn.init.normal_(linear.weight, std=gain / math.sqrt(2 * width))
        nn.init.zeros_(self.even.bias)

    def forward(self, x: Halves) -> Float[Tensor, "... d2"]:
        """Map both halves."""
        a, b = x.chunk(2, dim=-1)
        even, odd = self.even(a + b), self.odd(a - b)
        return torch.cat([even + odd, even - odd], dim=-1)


class MirrorNorm(nn.Module):
    """Layer norm over both halves, with one gain and bias for the two."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Halves) -> Halves:
        """Normalise every vector."""
        return F.layer_norm(x, x.shape[-1:], self.weight.repeat(2), self.bias.repeat(2))


class FromPose(nn.Module):
    """Even and odd coordinates -> halves: (e + o, e - o), with e, o affine and linear in what is even and odd."""

    def __init__(self, even: int, odd: int, width: int) -> None:
        super().__init__()
        self.even, self.odd = nn.Linear(even, width), nn.Linear(odd, width, bias=False)

    def forward(self, even: Float[Tensor, "... e"], odd: Float[Tensor, "... o"]) -> Halves:
        """Map both and join them."""
        even, odd = self.even(even), self.odd(odd)
        return torch.cat([even + odd, even - odd], dim=-1)


class ToPose(nn.Module):
    """Halves -> even coordinates, and after them odd ones, each by a map of its own; they begin near zero."""

    def __init__(self, width: int, even: int, odd: int) -> None:
        super().__init__()
        self.even, self.odd = nn.Linear(width, even), nn.Linear(width, odd, bias=False) if odd else None
        for linear in (self.even, self.odd):
            if linear:
                nn.init.normal_(linear.weight, std=0.05 / math.sqrt(width))

    def forward(self, x: Halves) -> Float[Tensor, "... n"]:
        """What the mirror keeps, and what it negates."""
        a, b = x.chunk(2, dim=-1)
        even = self.even(a + b)
        return torch.cat([even, self.odd(a - b)], dim=-1) if self.odd else even
