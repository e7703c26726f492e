"""Model: the contract that every model keeps."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from stgraph.models.layers.shapes import Motion
from stgraph.skeleton import Skeleton

# Settings that many models have.
Dropout = Annotated[float, Field(ge=0, lt=1)]
Size = Annotated[int, Field(gt=0, le=1 << 16)]  # channels, layers, frames: no network of any use has more
Reach = Annotated[int, Field(gt=0, le=64)]  # of a graph over joints and frames, whose matrices grow with its square
Widths = Annotated[list[Size], Field(min_length=1)]


@dataclass(frozen=True)
class Published:
    """Checkpoints of a model's published implementation.

    Attributes:
        family: their name for `convert`.
        mark: pattern that a name in their `state_dict` matches and none in another family's does.
        skeleton: whose joints they are for.
        like: experiment that gives the settings which cannot be inferred from shapes.
        both_ways: whether `Model.to_published` gives our weights to the published implementation.
    """

    family: str
    mark: str
    skeleton: Skeleton
    like: str
    both_ways: bool = False

    def marks(self, state: Iterable[str]) -> bool:
        """Whether a name of a checkpoint is one of this family's."""
        return any(re.search(self.mark, name) for name in state)


Replacement = str | Callable[[re.Match[str]], str]


def renamed(name: str, patterns: Sequence[tuple[str, Replacement]]) -> str:
    """A published name under ours: patterns with their replacements, applied in turn.

    >>> renamed("w1.bias", [(r"^w1\\.", "first.conv.")])
    'first.conv.bias'
    """
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name


def one_each(settings: dict, key: str, part: str) -> list[str]:
    """A problem, unless a setting has as many entries as there are channels: one for each part ("level")."""
    channels, values = settings["channels"], settings[key]
    if len(values) == len(channels):
        return []
    return [f"{key}: {len(values)} of them for {len(channels)} channels; give one for each {part}"]


def make_heads(
    heads: dict[str, int], channels: int, pose: Callable[[int, int], nn.Module] | None = None
) -> nn.ModuleDict:
    """A head for each output: an affine map of each node, but for "pose" the module `pose(channels, outputs)`.

    Args:
        heads: name -> channels of the output.
        channels: of the features.
        pose: what the pose gets instead of an affine map.
    """
    return nn.ModuleDict(
        {
            name: pose(channels, outputs) if pose and name == "pose" else nn.Conv2d(channels, outputs, 1)
            for name, outputs in heads.items()
        }
    )


def in_full_precision(head: nn.Module, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A head's output without autocast: sixteen bits round metres to millimetres, and more far from zero."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return head(x)
    with torch.autocast(device, enabled=False):
        return head(x.float())


class Model(nn.Module):
    """A body with heads: joints over time in, one output of each head for every predicted frame out.

    A subclass registers itself in `MODELS`, sets `small`, makes `heads` and defines `features`. Its constructor takes
    `skeleton`, `in_channels` and `heads`; the keyword-only arguments after them are its section of params.json.

    Where checkpoints of a published implementation exist, it sets `published` and defines `from_published`, and with
    `Published.both_ways` also `to_published`.

    Attributes:
        small, small_frames: settings, as small as they can be, and the frames of a window, for tests of the contract.
        serves: the kinds of output it gives, one of which a task needs: "frames" (of every frame), "clips" (classes
            of a whole clip), "tracks" (of the next frame, from a memory).
        published: facts about checkpoints of published implementations, one for each family of them.
        heads: name -> module from features (b c t j) to an output (b n t j).
        predicts_root: whether the root's output is learned; False where it is always zero.
        former_names: of submodules in older checkpoints -> their names now.
        stride: frames of the input that one step of the features stands for.
        before, after: frames at the ends of a window that are input without being predicted.
        sliding: whether a frame's prediction depends on the frames `before` and `after` it alone, wherever it lies in a
            window of whatever length. Long recordings then go through in long pieces.
        stepwise: whether it has `step(past, frame, **inputs)`, which goes on frame by frame, equal to `forward` for all
            frames at once.
        depends_on: frames before and after a frame that its prediction depends on, in a window that shows something
            in them, and of which `forward` gives the outputs alone if it is `at`; None: on the whole window.
        longest: frames of the longest window that it takes; None: there is no longest one.
    """

    small: ClassVar[dict[str, Any]]
    small_frames: ClassVar[int]
    serves: ClassVar[tuple[str, ...]] = ("frames", "clips")
    published: ClassVar[tuple[Published, ...]] = ()
    heads: nn.ModuleDict
    predicts_root: ClassVar[bool] = True
    former_names: ClassVar[Mapping[str, str]] = {}
    stride: int = 1
    before: int = 0
    after: int = 0
    sliding: bool = False
    stepwise: bool = False
    depends_on: int | None = None
    longest: int | None = None

    @classmethod
    def check(cls, settings: dict, frames: int) -> list[str]:
        """What is impossible in the model's section for windows of this length, each beginning "KEY: "."""
        return []

    @classmethod
    def current_name(cls, weight: str) -> str:
        """The name of a weight of a checkpoint, which may be older than a submodule's name."""
        return ".".join(cls.former_names.get(part, part) for part in weight.split("."))

    @classmethod
    def published_for(cls, state: dict[str, Tensor]) -> Published:
        """Facts about a published checkpoint with these weights, which are of one of the families."""
        return next(facts for facts in cls.published if facts.marks(state))

    @staticmethod
    def from_published(state: dict[str, Tensor], joints: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Settings inferred from a published `state_dict`, and its weights under our names, poses in metres.

        Entries that do not belong to the network keep their published names. A setting of another section has the key
        "SECTION.KEY", such as "data.frames" where the weights fix the length of a window.

        Args:
            state: published name -> weight.
            joints: of the skeleton that it is for.
        """
        raise NotImplementedError

    def to_published(self) -> dict[str, Tensor]:
        """The `state_dict` that the published implementation reads."""
        raise NotImplementedError

    def published_operations(self, frames: int) -> int | None:
        """Operations of the published network for one sample of so many frames, however they are computed here.

        A multiplication with its addition counts as two. None where the model is no published one.
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
