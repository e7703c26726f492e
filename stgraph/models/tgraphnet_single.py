"""TGraphNet's variant with one output frame: the way down alone, until one frame is left."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import Tensor, nn

from stgraph.models.base import Published
from stgraph.models.layers.shapes import Motion, Result
from stgraph.models.layers.temporal import Shrink
from stgraph.models.tgraphnet import TemporalGraphNet, Unit, translate, units_of_levels
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M17


@MODELS.register("tgraphnet_single")
class TGraphNetSingle(TemporalGraphNet):
    """Spatio-temporal graph network that predicts the centre frame of its window.

    After a graph convolution of the input, every level is some units and a shrinking step. A window is
    temporal_stride ** levels frames long. Every head is a map of each joint.
    """

    published = (Published("tgraphnet", r"^layers\.\d+\.graph_stages\.", H36M17, "tgraphnet_single"),)

    def make_body(
        self, widths: list[int], stages: list[int], unit: Callable[..., Unit], shrink: Callable[[int], Shrink]
    ) -> None:
        """See `TemporalGraphNet`."""
        context = self.temporal_stride ** len(stages) - 1
        self.before, self.after = context // 2, context - context // 2
        self.first = unit(widths[0], widths[0], residual=False).graph_conv
        self.down = units_of_levels(widths, stages, unit)
        self.shrink = nn.ModuleList(shrink(width) for width in widths[1:])

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length."""
        problems, levels = super().check(settings, frames), len(settings["channels"])
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
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `Model`; the length of the window is inferred, too."""
        settings, weights = translate(state, joints)
        if "temporal_stride" in settings:
            settings["data.frames"] = settings["temporal_stride"] ** len(settings["channels"])
        return settings, weights

    def features(self, x: Motion) -> Result:
        """Body without heads: (b c t j), t as `check` says, to (b channels[-1] 1 j)."""
        adjacency = self.adjacency(x)
        x = self.first(x, adjacency)
        for units, shrink in zip(cast(Iterable[nn.ModuleList], self.down), self.shrink, strict=True):
            for unit in units:
                x = unit(x, adjacency)
            x = shrink(x)
        return x
