"""python -m stgraph.export --exp NAME --out model.onnx: a trained model as a file that runs without stgraph.

The file is ONNX (opset 18). What goes in and comes out, joints, classes and all settings are in its metadata, as JSON.
What runs it needs numpy and onnxruntime alone.

A recogniser takes whole clips as they were detected or captured: `pose` (batch, person, frame, joint, 3), float32, with
any number of frames and persons, and for 2D the `size` of the image. It samples the frames and prepares them itself:

    import json
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    joints = json.loads(about["skeleton"])["names"]       # the order of the joints
    print(json.loads(about["input"])["unit"])             # pixels x, y and confidence, or metres
    people = np.load("clip.npy")                          # (person, frame, joint, 3); zeros where nothing is seen
    feed = {"pose": people[None].astype(np.float32)}      # (batch, person, frame, joint, 3)
    if len(session.get_inputs()) == 2:                    # of 2D alone
        feed["size"] = np.float32([[640, 480]])           # (batch, 2): width and height of the image
    (probability,) = session.run(["probability"], feed)   # (batch, class)
    print(json.loads(about["classes"])[probability[0].argmax()])

A lifter takes `x` (batch, channel, frame, joint), float32:

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

With `--input x` a recogniser's file is the network alone, for runtimes that have few operators: `x` (batch, person,
channel, frame, joint) is sampled and prepared by whoever feeds it, as the metadata says.
"""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import check_task
from stgraph.deployment.forms import FORMS, INPUTS, Deployed, PoseRecogniser, form_of
from stgraph.deployment.onnx_file import OPSET, check_target, describe, write
from stgraph.training.engine import Engine
from stgraph.training.run import Run


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        "python -m stgraph.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--exp", required=True, help="a trained run, or the path of its .safetensors file")
    arguments.add_argument("--out", required=True, type=Path, metavar="FILE", help="where to write, such as model.onnx")
    arguments.add_argument(
        "--input", choices=INPUTS, help="of a recogniser: poses as they were detected (the default), or x"
    )
    return arguments


def main(args: argparse.Namespace) -> None:
    check_target(args.out)
    run = Run.load(args.exp, Engine("cpu"))
    check_task(args.exp, run.settings, *FORMS)
    form = form_of(run, args.input)
    found = write(form, args.out, describe(run, form))
    print(f"{args.out}: {run.name} (epoch {run.epoch:g}), opset {OPSET}, {args.out.stat().st_size / 1e6:.1f} MB")
    for name, axes in form.inputs.items():
        print(f"{name} ({', '.join(axes)}): any number of {', '.join(axis for axis in axes if axis in form.dynamic)}")
    if about_frames := frames_of(form):
        print(f"frames: {about_frames}")
    for name, output in form.outputs.items():
        print(f"{name} ({', '.join(output['axes'])}): {output['meaning']}")
    worst = max(found, key=lambda difference: difference.relative)
    shapes = len({difference.shape for difference in found})
    print(f"onnxruntime against torch on {shapes} shapes: at most {worst}")


def frames_of(form: Deployed) -> str:
    """What is to be known of their number; nothing where any will do."""
    if isinstance(form, PoseRecogniser):
        return f"all of a clip, of which the file itself takes {form.frames}"
    if not form.any_length:
        return f"always {form.frames}, since the model is made for that length"
    return f"at least {form.least}, of which {form.least - 1} are seen and not predicted" if form.least > 1 else ""


if __name__ == "__main__":
    run_command(parser(), main)
