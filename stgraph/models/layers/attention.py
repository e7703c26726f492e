"""Attention between joints of a frame, and of a joint to itself over time."""

import math

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

    def forward(self, nodes: Nodes, present: Bool[Tensor, "p f j"]) -> Nodes:
        """The nodes with those of the last frame, the current one, changed by what they attend to."""
        x = self.norm(nodes)
        mask = torch.where(present, 0.0, MASKED).to(x.dtype)
        current = x[:, -1]
        q, k, v = self.spatial(current).chunk(3, dim=-1)
        spatial = F.scaled_dot_product_attention(q, k, v, mask[:, -1, None])
        # A joint has one query, so that W_k is applied to it and W_v to the sum of its frames, in place of every frame:
        # q . (W_k x + b_k) = W_k^T q . x + what is the same for all frames, and shares have the sum 1.
        (w_q, w_k, w_v), (b_q, _, b_v) = self.temporal.weight.chunk(3), self.temporal.bias.chunk(3)
        query = F.linear(current, w_q, b_q) @ w_k / math.sqrt(x.shape[-1])
        share = ((query[:, None] * x).sum(dim=-1) + mask).softmax(dim=1)
        temporal = F.linear((share[..., None] * x).sum(dim=1), w_v, b_v)
        changed = nodes[:, -1] + self.mlp(torch.cat([current, spatial, temporal], dim=-1))
        return torch.cat([nodes[:, :-1], changed[:, None]], dim=1)

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
