"""What recognisers of clips share: the norm of their input, a chain of blocks, a map of the features to classes.

A person of a clip is a sample: the task folds persons into the batch, and means over them afterwards.
"""

from collections.abc import Sequence
from typing import ClassVar

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Model
from stgraph.models.layers.blocks import Motion
from stgraph.skeleton import Skeleton


class DataNorm(nn.Module):
    """Batch norm of every coordinate of every joint by itself, which makes clips comparable (ST-GCN).

    Args:
        channels: of a joint.
        joints: of a person.
    """

    def __init__(self, channels: int, joints: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(joints * channels)  # ordered (j c), as in published weights

    def forward(self, x: Motion) -> Motion:
        """Normalise, and lay out in channels-last memory."""
        rows = self.norm(rearrange(x, "b c t j -> (b t) (j c)"))
        return rearrange(rows, "(b t) (j c) -> b c t j", t=x.shape[2], j=x.shape[3])


class ClipModel(Model):
    """A recogniser of clips of any length: data norm, blocks one after the other, and for each head a map of each node.

    A subclass makes the blocks, each from features (b c t j) to (b d s j) with s = t, or less where it strides.

    Args:
        skeleton: gives the joints.
        in_channels: of the input.
        heads: name -> outputs, {"action": classes}.
        blocks: the body.
        width: channels of the last block.
    """

    serves: ClassVar[tuple[str, ...]] = ("clips",)

    def __init__(
        self, skeleton: Skeleton, in_channels: int, heads: dict[str, int], blocks: Sequence[nn.Module], width: int
    ) -> None:
        super().__init__()
        self.data_norm = DataNorm(in_channels, len(skeleton))
        self.blocks = nn.ModuleList(blocks)
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, outputs, 1) for name, outputs in heads.items()})

    def features(self, x: Motion) -> Float[Tensor, "b d s j"]:
        """Body without heads: (b c t j) -> (b d s j), s frames left by the blocks' strides."""
        x = self.data_norm(x)
        for block in self.blocks:
            x = block(x)
        return x


def stride_problems(settings: dict) -> list[str]:
    """Whether the blocks have a width and a stride each."""
    channels, strides = settings["channels"], settings["strides"]
    if len(strides) == len(channels):
        return []
    return [f"strides: {len(strides)} of them for {len(channels)} channels; give one for each block"]
