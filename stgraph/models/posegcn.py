"""PoseGCN: a graph network that lifts the joints of one frame, with many learned graphs of the body in every layer."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Dropout, Size
from stgraph.models.layers.convolution import NormConv
from stgraph.models.layers.dropout import relu_dropout
from stgraph.models.layers.frames import FrameModel
from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton


def relations(skeleton: Skeleton, hops: int = 3) -> Float[np.ndarray, "k v w"]:
    """Where the learned graphs start: joints a number of bones apart, 0 to `hops`, and left-right pairs.

    What every joint receives from all of its partners in a relation weighs 1 in sum; a joint without any receives
    nothing. Relations that a small skeleton lacks are left out.
    """
    itself, bones = np.eye(len(skeleton), dtype=bool), bone_matrix(skeleton)
    rings, within = [itself], itself
    for _ in range(hops):
        wider = within | (within @ bones)
        rings.append(wider & ~within)
        within = wider
    rings.append(itself[skeleton.mirror] & ~itself)
    matrices = np.stack([ring for ring in rings if ring.any()]).astype(float)
    return matrices / matrices.sum(axis=-1, keepdims=True).clip(1)


class GroupedGraphConv(nn.Module):
    """x_v + W_2 ReLU(W_1 norm(y_v) + b_1) + b_2 with y_v^g = sum_w A^g[v, w] x_w^g, over groups g of the channels.

    Every group has a graph A^g of its own on all pairs of joints, so that many relations between joints cost one map
    of the channels and not one each. Aggregating the body's channels, not the hidden ones, halves that work. The rows
    of A^g are all that distinguishes joints: with biases and maps of each joint's own, unseen people came out worse.

    Args:
        channels: width before and after.
        hidden: width between the maps.
        adjacency: (g v w) where the graphs start.
        dropout: share of hidden activations that training sets to zero.
    """

    def __init__(self, channels: int, hidden: int, adjacency: Float[Tensor, "g v w"], dropout: float) -> None:
        super().__init__()
        self.lift = NormConv(nn.Conv2d(channels, hidden, 1))
        # Noise makes groups differ that start from the same relation.
        self.adjacency = nn.Parameter(adjacency + 0.02 * torch.randn_like(adjacency))
        self.project = nn.Conv2d(hidden, channels, 1)
        self.dropout = dropout

    def forward(self, x: Motion) -> Motion:
        """(b c t j) -> (b c t j)."""
        nodes = rearrange(x, "b (g d) t w -> b t w g d", g=len(self.adjacency))
        received = torch.einsum("gvw, btwgd -> btvgd", self.adjacency, nodes)
        # In two steps, so that what is copied are rows of channels.
        rows = rearrange(rearrange(received, "b t v g d -> b t v (g d)"), "b t v c -> b c t v")
        hidden = relu_dropout(self.lift(rows), self.dropout * self.training)
        return self.project(hidden).add_(x)


@MODELS.register("posegcn")
class PoseGCN(FrameModel):
    """Grouped graph convolutions over the joints of each frame.

        x_v = W [p_v - p_root, p_root] + b
        x_v <- x_v + W_2 ReLU(W_1 norm(y_v) + b_1) + b_2,  y_v^g = sum_w A^g[v, w] x_w^g       in every layer, its own
        pose_v = W norm(x_v) + b

    A^g starts from a relation between joints (itself, bones, two and three bones apart, left-right pairs; the groups
    take turns) and is learned on all pairs of joints. POSEIDON (improvement 2) leaves the network open. At the default
    settings it has fewer parameters than SemGCN with non-local blocks.

    Args:
        skeleton: gives the relations between joints.
        in_channels: of the input: 2 for x and y, and what else is known of a joint, such as its confidence.
        heads: name -> channels of every output. Each is a norm and a map of each joint.
        channels: width of the body.
        hidden: width inside a layer.
        groups: graphs in a layer; divides `channels`.
        layers: graph convolutions.
        dropout: share of hidden activations that training sets to zero.
    """

    small, small_frames = {"channels": 16, "layers": 2}, 2

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 128,
        hidden: Size = 256,
        groups: Size = 16,
        layers: Size = 6,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.root = skeleton.root
        kinds = torch.from_numpy(relations(skeleton)).to(torch.get_default_dtype())
        adjacency = kinds[torch.arange(groups) % len(kinds)]
        self.first = nn.Conv2d(in_channels + 2, channels, 1)
        self.layers = nn.ModuleList(GroupedGraphConv(channels, hidden, adjacency, dropout) for _ in range(layers))
        self.heads = nn.ModuleDict({name: NormConv(nn.Conv2d(channels, width, 1)) for name, width in heads.items()})

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        channels, groups = settings["channels"], settings["groups"]
        return [f"groups: {groups} of them do not divide {channels} channels"] if channels % groups else []

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b channels t j)."""
        root = x[:, :2, :, self.root, None]
        seen = (x[:, :2] != 0).any(dim=1, keepdim=True)  # zero is what was not seen, and stays it
        x = self.first(torch.cat([(x[:, :2] - root) * seen, x[:, 2:], root.expand(-1, -1, -1, x.shape[-1])], dim=1))
        for layer in self.layers:
            x = layer(x)
        return x
