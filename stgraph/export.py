"""python -m stgraph.export --exp NAME --out model.onnx: a trained model as a file that runs without stgraph."""

import argparse
from pathlib import Path

from stgraph import deployment
from stgraph.cli.command import run_command
from stgraph.settings.places import weights_file


def parser() -> argparse.ArgumentParser:
    text = f"{__doc__}\n\n{deployment.__doc__}"
    shown = argparse.RawDescriptionHelpFormatter
    arguments = argparse.ArgumentParser("python -m stgraph.export", description=text, formatter_class=shown)
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--out", required=True, type=Path, metavar="FILE", help="where to write, such as model.onnx")
    text = "of a recogniser: poses as they were detected (the default), or x"
    arguments.add_argument("--input", choices=("pose", "x"), help=text)
    return arguments


def main(args: argparse.Namespace) -> None:
    weights_file(args.exp)  # a wrong name is refused before torch is loaded
    from stgraph.deployment.onnx_file import OPSET, check_target, describe, write
    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    check_target(args.out)
    run = TaskRun.load(args.exp, Engine("cpu"))
    form = run.deployed(args.input)
    differences = write(form, args.out, describe(run, form))
    print(f"{args.out}: {run.name} (epoch {run.epoch:g}), opset {OPSET}, {args.out.stat().st_size / 1e6:.1f} MB")
    for name, axes in form.inputs.items():
        print(f"{name} ({', '.join(axes)}): any number of {', '.join(axis for axis in axes if axis in form.dynamic)}")
    if frames := form.frames_text():
        print(f"frames: {frames}")
    for name, output in form.outputs.items():
        print(f"{name} ({', '.join(output['axes'])}): {output['meaning']}")
    worst = max(differences, key=lambda difference: difference.relative)
    shapes = len({difference.shape for difference in differences})
    print(f"onnxruntime against torch on {shapes} shapes: at most {worst}")


if __name__ == "__main__":
    run_command(parser(), main)
