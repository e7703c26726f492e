"""Martinez' linear net: residual blocks of dense layers over a flattened pose."""

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from stgraph.models.base import Published, renamed
from stgraph.models.layers.frames import Dense, FlatHead, FlatModel
from stgraph.settings.registry import MODELS
from stgraph.skeleton import H36M16, Skeleton

# Published names of weights -> ours.
PUBLISHED_NAMES = (
    (r"^w1\.", "first.conv."),
    (r"^batch_norm1\.", "first.norm."),
    (r"^w2\.", "heads.pose.conv."),
    (r"^linear_stages\.(\d+)\.w1\.", r"blocks.\1.0.conv."),
    (r"^linear_stages\.(\d+)\.w2\.", r"blocks.\1.1.conv."),
    (r"^linear_stages\.(\d+)\.batch_norm1\.", r"blocks.\1.0.norm."),
    (r"^linear_stages\.(\d+)\.batch_norm2\.", r"blocks.\1.1.norm."),
)


@MODELS.register("linear")
class Linear(FlatModel):
    """A dense layer, residual blocks x + dense(dense(x)), and a map to the joints; the root's output is zero.

    Args:
        skeleton: gives the joints and the root.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" gives every joint but the root; any other name one node.
        channels: width of the body.
        layers: residual blocks.
        dropout: share of activations that training sets to zero.
    """

    predicts_root = False
    published = Published("martinez", r"^linear_stages\.", H36M16, "linear")

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        channels: PositiveInt = 1024,
        layers: PositiveInt = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    ) -> None:
        joints = len(skeleton)
        super().__init__(
            Dense(joints * in_channels, channels, dropout),
            {
                name: FlatHead(channels, width, joints, zero=skeleton.root)
                if name == "pose"
                else FlatHead(channels, width)
                for name, width in heads.items()
            },
            channels,
            layers,
            dropout,
        )

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict, dict[str, Tensor]]:
        """Settings that the shapes tell, and weights under our names, of a published checkpoint's `state_dict`.

        Its pose is in metres, as ours. Some see the joints other than the root: its weights are then zero.
        What does not belong to the network comes through under its published name.
        """
        weights = {}
        for published, value in state.items():
            name = renamed(published, PUBLISHED_NAMES)
            weights[name] = value[..., None, None] if value.ndim == 2 else value
        if not {"first.conv.weight", "first.conv.bias"} <= weights.keys():
            return {}, weights
        first, root = weights["first.conv.weight"], 2 * H36M16.root
        if first.shape[1] == 2 * (joints - 1):
            nothing = first.new_zeros(len(first), 2, 1, 1)
            weights["first.conv.weight"] = torch.cat([first[:, :root], nothing, first[:, root:]], dim=1)
        layers = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
        return {"channels": len(weights["first.conv.bias"]), "layers": len(layers)}, weights
