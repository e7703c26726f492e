"""TGraphNet: a U-shaped spatio-temporal graph network that lifts sequences of 2D poses."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any, cast

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.models.base import Dropout, Model, Published, Reach, Size, Widths, make_heads, one_each, renamed
from stgraph.models.layers.graph import Adjacency, GraphConv, graph_convs
from stgraph.models.layers.partitions import partitions
from stgraph.models.layers.shapes import Changed, Motion
from stgraph.models.layers.temporal import Shrink, TemporalConv, add_stretched
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton


class Unit(nn.Module):
    """A graph convolution, then a temporal one around which the input passes (changed to the new width if need be).

    Args:
        in_channels, out_channels: widths before and after.
        partitions: matrices of the adjacency.
        dropout: share of activations that training sets to zero.
        residual: False leaves the graph convolution alone.
    """

    def __init__(self, in_channels: int, out_channels: int, partitions: int, dropout: float, residual: bool) -> None:
        super().__init__()
        self.graph_conv = GraphConv(in_channels, out_channels, partitions, dropout)
        widens = residual and in_channels != out_channels
        self.match = GraphConv(in_channels, out_channels, partitions, dropout) if widens else None
        self.temporal_conv = TemporalConv(out_channels, dropout) if residual else None

    def forward(self, x: Motion, adjacency: Float[Tensor, "k v w"]) -> Changed:
        """(b c t j) -> (b d t j)."""
        layers = [self.graph_conv] if self.match is None else [self.graph_conv, self.match]
        y, *match = graph_convs(x, adjacency, layers)
        return y if self.temporal_conv is None else self.temporal_conv(y, match[0] if match else x)


def units_of_levels(widths: list[int], stages: list[int], unit: Callable[[int, int], Unit]) -> nn.ModuleList:
    """`stages` units of every level, made by `unit`; `widths` are those of the input and of every level."""
    return nn.ModuleList(
        nn.ModuleList(unit(before if stage == 0 else width, width) for stage in range(count))
        for before, width, count in zip(widths[:-1], widths[1:], stages, strict=True)
    )


class PoseHead(nn.Module):
    """5-tap convolutions over time, one for the joints and another for the root.

    Args:
        in_channels, out_channels: widths before and after.
        root: index of the root.
    """

    def __init__(self, in_channels: int, out_channels: int, root: int) -> None:
        super().__init__()
        self.root = root
        self.joints_conv = nn.Conv2d(in_channels, out_channels, (5, 1), padding=(2, 0))
        self.root_conv = nn.Conv2d(in_channels, out_channels, (5, 1), padding=(2, 0))

    def forward(self, x: Motion) -> Changed:
        """(b c t j) -> (b d t j).

        Both see all joints, in one convolution: to pick joints of wide features makes gradients of another memory
        layout, with which the layers below take longer.
        """
        convs = self.joints_conv, self.root_conv
        weight, bias = (torch.cat([getattr(conv, name) for conv in convs]) for name in ("weight", "bias"))
        joints, root = F.conv2d(x, weight, bias, padding=(2, 0)).chunk(2, dim=1)
        return torch.where(torch.arange(x.shape[-1], device=x.device) == self.root, root, joints)


PUBLISHED_PARTITIONS = 4
PUBLISHED_SIZE = ((128, 128, 256, 256), (1, 2, 2, 2))  # widths and units of the levels
PUBLISHED_OPERATIONS = 24.1e6  # for a frame; layers that share work count in full
# Published names of weights -> ours, applied in turn.
PUBLISHED_NAMES = (
    (r"^adj_v$", "adjacency.weight"),
    (r"^pre\.(?=weight|bias)", "first.conv."),
    (r"^pre\.norm\.", "first.norm."),
    (r"^(?:downsample_)?layers\.(\d+)\.graph_stages\.", r"down.\1."),
    (r"^(?:downsample_)?layers\.(\d+)\.tcn\.", r"shrink.\1."),
    (r"^upsample_layers\.(\d+)\.0\.graph_stages\.0\.", r"up.\1."),
    (r"^merging_layers\.(\d+)\.0\.graph_stages\.0\.", r"merge.\1."),
    (r"^post_merge\.graph_stages\.0\.", "last."),
    (r"^post_node\.", "heads.pose."),
    (r"^post_traj\.", "heads.pose.root_conv."),
    # Without residual units the graph convolution is the whole unit and has no name of its own.
    (r"^((?:down\.\d+\.\d+|up\.\d+|merge\.\d+|last)\.)(?=weight|bias|norm)", r"\1gcn."),
    (r"\.(gcn|residual_gc)\.(weight|bias)$", r".\1.conv.\2"),
    (r"\.gcn\.", ".graph_conv."),
    (r"\.residual_gc\.", ".match."),
    (r"\.tcn\.0\.", ".temporal_conv.conv."),
    (r"\.tcn\.1\.", ".temporal_conv.norm."),
)


def translate(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """`Model.from_published` for both networks. The pose changes from millimetres to metres."""
    # The adjacency is listed again for every layer that shares it, and one of edges that nothing uses.
    names = [name for name in state if not re.search(r"(\.adj_v|(^|\.)adj_e)$", name)]
    weights = {}
    for published in names:
        name, value = renamed(published, PUBLISHED_NAMES), state[published]
        if name.endswith("conv.weight") and value.ndim == 2:
            value = rearrange(value, "c (k d) -> d (k c) 1 1", k=PUBLISHED_PARTITIONS)
        elif value.ndim == 4:
            value = rearrange(value, "d c j t -> d c t j")
        weights[name] = value / 1000 if name.startswith("heads.") else value
    pattern = r"down\.(\d+)\.\d+\.graph_conv\.norm\.weight"
    units = [(int(match[1]), len(weights[name])) for name in weights if (match := re.fullmatch(pattern, name))]
    widths, levels = dict(units), [level for level, _ in units]
    settings: dict[str, Any] = {
        "channels": [widths[level] for level in sorted(widths)],
        "stages": [levels.count(level) for level in sorted(widths)],
        "residual": any("temporal_conv" in name for name in weights),
    }
    if state.get("adj_v", torch.empty(0)).ndim == 3:
        settings["frames_per_graph"] = state["adj_v"].shape[-1] // joints
    if (shrink := weights.get("shrink.0.conv.weight", torch.empty(0))).ndim == 4:
        settings["temporal_stride"] = shrink.shape[2]
    return settings if levels else {}, weights


class TemporalGraphNet(Model):
    """What TGraphNet and its variant for one frame share: settings, one learnable adjacency, units and shrinking steps.

    A subclass adds the layers of its body, in `make_body`. All graph convolutions share the adjacency, which spans
    blocks of `frames_per_graph` frames.

    Args:
        skeleton: gives the graph's partitions and the root.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output.
        channels: width of every level.
        stages: units of every level on the way down.
        dropout: share of activations that training sets to zero.
        frames_per_graph: frames whose joints form one graph.
        temporal_stride: factor between the lengths of two levels.
        residual: temporal convolutions and residuals in the units; False leaves graph convolutions alone.
    """

    small, small_frames = {"channels": [8, 16], "stages": [1, 1], "dropout": 0.0}, 9

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Widths,
        stages: list[Size],
        dropout: Dropout = 0.1,
        frames_per_graph: Reach = 3,
        temporal_stride: Annotated[int, Field(ge=2, le=1 << 16)] = 3,
        residual: bool = True,
    ) -> None:
        super().__init__()
        matrices = partitions(skeleton, "symmetric", frames=frames_per_graph)
        self.adjacency = Adjacency(matrices)
        self.temporal_stride = temporal_stride

        unit = partial(Unit, partitions=len(matrices), dropout=dropout, residual=residual)
        shrink = partial(Shrink, stride=temporal_stride, dropout=dropout)
        self.make_body([in_channels, *channels], stages, unit, shrink)
        self.heads = self.make_heads(heads, channels, skeleton.root)

    def make_body(
        self, widths: list[int], stages: list[int], unit: Callable[..., Unit], shrink: Callable[[int], Shrink]
    ) -> None:
        """Make the layers before the heads: units from a width to another, and shrinking steps.

        Args:
            widths: of the input and of every level.
        """
        raise NotImplementedError

    def make_heads(self, heads: dict[str, int], channels: list[int], root: int) -> nn.ModuleDict:
        """Make the heads; by default a map of each node."""
        return make_heads(heads, channels[-1])

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section: as many stages as widths are needed."""
        return one_each(settings, "stages", "level")


@MODELS.register("tgraphnet")
class TGraphNet(TemporalGraphNet):
    """U-shaped spatio-temporal graph network: joints in, joints out, for every frame of the window.

    Going down, units and shrinking steps in turn; going up, a unit, stretched and added to the features before that
    shrinking. Besides, every level on the way up sends a unit's result straight to the full length, where all are added
    and go through a norm and one more unit. The head "pose" has 5-tap convolutions; any other is a map of each node.
    """

    published = (Published("tgraphnet", r"^downsample_layers\.", H36M17, "root_rel"),)

    def make_body(
        self, widths: list[int], stages: list[int], unit: Callable[..., Unit], shrink: Callable[[int], Shrink]
    ) -> None:
        """See `TemporalGraphNet`."""
        _, first, *higher = widths
        lower = widths[1:-1]
        self.down = units_of_levels(widths, stages, unit)
        self.shrink = nn.ModuleList(shrink(width) for width in lower)
        climb = list(zip(reversed(higher), reversed(lower), strict=True))
        self.up = nn.ModuleList(unit(before, after) for before, after in climb)
        self.merge = nn.ModuleList(unit(after, first) for _, after in climb)
        self.merge_norm = nn.BatchNorm2d(first)
        self.last = unit(first, first)

    def make_heads(self, heads: dict[str, int], channels: list[int], root: int) -> nn.ModuleDict:
        """See `TemporalGraphNet`."""
        return make_heads(heads, channels[0], pose=partial(PoseHead, root=root))

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        problems, levels = super().check(settings, frames), len(settings["channels"])
        block, stride = settings["frames_per_graph"], settings["temporal_stride"]
        multiple = block * stride ** (levels - 1)
        if frames % multiple:
            problems.append(
                f"channels: {levels} levels shorten windows by {stride} each, down to graphs of {block} frames, "
                f"so data.frames must be a multiple of {multiple} and is {frames}"
            )
        return problems

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`."""
        settings, weights = translate(state, joints)
        pose = r"^heads\.pose\.(?=weight|bias)"
        return settings, {re.sub(pose, "heads.pose.joints_conv.", name): weights[name] for name in weights}

    def published_operations(self, frames: int) -> int | None:
        """See `Model`; None in other sizes than the published one."""
        levels = [list(cast(Iterable[Unit], units)) for units in self.down]
        size = (tuple(len(units[0].graph_conv.norm.weight) for units in levels), tuple(map(len, levels)))
        return round(PUBLISHED_OPERATIONS * frames) if size == PUBLISHED_SIZE else None

    def features(self, x: Motion) -> Changed:
        """Body without heads: (b c t j), frames a multiple of what `check` says, to (b channels[0] t j)."""
        adjacency, skips, paths = self.adjacency(x), [], []
        for level, units in enumerate(cast(Iterable[nn.ModuleList], self.down)):
            if level:
                skips.append(x)
                x = self.shrink[level - 1](x)
            for unit in units:
                x = unit(x, adjacency)
        for unit, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = unit(x, adjacency)
            paths.append(merge(x, adjacency))
            if skip is skips[0]:  # the way up ends where the merge paths do: stretched together
                paths[-1] = paths[-1] + x
                x = add_stretched(skip, paths)
            else:
                x = add_stretched(skip, [x])
        return self.last(self.merge_norm(x), adjacency)
