"""Attention between joints of a frame, and of a joint to itself over time."""

import math
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

Nodes = Float[Tensor, "p f j c"]  # persons, frames, joints, channels
MASKED = -1e4  # added to the attention of absent nodes; finite, so that where all are absent nothing is NaN


def mlp(inputs: int, channels: int) -> nn.Sequential:
    """Two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(inputs, channels), nn.ReLU(), nn.Linear(channels, channels))


class Attention(nn.Module):
    """J + MLP([J || M_spatial || M_temporal]), each M = sum softmax(q . k) v over the nodes that are present.

    Spatial edges join all joints of the current frame, so that no joint is isolated; temporal ones lead from a joint to
    itself in the remembered frames and in its own. Remembered joints do not change: to let them attend as well makes a
    training step a third longer, and in the same time it predicted no better.

    Args:
        channels: width.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.spatial, self.temporal = nn.Linear(channels, 3 * channels), nn.Linear(channels, 3 * channels)
        self.mlp = mlp(3 * channels, channels)

    def forward(self, nodes: Nodes, mask: Float[Tensor, "p f j"]) -> Float[Tensor, "p j c"]:
        """The nodes of the last frame, the current one, changed by what they attend to.

        Args:
            nodes: of remembered frames and of the current one, in which all are present.
            mask: `MASKED` where a node is absent, 0 elsewhere.
        """
        x = self.norm(nodes)
        current = x.select(1, -1).contiguous()  # or else linear() multiplies person by person
        # A joint has one query, so that W_k is applied to it and W_v to the sum of its frames, in place of every frame:
        # q . (W_k x + b_k) = W_k^T q . x + what is the same for all frames, and shares have the sum 1. Maps that follow
        # one another are one: W_k^T W_q, and W_v with the MLP's first.
        (w_q, w_k, w_v), (b_q, _, b_v) = self.temporal.weight.chunk(3), self.temporal.bias.chunk(3)
        root, first = math.sqrt(self.temporal.in_features), cast(nn.Linear, self.mlp[0])
        (s_q, *s_others), (c_q, *c_others) = self.spatial.weight.chunk(3), self.spatial.bias.chunk(3)
        weight = torch.cat([s_q / root, *s_others, w_k.mT @ w_q / root])
        bias = torch.cat([c_q / root, *c_others, b_q @ w_k / root])
        q, k, v, query = F.linear(current, weight, bias).chunk(4, dim=-1)
        spatial = torch.bmm(torch.bmm(q, k.mT).softmax(dim=-1), v)
        share = ((query.unsqueeze(1) * x).sum(dim=-1) + mask).softmax(dim=1)
        temporal = (share[..., None] * x).sum(dim=1)
        *w_others, w_temporal = first.weight.chunk(3, dim=1)
        weight, bias = torch.cat([*w_others, w_temporal @ w_v], dim=1), first.bias + w_temporal @ b_v
        changed = F.linear(torch.cat([current, spatial, temporal], dim=-1), weight, bias)
        return nodes.select(1, -1) + self.mlp[1:](changed)

    def of_candidates(
        self, candidates: Float[Tensor, "p q c"], nodes: Nodes, present: Bool[Tensor, "p q"], known: Bool[Tensor, "p j"]
    ) -> Float[Tensor, "p q c"]:
        """As `forward` for candidate joints of the current frame, whose type is unknown.

        Their spatial edges lead to the nodes of the current frame and to one another, their temporal ones to all joints
        of the last frame.

        Args:
            candidates: their features.
            nodes: of the joints.
            present: which candidates there are.
            known: which joints of the last frame there are.
        """
        x, joints = self.norm(candidates), self.norm(nodes[:, -2:])
        mask = torch.where(torch.cat([torch.ones_like(known), present], dim=1), 0.0, MASKED).to(x.dtype)
        q, k, v = self.spatial(torch.cat([joints[:, -1], x], dim=1)).chunk(3, dim=-1)
        spatial = F.scaled_dot_product_attention(q[:, -x.shape[1] :], k, v, mask[:, None])
        q = self.temporal(x).chunk(3, dim=-1)[0]
        _, k, v = self.temporal(joints[:, 0]).chunk(3, dim=-1)
        temporal = F.scaled_dot_product_attention(q, k, v, torch.where(known, 0.0, MASKED).to(x.dtype)[:, None])
        return candidates + self.mlp(torch.cat([x, spatial, temporal], dim=-1))
