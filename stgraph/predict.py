"""python -m stgraph.predict KEYPOINTS --out FILE ...: what a trained run says of the people in a video.

Reads what any pose estimator wrote: OpenPose folders, COCO, AlphaPose, MMPose, Detectron2, Ultralytics, MediaPipe,
SLEAP, DeepLabCut, PoseTrack, arrays, CSV. What --exp is decides what comes out; each file's format is by its ending.

A lifter (by default the one that ships) gives 3D motion as .npz, .csv, .json, .bvh, .trc, .c3d, .html, .gif or .mp4; a
recogniser every person's classes over time as .csv, .json or .png; pose dynamics identities as .json, .gif or .mp4.
"""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, keypoint_settings
from stgraph.cli.options import engine_options, positive
from stgraph.cli.task_options import add_task_options, chosen_options
from stgraph.formats.files import check_kept
from stgraph.settings.places import LIFTER, weights_file


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.predict", description=__doc__)
    add = arguments.add_argument
    add("input", type=Path, metavar="KEYPOINTS", help="a file or a folder")
    add("--out", type=Path, nargs="+", required=True, metavar="FILE", help="one or several, in the formats above")
    add("--exp", default=LIFTER, help="a trained run or its .safetensors file (%(default)s: the lifter that ships)")
    add("--video", default="", help="name of one of several videos in the input")
    add("--fps", type=float, help="frames per second of the video (that of the file, else 30)")
    add("--seconds", type=float, default=20.0, help="of a .gif or .mp4 (%(default)g)")
    add_task_options(arguments, "predict_options")
    keypoint_options(arguments)
    engine_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    for name in ("fps", "seconds"):
        positive(name, getattr(args, name))
    weights_file(args.exp)  # a wrong name is refused before anything is read
    from stgraph.formats.keypoints.read import read_keypoints
    from stgraph.training.engine import Engine
    from stgraph.training.progress import progress_of
    from stgraph.training.task_run import TaskRun

    run = TaskRun.load(args.exp, Engine(args.device, precision=args.precision))
    options = chosen_options(args, run.entry, "predict_options")
    run.check_outputs(args.out)
    for path in args.out:
        check_kept("--out", path, [args.input, *(value for value in options.values() if isinstance(value, Path))])
    keypoints = read_keypoints(args.input, video=args.video, fps=args.fps, **keypoint_settings(args))
    with progress_of(keypoints.name) as progress:
        prediction = run.predict(keypoints, progress=progress, **options)
    print(f"{keypoints.name} ({keypoints.format})")
    for line in prediction.summary:
        print(line)
    for note in prediction.notes:
        print(f"  {note}")
    for path in args.out:
        for saved in prediction.save(path, seconds=args.seconds):
            print(f"{saved.path}{': ' if saved.note else ''}{saved.note}", flush=True)


if __name__ == "__main__":
    run_command(parser(), main)
