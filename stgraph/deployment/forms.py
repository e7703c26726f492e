"""What an exported file computes: a model with the inputs and outputs of its task."""

from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.errors import InputError
from stgraph.models.base import Model
from stgraph.models.layers.shapes import Motion
from stgraph.settings.registry import MODELS
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.samples import seen_joints
from stgraph.tasks.action.sampling import sample_frames, with_next
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.action.task import Action
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.run import Run


class Deployed(nn.Module):
    """A model with its task's inputs and outputs.

    Args:
        model: gets moved to evaluation mode.
        task: that the model was trained for.
        joints, channels: of the input.
        frames: of a window or clip that the model sees.
        any_length: whether windows of other lengths go in as well; see `takes_any_length`.

    Attributes:
        inputs: name -> axes. outputs: name -> axes, and what they mean.
        sizes: of the axes that have one size alone.
        least: the fewest frames that give an output.
    """

    inputs: dict[str, tuple[str, ...]]
    outputs: dict[str, dict]

    def __init__(
        self, model: Model, task: Lifting | Action, *, joints: int, channels: int, frames: int, any_length: bool
    ) -> None:
        super().__init__()
        self.model, self.task, self.frames, self.any_length = model, task, frames, any_length
        self.sizes = {"channel": channels, "joint": joints} | ({} if any_length else {"frame": frames})
        self.least = 1 + model.before + model.after if any_length else frames
        self.eval()

    @property
    def axes(self) -> tuple[str, ...]:
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


class Lifter(Deployed):
    """Windows of 2D poses in, 3D poses out, as the task scores them: a root that is zero by definition is zero."""

    inputs: ClassVar[dict[str, tuple[str, ...]]] = {"x": ("batch", "channel", "frame", "joint")}

    @property
    def outputs(self) -> dict[str, dict]:
        """Axes and meaning of every head's output."""
        shown = "frame" if not self.model.before + self.model.after else "predicted frame"
        place = "every joint relative to the root"
        if self.task.output == "global":
            place += ", and in the root's place its path in camera space"
        meanings = {
            "pose": {"axes": ["batch", "coordinate", shown, "joint"], "unit": "metre", "meaning": f"x, y, z: {place}"},
            "action": {
                "axes": ["batch", "class", shown, "joint"],
                "meaning": "scores; their mean over frames and joints (one node, or all) is the window's",
            },
        }
        return {name: meanings[name] for name in self.model.heads}

    def forward(self, x: Motion) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """(b c t j) -> name -> (b n s j)."""
        outputs = self.model(x)
        return outputs | {"pose": rearrange(self.task.prediction(outputs), "b t j c -> b c t j")}


class Recogniser(Deployed):
    """Prepared clips of persons in, scores of the classes out. A person whose input is all zeros is absent."""

    inputs: ClassVar[dict[str, tuple[str, ...]]] = {"x": ("batch", "person", "channel", "frame", "joint")}
    outputs: ClassVar[dict[str, dict]] = {
        "probability": {"axes": ["batch", "class"], "meaning": "of every class; all alike where nobody is there"},
        "action": {"axes": ["batch", "class"], "meaning": "the clip's scores, whose softmax is the probability"},
        "dense": {
            "axes": ["batch", "person", "class", "step", "joint"],
            "meaning": "scores of every person, step in time and joint, whose mean over what is present is the clip's",
        },
    }

    def forward(self, x: Float[Tensor, "b m c t j"]) -> dict[str, Float[Tensor, "..."]]:
        """(b m c t j) -> probability, action (b n), dense (b m n s j); the scores of nobody are zero."""
        dense = self.model(rearrange(x, "b m c t j -> (b m) c t j"))["action"]
        dense = rearrange(dense, "(b m) n s j -> b m n s j", b=x.shape[0])
        each = dense.mean(dim=(3, 4))
        counted = torch.ones_like(each[..., :1])
        if not self.task.padded:
            counted = (x.abs().amax(dim=(2, 3, 4)) > 0).to(each)[..., None]
        scores = (each * counted).sum(1) / counted.sum(1).clamp_min(1)
        return {"probability": scores.softmax(1), "action": scores, "dense": dense}


class PoseRecogniser(Recogniser):
    """Whole clips as they were detected in, scores of the classes out: sampled and prepared as when they are evaluated.

    Whatever the model is made for, clips may have any number of frames.

    Args:
        model, task: as above.
        skeleton: of the poses.
        data: how they are sampled and prepared.
    """

    IMAGE = (640.0, 480.0)  # of examples: width and height, pixels

    def __init__(self, model: Model, task: Action, skeleton: Skeleton, data: ClipSettings) -> None:
        frames = data.test_frames or data.frames
        super().__init__(model, task, joints=len(skeleton), channels=data.channels, frames=frames, any_length=True)
        self.data, self.prepare, self.least = data, Preparation(skeleton, data, training=False), 1
        self.sizes |= {"value": 3, "side": 2} | ({"person": data.max_persons} if task.padded else {})

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Poses, and with those of 2D the size of the image."""
        pose = {"pose": ("batch", "person", "frame", "joint", "value")}
        return pose | ({"size": ("batch", "side")} if self.data.detector else {})

    def example(self, batch: int, persons: int, frames: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random poses; in 2D a quarter of all joints is not seen, and in the last clip the root never."""
        (pose,) = super().example(batch, persons, frames, generator)
        if not self.data.detector:
            return (pose,)
        size = torch.tensor(self.IMAGE).repeat(batch, 1)
        seen = (torch.rand(pose.shape[:-1], generator=generator) > 0.25) & pose.any(-1)
        seen[-1, ..., self.prepare.skeleton.root] = False
        place = size[:, None, None, None] / 2 + 100 * pose[..., :2]
        return torch.cat([place, pose[..., 2:].sigmoid()], dim=-1) * seen[..., None], size

    def forward(
        self, pose: Float[Tensor, "b m t j 3"], size: Float[Tensor, "b 2"] | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """(b m t j 3), (b 2) -> as `Recogniser`."""
        clips, persons, length = pose.shape[:3]
        frame = sample_frames(length, self.frames, self.data.sampling)
        frame = with_next(frame, length) if self.data.moves else frame
        pose = torch.where((frame >= 0)[:, None, None], pose.index_select(2, frame.clamp_min(0)), 0)
        size = torch.ones_like(pose[:, 0, 0, 0, :2]) if size is None else size
        pose = rearrange(pose, "b m t j c -> (b m) t j c")
        seen = seen_joints(pose, self.data)
        clip = torch.arange(clips)[:, None].expand(clips, persons).flatten()
        # What is not seen may be anything, but takes no part in sums.
        sample = Sample(torch.where(seen[..., None], pose, 0), seen, clip, torch.zeros_like(clip), size)
        return super().forward(rearrange(self.prepare(sample), "(b m) c t j -> b m c t j", b=clips))


FORMS = {"lifting": Lifter, "action": Recogniser}
INPUTS = ("pose", "x")


def takes_any_length(model: dict, frames: int) -> bool:
    """Whether a model with this section of the settings, trained on so many frames, takes other numbers of them."""
    return not MODELS.get(model["name"]).check(model, frames + 1)


def form_of(run: Run, input: str | None = None) -> Deployed:
    """What the file of a run computes.

    Args:
        run: a trained one.
        input: "pose" or "x", what the model itself is fed; None: the poses, for a recogniser.

    Raises:
        InputError: "pose" for a lifter.
    """
    data, model, task = run.settings.data, run.settings.model, run.settings.task["name"]
    if input != "x" and task == "action":
        return PoseRecogniser(run.model, run.task, run.skeleton, data)
    if input == "pose":
        raise InputError(f"--input pose: {run.name} is a lifter, whose file takes x alone; leave --input out")
    any_length = takes_any_length(model, data.frames)
    sizes = {"joints": len(run.skeleton), "channels": data.channels, "frames": data.frames}
    return FORMS[task](run.model, run.task, any_length=any_length, **sizes)
