"""MotionAGFormer: attention beside graph convolutions, over joints and then over frames, fused in every layer."""

import re
from dataclasses import replace
from math import sqrt
from typing import Annotated, Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from stgraph.models.base import Model, Published, make_heads, renamed
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.models.layers.transformer import (
    Frames,
    Fusion,
    Rows,
    SelfAttention,
    block,
    over_frames,
    over_joints,
    shared_out,
)
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton, bone_matrix

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
    (r"\.norm1\.", ".0.norm."),
    (r"\.norm2\.", ".1.norm."),
    (r"\.layer_scale_1$", ".0.scale"),
    (r"\.layer_scale_2$", ".1.scale"),
    (r"\.mixer\.qkv\.", ".0.layer.qkv."),
    (r"\.mixer\.proj\.", ".0.layer.out."),
    (r"\.mixer\.U\.", ".0.layer.own."),
    (r"\.mixer\.V\.", ".0.layer.received."),
    (r"\.mixer\.batch_norm\.", ".0.layer.norm."),
    (r"\.mlp\.fc1\.", ".1.layer.0."),
    (r"\.mlp\.fc2\.", ".1.layer.2."),
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


class Stream(nn.Module):
    """A mixer and an MLP over the joints of each frame, then others over the frames of each joint.

    Args:
        channels: width.
        spatial, temporal: the mixers.
        mlp_ratio, layer_scale: see `MotionAGFormer`.
    """

    def __init__(
        self, channels: int, spatial: nn.Module, temporal: nn.Module, mlp_ratio: int, layer_scale: float
    ) -> None:
        super().__init__()
        self.spatial, self.temporal = (
            block(mixer, channels, mlp_ratio, scale=layer_scale) for mixer in (spatial, temporal)
        )

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        return over_frames(self.temporal, over_joints(self.spatial, x))


class Layer(nn.Module):
    """Both streams of one input, fused.

    Args:
        attention, graph: the streams.
        channels: their width.
    """

    def __init__(self, attention: Stream, graph: Stream, channels: int) -> None:
        super().__init__()
        self.attention, self.graph = attention, graph
        self.fusion = Fusion(channels)

    def forward(self, x: Frames) -> Frames:
        """(b t j c) -> (b t j c)."""
        return self.fusion(self.attention(x), self.graph(x))


@MODELS.register("motionagformer")
class MotionAGFormer(Model):
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
        channels: PositiveInt = 128,
        representation: PositiveInt = 512,
        layers: PositiveInt = 16,
        attention_heads: PositiveInt = 8,
        mlp_ratio: PositiveInt = 4,
        frames: PositiveInt = 243,
        layer_scale: PositiveFloat = 1e-5,
        missing_links: Annotated[list[tuple[str, str]], Field(description="(joint, neighbour)")] = [],  # noqa: B006
    ) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, channels)
        self.joint_embedding = nn.Parameter(torch.zeros(1, len(skeleton), channels))
        bones = BoneGraph(skeleton, missing_links)

        def stream(spatial: nn.Module, temporal: nn.Module) -> Stream:
            return Stream(channels, spatial, temporal, mlp_ratio, layer_scale)

        def attention() -> SelfAttention:
            return SelfAttention(channels, attention_heads, bias=False)

        self.layers = nn.ModuleList(
            Layer(
                stream(attention(), attention()),
                stream(
                    GraphMixer(channels, len(skeleton), bones),
                    GraphMixer(channels, frames, SimilarFrames()),
                ),
                channels,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.representation = nn.Linear(channels, representation)
        self.heads = make_heads(heads, representation)

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
        weights = {renamed(name, PUBLISHED_NAMES): value for name, value in state.items()}
        weights["heads.pose.weight"] = rearrange(weights["heads.pose.weight"], "d c -> d c 1 1")
        channels, frames = len(weights["first.bias"]), len(weights["layers.0.graph.temporal.0.layer.norm.bias"])
        numbers = [int(match[1]) for name in weights if (match := re.match(r"layers\.(\d+)\.", name))]
        settings = {
            "channels": channels,
            "representation": len(weights["representation.bias"]),
            "layers": 1 + max(numbers),
            "mlp_ratio": len(weights["layers.0.graph.spatial.1.layer.0.bias"]) // channels,
            "frames": frames,
            "missing_links": list(PUBLISHED_MISSING_LINKS),
            "data.frames": frames,
            "data.confidence": weights["first.weight"].shape[1] > 2,
        }
        return settings, weights

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b d t j)."""
        y = self.first(rearrange(x, "b c t j -> b t j c")) + self.joint_embedding
        for layer in self.layers:
            y = layer(y)
        return rearrange(torch.tanh(self.representation(self.norm(y))), "b t j c -> b c t j")
