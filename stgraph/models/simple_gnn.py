"""SimplePoseGNN: messages along the bones, the smallest graph network that lifts (POSEIDON's second baseline)."""

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from stgraph.models.base import Dropout, Size, make_heads
from stgraph.models.layers.frames import FrameModel
from stgraph.models.layers.graph import GraphConv
from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton


def messages(skeleton: Skeleton) -> Float[np.ndarray, "2 v w"]:
    """What a joint has itself, and what comes along its bones: D^-1/2 B D^-1/2, D the number of bones at each joint."""
    bones = bone_matrix(skeleton).astype(float)
    degree = bones.sum(axis=1)
    return np.stack([np.eye(len(skeleton)), bones / np.sqrt(np.outer(degree, degree))])


@MODELS.register("simple_gnn")
class SimpleGNN(FrameModel):
    """Graph convolutions over bones, ReLU(norm(x W_0 + D^-1/2 B D^-1/2 x W_1 + b)).

    The result of the first is added to a learned vector for every joint, those of later ones to their input. POSEIDON
    leaves the layers open; a joint's receptive field is as many bones as there are layers. Every head is a map of each
    joint; the task averages the action head over joints, which pools them.

    Args:
        skeleton: gives the bones.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output.
        channels: width of the body.
        layers: graph convolutions.
        dropout: share of activations that training sets to zero.
    """

    small, small_frames = {"channels": 8}, 2
    adjacency: Float[torch.Tensor, "2 v w"]

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 128,
        layers: Size = 3,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        adjacency = torch.from_numpy(messages(skeleton)).to(torch.get_default_dtype())
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.first = GraphConv(in_channels, channels, len(adjacency), dropout)
        self.joint = nn.Parameter(torch.randn(channels, 1, len(skeleton)))
        self.blocks = nn.ModuleList(GraphConv(channels, channels, len(adjacency), dropout) for _ in range(layers - 1))
        self.heads = make_heads(heads, channels)

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b channels t j)."""
        x = self.first(x, self.adjacency) + self.joint
        for block in self.blocks:
            x = x + block(x, self.adjacency)
        return x
