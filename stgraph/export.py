"""python -m stgraph.export --exp NAME --out model.onnx: a trained model as a file that runs without stgraph.

The file is ONNX (opset 18). Its input `x` has the axes (batch, channel, frame, joint) for lifters and (batch, person,
channel, frame, joint) for recognisers, float32; its outputs are called like the model's heads. How many frames go in,
how they are normalised, joints, classes and all settings are in the file's metadata, as JSON. What runs it needs numpy
and onnxruntime alone; a lifter for example:

    import json
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    joints = json.loads(about["skeleton"])["names"]       # the order of the last axis
    print(json.loads(about["input"]))                     # frames, and what x holds; here screen-normalised pixels
    pixels = np.load("keypoints.npy")                     # (frame, joint, 2)
    x = (2 * pixels - [1000, 1002]) / 1000                # (2 x - width) / width, (2 y - height) / width
    x = x.transpose(2, 0, 1)[None].astype(np.float32)     # (batch, channel, frame, joint)
    (pose,) = session.run(["pose"], {"x": x})             # (batch, xyz, frame, joint), metres
"""

import argparse
from pathlib import Path

from stgraph.command import run_command
from stgraph.deployment import OPSET, check_target, describe, form_of, write
from stgraph.run import Run
from stgraph.run.engine import Engine


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        "python -m stgraph.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--out", required=True, type=Path, metavar="FILE", help="where to write, such as model.onnx")
    return arguments


def main(args: argparse.Namespace) -> None:
    check_target(args.out)
    run = Run.load(args.exp, Engine("cpu"))
    form = form_of(run)
    found = write(form, args.out, describe(run, form))
    print(f"{args.out}: {run.name} (epoch {run.epoch:g}), opset {OPSET}, {args.out.stat().st_size / 1e6:.1f} MB")
    print(f"x ({', '.join(form.axes)}): any number of {', '.join(form.dynamic)}")
    if not form.any_length:
        print(f"frames are fixed: {form.frames}, since the model {run.settings.model['name']} is made for that length")
    elif form.least > 1:
        print(f"frames: at least {form.least}, of which {form.least - 1} are seen and not predicted")
    for name, output in form.outputs.items():
        print(f"{name} ({', '.join(output['axes'])}): {output['meaning']}")
    worst = max(found, key=lambda difference: difference.relative)
    shapes = len({difference.shape for difference in found})
    print(f"onnxruntime against torch on {shapes} shapes: at most {worst}")


if __name__ == "__main__":
    run_command(parser(), main)
