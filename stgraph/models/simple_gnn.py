"""SimplePoseGNN: messages along the bones, the smallest graph network that lifts (POSEIDON's second baseline)."""

from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import nn

from stgraph.models import MODELS
from stgraph.models.blocks import Changed, GraphConv, Motion, aggregate
from stgraph.models.frames import FrameModel
from stgraph.skeleton import Skeleton, bone_matrix


def normalized_bones(skeleton: Skeleton) -> Float[np.ndarray, "1 v w"]:
    """D^-1/2 (B + I) D^-1/2, with bones B both ways and the degrees D of B + I (Kipf and Welling)."""
    joined = bone_matrix(skeleton) + np.eye(len(skeleton))
    degree = joined.sum(axis=1)
    return (joined / np.sqrt(np.outer(degree, degree)))[None]


@MODELS.register("simple_gnn")
class SimpleGNN(FrameModel):
    """Graph convolutions over bones, ReLU(norm(A x W + b)), with the input added from the second one on.

    POSEIDON leaves the layers open; a joint's receptive field is as many bones as there are layers. Every head is a map
    of each joint; the task averages the action head over joints, which pools them.

    Args:
        skeleton: gives the bones.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output.
        channels: width of the body.
        layers: graph convolutions.
        dropout: share of activations that training sets to zero.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: PositiveInt = 128,
        layers: PositiveInt = 3,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__()
        adjacency = torch.from_numpy(normalized_bones(skeleton)).to(torch.get_default_dtype())
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.first = GraphConv(in_channels, channels, 1, dropout)
        self.blocks = nn.ModuleList(GraphConv(channels, channels, 1, dropout) for _ in range(layers - 1))
        self.heads = nn.ModuleDict({name: nn.Conv2d(channels, width, 1) for name, width in heads.items()})

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b channels t j)."""
        x = self.first(aggregate(x, self.adjacency))
        for block in self.blocks:
            x = x + block(aggregate(x, self.adjacency))
        return x
