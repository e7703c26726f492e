"""A trained model as an ONNX file that says what goes in and what comes out, for programs that know no stgraph."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor
from torch.onnx import ONNXProgram

from stgraph import __version__
from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.training.deployed import Deployed
from stgraph.training.task_run import TaskRun

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18  # what torch's exporter writes by itself, without a conversion that could fail
TOLERANCE = 1e-5  # of onnxruntime's difference from torch, relative to the largest value of an output


def describe(run: TaskRun, form: Deployed) -> dict[str, str]:
    """The file's metadata: every value is text or JSON."""
    skeleton = {name: getattr(run.skeleton, name) for name in ("name", "names", "parents", "left", "right", "centre")}
    nested = {
        "input": form.input_text(run.origin.fps),
        "outputs": form.outputs,
        "classes": run.task.classes,
        "skeleton": skeleton,
        "settings": run.settings.model_dump(),
        "origin": asdict(run.origin),
    }
    plain = {
        "stgraph": __version__,
        "experiment": run.name,
        "task": run.settings.task["name"],
        "epoch": f"{run.epoch:g}",
    }
    return plain | {name: json.dumps(value) for name, value in nested.items()}


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
        found = f"the ending {path.suffix!r}"
        raise InputError(where=path, found=found, expected=".onnx", remedy="give --out such as model.onnx")
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            problem = f"exporting needs the package {package}, which is not installed ({error})"
            raise InputError(problem, remedy="install what it needs with `pip install 'stgraph[export]'`") from error


def write(form: Deployed, path: Path, metadata: dict[str, str]) -> list[Difference]:
    """Write the file, and compare it with the model; nothing is left where they differ.

    Returns one difference for every output and shape that was compared.

    Raises:
        InputError: onnxruntime is further from torch than `TOLERANCE`.
    """
    with replaced(path) as temporary:
        program = traced(form)
        program.model.producer_name, program.model.producer_version = "stgraph", __version__
        program.model.metadata_props.update(metadata)
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # where in whose source files it comes from
        program.save(temporary, external_data=False)
        measured = differences(form, temporary)
        if wrong := [difference for difference in measured if not difference.relative <= TOLERANCE]:
            raise InputError(
                f"onnxruntime differs from the model by {wrong[0]}",
                where=path,
                expected=f"at most {TOLERANCE:g} relative",
                remedy="no file was written. Weights that are not finite do that, or packages that do not fit: install "
                "`stgraph[export]` with the versions of constraints.txt",
            )
    return measured


def traced(form: Deployed) -> ONNXProgram:
    """The form as an ONNX program, with every axis dynamic that may be."""
    # One more frame than in training, or one less: a length for which no model has a special path.
    frames = form.frames + (-1 if form.frames == form.most else 1) * form.any_length
    limits = {"frame": {"min": form.least, "max": form.most}}
    dims = {axis: torch.export.Dim(axis, **limits.get(axis, {"min": 1})) for axis in form.dynamic}
    named = [{place: dims[axis] for place, axis in enumerate(axes) if axis in dims} for axes in form.inputs.values()]
    with quiet():
        program = torch.onnx.export(
            form,
            form.example(2, 2, frames, torch.Generator().manual_seed(0)),
            input_names=list(form.inputs),
            output_names=list(form.outputs),
            dynamic_shapes=tuple(named),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    return cast(ONNXProgram, program)


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
    session, measured, generator = open_session(path), [], torch.Generator().manual_seed(0)
    other = (form.least + form.frames) // 2 if form.frames == form.most else form.frames + 7
    lengths = {form.least, form.frames, min(other, form.most or other)} if form.any_length else {form.frames}
    for frames in sorted(lengths):
        for batch, persons in ((1, 1), (3, 3)):
            example = form.example(batch, persons, frames, generator)
            inputs = {name: values.numpy() for name, values in zip(form.inputs, example, strict=True)}
            expected, actual = form(*example), session.run(list(form.outputs), inputs)
            measured += [
                compared(name, example[0], expected[name].numpy(), np.asarray(output))
                for name, output in zip(form.outputs, actual, strict=True)
            ]
    return measured


def compared(name: str, x: Tensor, expected: np.ndarray, actual: np.ndarray) -> Difference:
    """The difference of two outputs; infinite where their shapes differ."""
    absolute = float(np.abs(actual - expected).max()) if actual.shape == expected.shape else float("inf")
    scale = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    return Difference(name, tuple(x.shape), absolute, absolute / scale)


def open_session(path: Path) -> "InferenceSession":
    """The file in onnxruntime, with as many threads as torch has."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
