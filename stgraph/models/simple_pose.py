"""SimplePose: Martinez' net with every joint in its output, and without a norm after its first layer (POSEIDON)."""

from typing import Annotated

from pydantic import Field, PositiveInt

from stgraph.models.layers.frames import FlatHead, FlatModel, flat_conv
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton


@MODELS.register("simple_pose")
class SimplePose(FlatModel):
    """An affine map, residual blocks x + dense(dense(x)), and a map to every output.

    Args:
        skeleton: gives the joints.
        in_channels: of the input, 2 for x and y.
        heads: name -> channels of every output. "pose" gives every joint, any other name one node.
        channels: width of the body.
        layers: residual blocks.
        dropout: share of activations that training sets to zero.
    """

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
            flat_conv(joints * in_channels, channels),
            {name: FlatHead(channels, width, joints if name == "pose" else 1) for name, width in heads.items()},
            channels,
            layers,
            dropout,
        )
