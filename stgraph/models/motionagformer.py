"""MotionAGFormer: attention beside graph convolutions, over joints and then over frames, fused in every layer."""

from dataclasses import replace
from math import sqrt
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from stgraph.models.base import Published, Size
from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.layers.transformer import (
    Rows,
    SelfAttention,
    Stream,
    TwoStreamModel,
    TwoStreams,
    block,
    inferred,
    our_weights,
    shared_out,
)
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton

NEIGHBOURS = 2  # frames that a frame receives from, those most like it; more where several are alike

SIZES = {(12, 64): "xs", (26, 64): "s", (16, 128): "b", (26, 128): "l"}  # layers and channels, as published

# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^joints_embed\.", "first."),
    (r"^pos_embed$", "joint_embedding"),
    (r"^rep_logit\.fc\.", "representation."),
    (r"^head\.", "heads.pose."),
    (r"\.att_(spatial|temporal)\.", r".attention.\1."),
    (r"\.graph_(spatial|temporal)\.", r".graph.\1."),
    (r"\.fusion\.", ".fusion.linear."),
    (r"\.layer_scale_1$", ".0.scale"),
    (r"\.layer_scale_2$", ".1.scale"),
    (r"\.mixer\.U\.", ".0.layer.own."),
    (r"\.mixer\.V\.", ".0.layer.received."),
    (r"\.mixer\.batch_norm\.", ".0.layer.norm."),
)
# Links that the published graph of Human3.6M's joints lacks: the first does not receive from the second.
PUBLISHED_MISSING_LINKS = (("Hip", "LHip"), ("Thorax", "LShoulder"), ("Thorax", "RShoulder"))


def balanced(links: Float[Tensor, "... v w"]) -> Float[Tensor, "... v w"]:
    """D^-1/2 A D^-1/2 with D the sums of A's rows; a node that receives from none neither receives nor sends."""
    degree = links.sum(dim=-1)
    scale = torch.where(degree > 0, degree, torch.inf).rsqrt()
    return scale[..., :, None] * links * scale[..., None, :]


class BoneGraph(nn.Module):
    """Every joint receives from its neighbours in the tree, and not from itself.

    Args:
        skeleton: gives the bones.
        missing_links: (joint, neighbour) that it does not receive from all the same.
    """

    adjacency: Float[Tensor, "v w"]

    def __init__(self, skeleton: Skeleton, missing_links: list[tuple[str, str]]) -> None:
        super().__init__()
        links = bone_matrix(skeleton)
        for joint, neighbour in missing_links:
            links[skeleton.index(joint), skeleton.index(neighbour)] = False
        adjacency = balanced(torch.from_numpy(links.astype(np.float64))).to(torch.get_default_dtype())
        self.register_buffer("adjacency", adjacency, persistent=False)

    def forward(self, x: Rows) -> Float[Tensor, "v w"]:
        """The matrix, the same for every frame."""
        return self.adjacency


class SimilarFrames(nn.Module):
    """Every frame of a joint receives from the two frames that are most like it, by the product of their features.

    The frame itself is usually one of them. Where several are as like as the second, it receives from them all. The
    graph is a constant to the gradient.
    """

    @torch.no_grad()
    def forward(self, x: Rows) -> Float[Tensor, "n v w"]:
        """A graph for each joint of each window."""
        similarity = x @ x.mT
        least = similarity.topk(min(NEIGHBOURS, x.shape[1]), dim=-1).values[..., -1:]
        return balanced((similarity >= least).to(x.dtype))


class GraphMixer(nn.Module):
    """ReLU(x + norm(A V x + U x)), the norm's statistics of every node by itself, over samples and channels.

    Args:
        channels: width.
        nodes: in the graph.
        graph: x -> A, one for all sequences or one for each.
    """

    def __init__(self, channels: int, nodes: int, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph
        self.own, self.received = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.norm = nn.BatchNorm1d(nodes)
        for linear in (self.own, self.received):
            nn.init.normal_(linear.weight, std=sqrt(2 / channels))

    def forward(self, x: Rows) -> Rows:
        """(n l c) -> (n l c)."""
        return (x + self.norm(self.graph(x) @ self.received(x) + self.own(x))).relu()


@MODELS.register("motionagformer")
class MotionAGFormer(TwoStreamModel):
    """A stream of attention and one of graph convolutions in every layer (Mehraban, Adeli and Taati, WACV 2024).

    The graph of the joints is the tree's; that of the frames is made anew for every joint and window (`SimilarFrames`).
    Norms of the latter have statistics for every frame of the window, so that its length is fixed.

    Args:
        skeleton: gives the number of joints, and the bones.
        in_channels: of the input, 3 for x, y and the confidence.
        heads: name -> channels of every output, each a map of tanh(representation).
        channels: width of the body.
        representation: width in front of the heads.
        layers: of two streams each.
        attention_heads: of each attention.
        mlp_ratio: width inside an MLP by that of the body.
        frames: of a window.
        layer_scale: where the scale of every residual starts.
        missing_links: (joint, neighbour) in the tree that the joint does not receive from; the published graph lacks
            three.

    Raises:
        InputError: a missing link of a joint that the skeleton lacks.
    """

    small, small_frames = (
        {"channels": 8, "representation": 12, "layers": 1, "attention_heads": 2, "frames": 6, "layer_scale": 0.1},
        6,
    )
    published = (Published("motionagformer", r"\.graph_temporal\.mixer\.", H36M17, "motionagformer_b"),)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 128,
        representation: Size = 512,
        layers: Size = 16,
        attention_heads: Size = 8,
        mlp_ratio: Size = 4,
        frames: Size = 243,
        layer_scale: PositiveFloat = 1e-5,
        missing_links: Annotated[list[tuple[str, str]], Field(description="(joint, neighbour)")] = [],  # noqa: B006
    ) -> None:
        bones = BoneGraph(skeleton, missing_links)

        def stream(spatial: nn.Module, temporal: nn.Module) -> Stream:
            blocks = [block(mixer, channels, mlp_ratio, scale=layer_scale) for mixer in (spatial, temporal)]
            return Stream(blocks[0], blocks[1])

        def attention() -> SelfAttention:
            return SelfAttention(channels, attention_heads, bias=False)

        def layer() -> TwoStreams:
            spatial = GraphMixer(channels, len(skeleton), bones)
            temporal = GraphMixer(channels, frames, SimilarFrames())
            return TwoStreams(channels, attention=stream(attention(), attention()), graph=stream(spatial, temporal))

        body = (layer() for _ in range(layers))
        sizes = {"channels": channels, "representation": representation}
        super().__init__(len(skeleton), in_channels, heads, layers=body, **sizes)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        problems = shared_out(settings["channels"], settings["attention_heads"])
        if frames != settings["frames"]:
            text = f"{settings['frames']} have a norm each, and data.frames is {frames}; give the same number"
            problems.append(f"frames: {text}")
        return problems

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Published in four sizes."""
        published, bias = super().published_for(state), state.get("joints_embed.bias")
        layers = sum(name.endswith(".fusion.weight") for name in state)
        size = SIZES.get((layers, bias.numel() if bias is not None else 0))
        return replace(published, like=f"motionagformer_{size}") if size else published

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`. The number of heads cannot be inferred."""
        weights = our_weights(state, PUBLISHED_NAMES)
        settings = inferred(weights, len(weights["layers.0.graph.temporal.0.layer.norm.bias"]))
        representation = len(weights["representation.bias"])
        return settings | {"representation": representation, "missing_links": list(PUBLISHED_MISSING_LINKS)}, weights
