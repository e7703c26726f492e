"""TGraphNet's variant with one output frame: the way down alone, until one frame is left."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from stgraph.models.base import Model, Published
from stgraph.models.layers.blocks import Adjacency, GraphConv, Motion, Shrink, aggregate
from stgraph.models.tgraphnet import Unit, stage_problems, translate, way_down
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17, Skeleton, partitions


@MODELS.register("tgraphnet_single")
class TGraphNetSingle(Model):
    """Spatio-temporal graph network that predicts the centre frame of its window.

    After a graph convolution of the input, every level is some units and a shrinking step. All graph convolutions share
    one learnable adjacency over blocks of `frames_per_graph` frames. A window is temporal_stride ** levels frames long.

    Args:
        skeleton: gives the graph's partitions.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output; each is a map of every joint.
        channels: width of every level.
        stages: units of every level.
        dropout: share of activations that training sets to zero.
        frames_per_graph: frames whose joints form one graph.
        temporal_stride: factor between the lengths of two levels.
        residual: temporal convolutions and residuals in the units; False leaves graph convolutions alone.
    """

    published = Published("tgraphnet", r"^layers\.\d+\.graph_stages\.", H36M17, "tgraphnet_single")

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: Annotated[list[PositiveInt], Field(min_length=1)],
        stages: list[PositiveInt],
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        frames_per_graph: PositiveInt = 3,
        temporal_stride: Annotated[int, Field(ge=2)] = 3,
        residual: bool = True,
    ) -> None:
        super().__init__()
        matrices = partitions(skeleton, "symmetric", frames=frames_per_graph)
        self.adjacency = Adjacency(matrices)

        def unit(before: int, after: int) -> Unit:
            return Unit(before, after, len(matrices), dropout, residual)

        seen = temporal_stride ** len(channels) - 1
        self.before, self.after = seen // 2, seen - seen // 2
        self.first = GraphConv(in_channels, in_channels, len(matrices), dropout)
        self.down = way_down([in_channels, *channels], stages, unit)
        self.shrink = nn.ModuleList(Shrink(width, temporal_stride, dropout) for width in channels)
        self.heads = nn.ModuleDict({name: nn.Conv2d(channels[-1], width, 1) for name, width in heads.items()})

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        problems, levels = stage_problems(settings), len(settings["channels"])
        block, stride = settings["frames_per_graph"], settings["temporal_stride"]
        if stride % block:
            problems.append(
                f"temporal_stride: the last level has {stride} frames, which must be a multiple of the {block} frames "
                "of a graph (frames_per_graph)"
            )
        if frames != stride**levels:
            problems.append(
                f"channels: {levels} levels shorten a window by {stride} each to one frame, so data.frames must be "
                f"{stride**levels} and is {frames}"
            )
        return problems

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict, dict[str, Tensor]]:
        """Settings, with the length of the window, and weights of a published checkpoint's `state_dict`."""
        settings, weights = translate(state, joints)
        if "temporal_stride" in settings:
            settings["data.frames"] = settings["temporal_stride"] ** len(settings["channels"])
        return settings, weights

    def features(self, x: Motion) -> Float[Tensor, "b d 1 j"]:
        """Body without heads: (b c t j), t as `check` says, to (b channels[-1] 1 j)."""
        adjacency = self.adjacency(x)
        x = self.first(aggregate(x, adjacency))
        for units, shrink in zip(self.down, self.shrink, strict=True):
            for unit in units:
                x = unit(x, adjacency)
            x = shrink(x)
        return x
