"""python -m stgraph.predict INPUT --out FILE ...: what a trained run says of the people in a video.

Reads what any pose estimator wrote: OpenPose folders, COCO, AlphaPose, MMPose, Detectron2, Ultralytics, MediaPipe,
SLEAP, DeepLabCut, PoseTrack, arrays, CSV; or the video itself, in which rtmlib finds the people. What --exp is decides
what comes out; each file's format is by its ending.

A lifter (by default the one that ships) gives 3D motion as .npz, .csv, .json, .bvh, .trc, .c3d, .html, .gif or .mp4; a
recogniser every person's classes over time as .csv, .json or .png; pose dynamics identities as .json, .gif or .mp4.

With --live a lifter or a recogniser answers frame by frame: JSON lines on standard output for those on standard input
(stgraph/README.md states the two forms).
"""

import argparse
import sys
from io import BufferedIOBase, TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, keypoint_settings, video_estimator, video_options
from stgraph.cli.options import engine_options, positive
from stgraph.cli.task_options import add_task_options, chosen_options
from stgraph.errors import InputError
from stgraph.formats.files import check_kept
from stgraph.settings.places import LIFTER, weights_file

if TYPE_CHECKING:
    from stgraph.training.task_run import TaskRun


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.predict", description=__doc__)
    add = arguments.add_argument
    add("input", type=Path, nargs="?", metavar="INPUT", help="keypoints, a file or a folder; or a video")
    add("--out", type=Path, nargs="+", metavar="FILE", help="one or several, in the formats above")
    add("--live", action="store_true", help="frames come as JSON lines on standard input, and answers go out as such")
    add("--exp", default=LIFTER, help="a trained run or its .safetensors file (%(default)s: the lifter that ships)")
    add("--video", default="", help="name of one of several videos in the input")
    add("--fps", type=float, help="frames per second of the video (that of the file, else 30)")
    add("--seconds", type=float, default=20.0, help="of a .gif or .mp4 (%(default)g)")
    add_task_options(arguments, "predict_options")
    keypoint_options(arguments)
    video_options(arguments)
    engine_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    for name in ("fps", "seconds"):
        positive(name, getattr(args, name))
    check_form(args)
    weights_file(args.exp)  # a wrong name is refused before anything is read
    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    run = TaskRun.load(args.exp, Engine(args.device, precision=args.precision))
    options = chosen_options(args, run.entry, "predict_options")
    (answer_lines if args.live else predict_file)(args, run, options)


def check_form(args: argparse.Namespace) -> None:
    """Raises InputError for what one of the two forms of the command lacks, or does not take."""
    if args.live:
        if args.input or args.out:
            found, expected = f"{args.input or '--out'}", "standard input and standard output alone"
            raise InputError(where="--live", found=found, expected=expected, remedy="leave it out")
        if not args.image_size:
            raise InputError("the image's size is not known", where="--live", remedy="give it: --image-size 1920x1080")
    elif not args.input or not args.out:
        missing = "the input" if not args.input else "--out"
        raise InputError(f"{missing} is missing", where="predict", remedy="give INPUT --out FILE, or --live")


def answer_lines(args: argparse.Namespace, run: "TaskRun", options: dict[str, Any]) -> None:
    """Answer standard input."""
    from stgraph.cli.live import LiveLines, run_lines

    settings, fps = keypoint_settings(args), args.fps or 30.0
    lines = LiveLines(lambda joints: run.stream(settings["size"], fps, joints, **options), args.layout, fps)
    run_lines(lines, cast(BufferedIOBase, sys.stdin.buffer), cast(TextIOBase, sys.stdout))


def predict_file(args: argparse.Namespace, run: "TaskRun", options: dict[str, Any]) -> None:
    """Predict a video, and write the files."""
    from stgraph.formats.keypoints.read import kind_of, read_keypoints
    from stgraph.training.progress import progress_of

    run.check_outputs(args.out)
    inputs = [args.input, *(value for value in options.values() if isinstance(value, Path))]
    for path in args.out:
        check_kept("--out", path, inputs, kind_of)
    about, estimator = keypoint_settings(args), video_estimator(args)
    keypoints = read_keypoints(args.input, video=args.video, fps=args.fps, estimator=estimator, **about)
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
