"""Model: the contract that every model keeps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.layers.blocks import Motion, in_full_precision
from stgraph.skeleton import Skeleton


@dataclass(frozen=True)
class Published:
    """Checkpoints of a model's published implementation.

    Attributes:
        family: what `convert` calls them.
        mark: pattern that a name in their `state_dict` matches and none in another family's does.
        skeleton: whose joints they are for.
        like: experiment that gives the settings which shapes do not tell.
    """

    family: str
    mark: str
    skeleton: Skeleton
    like: str


def renamed(name: str, patterns: Sequence[tuple[str, str]]) -> str:
    """A published name under ours: patterns with their replacements, applied in turn.

    >>> renamed("w1.bias", [(r"^w1\\.", "first.conv.")])
    'first.conv.bias'
    """
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name


class Model(nn.Module):
    """A body with heads: joints over time in, one output of each head for every frame that it predicts.

    A subclass makes `heads` and defines `features`; its constructor's keyword-only arguments are its settings. Where
    checkpoints of the published implementation exist, it sets `published` and has a static method
    `from_published(state, joints)` that gives the settings that the shapes tell and the weights under its own names;
    where those fix the length of a window, "data.frames" is among the settings. A model that can be given back to the
    published implementation has a method `to_published()` that gives its weights under the published names.

    Attributes:
        serves: the kinds of output it gives, one of which a task needs: "frames" (of every frame), "clips" (classes
            of a whole clip), "tracks" (of the next frame, from a memory).
        heads: name -> module from features (b c t j) to an output (b n t j).
        predicts_root: whether the root's output is learned; False where it is always zero.
        stride: frames of the input that one step of the features stands for.
        before, after: frames at the ends of a window that the model sees but predicts nothing for.
        sliding: whether a frame's prediction depends on the frames `before` and `after` it alone, wherever it lies in a
            window of whatever length. Long recordings then go through in long pieces.
    """

    serves: ClassVar[tuple[str, ...]] = ("frames", "clips")
    published: ClassVar[Published | None] = None
    heads: nn.ModuleDict
    predicts_root: ClassVar[bool] = True
    stride: int = 1
    before: int = 0
    after: int = 0
    sliding: bool = False

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """What is known of a published checkpoint, where its weights tell more than its names do."""
        return cls.published

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length, each beginning "KEY: "."""
        return []

    def published_operations(self, frames: int) -> int | None:
        """Operations of one sample of so many frames in the published network, however they are computed here.

        A multiplication with its addition is two. None where the model is no published one; what is computed counts
        then.
        """
        return None

    def features(self, x: Motion) -> Float[Tensor, "b _ _ _"]:
        """Body without heads; a model whose features belong to no joint gives one node."""
        raise NotImplementedError

    def forward(self, x: Motion, **inputs: Tensor) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Every head's output (b n s j), s = t - before - after frames; the pose in metres.

        Further inputs of a task are not used.
        """
        features = self.features(x)
        return {name: in_full_precision(head, features) for name, head in self.heads.items()}
