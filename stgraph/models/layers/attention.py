"""Attention between joints of a frame, and of a joint to itself over time."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

Nodes = Float[Tensor, "p f j c"]
MASKED = -1e4  # added to the attention of what is not there; finite, so that where nothing is there nothing breaks


class Attention(nn.Module):
    """J + MLP([J || M_spatial || M_temporal]), each M = sum softmax(q . k) v over the nodes that are there.

    Spatial edges join all joints of the current frame, so that no joint is an island; temporal ones lead from a joint
    to itself in the remembered frames and in its own. Remembered joints stay as they are: to let them attend as well
    makes a training step a third longer, and in the same time it predicted no better.

    Args:
        channels: width.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.spatial, self.temporal = nn.Linear(channels, 3 * channels), nn.Linear(channels, 3 * channels)
        self.mlp = nn.Sequential(nn.Linear(3 * channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, nodes: Nodes, there: Bool[Tensor, "p f j"]) -> Nodes:
        """The nodes with those of the last frame, the current one, changed by what they attend to."""
        x = self.norm(nodes)
        absent = torch.where(there, 0.0, MASKED).to(x.dtype)
        current = x[:, -1]
        q, k, v = self.spatial(current).chunk(3, dim=-1)
        spatial = F.scaled_dot_product_attention(q, k, v, absent[:, -1, None])
        q, k, v = (part.transpose(1, 2) for part in self.temporal(x).chunk(3, dim=-1))
        temporal = F.scaled_dot_product_attention(q[:, :, -1:], k, v, absent.mT[:, :, None])[:, :, 0]
        changed = nodes[:, -1] + self.mlp(torch.cat([current, spatial, temporal], dim=-1))
        return torch.cat([nodes[:, :-1], changed[:, None]], dim=1)

    def of_candidates(
        self, candidates: Float[Tensor, "p q c"], nodes: Nodes, there: Bool[Tensor, "p q"], known: Bool[Tensor, "p j"]
    ) -> Float[Tensor, "p q c"]:
        """As `forward` for candidate joints of the current frame, whose type nobody knows yet.

        Their spatial edges lead to the nodes of the current frame and to one another, their temporal ones to all joints
        of the last frame.
        """
        x, others = self.norm(candidates), self.norm(nodes[:, -2:])
        mask = torch.where(torch.cat([torch.ones_like(known), there], dim=1), 0.0, MASKED).to(x.dtype)
        q, k, v = self.spatial(torch.cat([others[:, -1], x], dim=1)).chunk(3, dim=-1)
        spatial = F.scaled_dot_product_attention(q[:, -x.shape[1] :], k, v, mask[:, None])
        q = self.temporal(x).chunk(3, dim=-1)[0]
        _, k, v = self.temporal(others[:, 0]).chunk(3, dim=-1)
        temporal = F.scaled_dot_product_attention(q, k, v, torch.where(known, 0.0, MASKED).to(x.dtype)[:, None])
        return candidates + self.mlp(torch.cat([x, spatial, temporal], dim=-1))


class Head(nn.Linear):
    """An affine map of the channels. A convolution of one tap is the same, and takes a millisecond to begin."""

    def forward(self, x: Float[Tensor, "b c t j"]) -> Float[Tensor, "b n t j"]:
        """Of every node."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
