"""SemGCN: a graph network that lifts the joints of one frame, with a learned weight for every edge of every layer."""

import re
from functools import partial
from math import sqrt
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Dropout, Published, Size, make_heads, renamed
from stgraph.models.layers.convolution import zero_bias
from stgraph.models.layers.dropout import relu_dropout
from stgraph.models.layers.frames import FrameModel
from stgraph.models.layers.graph import graph_maps
from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, Skeleton


class SemGraphConv(nn.Module):
    """y = (A o I) x W_0 + (A o (1 - I)) x W_1 + b, where row v of A is a softmax over the edges that end in joint v.

    Edges are bones, both ways, and self links; their learned entries lie row by row.

    Args:
        in_channels, out_channels: widths before and after.
        skeleton: gives the edges.
        channelwise: an A of its own for every output channel.
    """

    place: Int[Tensor, "v w"]
    parts: Float[Tensor, "2 v w"]

    def __init__(self, in_channels: int, out_channels: int, skeleton: Skeleton, channelwise: bool = False) -> None:
        super().__init__()
        itself = np.eye(len(skeleton), dtype=bool)
        joined = bone_matrix(skeleton) | itself
        # Where each entry of A is in the list of edges; what is no edge is the one place after its end.
        place = np.where(joined, joined.cumsum().reshape(joined.shape) - 1, joined.sum())
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        parts = torch.from_numpy(np.stack([itself, ~itself])).to(torch.get_default_dtype())
        self.register_buffer("parts", parts, persistent=False)
        self.edges = nn.Parameter(torch.ones(out_channels if channelwise else 1, int(joined.sum())))
        self.conv = nn.Conv2d(2 * in_channels, out_channels, 1)
        self.aggregates_first = not channelwise and in_channels <= out_channels
        # Xavier's with gain sqrt 2 and the fans of the published weights, whose shape is (2, in, out).
        bound = sqrt(2 * 6 / ((2 + in_channels) * out_channels))
        nn.init.uniform_(self.conv.weight, -bound, bound)
        zero_bias(self.conv)

    def adjacency(self) -> Float[Tensor, "n 2 v w"]:
        """Self links apart from bones, once or for every output channel."""
        whole = F.pad(self.edges, (0, 1), value=-torch.inf)[:, self.place].softmax(dim=-1)
        return whole[:, None] * self.parts

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j). The narrower side is aggregated, which saves 5 % of a training step."""
        adjacency, bias = self.adjacency(), cast(Tensor, self.conv.bias)[:, None, None]
        if self.aggregates_first:
            return graph_maps(x, adjacency[0], [self.conv])[0]
        mapped = F.conv2d(x, rearrange(self.conv.weight, "d (k c) 1 1 -> (d k) c 1 1", k=2))
        if len(adjacency) == 1:
            rows = rearrange(mapped, "b (d k) t w -> b d t (k w)", k=2)
            return F.linear(rows, rearrange(adjacency[0], "k v w -> v (k w)")) + bias
        columns = rearrange(mapped, "b (d k) t w -> d (b t) (k w)", k=2)
        y = torch.baddbmm(bias, columns, rearrange(adjacency, "d k v w -> d (k w) v"))
        return rearrange(y, "d (b t) v -> b d t v", b=x.shape[0])


class Unit(nn.Module):
    """dropout(ReLU(norm(graph convolution))).

    Args:
        in_channels, out_channels: widths before and after.
        skeleton: gives the edges.
        channelwise: an adjacency of its own for every output channel.
        dropout: share of activations that training sets to zero.
    """

    def __init__(
        self, in_channels: int, out_channels: int, skeleton: Skeleton, channelwise: bool, dropout: float
    ) -> None:
        super().__init__()
        self.graph_conv = SemGraphConv(in_channels, out_channels, skeleton, channelwise)
        self.norm = nn.BatchNorm2d(out_channels)
        self.dropout = dropout

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j)."""
        return relu_dropout(self.norm(self.graph_conv(x)), self.dropout * self.training)


def joint_pairs(skeleton: Skeleton) -> Int[np.ndarray, "p 2"]:
    """Joints in twos: leaves with their parents, what is left with its mirror twin, what is left then with its parent.

    A joint that finds no partner is paired with itself.
    """
    parents, free, pairs = skeleton.parents, set(range(len(skeleton))), []

    def pair(joint: int, other: int) -> None:
        if joint != other and {joint, other} <= free:
            pairs.append((other, joint))
            free.difference_update((joint, other))

    for joint in range(len(skeleton)):
        if joint not in parents:
            pair(joint, parents[joint])
    for joint in sorted(free):
        pair(joint, int(skeleton.mirror[joint]))
    for joint in sorted(free):
        pair(joint, parents[joint])
    return np.array(pairs + [(joint, joint) for joint in sorted(free)])


class NonLocal(nn.Module):
    """x_v + norm(W sum_p ReLU(a . theta(x_v) + b . phi_p) g_p / P): every joint looks at all pairs p of joints.

    theta, phi, g and W are maps of each joint; phi_p and g_p are the larger ones of the pair's two joints.

    Args:
        channels: width before and after.
        pairs: joints that are pooled, (p 2).
    """

    pairs: Int[Tensor, "p 2"]

    def __init__(self, channels: int, pairs: Int[np.ndarray, "p 2"]) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.project = nn.Conv2d(2 * inner, 1, 1, bias=False)  # a and b
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.register_buffer("pairs", torch.from_numpy(pairs), persistent=False)
        for conv in (self.theta, self.phi, self.g, self.project, self.out):
            nn.init.kaiming_normal_(conv.weight)
            zero_bias(conv)
        nn.init.zeros_(self.norm.weight)  # training starts without it

    def forward(self, x: Motion) -> Motion:
        """(b c t j) -> (b c t j)."""
        rows = rearrange(x, "b c t j -> b t j c")
        a, b = self.project.weight.flatten().chunk(2)
        # theta counts through one number for each joint, so its map and its weights become one vector.
        bias_theta, *biases = (cast(Tensor, conv.bias) for conv in (self.theta, self.phi, self.g))
        own = rows @ (a @ self.theta.weight.flatten(1)) + a @ bias_theta
        weight = torch.cat([self.phi.weight, self.g.weight]).flatten(1)
        mapped = F.linear(rows, weight, torch.cat(biases))
        first, second = self.pairs.unbind(dim=1)
        phi, g = torch.maximum(mapped.index_select(2, first), mapped.index_select(2, second)).chunk(2, dim=-1)
        looks = F.relu(own[..., :, None] + (phi @ b)[..., None, :]) / len(self.pairs)
        return x + self.norm(self.out(rearrange(looks @ g, "b t j c -> b c t j")))


# Published names of weights -> ours, applied in turn; between residual blocks may lie non-local ones.
PUBLISHED_NAMES = (
    (r"^gconv_input\.0\.", "first."),
    (r"^gconv_input\.1\.nonlocal\.", "non_local.0."),
    (r"^gconv_layers\.(\d+)\.gconv1\.", r"blocks.\1.0."),
    (r"^gconv_layers\.(\d+)\.gconv2\.", r"blocks.\1.1."),
    (r"^gconv_layers\.(\d+)\.nonlocal\.", r"non_local.\1."),
    (r"^gconv_output\.", "heads.pose."),
    (r"\.(g|phi)\.0\.", r".\1."),
    (r"\.concat_project\.0\.", ".project."),
    (r"\.W\.0\.", ".out."),
    (r"\.W\.1\.", ".norm."),
    (r"\.gconv\.", ".graph_conv."),
    (r"\.bn\.", ".norm."),
    (r"\.e$", ".edges"),
    (r"(graph_conv|pose)\.W$", r"\1.conv.weight"),
    (r"(graph_conv|pose)\.bias$", r"\1.conv.bias"),
)


@MODELS.register("semgcn")
class SemGCN(FrameModel):
    """Semantic graph convolutions over the joints of each frame, in residual blocks of two.

    Args:
        skeleton: gives the edges, and the pairs of the non-local blocks.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" gets a graph convolution, any other name a map of each joint.
        channels: width of the body.
        layers: residual blocks x + unit(unit(x)).
        non_local: a non-local block after the first unit and after each residual block.
        channelwise: an adjacency of its own for every output channel.
        dropout: share of activations that training sets to zero.
    """

    small, small_frames = {"channels": 8, "layers": 1, "non_local": True}, 2
    published = (Published("semgcn", r"^gconv_input\.", H36M16, "semgcn"),)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Size = 128,
        layers: Size = 4,
        non_local: bool = False,
        channelwise: bool = False,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()

        def unit(before: int) -> Unit:
            return Unit(before, channels, skeleton, channelwise, dropout)

        pairs = joint_pairs(skeleton)
        self.first = unit(in_channels)
        self.blocks = nn.ModuleList(nn.Sequential(unit(channels), unit(channels)) for _ in range(layers))
        self.non_local = nn.ModuleList(NonLocal(channels, pairs) for _ in range((1 + layers) * non_local))
        pose = partial(SemGraphConv, skeleton=skeleton, channelwise=channelwise)
        self.heads = make_heads(heads, channels, pose)

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`."""
        non_local, weights = any(".nonlocal." in name for name in state), {}
        for published, value in state.items():
            name = renamed(published, PUBLISHED_NAMES)
            if non_local and (layer := re.match(r"(blocks|non_local)\.(\d+)\.", name)) and "gconv_layers" in published:
                # Theirs takes turns in one list: residual blocks at even places, non-local ones at odd places.
                turn = int(layer[2]) // 2 + (layer[1] == "non_local")
                name = f"{layer[1]}.{turn}.{name[layer.end() :]}"
            if name.endswith("conv.weight") and value.ndim == 3:
                value = rearrange(value, "k c d -> d (k c) 1 1")
            elif name.startswith("non_local.") and value.ndim == 3:
                value = rearrange(value, "d c 1 -> d c 1 1")
            weights[name] = value
        if "first.graph_conv.conv.bias" not in weights:
            return {}, weights
        settings = {
            "channels": len(weights["first.graph_conv.conv.bias"]),
            "layers": len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
            "non_local": non_local,
            "channelwise": len(weights.get("first.graph_conv.edges", [()])) > 1,
        }
        return settings, weights

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j) -> (b channels t j)."""
        x = self.first(x)
        for layer in range(len(self.blocks) + 1):
            if layer:
                x = x + self.blocks[layer - 1](x)
            if self.non_local:
                x = self.non_local[layer](x)
        return x
