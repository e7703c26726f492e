"""ST-GCN: the spatial temporal graph convolutional network that recognises actions."""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from math import ceil
from typing import Any, Literal, cast

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.models import pyskl
from stgraph.models.base import Dropout, Published, Reach, Size, Widths, renamed
from stgraph.models.layers.convolution import FrameConv
from stgraph.models.layers.graph import aggregate, combine
from stgraph.models.layers.partitions import partitions
from stgraph.models.layers.recogniser import ClipModel
from stgraph.models.layers.shapes import Changed, Motion, Result
from stgraph.models.layers.temporal import TemporalConv
from stgraph.settings.registry import MODELS
from stgraph.skeleton import NTU25, OPENPOSE18, Skeleton

TAPS = 9  # frames that a temporal convolution sees
# Parts of the published names of weights, and ours.
NAMES = (
    ("st_gcn_networks.", "blocks."),
    (".gcn.conv.", ".graph_conv.conv."),
    (".tcn.0.", ".graph_conv.norm."),
    (".tcn.2.", ".temporal_conv.conv."),
    (".tcn.3.", ".temporal_conv.norm."),
    (".residual.", ".match."),
    ("data_bn.", "data_norm.norm."),
    ("fcn.", "heads.action."),
)
IMPORTANCE = r"^edge_importance\.(\d+)$", r"blocks.\1.adjacency.importance"
TO_OURS = [IMPORTANCE, *((re.escape(published), ours) for published, ours in NAMES)]
TO_PUBLISHED = [(r"^blocks\.(\d+)\.adjacency\.importance$", r"edge_importance.\1")]
TO_PUBLISHED += [(re.escape(ours), published) for published, ours in NAMES]


class EdgeWeighted(nn.Module):
    """An adjacency of the skeleton's partitions.

    Args:
        partitions: (k v w) the adjacency.
        learned: whether every edge is weighted by a learned importance, 1 where training starts.
        free: whether the matrices are learned themselves.
    """

    partitions: Float[Tensor, "k v w"]

    def __init__(self, partitions: Float[np.ndarray, "k v w"], learned: bool, free: bool = False) -> None:
        super().__init__()
        weight = torch.from_numpy(partitions).to(torch.get_default_dtype())
        if free:
            self.partitions = nn.Parameter(weight)
        else:
            self.register_buffer("partitions", weight, persistent=False)
        self.importance = nn.Parameter(torch.ones_like(weight)) if learned else None

    def forward(self, x: Motion) -> Float[Tensor, "k v w"]:
        """The weighted matrices, the same for every input."""
        return self.partitions if self.importance is None else self.partitions * self.importance


class PartitionedConv(nn.Module):
    """ReLU(norm(sum_k A_k (x W_k + b_k))): a map with a bias for each partition.

    Args:
        in_channels, out_channels: widths before and after.
        partitions: matrices of the adjacency.
    """

    def __init__(self, in_channels: int, out_channels: int, partitions: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, partitions * out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Motion, adjacency: Float[Tensor, "k v w"]) -> Changed:
        """(b c t j) -> (b d t j)."""
        return self.norm(partitioned_conv(x, self.conv.weight, cast(Tensor, self.conv.bias), adjacency)).relu_()


def partitioned_conv(
    x: Motion, weight: Float[Tensor, "kd c 1 1"], bias: Float[Tensor, " kd"], adjacency: Float[Tensor, "k v w"]
) -> Changed:
    """sum_k A_k (x W_k + b_k), maps and bias ordered (k d): mapped first, unless that widens.

    To map first everywhere makes a training step of the published network 1.12 times as long on a CPU.
    """
    partitions = len(adjacency)
    if len(weight) <= partitions * x.shape[1]:
        return combine(F.conv2d(x, weight, bias), adjacency)
    weight = rearrange(weight, "(k d) c 1 1 -> d (k c) 1 1", k=partitions)
    received = adjacency.sum(dim=2).T @ rearrange(bias, "(k d) -> k d", k=partitions)
    return F.conv2d(aggregate(x, adjacency), weight).add_(rearrange(received, "v d -> d 1 v"))


class Block(nn.Module):
    """ReLU(residual + temporal convolution of a graph convolution).

    Args:
        in_channels, out_channels: widths before and after.
        stride: frames that become one.
        adjacency: of the graph convolution.
        dropout: share of activations that training sets to zero.
        residual: whether the input passes around, changed to the new width and length if need be.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        adjacency: EdgeWeighted,
        dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        self.adjacency = adjacency
        self.graph_conv = PartitionedConv(in_channels, out_channels, len(adjacency.partitions))
        self.temporal_conv = TemporalConv(out_channels, dropout, TAPS, stride)
        self.residual, self.match = residual, None
        if residual and (stride > 1 or in_channels != out_channels):
            self.match = nn.Sequential(FrameConv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))

    def forward(self, x: Motion) -> Result:
        """(b c t j) -> (b d s j)."""
        y = self.graph_conv(x, self.adjacency(x))
        residual = x if self.match is None else self.match(x)
        return self.temporal_conv(y, residual if self.residual else None).relu_()


@MODELS.register("stgcn")
class STGCN(ClipModel):
    """Spatial temporal graph convolutional network (Yan, Xiong and Lin, AAAI 2018).

    Args:
        skeleton: gives the graph's partitions.
        in_channels: of the input, 3 for x, y and z, or x, y and confidence.
        heads: name -> channels of every output, each a map of each node.
        channels: width of every block, as published 64 x 4, 128 x 3, 256 x 3.
        strides: factor by which each block shortens time, as published 2 in the first block of 128 and of 256.
        dropout: share of activations that training sets to zero, in all blocks but the first.
        partition: strategy that divides the graph's edges among maps of their own (`stgraph.models.layers.partitions`).
        hops: bones between joints that the graph joins, at most.
        legacy: the spatial partitions as published, with their distances cut at `hops`.
        edge_importance: whether each block learns a weight for every edge.
        learned_graph: whether each block learns its matrices themselves, which begin as the partitions.
        persons: whose coordinates the first norm treats each by themselves; above 1 for clips whose absent persons are
            padded (`task.persons`).
    """

    small, small_frames = {"channels": [8, 12], "strides": [1, 2], "dropout": 0.0}, 9
    published = (
        Published("stgcn", r"^st_gcn_networks\.", NTU25, "stgcn_ntu_xsub", both_ways=True),
        pyskl.facts(r"^backbone\.gcn\.0\.tcn\.conv\."),
    )

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Widths,
        strides: list[Size],
        dropout: Dropout = 0.5,
        partition: Literal["uniform", "distance", "spatial"] = "spatial",
        hops: Reach = 1,
        legacy: bool = False,
        edge_importance: bool = True,
        learned_graph: bool = False,
        persons: Size = 1,
    ) -> None:
        options = {"hops": hops} | ({"legacy": True} if legacy else {})
        matrices = partitions(skeleton, partition, **options)
        blocks = [
            Block(
                before,
                after,
                stride=stride,
                adjacency=EdgeWeighted(matrices, edge_importance, learned_graph),
                dropout=dropout if number else 0.0,
                residual=number > 0,
            )
            for number, (before, after, stride) in enumerate(
                zip([in_channels, *channels[:-1]], channels, strides, strict=True)
            )
        ]
        width = channels[-1]
        super().__init__(skeleton, in_channels, heads, blocks=blocks, width=width, strides=strides, persons=persons)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section."""
        problems = super().check(settings, frames)
        if settings["legacy"] and settings["partition"] != "spatial":
            problems.append(f'legacy: cuts the distances of "spatial", not of {settings["partition"]!r}')
        if settings["learned_graph"] and settings["edge_importance"]:
            problems.append("edge_importance: the matrices are learned themselves; set it false, or learned_graph")
        return problems

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Published for OpenPose's joints too, where the graph has as many."""
        published = super().published_for(state)
        if published.family == pyskl.FAMILY:
            return pyskl.of_layout(published, state)
        joints = state["A"].shape[-1] if "A" in state and state["A"].ndim else 0
        if joints != len(OPENPOSE18):
            return published
        return replace(published, skeleton=OPENPOSE18, like="stgcn_kinetics")

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`.

        Raises:
            InputError: the graph is none of the published ones.
        """
        if pyskl.holds(state):
            graph = {"edge_importance": False, "learned_graph": True}
            return pyskl.settings(state) | graph, pyskl.stgcn_weights(state)
        weights = {renamed(name, TO_OURS): turned(name, value) for name, value in state.items()}
        blocks = sum(name.endswith(".temporal_conv.conv.weight") for name in weights)
        settings = {
            "channels": [len(weights[f"blocks.{block}.temporal_conv.conv.weight"]) for block in range(blocks)],
            "edge_importance": any(name.endswith(".importance") for name in weights),
            **graph_settings(weights.pop("A")),
            "task.persons": "padded",
            "task.classes": [f"class {number}" for number in range(len(weights["heads.action.weight"]))],
        }
        return settings, weights

    def published_operations(self, frames: int) -> int:
        """Operations of the published network for one person's frames, see `Model`.

        Maps of every joint, the product with the adjacency after them, temporal convolutions, matched residuals, and
        the classes of the mean; norms and other elementwise work counts as none.
        """
        macs = sum(head.weight.numel() for head in cast(Iterable[nn.Conv2d], self.heads.values()))
        for block in cast(Iterable[Block], self.blocks):
            adjacency, conv = block.adjacency.partitions, block.temporal_conv.conv
            joints = adjacency.shape[-1]
            macs += frames * (joints * block.graph_conv.conv.weight.numel() + adjacency.numel() * conv.in_channels)
            frames = ceil(frames / conv.stride[0])
            macs += frames * joints * conv.weight.numel()
            if block.match is not None:
                macs += frames * joints * cast(nn.Conv2d, block.match[0]).weight.numel()
        return 2 * macs

    def to_published(self) -> dict[str, Tensor]:
        """The `state_dict` that the published implementation reads."""
        state = {"A": cast(Block, self.blocks[0]).adjacency.partitions} | self.state_dict()
        return {renamed(name, TO_PUBLISHED): turned(name, value) for name, value in state.items()}


def turned(name: str, value: Tensor) -> Tensor:
    """A weight of ours for a published one, and back: rows of adjacencies receive here, their columns there."""
    return value.mT.contiguous() if name == "A" or "importance" in name else value


def graph_settings(matrices: Float[Tensor, "k v w"]) -> dict[str, str | int | bool]:
    """The settings that give this graph. Raises InputError where it is none of the published layouts'."""
    strategies = [("spatial", {"legacy": True}), ("spatial", {"legacy": False}), ("distance", {}), ("uniform", {})]
    for skeleton, (partition, legacy), hops in product((NTU25, OPENPOSE18), strategies, range(1, 4)):
        graph = torch.from_numpy(partitions(skeleton, partition, hops=hops, **legacy)).to(matrices)
        if graph.shape == matrices.shape and torch.allclose(graph, matrices, atol=1e-5):
            return {"partition": partition, "hops": hops, **legacy}
    k, joints, _ = matrices.shape
    raise InputError(
        f"{k} partitions of a graph of {joints} joints that is not one of openpose18 ({len(OPENPOSE18)} joints) or "
        f"ntu25 ({len(NTU25)} joints) as published",
        where="A",
        remedy="weights for another graph mean nothing on these, so train anew",
    )
