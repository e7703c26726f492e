"""A trained model as an ONNX file that says what goes in and what comes out, for programs that know no stgraph."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph import __version__
from stgraph.errors import InputError
from stgraph.io.files import replaced
from stgraph.models import MODELS, Model
from stgraph.models.blocks import Motion
from stgraph.run import Run
from stgraph.sections import DataSettings
from stgraph.tasks.action import Action
from stgraph.tasks.lifting import Lifting

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # what torch's exporter writes by itself, without a conversion that could fail
TOLERANCE = 1e-5  # of onnxruntime's difference from torch, relative to the largest value of an output


# What a file computes -------------------------------------------------------------------------------------------------


class Deployed(nn.Module):
    """A model with its task's input and outputs.

    Args:
        model: gets moved to evaluation mode.
        task: that the model was trained for.
        joints, channels: of the input.
        frames: of a window or clip in training.
        any_length: whether windows of other lengths go in as well; see `takes_any_length`.

    Attributes:
        axes: of the input `x`.
        outputs: name -> axes, and what they mean.
        least: the fewest frames that give an output.
    """

    axes: ClassVar[tuple[str, ...]]
    outputs: dict[str, dict]

    def __init__(
        self, model: Model, task: Lifting | Action, *, joints: int, channels: int, frames: int, any_length: bool
    ) -> None:
        super().__init__()
        self.model, self.task = model, task
        self.joints, self.channels, self.frames, self.any_length = joints, channels, frames, any_length
        self.least = 1 + model.before + model.after if any_length else frames
        self.eval()

    @property
    def dynamic(self) -> list[str]:
        """Axes of the input that may have any size (frames: from `least` on)."""
        return [axis for axis in self.axes if axis in ("batch", "person") or (axis == "frame" and self.any_length)]

    def shape(self, batch: int, persons: int, frames: int) -> tuple[int, ...]:
        """Of an input."""
        sizes = {"batch": batch, "person": persons, "channel": self.channels, "frame": frames, "joint": self.joints}
        return tuple(sizes[axis] for axis in self.axes)


class Lifter(Deployed):
    """Windows of 2D poses in, 3D poses out, as the task scores them: a root that is zero by definition is zero."""

    axes = ("batch", "channel", "frame", "joint")

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
    """Clips of persons in, scores of the classes out. A person whose input is all zeros is absent."""

    axes = ("batch", "person", "channel", "frame", "joint")
    outputs: ClassVar[dict[str, dict]] = {
        "action": {"axes": ["batch", "class"], "meaning": "the clip's scores; their softmax is the probability"},
        "dense": {
            "axes": ["batch", "person", "class", "step", "joint"],
            "meaning": "scores of every person, step in time and joint, whose mean over what is present is the clip's",
        },
    }

    def forward(self, x: Float[Tensor, "b m c t j"]) -> dict[str, Float[Tensor, "..."]]:
        """(b m c t j) -> action (b n), dense (b m n s j); a clip without any person has the scores zero."""
        dense = self.model(rearrange(x, "b m c t j -> (b m) c t j"))["action"]
        dense = rearrange(dense, "(b m) n s j -> b m n s j", b=x.shape[0])
        each = dense.mean(dim=(3, 4))
        counted = torch.ones_like(each[..., :1])
        if not self.task.padded:
            counted = (x.abs().amax(dim=(2, 3, 4)) > 0).to(each)[..., None]
        return {"action": (each * counted).sum(1) / counted.sum(1).clamp_min(1), "dense": dense}


FORMS = {"lifting": Lifter, "action": Recogniser}


def takes_any_length(model: dict, frames: int) -> bool:
    """Whether a model with this section of the settings, trained on so many frames, takes other numbers of them."""
    return not MODELS.get(model["name"]).check(model, frames + 1)


def form_of(run: Run) -> Deployed:
    """What the file of a run computes."""
    data, model = run.settings.data, run.settings.model
    any_length = takes_any_length(model, data.frames)
    sizes = {"joints": len(run.skeleton), "channels": data.channels, "frames": data.frames}
    return FORMS[run.settings.task["name"]](run.model, run.task, any_length=any_length, **sizes)


# What it says of itself -----------------------------------------------------------------------------------------------

NORMALISATIONS = {
    "screen": "pixels x, y to 2 x / width - 1, (2 y - height) / width",
    "image": "pixels x, y to x / width - 0.5, y / height - 0.5",
    "camera": "metres in camera space: x right, y down, z forward",
    "kinect": "metres in the sensor's space: x left, y up, z forward",
    "body2d": "root of the clip's first person, where it is first seen, at the origin; divided by that person's root "
    "mean square distance of joints from their middle, mean over frames",
    "body3d": "metres; root of the clip's first person, where it is first seen, at the origin; then turned: hips to "
    "shoulders of the first whole pose along z, left to right shoulder in the x-z plane",
}
STREAMS = {
    "joint": "positions",
    "bone": "positions less the parent's",
    "joint_motion": "positions of the next frame less this one's; zero in the last frame",
    "bone_motion": "bones (positions less the parent's) of the next frame less this one's; zero in the last frame",
}


def input_of(form: Deployed, data: DataSettings, fps: float | None) -> dict:
    """What to feed: axes, channels, normalisation, frames."""
    flat = data.detector is not None
    normalise = getattr(data, "normalise", "screen")
    normalise = normalise if normalise in NORMALISATIONS else f"{normalise}{2 if flat else 3}d"
    frames = {"trained": form.frames, "any": form.any_length, "least": form.least}
    margin = {"before": form.model.before, "after": form.model.after}
    channels = ("x", "y", "confidence") if flat else ("x", "y", "z")
    about = {
        "axes": form.axes,
        "dynamic": form.dynamic,
        "channels": channels[: form.channels],
        "normalisation": NORMALISATIONS[normalise],
        "stream": STREAMS[getattr(data, "stream", "joint")],
        "unseen": "joints that were not seen are zero",
        "frames": frames | {f"not predicted {end}": count for end, count in margin.items()},
    }
    if "person" in form.axes:
        fate = "count in the mean" if form.task.padded else "are left out"
        about |= {"persons": f"trained with up to {data.max_persons}; absent ones are all zeros and {fate}"}
        return about | {"sampling": data.sampling}
    return about | {"frames per second": fps / data.frame_step if fps else "as in the training data"}


def describe(run: Run, form: Deployed) -> dict[str, str]:
    """The file's metadata: every value is text, or JSON where it has parts."""
    skeleton = {name: getattr(run.skeleton, name) for name in ("name", "names", "parents", "left", "right", "centre")}
    parts = {
        "input": input_of(form, run.settings.data, run.origin.fps),
        "outputs": form.outputs,
        "classes": run.task.classes,
        "skeleton": skeleton,
        "settings": run.settings.model_dump(),
        "origin": asdict(run.origin),
    }
    about = {
        "stgraph": __version__,
        "experiment": run.name,
        "task": run.settings.task["name"],
        "epoch": f"{run.epoch:g}",
    }
    return about | {name: json.dumps(part) for name, part in parts.items()}


# The file -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """How far onnxruntime is from torch: the largest difference, and its ratio to the output's largest value."""

    output: str
    shape: tuple[int, ...]
    absolute: float
    relative: float

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        return f"{self.absolute:.1e} absolute, {self.relative:.1e} relative (output {self.output!r}, input {shape})"


def check_target(path: Path) -> None:
    """Raises InputError for a file that is not to be called .onnx, or where packages are missing."""
    if path.suffix != ".onnx":
        raise InputError(f"{path}: found the ending {path.suffix!r}; expected .onnx; give --out such as model.onnx")
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(
                f"exporting needs the package {package}, which is not installed ({error}); "
                "install what it needs with `pip install 'stgraph[export]'`"
            ) from error


def write(form: Deployed, path: Path, about: dict[str, str]) -> list[Difference]:
    """Write the file, and compare it with the model; nothing is left where they differ.

    Returns one difference for every output and shape that was compared.

    Raises:
        InputError: onnxruntime is further from torch than `TOLERANCE`.
    """
    with replaced(path) as temporary:
        program = traced(form)
        program.model.producer_name, program.model.producer_version = "stgraph", __version__
        program.model.metadata_props.update(about)
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # where in whose source files it comes from
        program.save(temporary, external_data=False)
        found = differences(form, temporary)
        if wrong := [difference for difference in found if not difference.relative <= TOLERANCE]:
            raise InputError(
                f"{path}: onnxruntime differs from the model by {wrong[0]}; expected at most {TOLERANCE:g} relative; "
                f"no file was written. Weights that are not finite do that, or packages that do not fit: install "
                "`stgraph[export]` with the versions of constraints.txt"
            )
    return found


def traced(form: Deployed) -> "torch.onnx.ONNXProgram":
    """The form as an ONNX program, with every axis dynamic that may be."""
    # One more frame than in training: no length for which a model takes a way of its own.
    frames = form.frames + form.any_length
    least = {"frame": form.least}
    dims = {axis: torch.export.Dim(axis, min=least.get(axis, 1)) for axis in form.dynamic}
    with quiet():
        return torch.onnx.export(
            form,
            (torch.zeros(form.shape(2, 2, frames)),),
            input_names=["x"],
            output_names=list(form.outputs),
            dynamic_shapes=({form.axes.index(axis): dim for axis, dim in dims.items()},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's warnings, which are about its own internals and packages that nothing here needs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@torch.no_grad()
def differences(form: Deployed, path: Path) -> list[Difference]:
    """Of a file from its form, on random inputs of other shapes than the traced one, with an absent person."""
    session, found, generator = open_session(path), [], torch.Generator().manual_seed(0)
    lengths = {form.least, form.frames, form.frames + 7} if form.any_length else {form.frames}
    for frames in sorted(lengths):
        for batch, persons in ((1, 1), (3, 3)):
            x = torch.randn(form.shape(batch, persons, frames), generator=generator)
            if "person" in form.axes and persons > 1:
                x[0, -1] = 0
            expected, actual = form(x), session.run(list(form.outputs), {"x": x.numpy()})
            found += [
                compared(name, x, expected[name].numpy(), output)
                for name, output in zip(form.outputs, actual, strict=True)
            ]
    return found


def compared(name: str, x: Tensor, expected: np.ndarray, actual: np.ndarray) -> Difference:
    """The difference of two outputs; infinite where their shapes differ."""
    absolute = float(np.abs(actual - expected).max()) if actual.shape == expected.shape else float("inf")
    scale = max(float(np.abs(expected).max()), np.finfo(np.float32).tiny)
    return Difference(name, tuple(x.shape), absolute, absolute / scale)


def open_session(path: Path) -> "onnxruntime.InferenceSession":
    """The file in onnxruntime, with as many threads as torch has."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
