"""python -m stgraph.track --exp NAME --in FILE --out FILE: give the people of a video identities, and fill their gaps.

Reads and writes PoseTrack18 JSON; identities that the input has are not looked at. NAME is a trained run of pose
dynamics, or hold, velocity or kalman, which need no training.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from stgraph.cli.command import run_command
from stgraph.cli.numbers import picture_size
from stgraph.cli.options import engine_options
from stgraph.errors import InputError
from stgraph.figures.clip import Clip
from stgraph.figures.people import TrackedPeople, animate_people
from stgraph.formats.posetrack import Video, read_videos, write_video
from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.run import DynamicsRun
from stgraph.tracking.predictors import PREDICTORS, Predictor, find_predictor
from stgraph.tracking.tracker import MARKS, PREDICTED, Tracker, follow
from stgraph.training.engine import Engine
from stgraph.training.run import Run

FPS = 25.0  # where neither the file nor the command says


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.track", description=__doc__)
    named = ", ".join(PREDICTORS)
    arguments.add_argument("--exp", required=True, help=f"a trained run or its .safetensors file, or {named}")
    arguments.add_argument(
        "--in", dest="input", type=Path, required=True, metavar="PATH", help="a JSON file, or a folder of them"
    )
    arguments.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="the JSON file to write, or for a folder a folder"
    )
    arguments.add_argument(
        "--gif", type=Path, metavar="FILE", help="draw the result, a colour a person: .gif or .mp4 (or a folder)"
    )
    arguments.add_argument("--fps", type=float, help=f"frames per second of the video (as the file says, else {FPS:g})")
    arguments.add_argument(
        "--start", type=float, default=0.0, help="seconds into the video that are drawn from (%(default)s)"
    )
    arguments.add_argument("--seconds", type=float, default=10.0, help="of the drawing (%(default)s)")
    arguments.add_argument("--size", default="960x600", help="of the drawing, width and height in pixels (%(default)s)")
    arguments.add_argument("--rate", type=float, default=12.5, help="frames a second to draw (%(default)s)")
    arguments.add_argument("--bitrate", type=int, default=1500, help="of an MP4, kbit/s (%(default)s)")
    tracker = arguments.add_argument_group("tracker")
    for name, (kind, text) in OPTIONS.items():
        tracker.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    engine_options(arguments)
    return arguments


OPTIONS = {
    "gate": (float, "least OKS of a match"),
    "confirm": (int, "frames in which a person has to be detected to be reported"),
    "sure": (float, "score of a detection that is reported at once"),
    "least": (float, "score below which a detection begins no person"),
    "proven": (int, "frames in which a person has to be detected to be reported while it is not"),
    "linger": (float, "seconds that a person is reported without being detected"),
    "likely": (float, "chance of being right from which a predicted joint is reported"),
    "max_age": (float, "seconds that a person is remembered without being detected"),
    "duplicate": (float, "OKS from which two detections are one person"),
}


def predictor_of(args: argparse.Namespace) -> tuple[Predictor, Skeleton | None]:
    """The predictor that the command names, and the skeleton that it is for; None for any."""
    if args.exp in PREDICTORS:
        return find_predictor(args.exp), None
    try:
        run = Run.load(args.exp, Engine(args.device, precision=args.precision))
    except InputError as error:
        raise InputError(f"--exp {args.exp}: {error}; {', '.join(PREDICTORS)} need no training") from error
    if not isinstance(run, DynamicsRun):
        raise InputError(
            f"--exp {args.exp}: is a run of task {run.settings.task['name']!r}; tracking takes one of task 'dynamics', "
            f"or {', '.join(PREDICTORS)}"
        )
    if run.settings.data.channels != 2:
        raise InputError(f"--exp {args.exp}: predicts 3D poses; PoseTrack's files are 2D, train with data.detector")
    return run.predictor(), run.skeleton


def suited(video: Video, skeleton: Skeleton | None, path: Path) -> Video:
    """The video with the joints that the predictor is for, found by their names."""
    if skeleton is None or skeleton.names == video.skeleton.names:
        return video
    if missing := [name for name in skeleton.names if name not in video.skeleton.names]:
        raise InputError(
            f"{path}: its joints are {', '.join(video.skeleton.names)}; the run is for {', '.join(skeleton.names)}, of "
            f"which {', '.join(missing)} are missing; train on such joints, or use {', '.join(PREDICTORS)}"
        )
    joints = skeleton.select_from(video.skeleton)
    return replace(video, pose=video.pose[:, joints], skeleton=skeleton)


def draw(video: Video, path: Path, fps: float, args: argparse.Namespace, title: str) -> Path:
    """The people of a stretch of the video, in a colour each."""
    first, count = round(args.start * fps), max(1, round(args.seconds * fps))
    if first >= len(video):
        raise InputError(f"--start {args.start:g}: {video.name} is {len(video) / fps:.1f} s long; start earlier")
    rows = (video.frame >= first) & (video.frame < first + count)
    pose = np.where(video.pose[rows, :, 2:] > 0, video.pose[rows, :, :2], np.nan)
    image = video.size or tuple(np.ceil(np.nanmax(pose, axis=(0, 1), initial=1)).astype(int).tolist())
    guessed = video.mark[rows] == PREDICTED
    frames = min(count, len(video) - first)
    people = TrackedPeople(video.frame[rows] - first, video.person[rows], pose, guessed, image, frames)
    caption = f"{len(np.unique(video.person[rows]))} people by {args.exp}; {int(guessed.sum()):,} joints predicted"
    clip = Clip(fps, args.rate, picture_size(args.size), args.bitrate, title, caption)
    return animate_people(people, video.skeleton, path, clip)


def summary(video: Video, detected: Video, path: Path) -> str:
    """A line about what was found."""
    counts = np.bincount(video.mark.ravel(), minlength=len(MARKS))
    marks = ", ".join(f"{count:,} {name}" for name, count in zip(MARKS[1:], counts[1:], strict=True))
    return (
        f"{path}: {video.name}, {len(video)} frames, {len(detected.frame):,} detections became {len(video.frame):,} "
        f"poses of {len(np.unique(video.person))} people; joints: {marks}"
    )


def main(args: argparse.Namespace) -> None:
    for option in ("fps", "seconds"):
        value = getattr(args, option)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"--{option} {value:g}: expected a finite number above 0")
    if not 0 <= args.start < math.inf:
        raise InputError(f"--start {args.start:g}: expected a finite number of 0 or more")
    videos = read_videos(args.input)
    several = args.input.is_dir() or len(videos) > 1
    for option, path, endings in (("--out", args.out, (".json",)), ("--gif", args.gif, (".gif", ".mp4"))):
        if path and not several and path.suffix.lower() not in endings:
            raise InputError(f"{option} {path}: expected a file ending in {' or '.join(endings)}")
    if args.out.exists() and args.input.exists() and args.out.samefile(args.input):
        raise InputError(f"--out {args.out}: is the input and would be lost; give another --out")
    if args.gif:
        picture_size(args.size)
        Clip(FPS, args.rate, bitrate=args.bitrate).check(args.gif if not several else args.gif / "name.gif")
    predictor, skeleton = predictor_of(args)
    given = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    for video in videos:
        fps = args.fps or video.fps or FPS
        video = suited(video, skeleton, args.input)
        tracked = follow(Tracker(predictor, video.skeleton, size=video.size, **given), video, fps)
        name = video.name.replace("/", "_")
        path = args.out / f"{name}.json" if several else args.out
        write_video(replace(tracked, fps=fps), path)
        print(summary(tracked, video, path), flush=True)
        if args.gif:
            picture = args.gif / f"{name}.gif" if several else args.gif
            print(draw(tracked, picture, fps, args, video.name), flush=True)


if __name__ == "__main__":
    run_command(parser(), main)
