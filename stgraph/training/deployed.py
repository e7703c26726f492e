"""Deployed: a model with the inputs and outputs of its task, as an exported file computes it."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.models.base import Model
from stgraph.settings.registry import MODELS
from stgraph.settings.sections import DataSettings
from stgraph.training.task import Task

Axes = tuple[str, ...]
SCREEN = "pixels x, y to 2 x / width - 1, (2 y - height) / width"
CAMERA_SPACE = "metres in camera space: x right, y down, z forward"
UNSEEN = "joints that were not seen are zero, or not finite in a channel, which is the same"


class Deployed(nn.Module):
    """A model with its task's inputs and outputs. A subclass sets `inputs` and `outputs`.

    Args:
        model: gets moved to evaluation mode.
        task: that the model was trained for.
        data: settings of what it was trained on.
        joints: of the input.
        frames: of a window or clip that the model sees.
        any_length: whether windows of other lengths go in as well.

    Attributes:
        inputs: name -> axes. outputs: name -> axes, and what they mean.
        sizes: of the axes that have one size alone.
        least: the fewest frames that give an output. most: the frames that go in at most; None: any number.
    """

    inputs: ClassVar[dict[str, Axes]]
    outputs: ClassVar[dict[str, dict]]

    def __init__(
        self, model: Model, task: Task, data: DataSettings, *, joints: int, frames: int, any_length: bool
    ) -> None:
        super().__init__()
        self.model, self.task, self.data, self.frames, self.any_length = model, task, data, frames, any_length
        self.sizes = {"channel": data.channels, "joint": joints} | ({} if any_length else {"frame": frames})
        self.least = 1 + model.before + model.after if any_length else frames
        self.most = model.longest if any_length else frames
        self.eval()

    @property
    def axes(self) -> Axes:
        """Of the first input."""
        return next(iter(self.inputs.values()))

    @property
    def dynamic(self) -> list[str]:
        """Axes of the inputs that may have any size (frames: from `least` on)."""
        return [axis for axis in self.axes if axis not in self.sizes]

    def example(self, batch: int, persons: int, frames: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random inputs, with an absent person where there are several."""
        sizes = {"batch": batch, "person": persons, "frame": frames} | self.sizes
        x = torch.randn([sizes[axis] for axis in self.axes], generator=generator)
        if sizes["person"] > 1 and "person" in self.axes:
            x[0, -1] = 0
        return (x,)

    def frames_text(self) -> str:
        """Limits on the number of frames; empty without any."""
        if not self.any_length:
            return f"always {self.frames}, since the model is made for that length"
        limits = [f"at most {self.most}"] if self.most else []
        if self.least > 1:
            limits.append(f"at least {self.least}, of which {self.least - 1} are seen and not predicted")
        return "; ".join(limits)

    def input_text(self, fps: float | None) -> dict[str, object]:
        """The metadata's description of the input: axes, values, frames, and how it is prepared.

        Args:
            fps: frames per second of the training data, where all recordings have the same.
        """
        margin = {"not predicted before": self.model.before, "not predicted after": self.model.after}
        frames = {"trained": self.frames, "any": self.any_length, "least": self.least, "most": self.most} | margin
        description = {"axes": self.axes, "dynamic": self.dynamic} | self.preparation() | {"frames": frames}
        return description | {"frames per second": fps or "as in the training data"}

    def preparation(self) -> dict[str, object]:
        """Metadata of how poses become the model's input; a task overrides this."""
        return {}


def without_unseen(x: Float[Tensor, "..."], channel: int) -> Float[Tensor, "..."]:
    """An input with zeros for joints that have a number that is not finite on this axis."""
    # In operators that every runtime has, unlike those for NaN and infinity.
    return torch.where((x.abs() < math.inf).all(channel, keepdim=True), x, 0)


def takes_any_length(model: dict, frames: int) -> bool:
    """Whether a model with this section of the settings, trained on so many frames, takes other numbers of them."""
    check = MODELS.get(model["name"]).check
    return any(not check(model, other) for other in (frames + 1, frames - 1) if other)
