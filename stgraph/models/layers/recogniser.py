"""Recognisers of clips: the norm of their input, a chain of blocks, a map of the features to classes.

A person of a clip is a sample: the task folds persons into the batch, and means over them afterwards.
"""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, cast

import torch
from einops import rearrange
from torch import Tensor, nn

from stgraph.models.base import Model, make_heads, one_each
from stgraph.models.layers.shapes import Motion, Result
from stgraph.skeleton import Skeleton


class DataNorm(nn.Module):
    """Batch norm of every coordinate of every joint by itself, which makes clips comparable (ST-GCN).

    Args:
        channels: of a joint.
        joints: of a person.
        persons: whose coordinates are normed each by themselves: a clip's, which lie one after another in the batch.
    """

    def __init__(self, channels: int, joints: int, persons: int = 1) -> None:
        super().__init__()
        self.persons = persons
        self.norm = nn.BatchNorm1d(persons * joints * channels)  # ordered (m j c), as in published weights

    def forward(self, x: Motion) -> Motion:
        """Normalise, and lay out in channels-last memory; in evaluation the last clip may have fewer persons."""
        if self.persons > 1 and not self.training:
            return self.by_person(x)
        sizes = {"m": self.persons, "t": x.shape[2], "j": x.shape[3]}
        rows = self.norm(rearrange(x, "(b m) c t j -> (b t) (m j c)", **sizes))
        return rearrange(rows, "(b t) (m j c) -> (b m) c t j", **sizes)

    def by_person(self, x: Motion) -> Motion:
        """The same with the running statistics, for any number of samples."""
        norm, joints = self.norm, x.shape[3]
        scale = norm.weight * (cast(Tensor, norm.running_var) + norm.eps).rsqrt()
        shift = norm.bias - cast(Tensor, norm.running_mean) * scale
        person = torch.arange(x.shape[0], device=x.device) % self.persons
        scale, shift = (
            rearrange(values, "(m j c) -> m c 1 j", m=self.persons, j=joints)[person] for values in (scale, shift)
        )
        return (x * scale + shift).contiguous(memory_format=torch.channels_last)


class ClipModel(Model):
    """A recogniser of clips of any length: data norm, blocks one after the other, and for each head a map of each node.

    A subclass makes the blocks, each from features (b c t j) to (b d s j) with s = t, or less where it strides. Its
    settings have the width and the stride of each, `channels` and `strides`.

    Args:
        skeleton: gives the joints.
        in_channels: of the input.
        heads: name -> outputs, {"action": classes}.
        blocks: the body.
        width: channels of the last block.
        strides: of the blocks.
        persons: see `DataNorm`.
    """

    serves: ClassVar[tuple[str, ...]] = ("clips",)

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int,
        heads: dict[str, int],
        *,
        blocks: Sequence[nn.Module],
        width: int,
        strides: Sequence[int],
        persons: int = 1,
    ) -> None:
        super().__init__()
        self.data_norm = DataNorm(in_channels, len(skeleton), persons)
        self.blocks = nn.ModuleList(blocks)
        self.heads = make_heads(heads, width)
        self.stride = prod(strides)

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section: as many strides as widths are needed."""
        return one_each(settings, "strides", "block")

    def features(self, x: Motion) -> Result:
        """Body without heads: (b c t j) -> (b d s j), s frames left by the blocks' strides."""
        x = self.data_norm(x)
        for block in self.blocks:
            x = block(x)
        return x
